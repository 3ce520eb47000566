// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/incident.h"

#include <algorithm>
#include <set>
#include <string>

#include "base/hash.h"
#include "schemas/alert.h"

namespace gyre::stages {

namespace {

constexpr int kMembers = 64;

const records::Episode* find_episode(const records::Series& series, std::string_view id) {
  for (const records::Episode& episode : series.episodes())
    if (episode.id() == id) return &episode;
  return nullptr;
}

void describe(records::Member& member, const records::Series& series,
              const records::Episode& episode, const Judgement& judgement) {
  member.set_rule(series.rule());
  member.clear_tactics();
  for (const Technique& technique : judgement.attack)
    if (member.tactics().empty() || *member.tactics().rbegin() != technique.tactic)
      member.add_tactics(technique.tactic);
  *member.mutable_counts() = episode.counts();
  member.set_first(episode.summary().first());
  member.set_last(episode.summary().last());
  member.set_priority(episode.summary().priority());
  member.set_severity(static_cast<std::uint32_t>(judgement.severity));
  member.set_risk(static_cast<std::uint32_t>(judgement.risk));
  member.set_verdict(static_cast<std::uint32_t>(judgement.verdict));
  member.set_confidence(static_cast<std::uint32_t>(judgement.confidence));
  member.set_effect_observed(judgement.effect_observed);
}

// The member's finding as it stands now; false if it no longer counts.
bool refresh(records::Member& member, const records::EntityState& entity,
             const Playbooks& playbooks, const state::Transaction& state) {
  const auto series = state.series(member.finding_key());
  const records::Episode* episode = series ? find_episode(*series, member.id()) : nullptr;
  if (episode == nullptr) return true;  // dropped after its close: what was last known of it stays
  const Judgement judgement = judge(*series, *episode, entity, playbooks);
  describe(member, *series, *episode, judgement);
  return judgement.counts_for_incidents;
}

using Members = google::protobuf::RepeatedPtrField<records::Member>;

void sort_members(Members& members) {
  std::sort(members.begin(), members.end(), [](const records::Member& a, const records::Member& b) {
    return std::pair(a.first(), std::string_view(a.id())) <
           std::pair(b.first(), std::string_view(b.id()));
  });
}

std::set<std::string> tactics_of(const Members& members) {
  std::set<std::string> tactics;
  for (const records::Member& member : members)
    tactics.insert(member.tactics().begin(), member.tactics().end());
  return tactics;
}

bool opens(const records::Incident& candidate, const FindingConfig& config) {
  std::set<std::string_view> rules;
  for (const records::Member& member : candidate.members()) {
    rules.insert(member.rule());
    if (member.effect_observed() &&
        member.priority() <= static_cast<std::uint32_t>(schemas::Priority::kCritical))
      return true;
  }
  return (rules.size() >= 2 && tactics_of(candidate.members()).size() >= 2) ||
         incident_risk(candidate) >= static_cast<int>(config.incident_risk);
}

std::uint32_t risk_band(const records::Incident& incident) {
  return static_cast<std::uint32_t>(incident_risk(incident)) / 20;
}

Second last_second(const Members& members) {
  Nanos last = 0;
  for (const records::Member& member : members) last = std::max(last, member.last());
  return second_of(last);
}

class Decision {
 public:
  Decision(std::string_view entity_hash, records::EntityState& entity, Second now,
           const FindingConfig& config, const Playbooks& playbooks, const Producer& producer,
           state::Transaction& state, std::vector<schemas::Report>& reports)
      : entity_hash_(entity_hash),
        entity_(entity),
        now_(now),
        config_(config),
        playbooks_(playbooks),
        producer_(producer),
        state_(state),
        reports_(reports) {}

  void note(const Told& told) {
    Members& members =
        open() ? *entity_.mutable_incident()->mutable_members() : *entity_.mutable_members();
    auto found = std::find_if(members.begin(), members.end(),
                              [&](const auto& member) { return member.id() == told.id; });
    if (found != members.end()) {
      if (!refresh(*found, entity_, playbooks_, state_) && !open()) members.erase(found);
      return;
    }
    records::Member member;
    member.set_finding_key(told.finding_key);
    member.set_id(told.id);
    if (!refresh(member, entity_, playbooks_, state_)) return;
    if (members.size() >= kMembers) {
      if (open())
        entity_.mutable_incident()->set_members_left_out(entity_.incident().members_left_out() + 1);
      return;
    }
    *members.Add() = std::move(member);
    sort_members(members);
    if (open()) adopt();
  }

