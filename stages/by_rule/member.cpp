// SPDX-License-Identifier: Apache-2.0
#include "stages/by_rule/member.h"

#include <algorithm>

#include "base/hash.h"
#include "schemas/identity.h"
#include "schemas/sighting.h"

namespace gyre::stages {

namespace {

constexpr Second kSpans = 24;

// More than two windows have: a bound, not a rule.
constexpr int kSpansKept = 96;

records::Account& account_of(records::OutbreakMember& member, const records::Group& group) {
  return group.has_workload() ? *member.mutable_recurring() : *member.mutable_everywhere();
}

void add(const records::Tally& from, records::Tally& into) {
  const bool is_new = into.last() == 0;
  into.set_first(is_new ? from.first() : std::min(into.first(), from.first()));
  into.set_last(std::max(into.last(), from.last()));
  into.set_priority(is_new ? from.priority() : std::min(into.priority(), from.priority()));
  schemas::merge(*into.mutable_counts(), from.counts());
}

}  // namespace

std::string host_of(const records::Contribution& contribution) {
  const records::Entity& entity = contribution.entity();
  const bool on_host =
      entity.kind() == records::Entity::CONTAINER || entity.kind() == records::Entity::HOST;
  if (!on_host || entity.key_incomplete() || contribution.workload().scheduled()) return {};
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
  const bool object =
      entity.kind() == records::Entity::K8S_OBJECT || entity.kind() == records::Entity::CLOUD;
  return object ? std::string(view(schemas::entity_hash(entity))) : workload_of(contribution);
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

records::Tally tally_of(const records::Contribution& contribution,
                        const records::OutbreakMember& member) {
  records::Tally tally;
  // What a finding adds came since its last contribution; when it began is no news.
  const records::Contribution& before = member.newest();
  const bool goes_on =
      before.finding_id() == contribution.finding_id() && before.first() <= contribution.first();
  tally.set_first(goes_on ? contribution.last() : contribution.first());
  tally.set_last(contribution.last());
  tally.set_priority(contribution.priority());
  *tally.mutable_counts() = contribution.added();
  return tally;
}

void note(const records::Tally& tally, const records::Group& group, const OutbreakConfig& config,
          records::OutbreakMember& member) {
  records::Account& account = account_of(member, group);
  auto& untold = *account.mutable_untold();
  if (tally.counts().alerts() == 0) {
    if (belongs(member, group))
      schemas::merge(*account.mutable_told()->mutable_counts(), tally.counts());
    else if (!untold.empty())
      schemas::merge(*untold[untold.size() - 1].mutable_counts(), tally.counts());
    return;
  }
  const Second window = window_of(group, config);
  const auto same = std::find_if(untold.begin(), untold.end(), [&](const records::Tally& known) {
    return count_from(known.last(), window) == count_from(tally.last(), window);
  });
  add(tally, same == untold.end() ? *untold.Add() : *same);
  std::sort(untold.begin(), untold.end(),
            [](const auto& a, const auto& b) { return a.last() < b.last(); });
  if (untold.size() > kSpansKept) untold.DeleteSubrange(0, 1);
}

bool belongs(const records::OutbreakMember& member, const records::Group& group) {
  return group.has_outbreak() && account_of(member, group).told_in() == group.outbreak().id();
}

bool tell(const records::Group& group, records::OutbreakMember& member) {
  const bool belonged = belongs(member, group);
  if (!group.has_outbreak() || (!belonged && !member.newest().counting())) return belonged;
  records::Account& account = account_of(member, group);
  const Nanos from = group.outbreak().from();
  records::Account told;
  told.set_told_in(group.outbreak().id());
  if (belonged) *told.mutable_told() = account.told();
  bool any = belonged;
  for (records::Tally& tally : *account.mutable_untold()) {
    if (tally.last() < from) {
      *told.add_untold() = tally;
      continue;
    }
    tally.set_first(std::max(tally.first(), from));
    add(tally, *told.mutable_told());
    any = true;
  }
  if (any) account = std::move(told);
  return any;
}

std::optional<Nanos> newest_sighting(const records::OutbreakMember& member,
                                     const records::Group& group) {
  const records::Account& account = account_of(member, group);
  std::optional<Nanos> newest;
  if (belongs(member, group)) newest = account.told().last();
  if (!account.untold().empty())
    newest = std::max(newest.value_or(0), account.untold(account.untold_size() - 1).last());
  return newest;
}

bool is_old(const records::OutbreakMember& member, const OutbreakConfig& config, Second now) {
  // Any container may turn out as one of a workload.
  const bool may_recur = member.newest().entity().kind() == records::Entity::CONTAINER;
  const Second window = may_recur ? config.recurring_window : config.window;
  return member.last() < count_from((now - kStaleness - window) * kNanosPerSecond, window);
}

}  // namespace gyre::stages
