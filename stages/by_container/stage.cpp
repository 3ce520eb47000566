// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/stage.h"

#include <algorithm>

#include "schemas/identity.h"
#include "schemas/sighting.h"
#include "stages/by_container/duplicates.h"
#include "stages/by_container/second.h"
#include "stages/sources.h"

namespace gyre::stages {

namespace {

Nanos watermark(const records::Checkpoint& checkpoint, const FindingConfig& config) {
  const Nanos stream = stream_time(checkpoint);
  return stream == kNoTime ? kNoTime : stream - config.lateness * kNanosPerSecond;
}

}  // namespace

void ByContainer::process(const records::Bundle& bundle, state::Transaction& state,
                          std::vector<schemas::Report>& reports,
                          std::vector<records::Contribution>& contributions) {
  records::Checkpoint checkpoint = state.checkpoint();
  records::Counters& counters = *checkpoint.mutable_counters();
  if (is_replay("by_container", bundle, checkpoint)) {
    counters.set_replays_dropped(counters.replays_dropped() + 1);
    state.put(checkpoint);
    return;
  }
  const std::size_t reports_before = reports.size();
  checkpoint.set_sources(bundle.sources());
  const Nanos at = watermark(checkpoint, config_);
  for (const records::Sighting& sighting : bundle.sightings())
    fold(sighting, at, checkpoint, state);
  if (bundle.part() + 1 == bundle.parts()) {
    const Second before = second_of(std::max<Nanos>(at, 0)) / 60;
    account("by_container", bundle, checkpoint);
    const Nanos after = watermark(checkpoint, config_);
    if (after != kNoTime && second_of(after) / 60 != before)
      forget_expired(after, config_.duplicate_horizon, state);
    decide_until(checkpoint, state, reports, contributions);
  }
  counters.set_reports(counters.reports() + reports.size() - reports_before);
  state.put(checkpoint);
}

void ByContainer::fold(const records::Sighting& sighting, Nanos watermark,
                       records::Checkpoint& checkpoint, state::Transaction& state) {
  records::Counters& counters = *checkpoint.mutable_counters();
  checkpoint.set_outstanding(checkpoint.outstanding() + sighting.arrivals());
  records::Sighting folded = sighting;
  records::Counts& counts = *folded.mutable_counts();
  const Id128 entity = schemas::entity_hash(sighting.entity());
  if (count_distinct(sighting, view(entity), watermark, config_.duplicate_horizon, state, counts))
    folded.mutable_summary()->set_flags(folded.summary().flags() | schemas::kMayRepeat);
  const bool late = watermark != kNoTime && (sighting.second() + 1) * kNanosPerSecond <= watermark;
  if (late) counts.set_late(counts.alerts());
  counters.set_folded(counters.folded() + counts.alerts());
  counters.set_duplicate(counters.duplicate() + counts.duplicates());
  counters.set_late(counters.late() + counts.late());
  if (sighting.heartbeat()) {
    counters.set_heartbeats(counters.heartbeats() + counts.alerts());
    return;
  }
  folded.clear_alerts();
  folded.clear_arrivals();
  const Second decision = std::max(sighting.second(), checkpoint.decided() + 1);
  if (const auto pending = state.pending(decision, sighting.finding_key(), sighting.second()))
    schemas::merge(folded, *pending);
  state.put_pending(decision, folded);
}

void ByContainer::decide_until(records::Checkpoint& checkpoint, state::Transaction& state,
                               std::vector<schemas::Report>& reports,
                               std::vector<records::Contribution>& contributions) {
  const Nanos stream = stream_time(checkpoint);
  if (stream == kNoTime) return;
  // Second S is decided when the stream has reached S + 1 s + disorder (ruling 17).
  const Second last = second_of(stream) - 1 - config_.disorder;
  for (auto due = state.next_due(checkpoint.decided()); due && *due <= last;
       due = state.next_due(checkpoint.decided())) {
    checkpoint.set_decided(*due);
    SecondDecision(*due, config_, playbooks_, producer_, state, reports, contributions)
        .decide(*checkpoint.mutable_counters());
  }
  checkpoint.set_decided(std::max(checkpoint.decided(), last));
}

}  // namespace gyre::stages
