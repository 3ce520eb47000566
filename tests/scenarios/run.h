// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/scenarios/scenario.h"

namespace gyre::scenarios {

/// How a scenario is cut: none of it may be seen in a report.
struct Way {
  std::int32_t partitions = 1;  ///< of inner topics, and of the input where nothing says otherwise
  std::size_t batch = 1000;
  Nanos slice = kNanosPerSecond;  ///< of arrivals that are appended before Gyre goes on
  bool backlog = false;           ///< everything has arrived before Gyre starts
  std::string name() const;
};

struct Outcome {
  std::map<std::string, std::vector<nlohmann::json>> reports;  ///< by id, in order of publication
  std::uint64_t alerts = 0;                                    ///< distinct ones that were sent
  std::uint64_t copies = 0;
};

/// Plays the scenario on the embedded broker, with a clock that follows the arrivals, until
/// everything is closed.
Outcome run(const Scenario& scenario, const Way& way);

/// Everything that is not as demanded, each with the place of the demand.
std::vector<std::string> check(const Scenario& scenario, const Outcome& outcome);

/// What must be the same however it was cut (ruling 22): the last revision of each report.
std::map<std::string, std::string> closed_reports(const Outcome& outcome);

}  // namespace gyre::scenarios
