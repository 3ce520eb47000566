// SPDX-License-Identifier: Apache-2.0
#include "stages/by_rule/rule.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "schemas/sighting.h"
#include "stages/by_rule/group.h"
#include "stages/by_rule/member.h"

namespace gyre::stages {

namespace {

// How often members that can matter no more are looked for.
constexpr Second kSweepEvery = 6 * 3600;

// All members are read to make room: for an eighth of them at once, else not again for a while.
constexpr std::uint64_t kRoomAtOnce = 8;
constexpr Second kRoomEvery = 300;

class RuleDecision {
 public:
  RuleDecision(const std::string& rule_key, const RuleWork& work, const OutbreakContext& context,
               state::Transaction& state, std::int64_t& open, std::vector<schemas::Report>& reports)
      : rule_key_(rule_key),
        work_(work),
        context_(context),
        now_(context.now),
        config_(context.config),
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
    make_room();
    for (const records::Contribution& contribution : work_.contributions) join(contribution);
    for (Joined& each : joined_) account(each);
    recount();
    for (const Joined& each : joined_) note_places(each);
    const bool was_open = group_.has_outbreak();
    take_over(decide_group(rule_key_, group_, joined_));
    told_everywhere_ = was_open || group_.has_outbreak();
    if (told_everywhere_ && !was_open) read_members();
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

  bool is_told(const records::OutbreakMember& member) {
    if (belongs(member, group_)) return true;
    if (member.recurring().told_in().empty()) return false;
    const records::Group* workload = find_workload(workload_key(member.newest()));
    return workload != nullptr && belongs(member, *workload);
  }

  // No outbreak tells of the member, and it is too old to open one.
  bool is_over(const records::OutbreakMember& member) {
    return is_old(member, config_, now_) && !is_told(member);
  }

  // That a finding closes, or is judged anew, tells nothing of whom was forgotten.
  static bool needs_room(const records::Contribution& contribution) {
    return contribution.counting() && contribution.added().alerts() > 0;
  }

  // Who is new and counts takes the place of who counts not, or was seen longest ago.
  void make_room() {
    if (group_.members() + work_.contributions.size() <= config_.members) return;
    std::map<std::string_view, bool>
        coming;  // key of who counts, whether it needs room if it is new
    for (const records::Contribution& each : work_.contributions) {
      if (!each.counting()) continue;
      bool& needs = coming[each.finding_key()];
      needs = needs || needs_room(each);
    }
    for (const auto& [key, needs] : coming)
      if (needs && !state_.member(rule_key_, key)) newcomers_.insert(key);
    if (group_.members() + newcomers_.size() <= config_.members || now_ < group_.full_until())
      return;
    std::vector<std::tuple<bool, Nanos, std::string, std::string>> others;  // counts, last, keys
    for (auto& [key, member] : state_.members(rule_key_))
      if (!coming.contains(key) && !is_told(member))
        others.emplace_back(member.newest().counting(), member.last(), std::move(key),
                            workload_key(member.newest()));
    const std::uint64_t at_once = config_.members / kRoomAtOnce;
    const std::uint64_t needed = group_.members() + newcomers_.size() - config_.members;
    const auto forget = std::min<std::size_t>(others.size(), std::max(needed, at_once));
    const auto end = others.begin() + static_cast<std::ptrdiff_t>(forget);
    std::partial_sort(others.begin(), end, others.end());
    others.erase(end, others.end());
    for (const auto& [counting, last, key, workload] : others) {
      state_.erase_member(rule_key_, key);
      forget_container(workload, key);
      if (counting) note_forgotten(last);
    }
    group_.set_members(group_.members() - forget);
    if (forget < at_once) group_.set_full_until(now_ + kRoomEvery);
  }

  // Workloads are as many as members at most, but for those whose next outbreak names the last one.
  void forget_container(const std::string& key, const std::string& finding_key) {
    records::Group* workload = find_workload(key);
    if (workload == nullptr || workload->has_outbreak()) return;
    auto& containers = *workload->mutable_containers();
    containers.erase(std::remove_if(containers.begin(), containers.end(),
                                    [&](const auto& each) { return each.key() == finding_key; }),
                     containers.end());
    if (!containers.empty() || !workload->last_id().empty()) return keep(key, *workload);
    state_.erase_group(key);
    workloads_.erase(key);
  }

  void note_forgotten(Nanos last) { group_.set_forgotten(std::max(group_.forgotten(), last)); }