  void decide() {
    if (open())
      continue_open();
    else
      try_open();
    constexpr Second kLookAgain = 3600;
    Second forget = entity_.touched() + config_.max_age;
    if (forget <= now_ && !entity_.places().empty()) forget = now_ + kLookAgain;
    entity_.set_due(open() ? closes_at() : forget > now_ ? forget : 0);
  }

 private:
  bool open() const { return entity_.has_incident(); }

  Second closes_at() const {
    const records::Incident& incident = entity_.incident();
    return std::min(second_of(incident.last()) + config_.incident_gap + config_.lateness + 1,
                    incident.opened_second() + config_.incident_max_age);
  }

  // Findings further apart than the gap do not belong together.
  void forget_old() {
    Members& members = *entity_.mutable_members();
    const Second oldest = now_ - config_.lateness - config_.incident_gap;
    members.erase(
        std::remove_if(members.begin(), members.end(),
                       [&](const auto& member) { return second_of(member.last()) < oldest; }),
        members.end());
  }

  void try_open() {
    forget_old();
    records::Incident candidate;
    *candidate.mutable_members() = entity_.members();
    if (candidate.members().empty() || !opens(candidate, config_)) return;
    IdHasher hasher;
    hasher.add("incident")
        .add(entity_hash_)
        .add(second_of(candidate.members(0).first()) / config_.incident_gap);
    candidate.set_id(to_hex(view(hasher.finish())));
    // Two incidents of one entity can begin within one gap only if the first one was closed by age:
    // it is continued.
    if (candidate.id() == entity_.last_incident_id()) return;
    candidate.set_previous_id(entity_.last_incident_id());
    candidate.set_opened_second(now_);
    *entity_.mutable_incident() = std::move(candidate);
    entity_.clear_members();
    adopt();
    publish("opened");
  }

  void continue_open() {
    records::Incident& incident = *entity_.mutable_incident();
    if (now_ >= closes_at()) {
      for (records::Member& member : *incident.mutable_members())
        refresh(member, entity_, playbooks_, state_);
      incident.set_last(std::max(incident.last(), newest(incident)));
      if (now_ >= closes_at()) {
        publish("closed");
        entity_.set_last_incident_id(incident.id());
        entity_.clear_incident();
        return;
      }
    }
    const std::set<std::string> tactics = tactics_of(incident.members());
    if (tactics.size() > static_cast<std::size_t>(incident.tactics_size()))
      publish("tactic");
    else if (risk_band(incident) > incident.risk_band())
      publish("severity");
  }

  static Nanos newest(const records::Incident& incident) {
    Nanos last = 0;
    for (const records::Member& member : incident.members()) last = std::max(last, member.last());
    return last;
  }

  // Members learn whose they are; their reports say so with their next revision.
  void adopt() {
    for (const records::Member& member : entity_.incident().members()) {
      auto series = state_.series(member.finding_key());
      if (!series) continue;
      bool changed = false;
      for (records::Episode& episode : *series->mutable_episodes())
        if (episode.id() == member.id() && episode.incident_id() != entity_.incident().id()) {
          episode.set_incident_id(entity_.incident().id());
          changed = true;
        }
      if (changed) state_.put(member.finding_key(), *series);
    }
  }

  void publish(std::string_view reason) {
    records::Incident& incident = *entity_.mutable_incident();
    for (records::Member& member : *incident.mutable_members())
      refresh(member, entity_, playbooks_, state_);
    sort_members(*incident.mutable_members());
    incident.set_last(newest(incident));
    incident.set_revision(incident.revision() + 1);
    incident.set_published_second(now_);
    const std::set<std::string> tactics = tactics_of(incident.members());
    incident.mutable_tactics()->Assign(tactics.begin(), tactics.end());
    incident.set_risk_band(std::max(incident.risk_band(), risk_band(incident)));
    const Revision revision{.number = incident.revision(),
                            .reason = reason,
                            .decided = now_,
                            .closes_after = last_second(incident.members()) + config_.incident_gap};
    reports_.push_back(write_incident(entity_, incident, revision, producer_));
  }

  std::string_view entity_hash_;
  records::EntityState& entity_;
  Second now_;
  const FindingConfig& config_;
  const Playbooks& playbooks_;
  const Producer& producer_;
  state::Transaction& state_;
  std::vector<schemas::Report>& reports_;
};

}  // namespace

void decide_incident(std::string_view entity_hash, records::EntityState& entity,
                     const std::vector<Told>& told, Second now, const FindingConfig& config,
                     const Playbooks& playbooks, const Producer& producer,
                     state::Transaction& state, std::vector<schemas::Report>& reports) {
  Decision decision(entity_hash, entity, now, config, playbooks, producer, state, reports);
  for (const Told& finding : told) decision.note(finding);
  decision.decide();
}

}  // namespace gyre::stages
