// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/incident.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "base/hash.h"
#include "schemas/alert.h"
#include "schemas/sighting.h"
#include "stages/by_container/asking.h"
#include "stages/by_container/blind_spots.h"
#include "stages/by_container/members.h"
#include "stages/report/incident.h"

namespace gyre::stages {

namespace {

constexpr std::size_t kContext = 16;
constexpr std::uint32_t kRiskBand = 20;

template <typename Enumeration>
std::uint32_t number(Enumeration value) {
  return static_cast<std::uint32_t>(value);
}

// With those said already: who showed one may have been left out since (ruling 31).
std::set<std::string> tactics_of(const records::Incident& incident) {
  std::set<std::string> tactics(incident.tactics().begin(), incident.tactics().end());
  for (const records::Member& member : incident.members())
    tactics.insert(member.tactics().begin(), member.tactics().end());
  return tactics;
}

bool opens(const records::Incident& candidate, const Judgement& judgement,
           const FindingConfig& config) {
  std::set<std::string_view> rules;
  for (const records::Member& member : candidate.members()) {
    rules.insert(member.rule());
    if (member.effect_observed() && member.priority() <= number(schemas::Priority::kCritical))
      return true;
  }
  return (rules.size() >= 2 && tactics_of(candidate).size() >= 2) ||
         judgement.risk >= static_cast<int>(config.incident_risk);
}

class IncidentDecision {
 public:
  IncidentDecision(std::string_view entity_hash, records::EntityState& entity,
                   const IncidentContext& context, state::Transaction& state,
                   std::vector<schemas::Report>& reports)
      : entity_hash_(entity_hash),
        entity_(entity),
        context_(context),
        now_(context.now),
        config_(context.config),
        state_(state),
        reports_(reports) {}

  // Who is too old to open an incident takes no place from who is told.
  void forget_old() {
    if (open()) return;
    Members& members = *entity_.mutable_members();
    const Nanos oldest = oldest_at(now_, config_);
    for (int i = 0; i < members.size();) {
      const bool old = members[i].last() < oldest && newest_of(members[i], state_) < oldest;
      if (old)
        members.erase(members.begin() + i);
      else
        ++i;
    }
  }

  void note(const Told& told) {
    if (!told.incident_id.empty()) {
      // Of an incident that has ended: nothing more is said of it.
      if (open() && told.incident_id == incident().id()) note_member(told);
      return;
    }
    if (open() && told.member.last() < oldest_in(incident(), config_)) return;
    Members& members = open() ? *incident().mutable_members() : *entity_.mutable_members();
    if (!told.counts_for_incidents) {
      forget_member(told.member.id(), members);
      if (open())
        note_context(told.member.id());
      else if (entity_.members_left_out())
        change_episode(told.member, state_, [](auto& episode) { episode.clear_left_out(); });
      return;
    }
    put_member(told.member, members);
    if (open()) adopt(told.member);
    asks_ = asks_ || told.asks_incident;
    if (const auto evicted = evict_beyond_limit(members)) leave_out(*evicted);
  }

  void decide() {
    if (open())
      continue_open();
    else
      try_open();
    constexpr Second kLookAgain = 3600;
    Second forget = std::max(
        {entity_.touched() + config_.max_age, entity_.blind_until(), remembers_until(entity_)});
    if (forget <= now_ && !entity_.places().empty()) forget = now_ + kLookAgain;
    entity_.set_due(open() ? closes_at() : forget > now_ ? forget : 0);
  }

 private:
  bool open() const { return entity_.has_incident(); }
  records::Incident& incident() { return *entity_.mutable_incident(); }

  Second quiet_at() const {
    return quiet_since(entity_.incident()) + config_.incident_gap + config_.lateness + 1;
  }

  Second closes_at() const {
    return std::min(quiet_at(), entity_.incident().opened_second() + config_.incident_max_age);
  }

