// SPDX-License-Identifier: Apache-2.0
#include "pipeline/clock.h"

#include <chrono>

namespace gyre::pipeline {

Nanos wall_clock() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace gyre::pipeline
