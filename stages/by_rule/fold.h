// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "schemas/records.pb.h"
#include "stages/by_rule/stage.h"
#include "stages/report/outbreak.h"

namespace gyre::stages {

/// Hash of whom a contribution is about, for Group's lists; 16 bytes, or empty: it has none. A
/// scheduled job's containers run wherever there is room: they have a workload, but no host.
std::string host_of(const records::Contribution& contribution);
std::string workload_of(const records::Contribution& contribution);

/// A member of the group's open outbreak: seen since it began, and counting when it joined.
bool belongs(const records::OutbreakMember& member, const records::Group& group);

/// Everything that the group's open outbreak has to say, from all of its members.
OutbreakContent fold(const records::Group& group, std::string_view rule_key,
                     const OutbreakConfig& config, const state::Transaction& state);

}  // namespace gyre::stages
