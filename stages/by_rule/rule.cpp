// SPDX-License-Identifier: Apache-2.0
#include "stages/by_rule/rule.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/hash.h"
#include "schemas/sighting.h"
#include "stages/by_rule/fold.h"
#include "stages/by_rule/group.h"

namespace gyre::stages {

namespace {

// How often members that can matter no more are looked for.
constexpr Second kSweepEvery = 6 * 3600;

class RuleDecision {
 public:
  RuleDecision(const std::string& rule_key, const RuleWork& work, Second now,
               const OutbreakConfig& config, const Producer& producer, state::Transaction& state,
               std::int64_t& open, std::vector<schemas::Report>& reports)
      : rule_key_(rule_key),
        work_(work),
        now_(now),
        config_(config),
        producer_(producer),
        state_(state),
        open_(open),
        reports_(reports) {}

  void decide() {
    if (auto stored = state_.group(rule_key_)) {
      group_ = std::move(*stored);
    } else if (!work_.contributions.empty()) {
      describe(group_, work_.contributions.front());
      group_.set_swept(now_);
    } else {  // forgotten before the group of a workload
      decide_workloads();
      return;
    }
    for (const records::Contribution& contribution : work_.contributions) join(contribution);
    recount();
    for (const Joined& each : joined_) note_hosts(each);
    const bool was_open = group_.has_outbreak();
    decide_group(rule_key_, group_, joined_);
    decide_workloads();
    const bool closed = was_open && !group_.has_outbreak();
    if (!group_.has_outbreak() && (closed || now_ >= group_.swept() + kSweepEvery)) sweep();
    keep_group();
  }

 private:
  static void describe(records::Group& group, const records::Contribution& contribution) {
    group.set_tenant(contribution.entity().tenant());
    group.set_rule(contribution.rule());
    group.set_shape(contribution.shape());
    group.set_shape_version(contribution.shape_version());
  }

  std::string workload_key(const records::Contribution& contribution) const {
    const std::string workload = workload_of(contribution);
    return workload.empty() ? std::string() : rule_key_ + workload;
  }

  // The group of a workload if there is one.
  records::Group* find_workload(const std::string& key) {
    if (key.empty()) return nullptr;
    const auto found = workloads_.find(key);
    if (found != workloads_.end()) return &found->second;
    auto stored = state_.group(key);
    return stored ? &workloads_.emplace(key, std::move(*stored)).first->second : nullptr;
  }

  bool workload_open(const std::string& key) {
    const records::Group* workload = find_workload(key);
    return workload != nullptr && workload->has_outbreak();
  }

  void join(const records::Contribution& contribution) {
    Joined joined{.contribution = contribution};
    joined.before = state_.member(rule_key_, contribution.finding_key());
    if (!joined.before && group_.members() >= config_.members) {
      joined_.push_back(std::move(joined));
      return;
    }
    joined.kept = true;
    if (!joined.before) group_.set_members(group_.members() + 1);
    // Begins anew, so that nobody can see when it was swept.
    if (joined.before && is_over(*joined.before)) joined.before.reset();
    records::OutbreakMember& member = joined.after;
    if (joined.before) member = *joined.before;
    const bool fresh = !joined.before;
    schemas::merge(*member.mutable_counts(), contribution.added());
    member.set_first(fresh ? contribution.first() : std::min(member.first(), contribution.first()));
    member.set_last(fresh ? contribution.last() : std::max(member.last(), contribution.last()));
    member.set_priority(fresh ? contribution.priority()
                              : std::min(member.priority(), contribution.priority()));
    // A finding of before may be told of once more when late alerts came.
    if (fresh || contribution.first() >= member.newest().first() ||
        contribution.finding_id() == member.newest().finding_id())
      renew(member, contribution);
    // Whoever was counted stays while it is told of: counts never fall (ruling 31).
    const bool told = group_.has_outbreak() || workload_open(workload_key(member.newest()));
    member.set_counted(member.newest().counting() || (member.counted() && told));
    state_.put(rule_key_, contribution.finding_key(), member);
    joined_.push_back(std::move(joined));
  }

  void renew(records::OutbreakMember& member, const records::Contribution& contribution) {
    const bool held = member.newest().has_workload() &&
                      workload_of(member.newest()) != workload_of(contribution) &&
                      workload_open(workload_key(member.newest()));
    const records::Workload before = member.newest().workload();
    *member.mutable_newest() = contribution;
    member.mutable_newest()->clear_added();
    if (held) *member.mutable_newest()->mutable_workload() = before;
  }

  const records::Contribution& newest(const Joined& joined) const {
    return joined.kept ? joined.after.newest() : joined.contribution;
  }

  void note_hosts(const Joined& joined) {
    const records::Contribution& whom = newest(joined);
    if (!whom.counting()) return;
    const Nanos last = joined.kept ? joined.after.last() : whom.last();
    note_recent(*group_.mutable_hosts(), host_of(whom), last, config_.hosts);
    note_recent(*group_.mutable_workloads(), workload_of(whom), last, config_.workloads);
  }

