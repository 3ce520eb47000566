// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/records.pb.h"
#include "schemas/report.h"
#include "stages/by_container/card.h"
#include "stages/by_container/stage.h"
#include "stages/report/judge.h"

namespace gyre::stages {

/// An episode that was published at this second: what an incident needs to know.
struct Told {
  records::Member member;
  bool counts_for_incidents = true;
  std::string incident_id;     ///< that it belongs to so far; empty: none
  bool asks_incident = false;  ///< the incident that it joins is to ask for it
  std::optional<records::Asked> asked = {};
  std::optional<records::LeftOut> left_out = {};  ///< as its incident counts it, not listing it
};

/// What came of the decision of a finding key.
struct FindingDecision {
  std::vector<Told> told;
  std::vector<records::Episode> dropped;  ///< no longer of the series
};

/// What the decision of one finding key at one event-time second stands in.
struct FindingContext {
  Second now;
  const FindingConfig& config;
  const Playbooks& playbooks;
  const Producer& producer;
  const records::EntityState& entity;
  const records::EntityState* sensor;  ///< of the host whose sensor saw it; null: none
  const records::Flash* flash;         ///< of this key, not settled yet; null: none
  Learned learned;                     ///< of the entity's card, at this second
  const FindingConfig& incidents;      ///< what holds for the entity's incidents
  std::size_t told = 0;                ///< findings of the entity published this second already
};

/// A new series is of the key that the sighting has.
void describe(const records::Sighting& sighting, records::Series& series);

/// Decides one finding key on the sightings of seconds up to `context.now`: joins them to episodes
/// (ruling 21), opens, settles, updates, closes and drops episodes (DESIGN 7), appends the
/// revisions due. `series` is changed in place, its `due` is set; no episodes and `due` 0 mean that
/// it can be erased. `counters` follow the number of open episodes and what overflowed.
FindingDecision decide_finding(std::string_view finding_key, records::Series& series,
                               const std::vector<records::Sighting>& sightings,
                               const FindingContext& context, records::Counters& counters,
                               std::vector<schemas::Report>& reports);

/// Publishes the first revision of `episode`, which is one of `series`, on all that is known now.
void publish_first(std::string_view finding_key, records::Series& series, records::Episode& episode,
                   const FindingContext& context, std::vector<schemas::Report>& reports);

}  // namespace gyre::stages
