// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <time.h>

#include "base/check.h"

namespace gyre {

/// Processor time, which nobody else's work adds to: of CLOCK_PROCESS_CPUTIME_ID or of this
/// thread, CLOCK_THREAD_CPUTIME_ID.
inline double cpu_seconds(clockid_t clock) {
  timespec now{};
  CHECK(clock_gettime(clock, &now) == 0);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace gyre
