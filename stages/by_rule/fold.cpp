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
#include "stages/by_rule/starts.h"

namespace gyre::stages {

namespace {

constexpr std::size_t kNamesKept = 256;

void keep(std::set<std::string>& names, const std::string& name) {
  if (!name.empty() && (names.size() < kNamesKept || names.contains(name))) names.insert(name);
}

// A container's start and last sighting.
using Lifetime = std::pair<Nanos, Nanos>;

// Whether one was still seen when the next one had been started.
bool are_side_by_side(std::vector<Lifetime>& lifetimes) {
  std::sort(lifetimes.begin(), lifetimes.end());
  return std::adjacent_find(lifetimes.begin(), lifetimes.end(),
                            [](const Lifetime& one, const Lifetime& next) {
                              return one.second >= next.first;
                            }) != lifetimes.end();
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

std::string attention_because(const Judgement& judgement, Attention own) {
  if (judgement.attention != Attention::kPage) return "one pattern in several places";
  if (own != Attention::kPage) return "a member's finding asks for a page";
  return fmt::format("severity {}, seen to have happened, and one pattern in several places",
                     to_string(judgement.severity));
}

// `others`: those count whom the cap left out.
void conclude(bool others, OutbreakContent& content) {
  Judgement& judgement = content.judgement;
  std::sort(judgement.attack.begin(), judgement.attack.end(), [](const auto& a, const auto& b) {
    return std::tie(a.tactic, a.technique, a.source) < std::tie(b.tactic, b.technique, b.source);
  });
  if (content.known < content.entities || others) {
    // What was not started together is hardly ordinary work everywhere.
    const Attention own = attention_of(judgement.severity, judgement.effect_observed,
                                       content.pattern == Pattern::kSpread);
    judgement.attention = std::max({judgement.attention, own, Attention::kTicket});
    judgement.attention_because = attention_because(judgement, own);
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

OutbreakContent fold(const records::Group& group, std::string_view rule_key, Second now,
                     const OutbreakConfig& config, const state::Transaction& state) {
  OutbreakContent content;
  content.first = std::numeric_limits<Nanos>::max();
  std::vector<Lifetime> lifetimes;
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
        {schemas::entity_key(newest.entity()), told.finding(), told.first()});
    if (!is_on_host(newest.entity()))
      ++content.objects;
    else if (!newest.entity().key_incomplete())
      hosts.insert(newest.entity().cluster() + '/' + newest.entity().hostname());
    if (newest.has_workload()) workloads.insert(workload_of(newest));
    keep(content.clusters, newest.entity().cluster());
    keep(content.namespaces, newest.workload().namespace_());
    keep(content.images, newest.image());
    if (const auto judged = judged_in(group, member)) {
      note_start(newest, content.starts);
      if (newest.started() > 0) lifetimes.emplace_back(newest.started(), newest.last());
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
  content.starts.set_side_by_side(are_side_by_side(lifetimes));
  tell_pattern(group, now, config, content);
  conclude(group.outbreak().beyond().alerts() > 0, content);
  return content;
}

}  // namespace gyre::stages
