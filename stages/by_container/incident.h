// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "schemas/records.pb.h"
#include "schemas/report.h"
#include "stages/by_container/finding.h"
#include "stages/by_container/stage.h"

namespace gyre::stages {

/// What the decision of one entity's incident at one event-time second stands in.
struct IncidentContext {
  Second now;
  const FindingConfig& config;
  const Playbooks& playbooks;
  const Producer& producer;
  const records::EntityState* sensor;  ///< of the host whose sensor saw it; null: none
};

/// Decides the incident of one entity at event-time second `context.now`, after its findings: takes
/// note of the findings told at this second, opens an incident (DESIGN 7), tells what changed,
/// closes it. An incident speaks of its members as their own reports do. It lives at least one gap,
/// so that no two of an entity open in one unit of their ids. A finding belongs to one incident at
/// most, and learns its id with its next revision. Sets `entity.due`; 0 means that the entity can
/// be erased.
void decide_incident(std::string_view entity_hash, records::EntityState& entity,
                     const std::vector<Told>& told, const IncidentContext& context,
                     state::Transaction& state, std::vector<schemas::Report>& reports);

}  // namespace gyre::stages
