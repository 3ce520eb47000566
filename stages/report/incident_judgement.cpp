// SPDX-License-Identifier: Apache-2.0
// What an incident is judged to be: a function of its members.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <map>
#include <set>

#include "stages/report/attack.h"
#include "stages/report/incident.h"

namespace gyre::stages {

namespace {

// Tactics in order that make a chain (ruling 26).
constexpr std::size_t kChain = 3;

std::vector<Technique> tactics_of(const records::Incident& incident) {
  std::set<std::string_view> ids(incident.tactics().begin(), incident.tactics().end());
  for (const records::Member& member : incident.members())
    ids.insert(member.tactics().begin(), member.tactics().end());
  std::vector<Technique> tactics;
  for (const Tactic& tactic : kTactics) {
    if (ids.contains(tactic.id))
      tactics.push_back({std::string(tactic.id), "", std::string(tactic.name), "findings"});
  }
  return tactics;
}

void apply_risk(const records::Incident& incident, Judgement& judgement) {
  // i^-1.5 in thousandths.
  constexpr std::array<int, 16> kWeights = {1000, 354, 192, 125, 89, 68, 54, 44,
                                            37,   32,  27,  24,  21, 19, 17, 16};
  std::map<std::string_view, int> highest;
  for (const records::Member& member : incident.members()) {
    int& risk = highest[member.rule()];
    risk = std::max(risk, static_cast<int>(std::min<std::uint32_t>(member.risk(), 100)));
  }
  std::vector<std::pair<int, std::string_view>> rules;
  for (const auto& [rule, risk] : highest) rules.emplace_back(-risk, rule);
  std::sort(rules.begin(), rules.end());
  int sum = 0;
  for (std::size_t i = 0; i < std::min(rules.size(), kWeights.size()); ++i) {
    const int points = -rules[i].first * kWeights[i] / 1000;
    if (points == 0) break;
    sum += points;
    std::string text =
        i == 0 ? std::string("the riskiest finding")
               : fmt::format("another rule's riskiest finding, {}, weighted with 0.{:03}",
                             -rules[i].first, kWeights[i]);
    judgement.terms.push_back({points, {std::move(text), "rule", std::string(rules[i].second)}});
  }
  if (sum > 100)
    judgement.terms.push_back({100 - sum, {"no risk is above 100", "risk", std::to_string(sum)}});
  judgement.risk = std::min(sum, 100);
}

bool is_known(const records::Member& member) {
  const auto verdict = static_cast<Verdict>(std::min<std::uint32_t>(member.verdict(), 3));
  return (verdict == Verdict::kTest || verdict == Verdict::kLikelyBenign) &&
         member.confidence() >= static_cast<std::uint32_t>(Confidence::kMedium);
}

bool is_suspicious(const records::Member& member) {
  return member.verdict() == static_cast<std::uint32_t>(Verdict::kSuspicious);
}

Severity severity_of(const records::Member& member) {
  return static_cast<Severity>(std::min<std::uint32_t>(member.severity(), 4));
}

// What an incident asks for beyond its findings (docs/decisions/0015-one-page.md). What asked for
// somebody once asks on, unless the verdict changes. It pages for what was seen to happen: not for
// what failed, or may have, beside something harmless that did.
void apply_attention(const records::Incident& incident, Judgement& judgement) {
  auto asked = Attention::kRecord;
  std::size_t counting = incident.left_out().findings();
  auto severity = Severity::kInformational;
  for (const records::Member& member : incident.members()) {
    if (is_known(member)) continue;
    ++counting;
    asked = std::max(
        asked, attention_of(severity_of(member), member.effect_observed(), is_suspicious(member)));
    if (member.effect_observed()) severity = std::max(severity, severity_of(member));
  }
  if (tactics_in_order(incident, Steps::kHappened).size() >= kChain)
    severity = std::max(severity, Severity::kHigh);
  const bool several = counting > 1;
  // That several belong together is what tells them from ordinary work.
  const Attention own = attention_of(severity, judgement.effect_observed,
                                     several || judgement.verdict == Verdict::kSuspicious);
  const bool paged = incident.peak_attention() == static_cast<std::uint32_t>(Attention::kPage);
  const bool page = own == Attention::kPage;
  if (page && (asked < Attention::kPage || paged)) {
    judgement.attention = Attention::kPage;
    judgement.attention_because = fmt::format("severity {}, and it happened", to_string(severity));
  } else if (incident.members_size() + static_cast<int>(incident.left_out().findings()) > 1) {
    judgement.attention = Attention::kTicket;
    judgement.attention_because =
        asked == Attention::kPage ? "findings of one entity that belong together; one of them pages"
                                  : "findings of one entity that belong together";
  } else {
    judgement.attention = asked == Attention::kRecord ? Attention::kTicket : Attention::kRecord;
    judgement.attention_because =
        asked == Attention::kRecord
            ? "one finding, riskier than its severity says"
            : fmt::format("one finding so far, whose own report is a {}", to_string(asked));
  }
}

}  // namespace

std::vector<std::string_view> tactics_in_order(const records::Incident& incident, Steps steps) {
  // A row rises, so it is a set: longest[i] has a bit for each tactic of the longest that ends with
  // tactic i.
  using Row = std::bitset<kTactics.size()>;
  std::array<Row, kTactics.size()> longest;
  auto before = longest;
  std::set<std::string_view> rules;
  Nanos time = kNoTime;
  const auto shorter = [](const Row& a, const Row& b) { return a.count() < b.count(); };
  for (const records::Member& member : incident.members()) {
    if (steps == Steps::kHappened && !member.effect_observed()) continue;
    if (!rules.insert(member.rule()).second) continue;
    // What began at the same moment did not follow one another.
    if (member.first() != time) before = longest;
    time = member.first();
    for (const std::string& tactic : member.tactics()) {
      const std::size_t order = tactic_order(tactic);
      if (order == kTactics.size()) continue;
      const auto end = std::next(before.begin(), static_cast<std::ptrdiff_t>(order));
      Row row = order == 0 ? Row() : *std::max_element(before.begin(), end, shorter);
      row.set(order);
      longest[order] = std::max(longest[order], row, shorter);
    }
  }
  const Row row = *std::max_element(longest.begin(), longest.end(), shorter);
  std::vector<std::string_view> tactics;
  for (std::size_t i = 0; i < kTactics.size(); ++i)
    if (row.test(i)) tactics.push_back(kTactics[i].id);
  return tactics;
}

Judgement judge_incident(const records::Incident& incident) {
  Judgement judgement;
  judgement.severity = Severity::kInformational;
  judgement.attack = tactics_of(incident);
  apply_risk(incident, judgement);
  const records::Member* suspicious = nullptr;
  for (const records::Member& member : incident.members()) {
    if (is_known(member)) continue;
    judgement.severity = std::max(judgement.severity, severity_of(member));
    judgement.effect_observed = judgement.effect_observed || member.effect_observed();
    if (is_suspicious(member) &&
        (suspicious == nullptr || member.confidence() > suspicious->confidence()))
      suspicious = &member;
  }
  const auto in_order = tactics_in_order(incident, Steps::kAll);
  if (in_order.size() >= kChain) {
    std::string names;
    for (const std::string_view tactic : in_order)
      names += fmt::format("{}{}", names.empty() ? "" : ", then ", tactic_name(tactic));
    judgement.because.push_back(
        {fmt::format("Tactics followed each other in the order of the matrix: {}.", names),
         "tactics", fmt::format("{}", fmt::join(in_order, " "))});
  }
  if (suspicious != nullptr)
    judgement.because.push_back({"A finding in it is suspicious.", "findings", suspicious->id()});
  if (judgement.because.empty()) {
    const bool one = incident.members_size() == 1 && incident.left_out().findings() == 0;
    judgement.because.push_back({one ? "Its one finding does not decide it."
                                     : "Several findings of one entity; none of them decides it.",
                                 "findings", one ? incident.members(0).id() : ""});
    judgement.would_change.emplace_back("three tactics in the order of the matrix");
  } else {
    judgement.verdict = Verdict::kSuspicious;
    judgement.confidence = Confidence::kMedium;
    if (suspicious != nullptr)
      judgement.confidence =
          std::max(judgement.confidence,
                   static_cast<Confidence>(std::min<std::uint32_t>(suspicious->confidence(), 2)));
    judgement.severity = std::max(judgement.severity, Severity::kHigh);
  }
  apply_attention(incident, judgement);
  return judgement;
}

}  // namespace gyre::stages
