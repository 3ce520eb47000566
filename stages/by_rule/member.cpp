// SPDX-License-Identifier: Apache-2.0
#include "stages/by_rule/member.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "schemas/identity.h"
#include "schemas/sighting.h"
#include "stages/report/judge.h"

namespace gyre::stages {

namespace {

constexpr Second kSpans = 24;

// More than two windows and the longest outbreak have: a bound, not a rule.
constexpr int kTalliesKept = 128;

records::Account& account_of(records::OutbreakMember& member, const records::Group& group) {
  return group.has_workload() ? *member.mutable_recurring() : *member.mutable_everywhere();
}

bool is_sighting(const records::Tally& tally) {
  return tally.counts().alerts() > 0 || tally.counted();
}

bool is_within(const records::Tally& tally, const records::Contribution& finding) {
  return tally.last() >= finding.first() && tally.first() <= finding.last();
}

void raise(const records::Judged& from, records::Judged& into) {
  into.set_severity(std::max(into.severity(), from.severity()));
  into.set_attention(std::max(into.attention(), from.attention()));
  into.set_risk(std::max(into.risk(), from.risk()));
  into.set_suspicious(into.suspicious() || from.suspicious());
  into.set_effect_observed(into.effect_observed() || from.effect_observed());
  add_techniques(from.attack(), into);
  into.set_techniques_left_out(into.techniques_left_out() || from.techniques_left_out());
}

records::Judged judged(const records::Contribution& contribution) {
  records::Judged judged;
  judged.set_severity(contribution.severity());
  judged.set_attention(contribution.attention());
  judged.set_risk(contribution.risk());
  judged.set_suspicious(contribution.verdict() == static_cast<std::uint32_t>(Verdict::kSuspicious));
  judged.set_effect_observed(contribution.effect_observed());
  add_techniques(contribution.attack(), judged);
  return judged;
}

// What is no sighting has no say in when there was one.
void add(const records::Tally& from, records::Tally& into) {
  const bool is_new = into.last() == 0;
  if (is_new || (is_sighting(from) && !is_sighting(into))) {
    into.set_first(from.first());
    into.set_last(from.last());
    into.set_priority(from.priority());
    into.set_finding(from.finding());
  } else if (is_sighting(from) == is_sighting(into)) {
    if (std::pair(from.first(), std::string_view(from.finding())) <
        std::pair(into.first(), std::string_view(into.finding()))) {
      into.set_first(from.first());
      into.set_finding(from.finding());
    }
    into.set_last(std::max(into.last(), from.last()));
    into.set_priority(std::min(into.priority(), from.priority()));
  }
  into.set_counted(into.counted() || from.counted());
  schemas::merge(*into.mutable_counts(), from.counts());
  if (from.has_judged()) raise(from.judged(), *into.mutable_judged());
}

// Which tallies every outbreak, open or to come, tells together or not at all.
class Spans {
 public:
  Spans(const records::Group& everywhere, Second now, const OutbreakConfig& config)
      : window_(config.window),
        recurring_window_(config.recurring_window),
        reach_(
            count_from((now - config.staleness - config.window) * kNanosPerSecond, config.window)),
        from_(everywhere.has_outbreak() ? everywhere.outbreak().from() : reach_),
        gone_(count_from(
            (now - config.staleness - config.recurring_window - config.max_age) * kNanosPerSecond,
            config.recurring_window)) {}

  bool is_one(const records::Tally& a, const records::Tally& b) const {
    return a.counted() == b.counted() && wide(a) == wide(b) &&
           (a.counted() ||
            count_from(a.last(), recurring_window_) == count_from(b.last(), recurring_window_));
  }
  // No outbreak asks for it any more; for what is counted, those over hosts and workloads alone do.
  bool is_over(const records::Tally& tally) const {
    return tally.last() < (tally.counted() ? std::min(reach_, from_) : gone_);
  }

 private:
  Nanos wide(const records::Tally& tally) const {
    if (tally.last() >= reach_) return count_from(tally.last(), window_);
    return tally.last() >= from_ ? 1 : 0;
  }

