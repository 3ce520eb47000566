// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "schemas/records.pb.h"
#include "schemas/report.h"
#include "stages/report/judge.h"
#include "stages/report/write.h"

namespace gyre::stages {

/// What we think of an incident, from what its members' reports say:
/// - risk (ruling 29): over its rules, of each the highest finding, by descending risk, weighted
///   with i^-1.5 in thousandths; every rule is a term, what exceeds 100 is one as well;
/// - attack: the tactics in the order of the matrix;
/// - suspicious if a member is, or if three tactics followed each other in the matrix's order.
Judgement judge_incident(const records::Incident& incident);

/// Which findings are steps of a chain.
enum class Steps { kAll, kHappened };

/// The longest row of tactics (ATT&CK ids) that were entered one after the other in the order of
/// the matrix. A finding is one step, whatever its rule's tags name, and so is a rule: that it
/// fires again begins nothing new.
std::vector<std::string_view> tactics_in_order(const records::Incident& incident, Steps steps);

/// `incident.members` are sorted by (first, id). The order of keys and their names are DESIGN 8.1.
schemas::Report write_incident(const records::EntityState& entity,
                               const records::Incident& incident, const Judgement& judgement,
                               const Playbooks& playbooks, const Revision& revision,
                               const Producer& producer);

}  // namespace gyre::stages
