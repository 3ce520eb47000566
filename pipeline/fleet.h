// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/alert_template.h"

namespace gyre::pipeline {

struct FleetOptions {
  std::uint64_t seed = 1;
  std::uint32_t hosts = 1;
  std::uint64_t alerts = 0;      ///< there will be; the stories of a profile are told in alerts
  std::uint32_t attacks = 1;     ///< `mixed`: containers broken into, one after the other
  std::uint32_t findings = 200;  ///< `wide`: pairs of container and phenomenon that take turns
};

/// A seeded fleet: machines, the containers on them, and the alerts their sensors raise, as
/// falcosidekick writes them.
class Fleet {
 public:
  explicit Fleet(const FleetOptions& options);

  /// Write the alert of that time into `out` (cleared first). `index` places it in the profile's
  /// story.
  Emitted mixed(std::uint64_t index, Nanos time, std::string& out);
  Emitted flood(Nanos time, std::string& out);
  Emitted wide(std::uint64_t index, Nanos time, std::string& out);
  Emitted attack(std::uint64_t index, Nanos time, std::string& out);
  Emitted rollout(std::uint64_t index, Nanos time, std::string& out);

  void renew_uuid(std::string& alert) { writer_.renew_uuid(alert); }

  /// Whose containers `mixed` and `attack` break into.
  struct Victim {
    const Container& container;
    std::size_t steps;  ///< alerts of the break-in, one rule each
  };
  std::vector<Victim> victims() const;
  /// Pairs of container and phenomenon there are.
  std::size_t pairs() const { return containers_.size() * daily_.size(); }

 private:
  struct Step {
    std::uint64_t index;  ///< of the alert
    std::size_t victim;   ///< in victims_
    std::size_t phenomenon;
  };

  void build_hosts(std::uint32_t hosts);
  void plan_attacks(std::uint32_t attacks);
  Container make_container(std::size_t host, std::size_t workload, bool kubernetes);
  std::size_t noisy(std::size_t size, std::size_t habit);
  const Container& of_workload(std::size_t workload, std::size_t habit);
  const Container& machine(std::size_t habit);
  Emitted daily(Nanos time, std::string& out);

  FleetOptions options_;
  Dice dice_;
  AlertWriter writer_;
  std::vector<Container> machines_;
  std::vector<Container> containers_;
  std::vector<std::vector<std::size_t>> by_workload_;  ///< positions in containers_
  std::vector<Container> released_;  ///< `rollout`: one of the new version a machine
  Container tester_;                 ///< where Falco's event-generator runs
  std::vector<std::size_t> victims_;
  std::vector<Step> steps_;  ///< of all attacks of `mixed`, by index
  std::size_t next_step_ = 0;
  std::vector<AlertTemplate> daily_, machine_, test_run_, intrusion_, release_;
  std::vector<std::size_t> habit_of_;  ///< workload whose habit daily_[i] is
  AlertTemplate heartbeat_, drops_;
  std::uint64_t test_step_ = 0;
  std::uint64_t next_machine_ = 0;
  Nanos rollout_begin_ = 0;
};

}  // namespace gyre::pipeline
