// SPDX-License-Identifier: Apache-2.0
#include "stages/by_rule/fold.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "schemas/identity.h"
#include "schemas/sighting.h"
#include "stages/by_rule/member.h"

namespace gyre::stages {

namespace {

constexpr std::size_t kNamesKept = 256;

void keep(std::set<std::string>& names, const std::string& name) {
  if (!name.empty() && (names.size() < kNamesKept || names.contains(name))) names.insert(name);
}

// What tells a rollout from a spread (ruling 30), and replicas from a crash loop, of the members
// that count.
struct Starts {
  std::uint64_t containers = 0;
  std::uint64_t others = 0;
  std::uint64_t not_known = 0;  ///< containers without image or start time
  std::vector<std::pair<Nanos, Nanos>>
      spans;  ///< containers' starts, where known, and last sightings
  Nanos first = std::numeric_limits<Nanos>::max();
  Nanos last = 0;
  std::set<std::string> images;

  void add(const records::Contribution& newest) {
    const records::Entity& entity = newest.entity();
    if (entity.kind() != records::Entity::CONTAINER) {
      ++others;
      return;
    }
    ++containers;
    if (newest.image().empty() || newest.started() == 0) ++not_known;
    keep(images, newest.image());
    if (newest.started() == 0) return;
    spans.emplace_back(newest.started(), newest.last());
    first = std::min(first, newest.started());
    last = std::max(last, newest.started());
  }

  bool together(const OutbreakConfig& config) const {
    return last == 0 || last - first <= config.rollout * kNanosPerSecond;
  }
  Second minutes() const { return (last - first) / kNanosPerSecond / 60; }

