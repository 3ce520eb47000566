// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "pipeline/status.h"

namespace gyre::pipeline {

/// What is so now: the tasks, as `status` has them, and the process. Made anew for each scrape:
/// what is held no more can leave nothing behind.
std::vector<prometheus::MetricFamily> gauges(const Status& status);

}  // namespace gyre::pipeline
