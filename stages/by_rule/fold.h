// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "schemas/records.pb.h"
#include "stages/by_rule/stage.h"
#include "stages/report/outbreak.h"

namespace gyre::stages {

/// Everything that the group's open outbreak has to say at a second, from all of its members.
OutbreakContent fold(const records::Group& group, std::string_view rule_key, Second now,
                     const OutbreakConfig& config, const state::Transaction& state);

}  // namespace gyre::stages