  // A crash loop starts its first containers within a minute, so that start times alone don't tell.
  bool side_by_side() {
    std::sort(spans.begin(), spans.end());
    return std::adjacent_find(spans.begin(), spans.end(), [](const auto& one, const auto& next) {
             return one.second >= next.first;
           }) != spans.end();
  }
};

void tell_course(const records::Group& group, Starts& starts, const OutbreakConfig& config,
                 OutbreakContent& content) {
  if (group.workload().scheduled()) {
    content.course = Course::kScheduled;
    content.pattern_because += " They are runs of a scheduled job.";
  } else if (!starts.together(config)) {
    content.course = Course::kInTurn;
    content.pattern_because += fmt::format(" They were started {} min apart.", starts.minutes());
  } else if (starts.spans.size() < starts.containers) {
    content.pattern_because +=
        fmt::format(" {} of {} have no start time (container.start_ts) in their alerts.",
                    starts.containers - starts.spans.size(), starts.containers);
    content.judgement.missing.emplace_back("container.start_ts");
  } else if (starts.side_by_side()) {
    content.course = Course::kTogether;
    content.pattern_because +=
        fmt::format(" They were started within {} min, side by side.", config.rollout / 60);
  } else if (starts.containers > 1) {
    content.course = Course::kInTurn;
    content.pattern_because += " Each was last seen before the next one was started.";
  }
}

void tell_pattern(const records::Group& group, Starts& starts, const OutbreakConfig& config,
                  OutbreakContent& content) {
  if (group.has_workload()) {
    content.pattern = Pattern::kRecurring;
    content.pattern_because = fmt::format("{} or more containers of one workload within {} h.",
                                          config.recurring, config.recurring_window / 3600);
    tell_course(group, starts, config, content);
  } else if (content.hosts == 0) {
    content.pattern = Pattern::kSpread;
    content.pattern_because = "The members are objects that requests were about.";
  } else if (starts.others > 0) {
    content.pattern = Pattern::kSpread;
    content.pattern_because = fmt::format("{} of the members are no containers.", starts.others);
  } else if (starts.images.size() > 1) {
    content.pattern = Pattern::kSpread;
    content.pattern_because = fmt::format("{} different images.", starts.images.size());
  } else if (!starts.together(config)) {
    content.pattern = Pattern::kSpread;
    content.pattern_because =
        fmt::format("One image, but the containers were started {} min apart.", starts.minutes());
  } else if (starts.not_known > 0 || starts.containers == 0) {
    content.pattern_because = fmt::format(
        "{} of {} containers have no image or no start time (container.start_ts) in their alerts.",
        starts.not_known, starts.containers);
    content.judgement.missing.emplace_back("container.start_ts");
  } else {
    content.pattern = Pattern::kRollout;
    content.pattern_because = fmt::format("{} containers of one image were started within {} min.",
                                          starts.containers, config.rollout / 60);
  }
}

void judge_member(const records::Judged& member, Judgement& judgement) {
  judgement.severity = std::max(
      judgement.severity, static_cast<Severity>(std::min<std::uint32_t>(member.severity(), 4)));
  judgement.attention = std::max(
      judgement.attention, static_cast<Attention>(std::min<std::uint32_t>(member.attention(), 2)));
  if (member.suspicious()) judgement.verdict = Verdict::kSuspicious;
  judgement.risk = std::max(judgement.risk, static_cast<int>(std::min(member.risk(), 100U)));
  judgement.effect_observed = judgement.effect_observed || member.effect_observed();
}

void tell_attack(const records::Outbreak& outbreak, OutbreakContent& content) {
  for (const records::Technique& technique : outbreak.attack())
    content.judgement.attack.push_back(
        {technique.tactic(), technique.technique(), technique.name(), technique.source()});
  content.techniques_left_out = outbreak.techniques_left_out();
}

void conclude(OutbreakContent& content) {
  Judgement& judgement = content.judgement;
  std::sort(judgement.attack.begin(), judgement.attack.end(), [](const auto& a, const auto& b) {
    return std::tie(a.tactic, a.technique, a.source) < std::tie(b.tactic, b.technique, b.source);
  });
  if (content.known < content.entities) {
    // What was not started together is hardly ordinary work everywhere.
    const Attention own = attention_of(judgement.severity, judgement.effect_observed,
                                       content.pattern == Pattern::kSpread);
    judgement.attention = std::max({judgement.attention, own, Attention::kTicket});
    judgement.attention_because = "one pattern in several places";
    if (judgement.attention == Attention::kPage)
      judgement.attention_because = fmt::format("severity {}, and it happened in several places",
                                                to_string(judgement.severity));
  } else {
    judgement.severity = Severity::kInformational;
    judgement.attention = Attention::kRecord;
    judgement.attention_because = "every member is recognised as known activity";
  }
  if (judgement.verdict == Verdict::kSuspicious) {
    judgement.confidence = Confidence::kMedium;
    judgement.because.push_back({"A member's finding is suspicious.", "members", ""});
  } else {
    judgement.because.push_back(
        {"No member's finding tells an intrusion from ordinary work.", "members", ""});
  }
  judgement.because.push_back(
      {content.pattern_because, "members.pattern", std::string(to_string(content.pattern))});
  judgement.terms.push_back({judgement.risk, {"the highest risk of a member", "members", ""}});
}

}  // namespace

OutbreakContent fold(const records::Group& group, std::string_view rule_key,
                     const OutbreakConfig& config, const state::Transaction& state) {
  OutbreakContent content;
  content.first = std::numeric_limits<Nanos>::max();
  Starts starts;
  std::set<std::string> hosts;
  std::set<std::string> workloads;
  for (const auto& [key, member] : state.members(rule_key)) {
    if (!belongs(member, group)) continue;
    const records::Contribution& newest = member.newest();
    const records::Tally& told = account_of(member, group).told();
    schemas::merge(content.counts, told.counts());
    content.first = std::min(content.first, told.first());
    content.last = std::max(content.last, told.last());
    content.priority = std::min(content.priority, told.priority());
    ++content.entities;
    if (told.counts().alerts() == 0) ++content.elsewhere;
    content.earliest.push_back(
        {schemas::entity_key(newest.entity()), newest.finding_id(), told.first()});
    if (newest.entity().kind() == records::Entity::CONTAINER ||
        newest.entity().kind() == records::Entity::HOST)
      hosts.insert(newest.entity().cluster() + '/' + newest.entity().hostname());
    if (newest.has_workload()) workloads.insert(workload_of(newest));
    keep(content.clusters, newest.entity().cluster());
    keep(content.namespaces, newest.workload().namespace_());
    keep(content.images, newest.image());
    if (const auto judged = judged_in(group, member)) {
      starts.add(newest);
      judge_member(*judged, content.judgement);
    } else {
      ++content.known;
    }
  }
  tell_attack(group.outbreak(), content);
  content.hosts = hosts.size();
  content.workloads = workloads.size();
  schemas::merge(content.counts, group.outbreak().beyond());
  const auto said = content.earliest.begin() +
                    static_cast<std::ptrdiff_t>(std::min(content.earliest.size(), kEntitiesSaid));
  std::partial_sort(content.earliest.begin(), said, content.earliest.end(),
                    [](const auto& a, const auto& b) {
                      return std::tie(a.first, a.key) < std::tie(b.first, b.key);
                    });
  content.earliest.erase(said, content.earliest.end());
  tell_pattern(group, starts, config, content);
  conclude(content);
  return content;
}

}  // namespace gyre::stages
