// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

namespace gyre::pipeline {

/// What this process uses, from /proc/self (proc(5)).
struct ProcessUsage {
  double cpu_seconds = 0;
  double resident_bytes = 0;
  double virtual_bytes = 0;
  double open_files = 0;
  double max_files = 0;
  double threads = 0;
  double start_time = 0;  ///< Unix time, seconds
};

/// None where /proc is not as on Linux.
std::optional<ProcessUsage> process_usage();

}  // namespace gyre::pipeline
