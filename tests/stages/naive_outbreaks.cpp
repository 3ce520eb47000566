// SPDX-License-Identifier: Apache-2.0
#include "tests/stages/naive_outbreaks.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace gyre::stages::outbreak_model {

namespace {

class Model {
 public:
  explicit Model(const OutbreakConfig& config) : config_(config) {}

  Lines run(const std::vector<Given>& all, Second end) {
    std::size_t next = 0;
    for (Second now = 0; now <= end; ++now) {
      std::vector<const Given*> given;
      for (; next < all.size() && all[next].at == now; ++next) given.push_back(&all[next]);
      second(now, given);
    }
    std::sort(lines_.begin(), lines_.end());
    return lines_;
  }

 private:
  // Every contribution is kept, and who tells of it; without alerts it is of copies alone.
  struct Contributed {
    Nanos first = 0;
    Nanos last = 0;
    std::uint64_t alerts = 0;
    std::uint64_t copies = 0;
    int counted_in = 0;     ///< number of the one outbreak that counts it
    int fleet = 0;          ///< of that over hosts and workloads to which it is a sighting
    bool counting = false;  ///< of a finding that counted when another one followed it

    int told_in(const std::string& group) const { return group == kFleet ? fleet : counted_in; }
  };
  struct Member {
    const Given* who = nullptr;
    std::string machine;
    std::string workload;
    std::string space;
    bool scheduled = false;
    Nanos last = 0;
    std::vector<Contributed> all;
  };
  struct Outbreak {
    int number = 0;  ///< of all outbreaks
    Second opened = 0;
    Nanos from = 0;
    std::set<std::string> members;
    std::set<std::string> counting;  ///< members who had a finding that counted, before the newest
    std::size_t said_members = 0;
    std::size_t said_places = 0;
    bool said_harmless = false;
  };
  struct Newest {
    std::vector<Nanos> of_each;  ///< host, workload or container
    std::uint32_t threshold;

    std::size_t since(Nanos from) const {
      return static_cast<std::size_t>(
          std::count_if(of_each.begin(), of_each.end(), [&](Nanos last) { return last >= from; }));
    }
  };

  static constexpr const char* kFleet = "fleet";

  static Nanos ns(Second second) { return second * kNanosPerSecond; }
  Second window(const std::string& group) const {
    return group == kFleet ? config_.window : config_.recurring_window;
  }
  static Nanos rounded(Nanos time, Second window) {
    return time - (ns(kStart) + time) % ns(window / 24);
  }
  // Powers of ten, of which each is news.
  static int digits(std::size_t count) { return static_cast<int>(std::to_string(count).size()); }

  void second(Second now, const std::vector<const Given*>& given) {
    for (const Given* each : given) join(*each, now);
    decide(kFleet, now, !given.empty());
    std::set<std::string> news;
    for (const Given* each : given) news.insert(members_.at(each->entity()).workload);
    for (const std::string& workload : workloads_) decide(workload, now, news.contains(workload));
  }

  void join(const Given& given, Second now) {
    Member& member = members_[given.entity()];
    if (is_forgotten(given.entity(), member, now)) member = {};
    const bool known = member.who != nullptr;
    const bool same = known && member.who->finding == given.finding;
    const bool before = known && !same && given.first() < member.who->first();
    if (known && !same && !before && member.who->counting)
      keep_judgement(given.entity(), member, *member.who);
    if (given.alerts + given.copies > 0)
      member.all.push_back({.first = given.added_first(),
                            .last = given.last(),
                            .alerts = given.alerts,
                            .copies = given.copies});
    if (before && given.counting) keep_judgement(given.entity(), member, given);
    member.last = std::max(member.last, given.last());
    if (before) return;
    // Whoever the outbreak of a workload tells of stays there while it is open.
    if (!known || !is_member(member.workload, given.entity())) {
      member.workload = given.workload();
      member.scheduled = given.scheduled;
      member.space = given.owner >= 0 ? fmt::format("space-{}", given.owner % 2) : "";
      if (!member.workload.empty()) workloads_.insert(member.workload);
    }
    member.who = &given;
    member.machine = given.machine();
  }

