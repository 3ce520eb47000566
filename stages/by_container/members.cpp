// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/members.h"

#include <algorithm>
#include <tuple>

#include "stages/by_container/stage.h"
#include "stages/report/details.h"
#include "stages/report/seen.h"

namespace gyre::stages {

namespace {

constexpr std::size_t kRuleBytes = 256;

auto rank(const records::Member& member) {
  return std::tuple(member.first(), std::string_view(member.id()));
}

}  // namespace

records::Member member_of(std::string_view finding_key, const records::Series& series,
                          const records::Episode& episode, const Judgement& judgement) {
  records::Member member;
  member.set_finding_key(std::string(finding_key));
  member.set_id(episode.id());
  member.set_rule(shown(series.rule(), kRuleBytes));
  for (const Technique& technique : judgement.attack)
    if (!technique.tactic.empty() &&
        (member.tactics().empty() || *member.tactics().rbegin() != technique.tactic))
      member.add_tactics(technique.tactic);
  *member.mutable_counts() = episode.counts();
  *member.mutable_counts()->mutable_outcome() = judgement.outcome;
  member.set_first(episode.summary().first());
  member.set_last(episode.summary().last());
  member.set_priority(episode.summary().priority());
  member.set_severity(static_cast<std::uint32_t>(judgement.severity));
  member.set_risk(static_cast<std::uint32_t>(judgement.risk));
  member.set_verdict(static_cast<std::uint32_t>(judgement.verdict));
  member.set_confidence(static_cast<std::uint32_t>(judgement.confidence));
  member.set_effect_observed(judgement.effect_observed);
  static const records::EntityState no_card;  // its entity's own fields are none of these
  for (std::string& word : seen_in_short(Facts(episode.summary(), no_card)))
    member.add_seen(std::move(word));
  return member;
}

const records::Member* find_member(std::string_view id, const Members& members) {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const auto& member) { return member.id() == id; });
  return found == members.end() ? nullptr : &*found;
}

void put_member(const records::Member& member, Members& members) {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const auto& known) { return known.id() == member.id(); });
  if (found != members.end())
    *found = member;
  else
    *members.Add() = member;
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

void forget_member(std::string_view id, Members& members) {
  members.erase(std::remove_if(members.begin(), members.end(),
                               [&](const auto& member) { return member.id() == id; }),
                members.end());
}

std::optional<records::Member> evict_beyond_limit(Members& members) {
  if (members.size() <= kMembers) return std::nullopt;
  const auto least = std::min_element(
      members.begin() + kMembers / 2, members.end(), [](const auto& a, const auto& b) {
        return std::tuple(a.severity(), a.risk()) < std::tuple(b.severity(), b.risk()) ||
               (std::tuple(a.severity(), a.risk()) == std::tuple(b.severity(), b.risk()) &&
                rank(b) < rank(a));
      });
  records::Member evicted = *least;
  members.erase(least);
  return evicted;
}

Second quiet_since(const records::Incident& incident) {
  Nanos last = std::max(incident.last(), incident.left_out().last());
  for (const records::Member& member : incident.members()) last = std::max(last, member.last());
  return std::max(second_of(last), incident.opened_second());
}

Nanos oldest_at(Second opened, const FindingConfig& config) {
  return (opened - config.lateness - config.incident_gap) * kNanosPerSecond;
}

void each_finding(const records::EntityState& entity, state::Transaction& state,
                  const std::function<bool(records::Episode&)>& look) {
  for (const records::Place& place : entity.places()) {
    auto series = state.series(place.finding_key());
    if (!series || is_about_sensor(*series)) continue;
    bool changed = false;
    for (records::Episode& episode : *series->mutable_episodes())
      if (episode.revision() > 0) changed = look(episode) || changed;
    if (changed) state.put(place.finding_key(), *series);
  }
}

Nanos newest_of(const records::Member& member, const state::Transaction& state) {
  Nanos newest = member.last();
  if (const auto series = state.series(member.finding_key())) {
    for (const records::Episode& episode : series->episodes())
      if (episode.id() == member.id()) newest = std::max(newest, episode.summary().last());
  }
  return newest;
}

void change_episode(const records::Member& member, state::Transaction& state,
                    const std::function<void(records::Episode&)>& change) {
  auto series = state.series(member.finding_key());
  if (!series) return;
  for (records::Episode& episode : *series->mutable_episodes()) {
    if (episode.id() != member.id()) continue;
    change(episode);
    state.put(member.finding_key(), *series);
    return;
  }
}

}  // namespace gyre::stages
