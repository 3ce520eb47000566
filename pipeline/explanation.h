// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/identity.h"
#include "schemas/reader.h"
#include "stages/intake/understand.h"
#include "stages/report/judge.h"
#include "stages/report/playbook.h"

namespace gyre::pipeline {

/// What stands in the shape otherwise than in the alert.
struct TakenOut {
  std::string_view field;
  std::string_view from;
  std::string to;
};

/// One alert and all that is decided about it alone.
struct Explanation {
  const schemas::Reading& reading;
  const schemas::Alert& alert;  ///< redacted
  stages::Understanding is;
  std::vector<schemas::IdentityPart> parts;  ///< of the duplicate id, redacted
  std::vector<TakenOut> taken_out;
  bool sensor = false;  ///< then there is no playbook and no judgement (ruling 2)
  const stages::Playbook& playbook;
  std::string why_playbook;  ///< empty: it names the rule
  stages::Judgement judgement;
};

/// For people: a block of lines an alert. Whoever raised it chose its strings: nothing of them may
/// steer a terminal.
std::string explain_as_text(std::size_t line, const Explanation& explanation);
std::string reject_as_text(std::size_t line, const schemas::Reading& reading);

/// For programs: one object. Keys without a value are left out.
std::string explain_as_json(std::size_t line, const Explanation& explanation);
std::string reject_as_json(std::size_t line, const schemas::Reading& reading);

}  // namespace gyre::pipeline
