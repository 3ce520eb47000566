// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/time.h"

namespace gyre::pipeline {

/// What this machine's clock says. The stages never ask: their time is the events'.
Nanos wall_clock();

}  // namespace gyre::pipeline
