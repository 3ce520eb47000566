// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "tests/stages/fleet_case.h"

namespace gyre::stages {

/// What the last revision of a finding says.
struct Final {
  std::string previous_id;
  std::string first_seen, last_seen, closed_because, time, priority;
  std::uint64_t alerts = 0, duplicates = 0, succeeded = 0, blocked = 0, unknown = 0;
  auto operator<=>(const Final&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Final& final) {
  return out << final.first_seen << " .. " << final.last_seen << ' ' << final.closed_because << " @"
             << final.time << ' ' << final.priority << ' ' << final.alerts << '+'
             << final.duplicates << " (" << final.succeeded << ' ' << final.blocked << ' '
             << final.unknown << ") after " << final.previous_id;
}

struct Line {  // a revision
  Second second;
  std::string id, reason;
  std::uint64_t alerts;
  auto operator<=>(const Line&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Line& line) {
  return out << line.id << ' ' << line.reason << " @" << line.second - kStart << " of "
             << line.alerts;
}

/// What has to come of a case.
struct Model {
  std::map<std::string, Final> finals;
  std::vector<Line> lines;  ///< of findings, sorted; they hold for quiet cases only
};

/// The whole input in memory, decided second by second from the rules as written (DESIGN 6 and 7,
/// rulings 17 to 22), with none of the stage's code. For orderly cases without overflow.
Model run_model(const Case& given);

}  // namespace gyre::stages
