// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "stages/by_rule/stage.h"

namespace gyre::stages::outbreak_model {

inline constexpr Second kStart = 1'800'000'000;

/// A contribution of one rule and shape; times are after kStart.
struct Given {
  Second at;
  int host;
  int container;  ///< of that host
  int owner;      ///< -1: host and image are the workload; -2: none is known
  int cluster;
  bool scheduled;
  bool counting;
  Second old;     ///< the sighting was so long before the decision
  Second lasted;  ///< the finding began so long before the sighting
  int finding;
  std::uint64_t alerts;
  std::uint64_t copies;
  Second added;  ///< the first of the alerts was seen so long before the sighting

  Nanos last() const { return (at - old) * kNanosPerSecond + host; }
  Nanos first() const { return last() - lasted * kNanosPerSecond; }

  Nanos added_first() const { return last() - added * kNanosPerSecond; }

  std::string entity() const { return fmt::format("{}/{}/{}", cluster, host, container); }
  std::string machine() const { return fmt::format("{}/{}", cluster, host); }
  std::string workload() const {
    if (owner == -2) return {};
    return owner < 0 ? fmt::format("node-{}/image", host)
                     : fmt::format("cluster-{}/space-{}/owner-{}/main", cluster, owner % 2, owner);
  }
};

/// What was said, a line a revision, sorted.
using Lines = std::vector<std::string>;

/// A revision; times are after kStart.
struct Said {
  Second at;
  std::string group;
  std::string reason;
  std::uint64_t members, hosts, alerts, copies;
  Nanos first, last;
};
inline std::string line(const Said& said) {
  const auto time = [](Nanos after) { return format_rfc3339(kStart * kNanosPerSecond + after); };
  return fmt::format("{:06} {} {} members={} hosts={} alerts={} copies={} from {} to {}", said.at,
                     said.group, said.reason, said.members, said.hosts, said.alerts, said.copies,
                     time(said.first), time(said.last));
}

/// What by_rule has to say of these contributions (by time) until `end`: decided in every second
/// anew, from all that was ever contributed.
Lines naive_outbreaks(const OutbreakConfig& config, const std::vector<Given>& all, Second end);

}  // namespace gyre::stages::outbreak_model
