// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

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

/// How many tactics were entered one after the other in the order of the matrix: a finding is one
/// step, whatever its rule's tags name.
std::size_t tactics_in_order(const records::Incident& incident);

/// `incident.members` are sorted by (first, id). `closed_because` is empty while it is open. The
/// order of keys and their names are DESIGN 8.1.
schemas::Report write_incident(const records::EntityState& entity,
                               const records::Incident& incident, const Judgement& judgement,
                               const Playbooks& playbooks, std::string_view closed_because,
                               const Revision& revision, const Producer& producer);

}  // namespace gyre::stages
