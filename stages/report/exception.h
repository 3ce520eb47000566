// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "schemas/playbook.pb.h"
#include "schemas/records.pb.h"
#include "stages/report/facts.h"

namespace gyre::stages {

/// A Falco rules file that excepts just what the finding's evidence shows: the image (or, on a
/// host, the program's path; elsewhere the object) and the fields that the playbook names, as far
/// as the alerts hold few plain values for them. Nothing where that would be too wide, or where a
/// value could be read as more than itself: Falco builds its condition by joining strings.
std::optional<std::string> falco_exception(const playbook::Playbook& playbook,
                                           const records::Series& series, const Facts& facts);

}  // namespace gyre::stages
