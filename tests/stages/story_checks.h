// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "schemas/report.h"
#include "tests/stages/fleet_case.h"

namespace gyre::stages {

/// An incident holds every finding of its entity that was known when it opened and not older than
/// the gap, and every one after it; it counts them all, listed or not, and lasts as long as they
/// do. For orderly cases whose reports were all closed.
void check_incidents(const Case& given, const std::vector<schemas::Report>& reports);

/// A finding names the losses of its sensor while it lasted, as far as they were known; what a
/// report has said of them stands in all that it says later.
void check_blind_spots(const Case& given, const std::vector<schemas::Report>& reports);

}  // namespace gyre::stages