  // Contributions come by member: those of one are neighbours.
  void join(const records::Contribution& contribution) {
    if (joined_.empty() || joined_.back().contribution.finding_key() != contribution.finding_key())
      meet(contribution);
    else
      schemas::merge(joined_.back().contribution, contribution);
    Joined& joined = joined_.back();
    if (!joined.kept) return;
    records::OutbreakMember& member = joined.member;
    member.set_last(std::max(member.last(), contribution.last()));
    // A finding of before may be told of once more when late alerts came.
    if (!member.has_newest() || contribution.first() >= member.newest().first() ||
        contribution.finding_id() == member.newest().finding_id())
      renew(member, contribution);
    note(tally_of(contribution), group_, now_, config_, member);
    if (contribution.finding_id() != member.newest().finding_id())
      keep_judgement(contribution, group_, find_workload(workload_key(member.newest())), member);
  }

  void meet(const records::Contribution& contribution) {
    Joined& joined = joined_.emplace_back();
    joined.contribution = contribution;
    auto known = state_.member(rule_key_, contribution.finding_key());
    const bool has_room = newcomers_.erase(contribution.finding_key()) > 0;
    const std::uint64_t reserved = has_room ? 0 : newcomers_.size();
    joined.kept = known || group_.members() + reserved < config_.members;
    if (!joined.kept) return;
    if (!known) group_.set_members(group_.members() + 1);
    // Begins anew, so that nobody can see when it was swept.
    if (!known || is_over(*known)) return;
    joined.before = {known->newest(), known->everywhere().told().has_judged(),
                     known->recurring().told().has_judged()};
    joined.member = std::move(*known);
  }

  // Names come late. Who is told of by its workload's outbreak stays there until that closes.
  void renew(records::OutbreakMember& member, const records::Contribution& contribution) {
    const records::Group* workload = find_workload(workload_key(member.newest()));
    const bool stays = workload != nullptr && belongs(member, *workload);
    if (member.newest().finding_id() != contribution.finding_id())
      keep_judgement(member.newest(), group_, workload, member);
    const records::Workload before = member.newest().workload();
    *member.mutable_newest() = contribution;
    member.mutable_newest()->clear_added();
    if (stays) *member.mutable_newest()->mutable_workload() = before;
  }

  void account(Joined& joined) {
    if (!joined.kept) {
      if (needs_room(joined.contribution)) note_forgotten(joined.contribution.last());
      return;
    }
    state_.put(rule_key_, joined.contribution.finding_key(), joined.member);
  }

  // What the outbreak over hosts and workloads opened with is no reason for one of a workload.
  void take_over(const std::vector<BegunWith>& begun) {
    for (const auto& [workload, finding_key] : begun) {
      if (workload.empty()) continue;
      const std::string key = rule_key_ + workload;
      const records::Group* known = find_workload(key);
      if (known != nullptr && holds(known->containers(), finding_key)) recounted_.insert(key);
    }
  }

  // The outbreak that opened tells of them.
  void read_members() {
    for (Joined& each : joined_)
      if (each.kept) each.member = *state_.member(rule_key_, each.contribution.finding_key());
  }

  const records::Contribution& newest(const Joined& joined) const {
    return joined.kept ? joined.member.newest() : joined.contribution;
  }

  // When it was last seen, as far as the group's outbreak may open or stay open by that.
  static std::optional<Nanos> last_sighting(const Joined& joined, const records::Group& group) {
    if (joined.kept) return newest_sighting(joined.member, group);
    if (!joined.contribution.has_span()) return std::nullopt;
    return joined.contribution.span().last();
  }

  void note_places(const Joined& joined) {
    note_places(newest(joined), last_sighting(joined, group_));
  }

  void note_places(const records::Contribution& whom, const std::optional<Nanos>& last) {
    if (!whom.counting() || !last) return;
    note_recent(*group_.mutable_hosts(), host_of(whom), *last, config_.hosts);
    note_recent(*group_.mutable_workloads(), place_of(whom), *last, config_.workloads);
  }

  static bool holds(const google::protobuf::RepeatedPtrField<records::Recent>& newest,
                    const std::string& key) {
    return std::any_of(newest.begin(), newest.end(),
                       [&](const records::Recent& recent) { return recent.key() == key; });
  }

  // Who was recognised as test or benign counts no more, and who is somewhere else than thought
  // counts there only. The lists hold only the newest, so they are made again from all members.
  void recount() {
    bool again = false;
    for (const Joined& each : joined_) {
      if (!each.before || !each.before->newest.counting()) continue;
      const records::Contribution& after = each.member.newest();
      const std::string host = host_of(each.before->newest);
      const std::string place = place_of(each.before->newest);
      if (after.counting() && host_of(after) == host && place_of(after) == place) continue;
      again = again || holds(group_.hosts(), host) || holds(group_.workloads(), place);
      const std::string key = workload_key(each.before->newest);
      const records::Group* known = find_workload(key);
      if (known != nullptr && holds(known->containers(), each.contribution.finding_key()))
        recounted_.insert(key);
    }
    if (!again) return;
    group_.clear_hosts();
    group_.clear_workloads();
    for (const auto& [finding_key, member] : state_.members(rule_key_))
      note_places(member.newest(), newest_sighting(member, group_));
  }