  void note_member(const Told& told) {
    Members& members = *incident().mutable_members();
    const bool listed = find_member(told.member.id(), members) != nullptr;
    put_member(told.member, members);
    if (listed) return;
    // Not listed so far, but it may have become worth a place.
    const auto evicted = evict_beyond_limit(members);
    const bool again = evicted && evicted->id() == told.member.id();
    // Who joined in this second may have taken its place since it was told.
    const auto now = left_out_now_.find(told.member.id());
    if (now != left_out_now_.end())
      take_back(now->second);
    else if (told.left_out)
      take_back(*told.left_out);
    if (evicted) leave_out(*evicted);
    if (!again)
      change_episode(told.member, state_, [](auto& episode) { episode.clear_left_out(); });
  }

  void note_context(const std::string& id) {
    auto& context = *incident().mutable_context();
    const auto at = std::lower_bound(context.begin(), context.end(), id);
    if (at != context.end() && *at == id) return;
    if (context.size() >= static_cast<int>(kContext)) return incident().set_incomplete(true);
    context.Add(std::string(id));
    std::sort(context.begin(), context.end());
  }

  // What the incident counts of a finding that it does not list follows that finding, which may be
  // forgotten in this second.
  void take_back(const records::LeftOut& one) {
    records::LeftOut& sum = *incident().mutable_left_out();
    sum.set_findings(sum.findings() - one.findings());
    *sum.mutable_counts() = schemas::plus_difference(sum.counts(), {}, one.counts());
  }

  // Until there is an incident the finding remembers it, and is asked then.
  void leave_out(const records::Member& evicted) {
    const records::LeftOut one = left_out(evicted);
    left_out_now_[evicted.id()] = one;
    if (open())
      add(one);
    else
      entity_.set_members_left_out(true);
    change_episode(evicted, state_, [&](auto& episode) { *episode.mutable_left_out() = one; });
  }

  static records::LeftOut left_out(const records::Member& member) {
    records::LeftOut one;
    one.set_findings(1);
    *one.mutable_counts() = member.counts();
    one.set_last(member.last());
    return one;
  }

  void add(const records::LeftOut& one) {
    records::LeftOut& sum = *incident().mutable_left_out();
    sum.set_findings(sum.findings() + one.findings());
    schemas::merge(*sum.mutable_counts(), one.counts());
    sum.set_last(std::max(sum.last(), one.last()));
  }

  void adopt(const records::Member& member) {
    change_episode(member, state_, [&](records::Episode& episode) { adopt(episode); });
  }

  void adopt(records::Episode& episode) {
    episode.set_incident_id(entity_.incident().id());
    episode.set_incident_changed(true);
    episode.set_said_ahead(false);
  }

  // What found no place among the members before the incident is its own like these.
  void adopt_left_out() {
    if (!entity_.members_left_out()) return;
    entity_.clear_members_left_out();
    each_finding(entity_, state_, [&](records::Episode& episode) {
      if (!episode.has_left_out() || !episode.incident_id().empty() ||
          episode.summary().last() < oldest_in(incident(), config_) ||
          find_member(episode.id(), incident().members()) != nullptr)
        return false;
      add(episode.left_out());
      adopt(episode);
      return true;
    });
  }

  void try_open() {
    if (entity_.members().empty()) return;
    forget_old();
    if (entity_.members().empty()) return;
    records::Incident candidate;
    *candidate.mutable_members() = entity_.members();
    const Judgement judgement = judge_incident(candidate);
    if (!opens(candidate, judgement, config_)) return;
    IdHasher hasher;
    hasher.add("incident").add(entity_hash_).add(now_ / config_.incident_gap);
    candidate.set_id(to_hex(view(hasher.finish())));
    candidate.set_previous_id(entity_.last_incident_id());
    candidate.set_opened_second(now_);
    entity_.clear_members();
    *entity_.mutable_incident() = std::move(candidate);
    for (const records::Member& member : entity_.incident().members()) adopt(member);
    adopt_left_out();
    publish(judgement, "opened");
  }

  void continue_open() {
    const Judgement judgement = judge_incident(incident());
    std::string_view reason = break_through(judgement);
    // Somebody who joins would have asked for somebody.
    if (reason.empty() && asks_) reason = fell(judgement) ? "verdict" : "members";
    if (!reason.empty()) publish(judgement, reason);
    if (now_ < closes_at()) return;
    look_for_newer();
    if (now_ < closes_at()) return;
    if (fell(judgement)) publish(judgement, "verdict");
    publish(judgement, "closed", quiet_at() <= now_ ? "quiet" : "max_age");
    entity_.set_last_incident_id(incident().id());
    entity_.clear_incident();
  }

