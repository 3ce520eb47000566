// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/second.h"

#include <algorithm>

#include "base/check.h"
#include "schemas/alert.h"
#include "schemas/identity.h"
#include "schemas/sighting.h"
#include "stages/by_container/asking.h"
#include "stages/by_container/blind_spots.h"
#include "stages/by_container/card.h"
#include "stages/by_container/contribution.h"
#include "stages/by_container/flash.h"
#include "stages/by_container/incident.h"
#include "stages/by_container/places.h"

namespace gyre::stages {

namespace {

constexpr std::size_t kOfOneHome = 2000;

bool is_of_sensor(const records::Sighting& sighting) { return sighting.source() == "internal"; }

// From the opening of an incident's first finding to the incident's close, or from a finding's to
// its end, whichever is longer: so long a blind spot that lies beside it may have to be said.
Second longest_story(const FindingConfig& everywhere) {
  const auto of = [](const FindingConfig& config) {
    return config.gap + config.max_age + config.lateness +
           std::max(config.keep_closed, config.incident_gap + config.incident_max_age);
  };
  Second longest = of(everywhere);
  everywhere.elsewhere.each(
      [&](const FindingConfig& other) { longest = std::max(longest, of(other)); });
  return longest;
}

}  // namespace

std::size_t SecondDecision::decide(records::Counters& counters) {
  state::Due due = state_.take_due(now_, config_.slice, kOfOneHome);
  for (const records::Sighting& sighting : due.sightings) learn(sighting);
  // In the order of the keys, then of the seconds: who gets a place depends on nothing else. Copies
  // last whose alert may be among them.
  std::vector<records::Sighting> copies;
  for (records::Sighting& sighting : due.sightings) {
    if (lacks_finding(sighting))
      copies.push_back(std::move(sighting));
    else
      place(std::move(sighting), counters);
  }
  for (records::Sighting& sighting : copies) place(std::move(sighting), counters);
  wake(due.timers);
  for (const auto& [key, of_key] : findings_) decide_key(key, of_key, counters);
  for (auto& [hash, work] : entities_) decide_entity(hash, work);
  return findings_.size() + entities_.size();
}

SecondDecision::Work& SecondDecision::work(const std::string& entity_hash) {
  const auto [at, added] = entities_.try_emplace(entity_hash);
  if (added) at->second.entity = state_.entity(entity_hash).value_or(records::EntityState());
  return at->second;
}

SecondDecision::Work& SecondDecision::work(const records::Entity& entity) {
  return work(std::string(view(schemas::entity_hash(entity))));
}

void SecondDecision::learn(const records::Sighting& sighting) {
  constexpr Second kTouchEvery = 3600;
  Work& known = work(sighting.entity());
  records::EntityState& entity = known.entity;
  if (!entity.has_entity() || now_ - entity.touched() >= kTouchEvery) {
    *entity.mutable_entity() = sighting.entity();
    entity.set_touched(now_);
    known.changed = known.due = true;
  }
  if (is_of_sensor(sighting)) {
    if (!sighting.summary().has_loss()) return;
    const Second kept = longest_story(config_);
    note_blind_spot(sighting.second(), sighting.summary().loss(), now_ - kept, entity);
    entity.set_blind_until(now_ + kept);
    known.changed = true;
  } else if (const Learned learned = learn_card(sighting, entity); learned != Learned::kNothing) {
    known.changed = true;
    known.learned = std::max(known.learned, learned);
  }
}

bool SecondDecision::lacks_finding(const records::Sighting& sighting) {
  return sighting.counts().alerts() == 0 && !knows_place(sighting, work(sighting.entity()).entity);
}

// Copies whose finding is not there. Either it is still to come (their record was stamped before
// the alert's own time, that of the first copy after it; or the alert's time is another reader's),
// so they wait for as long as anything may be late and until the alert's own time is decided, which
// no stamp moves forward; they look every while, so that it can't come and go unseen. Or it is
// forgotten: then they are an alert that may repeat (ruling 6). True: they wait.
bool SecondDecision::await_finding(records::Sighting& copies, records::Counters& counters) {
  const Second until = std::max(copies.second() + config_.lateness, copies.own_second() + 1);
  if (now_ < until) {
    const Second next = std::min(until, now_ + std::max<Second>(config_.lateness, 1));
    if (const auto waiting = state_.pending(next, copies)) schemas::merge(copies, *waiting);
    state_.put_pending(next, copies);
    return true;
  }
  records::Counts& counts = *copies.mutable_counts();
  counts.set_alerts(1);
  counts.set_late(1);
  counts.set_duplicates(counts.duplicates() - 1);
  schemas::count_outcome(static_cast<schemas::Outcome>(copies.summary().samples(0).outcome()),
                         *counts.mutable_outcome());
  copies.mutable_summary()->set_flags(copies.summary().flags() | schemas::kMayRepeat);
  counters.set_folded(counters.folded() + 1);
  counters.set_late(counters.late() + 1);
  return false;
}

// An overflow finding keeps few values of many patterns: what they prove is noted while it is
// there.
void SecondDecision::note_effect(const std::string& rule, const records::EntityState& entity,
                                 records::Sighting& sighting) const {
  records::Series own;
  describe(sighting, own);
  own.set_rule(rule);
  records::Episode one;
  *one.mutable_summary() = sighting.summary();
  *one.mutable_counts() = sighting.counts();
  if (shows_effect({own, one, entity}, basis_.playbooks))
    sighting.mutable_summary()->set_flags(sighting.summary().flags() | schemas::kEffectSeen);
}

void SecondDecision::place(records::Sighting sighting, records::Counters& counters) {
  Work& known = work(sighting.entity());
  if (lacks_finding(sighting) && await_finding(sighting, counters)) return;
  counters.set_duplicate(counters.duplicate() + sighting.counts().duplicates());
  const int before = known.entity.places_size();
  const std::string rule = sighting.rule();
  if (find_place(config_, sighting, known.entity)) {
    counters.set_overflowed(counters.overflowed() + sighting.counts().alerts());
    note_effect(rule, known.entity, sighting);
  }
  if (known.entity.places_size() != before) known.changed = true;
  auto& of_key = findings_[sighting.finding_key()];
  const auto same = std::find_if(of_key.begin(), of_key.end(), [&](const auto& other) {
    return other.second() == sighting.second();
  });
  if (same == of_key.end())
    of_key.push_back(std::move(sighting));
  else
    schemas::merge(*same, sighting);
}

// What has to be looked at though nothing was sighted: timers, and findings whose entity's card
// changed.
void SecondDecision::wake(const std::vector<state::Timer>& timers) {
  for (const auto& [kind, key] : timers) {
    if (kind == state::Kind::kSeries) {
      const auto series = state_.series(key);
      if (series && series->armed() == now_) findings_.try_emplace(key);
    } else {
      const auto entity = state_.entity(key);
      if (entity && entity->armed() == now_) work(key).due = true;
    }
  }
  for (const auto& [hash, work] : entities_) {
    if (work.learned == Learned::kNothing) continue;
    for (const records::Place& place : work.entity.places())
      findings_.try_emplace(place.finding_key());
  }
}

void SecondDecision::decide_key(const std::string& key,
                                const std::vector<records::Sighting>& sightings,
                                records::Counters& counters) {
  auto stored = state_.series(key);
  records::Series series = stored ? std::move(*stored) : records::Series();
  if (!stored) {
    CHECK(!sightings.empty());
    describe(sightings.front(), series);
  }
  Work& of_entity = work(series.entity());
  const bool of_sensor = series.source() == "internal";
  const auto host = of_sensor ? std::nullopt : sensor_host(series.entity());
  if (series.armed() <= now_) series.set_armed(0);
  const FindingContext context{.now = now_,
                               .config = config_.of(series.entity().tenant(), series.rule()),
                               .playbooks = basis_.playbooks,
                               .producer = basis_.producer,
                               .entity = of_entity.entity,
                               .sensor = host ? &work(*host).entity : nullptr,
                               .flash = find_flash(key, of_entity.entity),
                               .learned = of_entity.learned,
                               .incidents = config_.of(series.entity().tenant()),
                               .told = of_entity.told.size()};
  const auto [told, dropped] = decide_finding(key, series, sightings, context, counters, reports_);
  for (records::Contribution& contribution :
       contribute(key, series, dropped, of_entity.entity, now_, basis_.playbooks))
    contributions_.push_back(std::move(contribution));
  CHECK(series.due() == 0 || series.due() > now_);
  if (context.flash != nullptr && settles_flash(*context.flash, sightings)) {
    forget_flash(key, of_entity.entity);
    of_entity.changed = true;
  }
  if (series.episodes().empty()) {
    state_.erase_series(key);
    free_place(key, of_entity.entity);
    of_entity.changed = true;
  } else {
    state_.put(key, series);
  }
  if (of_sensor) return;
  for (const Told& one : told)
    if (one.asked) remember(*one.asked, now_, of_entity.entity);
  of_entity.told.insert(of_entity.told.end(), told.begin(), told.end());
}

void SecondDecision::decide_entity(const std::string& hash, Work& work) {
  if (!work.changed && !work.due && work.told.empty()) return;
  records::EntityState& entity = work.entity;
  if (entity.armed() <= now_) entity.set_armed(0);
  const auto host = sensor_host(entity.entity());
  const IncidentContext context{.now = now_,
                                .config = config_.of(entity.entity().tenant()),
                                .playbooks = basis_.playbooks,
                                .producer = basis_.producer,
                                .sensor = host ? &this->work(*host).entity : nullptr};
  decide_incident(hash, entity, work.told, context, state_, reports_);
  CHECK(entity.due() == 0 || entity.due() > now_);
  if (entity.due() > 0) {
    state_.put(hash, entity);
  } else if (!entity.flashes().empty()) {
    records::EntityState rest;
    *rest.mutable_flashes() = entity.flashes();
    state_.put(hash, rest);
  } else {
    state_.erase_entity(hash);
  }
}

}  // namespace gyre::stages
