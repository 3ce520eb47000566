// SPDX-License-Identifier: Apache-2.0
#include "stages/by_rule/group.h"

#include <algorithm>

#include "base/hash.h"
#include "schemas/sighting.h"
#include "stages/by_rule/fold.h"
#include "stages/by_rule/member.h"
#include "stages/by_rule/starts.h"

namespace gyre::stages {

namespace {

constexpr int kPlaces = 32;

// Half of a threshold, the smallest number that is not below it.
int half(std::uint32_t threshold) { return static_cast<int>((threshold + 1) / 2); }

std::uint64_t arrivals(const records::Counts& counts) {
  return counts.alerts() + counts.duplicates();
}

void add_place(google::protobuf::RepeatedPtrField<std::string>& places, const std::string& place) {
  if (place.empty() || places.size() == kPlaces) return;
  if (std::find(places.begin(), places.end(), place) != places.end()) return;
  *places.Add() = place;
  std::sort(places.begin(), places.end());
}

bool suspicious(std::uint32_t verdict) {
  return verdict == static_cast<std::uint32_t>(Verdict::kSuspicious);
}

// Whether a member's findings may change what the outbreak says of itself: they go beyond that, or
// the newest was what held it up.
bool may_change_judgement(const Joined& joined, bool belonged,
                          const std::optional<records::Judged>& judged,
                          const records::Group& group) {
  const records::Outbreak& said = group.outbreak();
  const bool spreads = said.pattern() == static_cast<std::uint32_t>(Pattern::kSpread);
  if (judged) {
    const std::uint32_t severity = std::max(judged->severity(), said.severity());
    const Attention asks =
        std::max(Attention::kTicket,
                 attention_of(static_cast<Severity>(std::min<std::uint32_t>(severity, 4)),
                              said.effect(), spreads));
    if (judged->severity() > said.severity() || judged->attention() > said.attention() ||
        static_cast<std::uint32_t>(asks) > said.attention() ||
        (judged->suspicious() && !suspicious(said.verdict())))
      return true;
  }
  if (!belonged) return false;
  const records::Contribution& before = joined.before->newest;
  const records::Contribution& now = joined.member.newest();
  return before.counting() != now.counting() ||
         (before.severity() > now.severity() && before.severity() >= said.severity()) ||
         (before.attention() > now.attention() && before.attention() >= said.attention()) ||
         (suspicious(before.verdict()) && !suspicious(now.verdict())) ||
         (before.effect_observed() && !now.effect_observed());
}

// Whether only a fold can tell what the member changes of how the containers followed each other,
// or of what images and starts there are: those that it had may be others' as well.
bool may_change_course(const Joined& joined, bool belonged, const records::Group& group,
                       const OutbreakConfig& config) {
  const records::Contribution& now = joined.member.newest();
  const bool open = course_known_at(group, group.outbreak().starts(), config).has_value();
  if (!belonged) return open;
  const records::Contribution& before = joined.before->newest;
  return (open && now.last() != before.last()) ||
         (!before.image().empty() && now.image() != before.image()) ||
         (before.started() != 0 && now.started() != before.started());
}

bool rose(const Judgement& judgement, const records::Outbreak& said) {
  return static_cast<std::uint32_t>(judgement.severity) > said.severity() ||
         static_cast<std::uint32_t>(judgement.attention) > said.attention();
}

bool is_as_said(Pattern pattern, Course course, const records::Outbreak& said) {
  return static_cast<std::uint32_t>(pattern) == said.pattern() &&
         static_cast<std::uint32_t>(course) == said.course();
}

// Ruling 31: what falls is said as a change of verdict, whatever rises beside it.
bool fell(const Judgement& judgement, const records::Outbreak& said) {
  return static_cast<std::uint32_t>(judgement.severity) < said.severity() ||
         static_cast<std::uint32_t>(judgement.attention) < said.attention() ||
         static_cast<std::uint32_t>(judgement.risk) < said.risk();
}

}  // namespace

void note_recent(google::protobuf::RepeatedPtrField<records::Recent>& newest,
                 const std::string& key, Nanos last, std::uint32_t most) {
  if (key.empty()) return;
  auto at = std::find_if(newest.begin(), newest.end(),
                         [&](const records::Recent& recent) { return recent.key() == key; });
  if (at == newest.end()) {
    records::Recent recent;
    recent.set_key(key);
    recent.set_last(last);
    *newest.Add() = std::move(recent);
  } else {
    at->set_last(std::max(at->last(), last));
  }
  std::sort(newest.begin(), newest.end(), [](const records::Recent& a, const records::Recent& b) {
    return std::pair(b.last(), std::string_view(a.key())) <
           std::pair(a.last(), std::string_view(b.key()));
  });
  if (newest.size() > static_cast<int>(most)) newest.RemoveLast();
}

GroupDecision::GroupDecision(const std::string& key, records::Group& group,
                             const OutbreakContext& context, state::Transaction& state,
                             std::int64_t& open, std::vector<schemas::Report>& reports)
    : key_(key),
      group_(group),
      now_(context.now),
      config_(context.config),
      producer_(context.producer),
      state_(state),
      open_(open),
      reports_(reports) {}

std::vector<GroupDecision::Dimension> GroupDecision::dimensions() const {
  if (group_.has_workload()) return {{group_.containers(), config_.recurring}};
  return {{group_.hosts(), config_.hosts}, {group_.workloads(), config_.workloads}};
}

std::string_view GroupDecision::rule_key() const {
  return std::string_view(key_).substr(0, sizeof(Id128));
}

Nanos GroupDecision::window() const { return window_of(group_, config_) * kNanosPerSecond; }

std::vector<BegunWith> GroupDecision::try_open(Nanos forgotten) {
  Nanos anchor = (now_ - config_.staleness) * kNanosPerSecond;
  for (const Dimension& dimension : dimensions())
    if (!dimension.newest.empty()) anchor = std::max(anchor, dimension.newest.begin()->last());
  const Nanos from = anchor - window();
  const auto reached = [&](const Dimension& dimension) {
    const int threshold = static_cast<int>(dimension.threshold);
    return dimension.newest.size() >= threshold &&
           dimension.newest.Get(threshold - 1).last() >= from;
  };
  const auto all = dimensions();
  if (std::none_of(all.begin(), all.end(), reached)) return {};

  records::Outbreak& outbreak = *group_.mutable_outbreak();
  // Two of one key open at least the quiet time apart (ruling 20).
  outbreak.set_id(
      to_hex(view(IdHasher().add("outbreak").add(key_).add(now_ / config_.quiet).finish())));
  outbreak.set_previous_id(group_.last_id());
  outbreak.set_opened_second(now_);
  outbreak.set_from(count_from(from, window_of(group_, config_)));
  outbreak.set_capped(forgotten >= outbreak.from());
  const std::string_view workload = std::string_view(key_).substr(sizeof(Id128));
  std::vector<BegunWith> begun;
  for (auto& [finding_key, member] : state_.members(rule_key())) {
    std::string of = workload_of(member.newest());
    if (!workload.empty() && of != workload) continue;
    if (!tell(group_, member)) continue;
    state_.put(rule_key(), finding_key, member);
    outbreak.set_entities(outbreak.entities() + 1);
    note_member(member.newest(), judged_in(group_, member));
    begun.push_back({std::move(of), finding_key});
  }
  if (begun.empty()) {  // there was no room for those who were seen
    group_.clear_outbreak();
    return {};
  }
  group_.set_last_id(outbreak.id());
  ++open_;
  publish(fold_members(), "opened", "");
  return begun;
}

void GroupDecision::note_member(const records::Contribution& newest,
                                const std::optional<records::Judged>& judged) {
  records::Outbreak& outbreak = *group_.mutable_outbreak();
  add_place(*outbreak.mutable_clusters(), newest.entity().cluster());
  add_place(*outbreak.mutable_namespaces(), newest.workload().namespace_());
  if (!judged) return;
  add_techniques(judged->attack(), outbreak);
  if (judged->techniques_left_out()) outbreak.set_techniques_left_out(true);
  if (judged->effect_observed()) outbreak.set_effect(true);
}

// Follows the starts with a member that joined or changed. Whether only a fold can tell them.
bool GroupDecision::follow_start(const Joined& joined, bool belonged, bool counts) {
  records::Starts& starts = *group_.mutable_outbreak()->mutable_starts();
  const bool counted =
      belonged && (joined.before->newest.counting() ||
                   (group_.has_workload() ? joined.before->recurring : joined.before->everywhere));
  if (counted) take_out_start(joined.before->newest, starts);
  if (counts) note_start(joined.member.newest(), starts);
  return belonged && counted != counts;
}

OutbreakContent GroupDecision::fold_members() {
  OutbreakContent content = fold(group_, rule_key(), now_, config_, state_);
  records::Outbreak& outbreak = *group_.mutable_outbreak();
  *outbreak.mutable_starts() = content.starts;
  outbreak.set_effect(content.judgement.effect_observed);
  return content;
}

void GroupDecision::go_on(std::vector<Joined>& joined) {
  records::Outbreak& outbreak = *group_.mutable_outbreak();
  bool judge_again = false;
  for (Joined& each : joined) {
    if (!each.kept) {
      const records::Tally tally = tally_of(each.contribution);
      if (!each.contribution.counting() || arrivals(tally.counts()) == 0 ||
          tally.last() < outbreak.from())
        continue;
      schemas::merge(*outbreak.mutable_beyond(), tally.counts());
      outbreak.set_capped(true);
      continue;
    }
    const bool belonged = belongs(each.member, group_);
    if (!tell(group_, each.member)) continue;
    state_.put(rule_key(), each.contribution.finding_key(), each.member);
    if (!belonged) outbreak.set_entities(outbreak.entities() + 1);
    const auto judged = judged_in(group_, each.member);
    note_member(each.member.newest(), judged);
    judge_again = follow_start(each, belonged, judged.has_value()) || judge_again ||
                  may_change_judgement(each, belonged, judged, group_) ||
                  may_change_course(each, belonged, group_, config_);
  }
  if (judge_again || !is_as_said(pattern_of(group_, outbreak.starts(), config_),
                                 course_of(group_, outbreak.starts(), now_, config_), outbreak)) {
    const OutbreakContent content = fold_members();
    if (const std::string_view reason = reason_to_say(content); !reason.empty())
      publish(content, reason, "");
  } else if (has_more_places()) {
    publish(fold_members(), "members", "");
  }
}

// More members or places than was said, as far as that is worth a revision.
bool GroupDecision::has_more_places() const {
  const records::Outbreak& outbreak = group_.outbreak();
  const int places = outbreak.clusters_size() + outbreak.namespaces_size();
  return magnitude(outbreak.entities()) > magnitude(outbreak.said_entities()) ||
         static_cast<std::uint32_t>(places) > outbreak.said_places();
}

std::string_view GroupDecision::reason_to_say(const OutbreakContent& content) const {
  const records::Outbreak& said = group_.outbreak();
  const Judgement& judgement = content.judgement;
  if (rose(judgement, said)) return "severity";
  if (static_cast<std::uint32_t>(judgement.severity) != said.severity() ||
      static_cast<std::uint32_t>(judgement.verdict) != said.verdict() ||
      static_cast<std::uint32_t>(judgement.attention) != said.attention())
    return "verdict";
  const bool as_said = is_as_said(content.pattern, content.course, said);
  return !as_said || has_more_places() ? "members" : "";
}

// From when on the members are fewer than half the threshold, as far as is known.
Second GroupDecision::quiet_from() const {
  Nanos from = group_.outbreak().opened_second() * kNanosPerSecond;
  for (const Dimension& dimension : dimensions()) {
    const int enough = half(dimension.threshold);
    if (dimension.newest.size() >= enough)
      from = std::max(from, dimension.newest.Get(enough - 1).last() + window());
  }
  return second_of(from);
}

Second GroupDecision::closes_at() const {
  return std::min(quiet_from() + config_.quiet + config_.staleness + 1,
                  group_.outbreak().opened_second() + config_.max_age);
}

Second GroupDecision::looks_again_at() const {
  const auto known = course_known_at(group_, group_.outbreak().starts(), config_);
  return known && *known > now_ ? std::min(*known, closes_at()) : closes_at();
}

void GroupDecision::try_close() {
  if (now_ < closes_at()) return;
  const bool quiet = quiet_from() + config_.quiet + config_.staleness < now_;
  // An outbreak has asked for somebody from its opening on, who is told that it is over.
  publish(fold_members(), "closed", quiet ? "quiet" : "max_age");
  // What it told is neither a reason for the next one nor part of it.
  group_.clear_hosts();
  group_.clear_workloads();
  group_.clear_containers();
  group_.clear_outbreak();
  --open_;
}

void GroupDecision::publish(const OutbreakContent& content, std::string_view reason,
                            std::string_view closed_because) {
  records::Outbreak& outbreak = *group_.mutable_outbreak();
  if (outbreak.revision() > 0 && fell(content.judgement, outbreak)) {
    if (closed_because.empty())
      reason = "verdict";
    else
      publish(content, "verdict", "");
  } else if (outbreak.revision() > 0 && reason == "members" && rose(content.judgement, outbreak)) {
    reason = "severity";  // what is asked for comes before who joined
  }
  outbreak.set_revision(outbreak.revision() + 1);
  outbreak.set_published_second(now_);
  outbreak.set_said_entities(outbreak.entities());
  outbreak.set_said_places(
      static_cast<std::uint32_t>(outbreak.clusters_size() + outbreak.namespaces_size()));
  outbreak.set_severity(static_cast<std::uint32_t>(content.judgement.severity));
  outbreak.set_verdict(static_cast<std::uint32_t>(content.judgement.verdict));
  outbreak.set_attention(static_cast<std::uint32_t>(content.judgement.attention));
  outbreak.set_risk(static_cast<std::uint32_t>(content.judgement.risk));
  outbreak.set_pattern(static_cast<std::uint32_t>(content.pattern));
  outbreak.set_course(static_cast<std::uint32_t>(content.course));
  const Revision revision{.number = outbreak.revision(),
                          .reason = reason,
                          .decided = now_,
                          .closes_after = std::min(quiet_from() + config_.quiet,
                                                   outbreak.opened_second() + config_.max_age),
                          .closed_because = closed_because};
  const std::string series = to_hex(view(IdHasher().add("outbreak").add(key_).finish()));
  reports_.push_back(write_outbreak(group_, content, series, revision, producer_));
}

}  // namespace gyre::stages
