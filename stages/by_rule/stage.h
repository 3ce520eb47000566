// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "schemas/records.pb.h"
#include "schemas/report.h"
#include "stages/allowance.h"
#include "stages/elsewhere.h"
#include "stages/report/write.h"
#include "state/transaction.h"

namespace gyre::stages {

/// When one rule and shape in several places is an outbreak (DESIGN 7, ruling 30). Seconds of event
/// time.
struct OutbreakConfig {
  std::uint32_t hosts = 3;
  std::uint32_t workloads = 5;
  Second window = 30 * 60;      ///< of the hosts' and workloads' sightings
  std::uint32_t recurring = 3;  ///< containers of one workload
  Second recurring_window = 24 * 3600;
  Second rollout = 10 * 60;  ///< within which the containers of a rollout start
  Second quiet = 60 * 60;    ///< below half the threshold for so long: closed
  Second max_age = 24 * 3600;
  Second staleness = 300;  ///< so old may be what a contribution tells of (see longest_delay)
  std::uint64_t members = 10'000;  ///< kept of a rule and shape: beyond it counts are lower bounds
  Elsewhere<OutbreakConfig> elsewhere = {};

  /// What holds for a tenant's rule.
  const OutbreakConfig& of(std::string_view tenant, std::string_view rule) const {
    const OutbreakConfig* other = elsewhere.find(tenant, rule);
    return other == nullptr ? *this : *other;
  }
};

/// Groups across containers and hosts: folds contributions into outbreaks, says reports. A function
/// of (bundle, state): reads no clock. One object a task, one thread.
class ByRule {
 public:
  ByRule(const OutbreakConfig& config, Producer producer)
      : config_(config), producer_(std::move(producer)) {}

  /// Folds one bundle of by_container, then proceeds. A partial overlap of offsets, or counters
  /// that do not add up, throw Refusal.
  void process(const records::Bundle& bundle, state::Transaction& state, Allowance& allowance,
               std::vector<schemas::Report>& reports);
  /// Decides the seconds that all partitions of by_container have decided, as far as the allowance
  /// goes. Reports are appended in the order of their decision. How much is decided by which call
  /// can't be seen in any report.
  void proceed(state::Transaction& state, Allowance& allowance,
               std::vector<schemas::Report>& reports);
  /// Whether `proceed` has something left to do.
  bool is_behind(const state::Transaction& state) const;

 private:
  const OutbreakConfig& config_;
  Producer producer_;
};

}  // namespace gyre::stages