  // That a finding counted is remembered with what it was seen with, for another one follows it.
  void keep_judgement(const std::string& entity, Member& member, const Given& finding) {
    for (Contributed& each : member.all)
      if (each.alerts > 0 && each.last >= finding.first() && each.first <= finding.last())
        each.counting = true;
    for (auto& [group, outbreak] : open_) {
      if (!is_of(group, member) || !outbreak.members.contains(entity)) continue;
      const auto [first, last] = told(group, outbreak, member);
      if (last >= finding.first() && first <= finding.last()) outbreak.counting.insert(entity);
    }
  }

  // First and last of the sightings that the outbreak tells of a member.
  static std::pair<Nanos, Nanos> told(const std::string& group, const Outbreak& outbreak,
                                      const Member& member) {
    std::pair<Nanos, Nanos> span(std::numeric_limits<Nanos>::max(), 0);
    for (const Contributed& each : member.all) {
      if (each.told_in(group) != outbreak.number || each.alerts == 0) continue;
      span.first = std::min(span.first, std::max(each.first, outbreak.from));
      span.second = std::max(span.second, each.last);
    }
    return span;
  }

  // Silent for longer than matters to anybody: it begins anew.
  bool is_forgotten(const std::string& entity, const Member& member, Second now) const {
    const Second matters = config_.recurring_window;
    return member.last < rounded(ns(now - matters - config_.staleness), matters) &&
           !is_member(kFleet, entity) && !is_member(member.workload, entity);
  }

  bool is_member(const std::string& group, const std::string& entity) const {
    const auto open = open_.find(group);
    return open != open_.end() && open->second.members.contains(entity);
  }

  static bool is_of(const std::string& group, const Member& member) {
    return group == kFleet || member.workload == group;
  }

  // The newest sighting that the group's outbreak tells, or that it may still tell.
  std::optional<Nanos> newest(const std::string& group, const Member& member) const {
    const auto open = open_.find(group);
    std::optional<Nanos> newest;
    for (const Contributed& each : member.all) {
      const int told = each.told_in(group);
      if (each.alerts > 0 && (told == 0 || (open != open_.end() && told == open->second.number)))
        newest = std::max(newest.value_or(0), each.last);
    }
    return newest;
  }

  std::vector<Newest> dimensions(const std::string& group) const {
    std::map<std::string, Nanos> hosts;
    std::map<std::string, Nanos> workloads;
    std::map<std::string, Nanos> containers;
    const auto note = [](std::map<std::string, Nanos>& whom, const std::string& key, Nanos last) {
      if (!key.empty()) whom[key] = std::max(whom[key], last);
    };
    for (const auto& [entity, member] : members_) {
      const auto last = newest(group, member);
      if (!member.who->counting || !is_of(group, member) || !last) continue;
      note(containers, entity, *last);
      note(hosts, member.scheduled ? "" : member.machine, *last);
      note(workloads, member.workload, *last);
    }
    const auto lasts = [](const std::map<std::string, Nanos>& whom) {
      std::vector<Nanos> all;
      for (const auto& [key, last] : whom) all.push_back(last);
      return all;
    };
    if (group != kFleet) return {{lasts(containers), config_.recurring}};
    return {{lasts(hosts), config_.hosts}, {lasts(workloads), config_.workloads}};
  }

  void decide(const std::string& group, Second now, bool news) {
    if (!open_.contains(group)) {
      if (news) try_open(group, now);
      return;
    }
    tell(group);
    const Outbreak& outbreak = open_.at(group);
    if (is_harmless(group, outbreak) != outbreak.said_harmless)
      say(group, now, is_harmless(group, outbreak) ? "verdict" : "severity");
    else if (digits(outbreak.members.size()) > digits(outbreak.said_members) ||
             places(outbreak) > outbreak.said_places)
      say(group, now, "members");
    // An hour ago, as far as it is known now, fewer than half were within the window.
    const Second then = now - config_.quiet - config_.staleness;
    bool quiet = outbreak.opened < then;
    for (const Newest& newest : dimensions(group))
      if (2 * newest.since(ns(then - window(group))) >= newest.threshold) quiet = false;
    if (!quiet && now < outbreak.opened + config_.max_age) return;
    say(group, now, "closed");
    open_.erase(group);
  }

