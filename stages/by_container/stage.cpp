// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "schemas/identity.h"
#include "schemas/shape.h"
#include "schemas/sighting.h"
#include "stages/by_container/duplicates.h"
#include "stages/by_container/flash.h"
#include "stages/by_container/second.h"
#include "stages/sources.h"

namespace gyre::stages {

namespace {

Nanos watermark(const records::Checkpoint& checkpoint, const FindingConfig& config) {
  const Nanos stream = stream_time(checkpoint);
  return stream == kNoTime ? kNoTime : stream - config.lateness * kNanosPerSecond;
}

// Of the alerts, or of what they repeat. By the alerts' own clocks, whatever their records' stamps
// say.
Second newest_second(const records::Sighting& sighting, Second horizon) {
  Second newest = sighting.second();
  const std::size_t alerts = sighting.alerts().size() / schemas::kAlertEntryBytes;
  for (std::size_t i = 0; i < alerts; ++i) {
    const schemas::AlertEntry entry = schemas::alert_entry(sighting.alerts(), i);
    newest = std::max(newest, second_of(entry.time) + (entry.native_id ? horizon : 0));
  }
  return newest;
}

}  // namespace

void ByContainer::process(const records::Bundle& bundle, state::Transaction& state,
                          Allowance& allowance, std::vector<schemas::Report>& reports,
                          std::vector<records::Contribution>& contributions) {
  records::Checkpoint checkpoint = state.checkpoint();
  records::Counters& counters = *checkpoint.mutable_counters();
  if (is_replay("by_container", bundle, checkpoint)) {
    counters.set_replays_dropped(counters.replays_dropped() + 1);
    state.put(checkpoint);
    return;
  }
  checkpoint.set_sources(bundle.sources());
  const Nanos at = watermark(checkpoint, basis_.config);
  // A second that may be decided is decided without what comes now, whether it is decided already
  // or its turn has not come.
  const Second first_open = std::max(checkpoint.decided(), decidable(checkpoint)) + 1;
  const std::size_t before_fold = reports.size();
  for (const records::Sighting& sighting : bundle.sightings())
    fold(sighting, at, first_open, checkpoint, state, reports);
  counters.set_reports(counters.reports() + reports.size() - before_fold);
  allowance.spend_reports(reports, before_fold);
  const bool whole = bundle.part() + 1 == bundle.parts();
  if (whole) {
    const Second before = second_of(std::max<Nanos>(at, 0)) / 60;
    account("by_container", bundle, checkpoint);
    const Nanos after = watermark(checkpoint, basis_.config);
    if (after != kNoTime && second_of(after) / 60 != before)
      forget_expired(after, basis_.config.duplicate_horizon, state);
  }
  state.put(checkpoint);
  if (whole) proceed(state, allowance, reports, contributions);
}

void ByContainer::proceed(state::Transaction& state, Allowance& allowance,
                          std::vector<schemas::Report>& reports,
                          std::vector<records::Contribution>& contributions) {
  records::Checkpoint checkpoint = state.checkpoint();
  records::Counters& counters = *checkpoint.mutable_counters();
  const Second last = decidable(checkpoint);
  auto due = state.next_due(checkpoint.decided());
  while (due && *due <= last && !allowance.is_spent()) {
    const Second now = *due;
    const std::size_t before = reports.size();
    const std::size_t decisions =
        SecondDecision(now, basis_, state, reports, contributions).decide(counters);
    counters.set_reports(counters.reports() + reports.size() - before);
    allowance.spend_decisions(decisions);
    allowance.spend_reports(reports, before);
    due = state.next_due(checkpoint.decided());
    if (due != now) checkpoint.set_decided(now);  // else the next slice of it
  }
  if (!due || *due > last) checkpoint.set_decided(std::max(checkpoint.decided(), last));
  state.put(checkpoint);
}

bool ByContainer::is_behind(const state::Transaction& state) const {
  const records::Checkpoint checkpoint = state.checkpoint();
  return checkpoint.decided() < decidable(checkpoint);
}

Second ByContainer::decidable(const records::Checkpoint& checkpoint) const {
  const Nanos stream = stream_time(checkpoint);
  return stream == kNoTime ? std::numeric_limits<Second>::min()
                           : second_of(stream) - 1 - basis_.config.disorder;
}

void ByContainer::fold(const records::Sighting& sighting, Nanos watermark, Second first_open,
                       records::Checkpoint& checkpoint, state::Transaction& state,
                       std::vector<schemas::Report>& reports) {
  if (sighting.shape_version() > schemas::kShapeVersion)
    throw Refusal(fmt::format(
        "by_container: a sighting was normalised by version {} of the shapes, this gyre knows {}: "
        "upgrade by_container before intake",
        sighting.shape_version(), schemas::kShapeVersion));
  records::Counters& counters = *checkpoint.mutable_counters();
  checkpoint.set_outstanding(checkpoint.outstanding() + sighting.arrivals());
  records::Sighting folded = sighting;
  records::Counts& counts = *folded.mutable_counts();
  const Id128 hash = schemas::entity_hash(sighting.entity());
  const std::string_view entity = view(hash);
  if (count_distinct(sighting, entity, watermark, basis_.config.duplicate_horizon, state, counts))
    folded.mutable_summary()->set_flags(folded.summary().flags() | schemas::kMayRepeat);
  const bool late = watermark != kNoTime && (sighting.second() + 1) * kNanosPerSecond <= watermark;
  if (late) counts.set_late(counts.alerts());
  counters.set_folded(counters.folded() + counts.alerts());
  counters.set_late(counters.late() + counts.late());
  if (sighting.heartbeat()) {
    counters.set_heartbeats(counters.heartbeats() + counts.alerts());
    counters.set_duplicate(counters.duplicate() + counts.duplicates());
    return;
  }
  if (counts.alerts() == 0)
    folded.set_own_second(newest_second(sighting, basis_.config.duplicate_horizon));
  folded.clear_alerts();
  folded.clear_arrivals();
  Second decision = std::max(sighting.second(), first_open);
  // Beyond the disorder, or during an upgrade.
  if (decision > sighting.second() || sighting.shape_version() < schemas::kShapeVersion)
    decision = after_flash(sighting, entity, decision, state);
  if (const auto pending = state.pending(decision, sighting)) schemas::merge(folded, *pending);
  state.put_pending(decision, folded);
  // What is behind with its decisions knows too little.
  const bool current = checkpoint.decided() + 1 >= first_open;
  if (basis_.config.flash && current && !late)
    flash(folded, entity, checkpoint.decided(), basis_, state, reports);
}

}  // namespace gyre::stages
