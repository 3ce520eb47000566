// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "schemas/records.pb.h"
#include "schemas/report.h"
#include "stages/report/judge.h"
#include "stages/report/playbook.h"

namespace gyre::stages {

/// What is the same in every report of a run (`produced_by`).
struct Producer {
  std::string version;
  std::string config_hash;
};

/// Why and when this revision is published.
struct Revision {
  std::uint32_t number = 1;
  std::string_view reason;  ///< of the fixed list of DESIGN 8.1
  Second decided = 0;       ///< `time`
  Second closes_after = 0;  ///< when it closes unless something comes; not written once closed
  std::string_view closed_because = {};              ///< empty while it is open
  std::vector<records::BlindSpot> blind_spots = {};  ///< of its sensor, within its span
};

/// Floor of log10, 0 for fewer than 10: that a count passes it is a reason to say so.
inline int magnitude(std::uint64_t count) {
  int digits = 0;
  for (; count >= 10; count /= 10) ++digits;
  return digits;
}

/// A finding or, when the rule is about the sensor (`is_sensor_health`), a sensor_health report
/// (ruling 2: no verdict, risk, priority or outcome). The order of keys and their names are
/// DESIGN 8.1.
schemas::Report write_finding(const Finding& finding, const Judgement& judgement,
                              const Playbooks& playbooks, const Revision& revision,
                              const Producer& producer);

}  // namespace gyre::stages