  void try_open(const std::string& group, Second now) {
    Nanos anchor = ns(now - config_.staleness);
    for (const Newest& newest : dimensions(group))
      for (const Nanos last : newest.of_each) anchor = std::max(anchor, last);
    const Nanos from = anchor - ns(window(group));
    for (const Newest& newest : dimensions(group)) {
      if (newest.since(from) < newest.threshold) continue;
      open_[group] = {.number = ++outbreaks_, .opened = now, .from = rounded(from, window(group))};
      tell(group);
      say(group, now, "opened");
      return;
    }
  }

  // Who counts and was seen since the outbreak began is a member of it from then on. What no other
  // one counts is counted in it.
  void tell(const std::string& group) {
    Outbreak& outbreak = open_.at(group);
    for (auto& [entity, member] : members_) {
      if (!is_of(group, member)) continue;
      const auto may_tell = [&](const Contributed& each) {
        return each.told_in(group) == 0 && each.last >= outbreak.from;
      };
      if (member.who->counting &&
          std::any_of(member.all.begin(), member.all.end(),
                      [&](const Contributed& each) { return each.alerts > 0 && may_tell(each); }))
        outbreak.members.insert(entity);
      if (!outbreak.members.contains(entity)) continue;
      for (Contributed& each : member.all) {
        if (!may_tell(each)) continue;
        if (group == kFleet) each.fleet = outbreak.number;
        if (each.counted_in == 0) each.counted_in = outbreak.number;
      }
    }
  }

  // Every finding that it tells of is recognised as known activity.
  bool is_harmless(const std::string& group, const Outbreak& outbreak) const {
    return std::none_of(
        outbreak.members.begin(), outbreak.members.end(), [&](const std::string& who) {
          const Member& member = members_.at(who);
          const auto [first, last] = told(group, outbreak, member);
          const bool tells = last >= member.who->first() && first <= member.who->last();
          return (member.who->counting && tells) || outbreak.counting.contains(who) ||
                 std::any_of(member.all.begin(), member.all.end(), [&](const Contributed& each) {
                   return each.counting && each.told_in(group) == outbreak.number;
                 });
        });
  }

  std::size_t places(const Outbreak& outbreak) const {
    std::set<std::string> places;
    for (const std::string& who : outbreak.members) {
      const Member& member = members_.at(who);
      places.insert(fmt::format("cluster-{}", member.who->cluster));
      if (!member.space.empty()) places.insert(member.space);
    }
    return places.size();
  }

  void say(const std::string& group, Second now, std::string_view reason) {
    Outbreak& outbreak = open_.at(group);
    std::uint64_t alerts = 0;
    std::uint64_t copies = 0;
    Nanos first = std::numeric_limits<Nanos>::max();
    Nanos last = 0;
    std::set<std::string> hosts;
    for (const std::string& who : outbreak.members) {
      const Member& member = members_.at(who);
      hosts.insert(member.machine);
      for (const Contributed& each : member.all) {
        if (each.counted_in != outbreak.number) continue;
        alerts += each.alerts;
        copies += each.copies;
      }
      const auto span = told(group, outbreak, member);
      first = std::min(first, span.first);
      last = std::max(last, span.second);
    }
    outbreak.said_members = outbreak.members.size();
    outbreak.said_places = places(outbreak);
    outbreak.said_harmless = is_harmless(group, outbreak);
    lines_.push_back(line({now, group, std::string(reason), outbreak.members.size(), hosts.size(),
                           alerts, copies, first, last}));
  }

  OutbreakConfig config_;
  std::map<std::string, Member> members_;
  std::set<std::string> workloads_;
  std::map<std::string, Outbreak> open_;
  int outbreaks_ = 0;
  Lines lines_;
};

}  // namespace

Lines naive_outbreaks(const OutbreakConfig& config, const std::vector<Given>& all, Second end) {
  return Model(config).run(all, end);
}

}  // namespace gyre::stages::outbreak_model