  // Who was recognised as test or benign counts no more; the lists hold only the newest, so they
  // are made again from all members.
  void recount() {
    std::set<std::string> workloads;
    bool any = false;
    for (const Joined& each : joined_) {
      if (!each.before || !each.before->newest().counting() || each.after.newest().counting())
        continue;
      any = true;
      const std::string key = workload_key(each.before->newest());
      if (find_workload(key) != nullptr) workloads.insert(key);
    }
    if (!any) return;
    group_.clear_hosts();
    group_.clear_workloads();
    for (const std::string& key : workloads) workloads_.at(key).clear_containers();
    for (const auto& [finding_key, member] : state_.members(rule_key_)) {
      if (!member.newest().counting()) continue;
      note_recent(*group_.mutable_hosts(), host_of(member.newest()), member.last(), config_.hosts);
      note_recent(*group_.mutable_workloads(), workload_of(member.newest()), member.last(),
                  config_.workloads);
      const std::string key = workload_key(member.newest());
      if (workloads.contains(key))
        note_recent(*workloads_.at(key).mutable_containers(), finding_key, member.last(),
                    config_.recurring);
    }
  }

  void decide_group(const std::string& key, records::Group& group,
                    const std::vector<Joined>& joined) {
    GroupDecision decision(key, group, now_, config_, producer_, state_, open_, reports_);
    if (group.has_outbreak()) {
      decision.go_on(joined);
      decision.try_close();
    } else if (!joined.empty()) {
      decision.try_open();
    }
    if (group.has_outbreak()) group.set_due(std::max(decision.closes_at(), now_ + 1));
  }

  void decide_workloads() {
    std::map<std::string, std::vector<Joined>> joined;
    for (Joined& each : joined_) {
      const std::string key = workload_key(newest(each));
      if (key.empty()) continue;
      records::Group* workload = find_workload(key);
      const bool told = workload != nullptr && workload->has_outbreak();
      const bool counts = newest(each).counting() &&
                          (told || !group_.has_outbreak() || newest(each).workload().scheduled());
      if (counts) {
        if (workload == nullptr) {
          workload = &workloads_[key];
          describe(*workload, each.contribution);
          *workload->mutable_workload() = newest(each).workload();
        }
        note_recent(*workload->mutable_containers(), each.contribution.finding_key(),
                    each.kept ? each.after.last() : each.contribution.last(), config_.recurring);
      }
      if (counts || told) joined[key].push_back(std::move(each));
    }
    for (const std::string& key : work_.due)
      if (key != rule_key_ && find_workload(key) != nullptr) joined.try_emplace(key);
    for (const auto& [key, who] : joined) {
      records::Group& workload = workloads_.at(key);
      decide_group(key, workload, who);
      if (!workload.has_outbreak()) {
        const Second forget = workload.containers().empty()
                                  ? now_
                                  : second_of(workload.containers(0).last()) +
                                        config_.recurring_window + kStaleness + 1;
        workload.set_due(forget > now_ ? forget : 0);
      }
      keep(key, workload);
    }
  }

  // No outbreak tells of the member, and it is too old to open one.
  bool is_over(const records::OutbreakMember& member) {
    const std::string key = workload_key(member.newest());
    const Second matters = key.empty() ? config_.window : config_.recurring_window;
    if (member.last() >= (now_ - matters - kStaleness) * kNanosPerSecond) return false;
    if (group_.has_outbreak() && belongs(member, group_)) return false;
    const records::Group* workload = find_workload(key);
    return workload == nullptr || !workload->has_outbreak() || !belongs(member, *workload);
  }

  void sweep() {
    group_.set_swept(now_);
    for (const auto& [finding_key, member] : state_.members(rule_key_)) {
      if (!is_over(member)) continue;
      state_.erase_member(rule_key_, finding_key);
      group_.set_members(group_.members() - 1);
    }
  }

  void keep_group() {
    if (!group_.has_outbreak())
      group_.set_due(group_.members() == 0 ? 0 : std::max(now_ + 1, group_.swept() + kSweepEvery));
    keep(rule_key_, group_);
  }

  void keep(const std::string& key, records::Group& group) {
    if (group.due() == 0) {
      state_.erase_group(key);
      return;
    }
    if (group.armed() <= now_) group.set_armed(0);
    state_.put(key, group);
  }

  const std::string& rule_key_;
  const RuleWork& work_;
  Second now_;
  const OutbreakConfig& config_;
  const Producer& producer_;
  state::Transaction& state_;
  std::int64_t& open_;
  std::vector<schemas::Report>& reports_;
  records::Group group_;
  std::map<std::string, records::Group> workloads_;
  std::vector<Joined> joined_;
};

}  // namespace

void decide_rule(const std::string& rule_key, const RuleWork& work, Second now,
                 const OutbreakConfig& config, const Producer& producer, state::Transaction& state,
                 std::int64_t& open, std::vector<schemas::Report>& reports) {
  RuleDecision(rule_key, work, now, config, producer, state, open, reports).decide();
}

}  // namespace gyre::stages