  Second window_;
  Second recurring_window_;
  Nanos reach_;  ///< where the next outbreak over hosts and workloads may begin at the earliest
  Nanos from_;   ///< where the open one begins
  Nanos gone_;   ///< before the oldest that may be open began
};

}  // namespace

bool is_on_host(const records::Entity& entity) {
  return entity.kind() == records::Entity::CONTAINER || entity.kind() == records::Entity::HOST;
}

std::string host_of(const records::Contribution& contribution) {
  const records::Entity& entity = contribution.entity();
  if (!is_on_host(entity) || entity.key_incomplete() || contribution.workload().scheduled())
    return {};
  return std::string(
      view(IdHasher().add("host").add(entity.cluster()).add(entity.hostname()).finish()));
}

std::string workload_of(const records::Contribution& contribution) {
  if (!contribution.has_workload()) return {};
  const records::Workload& workload = contribution.workload();
  return std::string(view(IdHasher()
                              .add("workload")
                              .add(workload.cluster())
                              .add(workload.namespace_())
                              .add(workload.owner())
                              .add(workload.container())
                              .add(workload.hostname())
                              .add(workload.image())
                              .finish()));
}

std::string place_of(const records::Contribution& contribution) {
  const records::Entity& entity = contribution.entity();
  return is_on_host(entity) ? workload_of(contribution)
                            : std::string(view(schemas::entity_hash(entity)));
}

Second window_of(const records::Group& group, const OutbreakConfig& config) {
  return group.has_workload() ? config.recurring_window : config.window;
}

Nanos count_from(Nanos time, Second window) {
  const Nanos span = std::max<Second>(window / kSpans, 1) * kNanosPerSecond;
  return time / span * span;
}

const records::Account& account_of(const records::OutbreakMember& member,
                                   const records::Group& group) {
  return group.has_workload() ? member.recurring() : member.everywhere();
}

records::Tally tally_of(const records::Contribution& contribution) {
  records::Tally tally;
  tally.set_first(contribution.span().first());
  tally.set_last(contribution.has_span() ? contribution.span().last() : contribution.last());
  tally.set_priority(contribution.has_span() ? contribution.span().priority()
                                             : contribution.priority());
  tally.set_finding(contribution.finding_id());
  *tally.mutable_counts() = contribution.added();
  return tally;
}

void note(const records::Tally& tally, const records::Group& everywhere, Second now,
          const OutbreakConfig& config, records::OutbreakMember& member) {
  const Spans spans(everywhere, now, config);
  auto& untold = *member.mutable_untold();
  if (tally.counts().alerts() > 0 || tally.counts().duplicates() > 0) *untold.Add() = tally;
  std::sort(untold.begin(), untold.end(), [](const records::Tally& a, const records::Tally& b) {
    return std::pair(a.counted(), a.last()) < std::pair(b.counted(), b.last());
  });
  int kept = 0;
  for (int i = 0; i < untold.size(); ++i) {
    if (spans.is_over(untold[i])) continue;
    if (kept > 0 && spans.is_one(untold[kept - 1], untold[i]))
      add(untold[i], untold[kept - 1]);
    else if (kept++ != i)
      untold[kept - 1].Swap(&untold[i]);
  }
  untold.DeleteSubrange(kept, untold.size() - kept);
  if (kept > kTalliesKept) untold.DeleteSubrange(0, kept - kTalliesKept);
}

void keep_judgement(const records::Contribution& finding, const records::Group& everywhere,
                    const records::Group* workload, records::OutbreakMember& member) {
  if (!finding.counting()) return;
  const records::Judged own = judged(finding);
  for (records::Tally& tally : *member.mutable_untold())
    if (is_sighting(tally) && is_within(tally, finding)) raise(own, *tally.mutable_judged());
  for (const records::Group* group : {&everywhere, workload}) {
    if (group == nullptr || !belongs(member, *group)) continue;
    records::Tally& told = *account_of(member, *group).mutable_told();
    if (is_within(told, finding)) raise(own, *told.mutable_judged());
  }
}

std::optional<records::Judged> judged_in(const records::Group& group,
                                         const records::OutbreakMember& member) {
  const records::Tally& told = account_of(member, group).told();
  const bool tells_newest = member.newest().counting() && is_within(told, member.newest());
  if (!tells_newest && !told.has_judged()) return std::nullopt;
  records::Judged highest = told.judged();
  if (tells_newest) raise(judged(member.newest()), highest);
  return highest;
}

bool belongs(const records::OutbreakMember& member, const records::Group& group) {
  return group.has_outbreak() && account_of(member, group).told_in() == group.outbreak().id();
}

bool tell(const records::Group& group, records::OutbreakMember& member) {
  const bool belonged = belongs(member, group);
  if (!group.has_outbreak() || (!belonged && !member.newest().counting())) return belonged;
  const Nanos from = group.outbreak().from();
  const auto tells = [&](const records::Tally& tally) {
    return tally.last() >= from && !(group.has_workload() && tally.counted());
  };
  const auto& untold = member.untold();
  if (!belonged && std::none_of(untold.begin(), untold.end(), [&](const records::Tally& tally) {
        return tells(tally) && is_sighting(tally);
      }))
    return false;
  records::Account& account = account_of(member, group);
  if (!belonged) account.Clear();
  account.set_told_in(group.outbreak().id());
  google::protobuf::RepeatedPtrField<records::Tally> rest;
  for (const records::Tally& tally : untold) {
    if (!tells(tally)) {
      *rest.Add() = tally;
      continue;
    }
    if (group.has_workload() && is_sighting(tally)) {
      records::Tally& seen = *rest.Add();
      seen = tally;
      seen.clear_counts();
      seen.set_counted(true);
    }
    records::Tally told = tally;
    told.set_first(std::max(tally.first(), from));
    add(told, *account.mutable_told());
  }
  *member.mutable_untold() = std::move(rest);
  return true;
}

std::optional<Nanos> newest_sighting(const records::OutbreakMember& member,
                                     const records::Group& group) {
  std::optional<Nanos> newest;
  if (belongs(member, group)) newest = account_of(member, group).told().last();
  for (const records::Tally& tally : member.untold())
    if (is_sighting(tally) && !(group.has_workload() && tally.counted()))
      newest = std::max(newest.value_or(0), tally.last());
  return newest;
}

bool is_old(const records::OutbreakMember& member, const OutbreakConfig& config, Second now) {
  // Any container may turn out as one of a workload.
  const bool may_recur = member.newest().entity().kind() == records::Entity::CONTAINER;
  const Second window = may_recur ? config.recurring_window : config.window;
  return member.last() < count_from((now - config.staleness - window) * kNanosPerSecond, window);
}

}  // namespace gyre::stages
