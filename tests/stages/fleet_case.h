// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "tests/stages/container_task.h"

namespace gyre::stages {

inline constexpr Second kEnd = 40'000;  // after kStart: everything has closed and is forgotten

/// A random fleet's alerts and how they are to be grouped.
struct Case {
  std::vector<Given> alerts;  ///< by time; copies are equal elements
  FindingConfig config;       ///< with numbers so small that a case meets every border
  bool quiet = false;         ///< all is alike but counts and times: each revision can be foreseen
  bool tight = false;         ///< findings overflow, which the model does not foresee
  bool stamped = false;       ///< copies whose records were stamped before the alert's own time
  Second disorder = 2;        ///< up to it alerts come out of order, in seconds

  /// Order can't be seen, and the model foresees the last revisions.
  bool is_orderly() const { return disorder <= config.disorder; }
};

Case make_case(std::uint64_t seed);

inline Nanos time_of(const Given& given) {
  return (kStart + given.at) * kNanosPerSecond + given.nanos;
}

}  // namespace gyre::stages
