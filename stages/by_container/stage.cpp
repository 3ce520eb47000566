// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/stage.h"

#include <algorithm>
#include <map>

#include "schemas/identity.h"
#include "schemas/sighting.h"
#include "stages/by_container/contribution.h"
#include "stages/by_container/duplicates.h"
#include "stages/by_container/finding.h"
#include "stages/by_container/incident.h"
#include "stages/sources.h"

namespace gyre::stages {

namespace {

// Metadata of a container that any of its alerts may bring (DESIGN 7: learned backwards); sorted by
// name.
constexpr std::string_view kCardFields[] = {"container.image.digest",
                                            "container.image.repository",
                                            "container.image.tag",
                                            "container.name",
                                            "container.start_ts",
                                            "k8s.ns.name",
                                            "k8s.pod.name"};

Nanos watermark(const records::Checkpoint& checkpoint, const FindingConfig& config) {
  const Nanos stream = stream_time(checkpoint);
  return stream == kNoTime ? kNoTime : stream - config.lateness * kNanosPerSecond;
}

}  // namespace

// One second's decisions, in the order of DESIGN 6: cards, findings, incidents.
class SecondDecision {
 public:
  SecondDecision(Second now, const FindingConfig& config, const Playbooks& playbooks,
                 const Producer& producer, state::Transaction& state,
                 std::vector<schemas::Report>& reports,
                 std::vector<records::Contribution>& contributions)
      : now_(now),
        config_(config),
        playbooks_(playbooks),
        producer_(producer),
        state_(state),
        reports_(reports),
        contributions_(contributions) {}

  void decide(std::int64_t& open_findings) {
    for (records::Sighting& sighting : state_.take_pending(now_)) {
      learn_card(sighting);
      findings_[sighting.finding_key()].push_back(std::move(sighting));
    }
    for (auto& [kind, key] : state_.take_timers(now_)) {
      if (kind == state::Kind::kSeries) {
        const auto series = state_.series(key);
        if (series && series->armed() == now_) findings_.try_emplace(key);
      } else {
        const auto entity = state_.entity(key);
        if (entity && entity->armed() == now_) work(key).due = true;
      }
    }
    for (const auto& [key, sightings] : findings_) decide_key(key, sightings, open_findings);
    for (auto& [hash, work] : entities_) decide_entity(hash, work);
  }

 private:
  struct Work {
    records::EntityState entity;
    std::vector<Told> told;
    bool changed = false;
    bool due = false;
  };

  Work& work(const std::string& hash) {
    const auto [at, added] = entities_.try_emplace(hash);
    if (added) at->second.entity = state_.entity(hash).value_or(records::EntityState());
    return at->second;
  }

  static std::string hash_of(const records::Entity& entity) {
    return std::string(view(schemas::entity_hash(entity)));
  }

  void learn_card(const records::Sighting& sighting) {
    constexpr Second kTouchEvery = 3600;
    Work& known = work(hash_of(sighting.entity()));
    records::EntityState& entity = known.entity;
    if (!entity.has_entity() || now_ - entity.touched() >= kTouchEvery) {
      *entity.mutable_entity() = sighting.entity();
      entity.set_touched(now_);
      known.changed = known.due = true;
    }
    for (const std::string_view field : kCardFields) {
      const records::Values* values = schemas::find_field(sighting.summary(), field);
      if (values == nullptr) continue;
      auto& card = *entity.mutable_card();
      auto at = std::find_if(card.begin(), card.end(),
                             [&](const auto& have) { return have.field() >= field; });
      if (at == card.end() || at->field() != field) {
        records::Values fresh;
        fresh.set_field(std::string(field));
        *card.Add() = std::move(fresh);
        std::sort(card.begin(), card.end(),
                  [](const auto& a, const auto& b) { return a.field() < b.field(); });
        at = std::find_if(card.begin(), card.end(),
                          [&](const auto& have) { return have.field() == field; });
      }
      const int before = at->values_size();
      const bool capped = at->capped();
      schemas::merge(*at, *values);
      if (at->values_size() != before || at->capped() != capped) known.changed = true;
    }
  }

  void decide_key(const std::string& key, const std::vector<records::Sighting>& sightings,
                  std::int64_t& open_findings) {
    auto stored = state_.series(key);
    records::Series series = stored ? std::move(*stored) : records::Series();
    if (!stored) {
      const records::Sighting& first = sightings.front();
      *series.mutable_entity() = first.entity();
      series.set_rule(first.rule());
      series.set_source(first.source());
      series.set_shape(first.shape());
      series.set_shape_version(first.shape_version());
    }
    const std::string hash = hash_of(series.entity());
    Work& of_entity = work(hash);
    if (!of_entity.entity.has_entity()) *of_entity.entity.mutable_entity() = series.entity();
    if (series.armed() <= now_) series.set_armed(0);
    std::vector<Told> told = decide_finding(key, series, sightings, of_entity.entity, now_, config_,
                                            playbooks_, producer_, open_findings, reports_);
    contribute(key, series, of_entity.entity, now_, playbooks_, contributions_);
    if (series.episodes().empty())
      state_.erase_series(key);
    else
      state_.put(key, series);
    const bool sensor = series.source() == "internal";
    if (!sensor) of_entity.told.insert(of_entity.told.end(), told.begin(), told.end());
  }

  void decide_entity(const std::string& hash, Work& work) {
    if (!work.changed && !work.due && work.told.empty()) return;
    records::EntityState& entity = work.entity;
    if (entity.armed() <= now_) entity.set_armed(0);
    decide_incident(hash, entity, work.told, now_, config_, playbooks_, producer_, state_,
                    reports_);
    if (entity.due() == 0)
      state_.erase_entity(hash);
    else
      state_.put(hash, entity);
  }

  Second now_;
  const FindingConfig& config_;
  const Playbooks& playbooks_;
  const Producer& producer_;
  state::Transaction& state_;
  std::vector<schemas::Report>& reports_;
  std::vector<records::Contribution>& contributions_;
  std::map<std::string, std::vector<records::Sighting>> findings_;
  std::map<std::string, Work> entities_;
};

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
  std::int64_t open_findings = checkpoint.counters().findings_open();
  for (auto due = state.next_due(checkpoint.decided()); due && *due <= last;
       due = state.next_due(checkpoint.decided())) {
    checkpoint.set_decided(*due);
    SecondDecision(*due, config_, playbooks_, producer_, state, reports, contributions)
        .decide(open_findings);
  }
  checkpoint.set_decided(std::max(checkpoint.decided(), last));
  checkpoint.mutable_counters()->set_findings_open(open_findings);
}

}  // namespace gyre::stages
