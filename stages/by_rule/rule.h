// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/records.pb.h"
#include "schemas/report.h"
#include "stages/by_rule/group.h"

namespace gyre::stages {

/// What there is to decide of one rule key at a second.
struct RuleWork {
  std::string tenant, rule;
  std::vector<records::Contribution> contributions;
  std::set<std::string> due;  ///< keys of its groups whose timer fires
};

/// Decides one rule and shape of a tenant: takes note of its members, then decides the outbreak
/// over hosts and workloads, then those of single workloads, for which there is what the first
/// leaves. `open` follows the number of open outbreaks.
void decide_rule(const std::string& rule_key, const RuleWork& work, const OutbreakContext& context,
                 state::Transaction& state, std::int64_t& open,
                 std::vector<schemas::Report>& reports);

}  // namespace gyre::stages