  void recount_workloads() {
    if (recounted_.empty()) return;
    for (const std::string& key : recounted_) workloads_.at(key).clear_containers();
    for (const auto& [finding_key, member] : state_.members(rule_key_)) {
      const std::string key = workload_key(member.newest());
      if (!member.newest().counting() || !recounted_.contains(key)) continue;
      if (const auto last = newest_sighting(member, workloads_.at(key)))
        note_container(workloads_.at(key), finding_key, *last);
    }
  }

  void note_container(records::Group& workload, const std::string& finding_key, Nanos last) {
    note_recent(*workload.mutable_containers(), finding_key, last, config_.recurring);
  }

  // Returns whom an outbreak that opened tells of.
  std::vector<BegunWith> decide_group(const std::string& key, records::Group& group,
                                      std::vector<Joined>& joined) {
    GroupDecision decision(key, group, context_, state_, open_, reports_);
    std::vector<BegunWith> begun;
    if (group.has_outbreak()) {
      decision.go_on(joined);
      decision.try_close();
    } else if (!joined.empty()) {
      begun = decision.try_open(group_.forgotten());
    }
    if (group.has_outbreak()) group.set_due(std::max(decision.looks_again_at(), now_ + 1));
    return begun;
  }

  // What the outbreak over hosts and workloads has left.
  void decide_workloads() {
    recount_workloads();
    std::map<std::string, std::vector<Joined>> joined;
    for (Joined& each : joined_) {
      if (told_everywhere_ && !each.kept) continue;
      const std::string key = workload_key(newest(each));
      if (note_container(key, each)) joined[key].push_back(std::move(each));
    }
    for (const std::string& key : recounted_) joined.try_emplace(key);
    for (const std::string& key : work_.due)
      if (key != rule_key_ && find_workload(key) != nullptr) joined.try_emplace(key);
    for (auto& [key, who] : joined) decide_workload(key, who);
  }

  // Whether there is a group of that workload, which is made for the first that counts and is kept.
  bool note_container(const std::string& key, const Joined& joined) {
    if (key.empty()) return false;
    records::Group* workload = find_workload(key);
    records::Group made;
    if (workload == nullptr) {
      if (!joined.kept) return false;
      describe(made, joined.contribution);
      *made.mutable_workload() = newest(joined).workload();
    }
    const auto last = last_sighting(joined, workload == nullptr ? made : *workload);
    if (!newest(joined).counting() || !last) return workload != nullptr;
    if (workload == nullptr) workload = &workloads_.emplace(key, std::move(made)).first->second;
    note_container(*workload, joined.contribution.finding_key(), *last);
    return true;
  }

  void decide_workload(const std::string& key, std::vector<Joined>& joined) {
    const Second margin = config_.staleness + 1;
    records::Group& workload = workloads_.at(key);
    const bool was_open = workload.has_outbreak();
    decide_group(key, workload, joined);
    if (!workload.has_outbreak()) {
      // What it knows matters no more by then; the next outbreak names the one before it.
      Second forget = was_open ? now_ + config_.recurring_window + margin : workload.due();
      if (!workload.containers().empty())
        forget = std::max(
            forget, second_of(workload.containers(0).last()) + config_.recurring_window + margin);
      workload.set_due(forget > now_ ? forget : 0);
    }
    keep(key, workload);
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
  const OutbreakContext& context_;
  Second now_;
  const OutbreakConfig& config_;
  state::Transaction& state_;
  std::int64_t& open_;
  std::vector<schemas::Report>& reports_;
  records::Group group_;
  std::map<std::string, records::Group> workloads_;
  std::vector<Joined> joined_;
  std::set<std::string_view> newcomers_;  ///< keys of who is to have room, where it may be short
  std::set<std::string> recounted_;       ///< workloads whose list is made again
  bool told_everywhere_ = false;  ///< an outbreak over hosts and workloads tells of this second
};

}  // namespace

void decide_rule(const std::string& rule_key, const RuleWork& work, const OutbreakContext& context,
                 state::Transaction& state, std::int64_t& open,
                 std::vector<schemas::Report>& reports) {
  RuleDecision(rule_key, work, context, state, open, reports).decide();
}

}  // namespace gyre::stages