  // What its findings had since they were last published, be they listed or not.
  void look_for_newer() {
    each_finding(entity_, state_, [&](const records::Episode& episode) {
      if (episode.incident_id() == incident().id())
        incident().set_last(std::max(incident().last(), episode.summary().last()));
      return false;
    });
  }

  std::string_view break_through(const Judgement& judgement) {
    const records::Incident& said = incident();
    const bool tactic = tactics_of(said).size() > static_cast<std::size_t>(said.tactics_size()) ||
                        tactics_in_order(said, Steps::kAll).size() > said.in_order();
    if (tactic && !fell(judgement)) return "tactic";
    if (judgement.effect_observed && !said.effect()) return fell(judgement) ? "verdict" : "success";
    if (number(judgement.severity) > said.peak_severity() ||
        number(judgement.attention) > said.peak_attention() ||
        static_cast<std::uint32_t>(judgement.risk) / kRiskBand > said.peak_risk() / kRiskBand)
      return fell(judgement) ? "verdict" : "severity";
    return tactic ? "verdict" : "";
  }

  // Ruling 31: what falls is said as a change of verdict.
  bool fell(const Judgement& judgement) const {
    const records::Incident& said = entity_.incident();
    return number(judgement.severity) < said.severity() ||
           static_cast<std::uint32_t>(judgement.risk) < said.risk() ||
           number(judgement.attention) < said.attention();
  }

  void publish(const Judgement& judgement, std::string_view reason,
               std::string_view closed_because = {}) {
    records::Incident& said = incident();
    said.set_last(std::max(said.last(), said.left_out().last()));
    for (const records::Member& member : said.members())
      said.set_last(std::max(said.last(), member.last()));
    said.set_revision(said.revision() + 1);
    const std::set<std::string> tactics = tactics_of(said);
    said.mutable_tactics()->Assign(tactics.begin(), tactics.end());
    said.set_in_order(static_cast<std::uint32_t>(tactics_in_order(said, Steps::kAll).size()));
    said.set_risk(static_cast<std::uint32_t>(judgement.risk));
    said.set_severity(number(judgement.severity));
    said.set_attention(number(judgement.attention));
    said.set_peak_risk(std::max(said.peak_risk(), said.risk()));
    said.set_peak_severity(std::max(said.peak_severity(), said.severity()));
    said.set_peak_attention(std::max(said.peak_attention(), said.attention()));
    said.set_effect(judgement.effect_observed);
    Revision revision{.number = said.revision(),
                      .reason = reason,
                      .decided = now_,
                      .closes_after = std::min(quiet_since(said) + config_.incident_gap,
                                               said.opened_second() + config_.incident_max_age),
                      .closed_because = closed_because};
    if (context_.sensor != nullptr)
      revision.blind_spots =
          blind_spots_within(*context_.sensor, said.members(0).first(), said.last());
    reports_.push_back(
        write_incident(entity_, said, judgement, context_.playbooks, revision, context_.producer));
  }

  std::string_view entity_hash_;
  records::EntityState& entity_;
  const IncidentContext& context_;
  Second now_;
  const FindingConfig& config_;
  state::Transaction& state_;
  std::vector<schemas::Report>& reports_;
  std::map<std::string, records::LeftOut> left_out_now_;  ///< in this second, by finding
  bool asks_ = false;  ///< a finding that joined leaves it to the incident
};

}  // namespace

void decide_incident(std::string_view entity_hash, records::EntityState& entity,
                     const std::vector<Told>& told, const IncidentContext& context,
                     state::Transaction& state, std::vector<schemas::Report>& reports) {
  IncidentDecision decision(entity_hash, entity, context, state, reports);
  if (!told.empty()) decision.forget_old();
  for (const Told& finding : told) decision.note(finding);
  decision.decide();
}

}  // namespace gyre::stages
