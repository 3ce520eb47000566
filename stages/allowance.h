// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "schemas/report.h"

namespace gyre::stages {

/// What one batch may still decide. A jump of event time makes every open finding decidable at
/// once; what is beyond the allowance is decided by the next batches, with the same outcome, so
/// that neither a transaction nor memory grows with the number of findings.
class Allowance {
 public:
  explicit Allowance(std::size_t decisions = 10'000, std::size_t report_bytes = 16'000'000)
      : decisions_(decisions), report_bytes_(report_bytes) {}

  bool is_spent() const { return decisions_ == 0 || report_bytes_ == 0; }
  /// Of findings or outbreaks, published or not.
  void spend_decisions(std::size_t count) { take(decisions_, count); }
  /// The reports from `first` on.
  void spend_reports(const std::vector<schemas::Report>& reports, std::size_t first) {
    for (; first < reports.size(); ++first) take(report_bytes_, reports[first].json.size());
  }

 private:
  static void take(std::size_t& from, std::size_t amount) { from -= amount < from ? amount : from; }

  std::size_t decisions_;
  std::size_t report_bytes_;
};

}  // namespace gyre::stages
