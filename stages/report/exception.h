// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "schemas/playbook.pb.h"
#include "schemas/records.pb.h"
#include "stages/report/facts.h"

namespace gyre::stages {

/// A Falco rules file that excepts just what the finding's evidence shows: the image (or, on a
/// host, the program's path; elsewhere the object) and all of the fields that the playbook names,
/// but those that alerts of this kind never hold. Nothing where that would be too wide, or where a
/// value could be read as more than itself: Falco builds its condition by joining strings.
std::optional<std::string> falco_exception(const playbook::Playbook& playbook,
                                           const records::Series& series, const Facts& facts);

/// Which of these fields the alerts could hold and don't: what keeps an exception from being made.
std::vector<std::string> missing_for_exception(const playbook::Playbook& playbook,
                                               const records::Series& series, const Facts& facts);

}  // namespace gyre::stages
