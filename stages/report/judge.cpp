// SPDX-License-Identifier: Apache-2.0
#include "stages/report/judge.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <set>
#include <tuple>

#include "schemas/alert.h"
#include "stages/report/attack.h"
#include "stages/report/facts.h"

namespace gyre::stages {

namespace {

constexpr std::string_view kImage = "container.image.repository";

bool contains(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

// Ruling 11: the whole name, or the same behind Docker Hub's prefix.
bool is_one_of(const std::vector<std::string>& images, std::string_view image) {
  constexpr std::string_view kHub = "docker.io/";
  if (image.starts_with(kHub)) image.remove_prefix(kHub.size());
  return contains(images, image);
}

bool names_match(const Signature& signature, const Facts& facts) {
  // What was capped has the same shape as what was kept, so the same pattern.
  const auto values = facts.values(signature.names_field);
  return !values.empty() && std::all_of(values.begin(), values.end(), [&](std::string_view value) {
    return RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *signature.names_pattern);
  });
}

enum class Match { kUnknown, kYes, kNo };

template <typename Accepts>
Match match_all(const Facts& facts, std::string_view field, const Accepts& accepts) {
  const auto values = facts.values(field);
  if (values.empty()) return Match::kUnknown;
  if (facts.capped(field) || !std::all_of(values.begin(), values.end(), accepts)) return Match::kNo;
  return Match::kYes;
}

void note_missing(Judgement& judgement, std::string_view field) {
  if (!contains(judgement.missing, field)) judgement.missing.emplace_back(field);
}

std::string first_value(const Facts& facts, std::string_view field) {
  const auto values = facts.values(field);
  return values.empty() ? std::string() : std::string(values.front());
}

// Holds one catalogue entry against the finding (rulings 26, 27). True when it decided the class.
bool apply_signature(const Signature& signature, const Facts& facts, Judgement& judgement) {
  if (!names_match(signature, facts)) return false;
  const Match image = match_all(
      facts, kImage, [&](std::string_view value) { return is_one_of(signature.images, value); });
  const Match parent = signature.parents.empty()
                           ? Match::kYes
                           : match_all(facts, "proc.pname", [&](std::string_view value) {
                               return contains(signature.parents, value);
                             });
  judgement.because.push_back(
      {fmt::format("The command is one that {} uses; whoever runs a program "
                   "chooses these names, so they prove nothing alone.",
                   signature.name),
       signature.names_field, first_value(facts, signature.names_field)});
  if (image == Match::kNo || parent == Match::kNo) {
    const std::string_view field = image == Match::kNo ? kImage : std::string_view("proc.pname");
    judgement.because.push_back(
        {fmt::format("It is not {}: this value is another one.", signature.name),
         std::string(field), first_value(facts, field)});
    return false;
  }
  if (image == Match::kUnknown) note_missing(judgement, kImage);
  if (parent == Match::kUnknown) note_missing(judgement, "proc.pname");
  const bool proven = image == Match::kYes && parent == Match::kYes;
  if (!proven && (signature.images_required || parent == Match::kUnknown)) return false;
  judgement.verdict = signature.verdict == "test" ? Verdict::kTest : Verdict::kLikelyBenign;
  judgement.confidence = proven ? Confidence::kMedium : Confidence::kLow;
  if (proven) {
    judgement.because.push_back({fmt::format("The image is exactly that of {}.", signature.name),
                                 std::string(kImage), first_value(facts, kImage)});
    if (!signature.parents.empty()) {
      judgement.because.push_back({"The parent process is the one it has there.", "proc.pname",
                                   first_value(facts, "proc.pname")});
    }
    judgement.would_change.emplace_back("an image digest that its publisher does not know");
  } else {
    judgement.would_change.emplace_back("the container's image: another one excludes this reading");
  }
  judgement.would_change.emplace_back("nobody who started it on purpose");
  return true;
}

void apply_attack(const records::Summary& summary, const Playbook& playbook, Judgement& judgement) {
  std::set<std::string> tactics(playbook.tactics.begin(), playbook.tactics.end());
  const std::string source = tactics.empty() ? "rule_tag" : "mapping";
  std::set<std::string> techniques;
  for (const std::string& tag : summary.tags()) {
    const std::string_view tactic = tactic_of_tag(tag);
    if (!tactic.empty() && playbook.tactics.empty()) tactics.emplace(tactic);
    const std::string_view technique = technique_of_tag(tag);
    if (!technique.empty()) techniques.emplace(technique);
  }
  std::set<std::string> with_technique;
  for (const std::string& technique : techniques) {
    // Without a tactic that ATT&CK lists it in, a technique stays a tag: members of an incident
    // count tactics.
    const std::string_view listed = tactics_of_technique(technique);
    for (const std::string& tactic : tactics) {
      const bool unlisted_but_clear = listed.empty() && tactics.size() == 1;
      if (!unlisted_but_clear && listed.find(tactic) == std::string_view::npos) continue;
      judgement.attack.push_back({tactic, technique, std::string(tactic_name(tactic)), source});
      with_technique.insert(tactic);
    }
  }
  for (const std::string& tactic : tactics) {
    if (with_technique.count(tactic) == 0) {
      judgement.attack.push_back({tactic, "", std::string(tactic_name(tactic)), source});
    }
  }
  std::sort(judgement.attack.begin(), judgement.attack.end(), [](const auto& a, const auto& b) {
    return std::make_tuple(tactic_order(a.tactic), a.technique) <
           std::make_tuple(tactic_order(b.tactic), b.technique);
  });
}

// The verdict that names alone cannot have lowered; severity, risk and attention follow it (ruling
// 27).
Verdict scored_verdict(const Judgement& judgement, bool suspicious) {
  const bool labelled =
      judgement.verdict == Verdict::kTest || judgement.verdict == Verdict::kLikelyBenign;
  if (labelled && judgement.confidence != Confidence::kLow) return judgement.verdict;
  return suspicious ? Verdict::kSuspicious : Verdict::kUndetermined;
}

// docs/decisions/0002-severity-and-attention.md
Severity severity_of(schemas::Priority priority, bool effect, bool refused, Verdict verdict) {
  if (verdict == Verdict::kTest || verdict == Verdict::kLikelyBenign) {
    return Severity::kInformational;
  }
  constexpr std::array<Severity, 8> kBase = {
      Severity::kCritical, Severity::kCritical, Severity::kCritical,      Severity::kHigh,
      Severity::kMedium,   Severity::kLow,      Severity::kInformational, Severity::kInformational};
  Severity severity = kBase.at(static_cast<std::size_t>(priority));
  const bool lowered = severity == Severity::kCritical ? !effect : refused;
  if (lowered && severity != Severity::kInformational) {
    severity = static_cast<Severity>(static_cast<int>(severity) - 1);
  }
  return verdict == Verdict::kSuspicious ? std::max(severity, Severity::kHigh) : severity;
}

void apply_risk(const Facts& facts, schemas::Priority priority, bool refused, bool strong,
                Verdict scored, Judgement& judgement) {
  constexpr std::array<int, 8> kPoints = {70, 60, 50, 35, 25, 12, 6, 3};
  const auto term = [&](int points, std::string text, std::string field, std::string_view value) {
    judgement.terms.push_back({points, {std::move(text), std::move(field), std::string(value)}});
  };
  term(kPoints.at(static_cast<std::size_t>(priority)), "the rule's priority", "priority",
       schemas::to_string(priority));
  if (judgement.effect_observed)
    term(20, "what the rule is about happened", "outcome", "succeeded");
  if (refused) term(-10, "no attempt is seen to have got through", "outcome", "blocked");
  if (strong) term(25, "the rule's pattern has hardly any innocent use", "rule", "");
  if (const auto root = facts.any_of("user.uid", {"0"}); !root.empty()) {
    term(5, "ran as root", "user.uid", root);
  } else if (const auto name = facts.any_of("user.name", {"root"}); !name.empty()) {
    term(5, "ran as root", "user.name", name);
  }
  if (const auto yes = facts.any_of("container.privileged", {"true"}); !yes.empty()) {
    term(15, "the container is privileged", "container.privileged", yes);
  }
  const auto sum = [&] {
    return std::accumulate(judgement.terms.begin(), judgement.terms.end(), 0,
                           [](int total, const RiskTerm& next) { return total + next.points; });
  };
  if (scored == Verdict::kTest || scored == Verdict::kLikelyBenign) {
    term(-(sum() - sum() / 10), "recognised by more than names", "verdict", to_string(scored));
  }
  judgement.risk = std::clamp(sum(), 0, 100);
}

void apply_attention(Verdict scored, Judgement& judgement) {
  if (scored == Verdict::kTest || scored == Verdict::kLikelyBenign) {
    judgement.attention = Attention::kRecord;
    judgement.attention_because = "recognised as known activity by more than names";
  } else if (judgement.severity >= Severity::kHigh && judgement.effect_observed) {
    judgement.attention = Attention::kPage;
    judgement.attention_because =
        fmt::format("severity {}, and it happened", to_string(judgement.severity));
  } else if (judgement.severity >= Severity::kMedium) {
    judgement.attention = Attention::kTicket;
    judgement.attention_because =
        fmt::format("severity {}", to_string(judgement.severity)) +
        (judgement.severity >= Severity::kHigh ? ", but no alert shows that it happened" : "");
  } else {
    judgement.attention = Attention::kRecord;
    judgement.attention_because = fmt::format("severity {}", to_string(judgement.severity));
  }
}

Judgement judge_sensor(const records::Series& series) {
  Judgement judgement;
  const bool test = series.rule() == "Test rule";
  judgement.counts_for_incidents = false;
  judgement.severity = test ? Severity::kInformational : Severity::kLow;
  judgement.attention = test ? Attention::kRecord : Attention::kTicket;
  judgement.attention_because = test
                                    ? "a test alert of the sensor's own chain"
                                    : "the sensor reports a problem of its own: it may not see all";
  return judgement;
}

bool effect_of(const records::OutcomeCounts& outcome, const Facts& facts,
               const Playbook& playbook) {
  if (!playbook.effect_prefix.empty()) {
    // The field names the program that runs: for a refused call the caller, which then runs from
    // there itself.
    return !facts.starting_with(playbook.effect_field, playbook.effect_prefix).empty();
  }
  return outcome.succeeded() > 0 || (playbook.fires_only_on_success && outcome.unknown() > 0);
}

}  // namespace

std::string_view to_string(Severity severity) {
  constexpr std::array<std::string_view, 5> kNames = {"informational", "low", "medium", "high",
                                                      "critical"};
  return kNames.at(static_cast<std::size_t>(severity));
}

std::string_view to_string(Verdict verdict) {
  constexpr std::array<std::string_view, 4> kNames = {"undetermined", "suspicious", "likely_benign",
                                                      "test"};
  return kNames.at(static_cast<std::size_t>(verdict));
}

std::string_view to_string(Confidence confidence) {
  constexpr std::array<std::string_view, 3> kNames = {"low", "medium", "high"};
  return kNames.at(static_cast<std::size_t>(confidence));
}

std::string_view to_string(Attention attention) {
  constexpr std::array<std::string_view, 3> kNames = {"record", "ticket", "page"};
  return kNames.at(static_cast<std::size_t>(attention));
}

Judgement judge(const records::Series& series, const records::Episode& episode,
                const records::EntityState& entity, const Playbook& playbook) {
  if (is_about_sensor(series)) return judge_sensor(series);
  const Facts facts(episode.summary(), entity);
  const records::OutcomeCounts& outcome = episode.counts().outcome();
  const auto priority =
      static_cast<schemas::Priority>(std::min<std::uint32_t>(episode.summary().priority(), 7));

  Judgement judgement;
  judgement.effect_observed = effect_of(outcome, facts, playbook);
  const bool refused =
      all_refused(outcome, judgement.effect_observed, !playbook.effect_prefix.empty());
  const bool critical = priority <= schemas::Priority::kCritical && judgement.effect_observed;
  const bool suspicious = playbook.strong || critical;
  const bool labelled = std::any_of(
      playbook.signatures.begin(), playbook.signatures.end(),
      [&](const Signature& signature) { return apply_signature(signature, facts, judgement); });
  if (!labelled && suspicious) {
    judgement.verdict = Verdict::kSuspicious;
    judgement.confidence = Confidence::kMedium;
  }
  if (playbook.strong) {
    judgement.because.push_back(
        {"The rule's pattern has hardly any innocent use.", "rule", series.rule()});
  }
  if (critical) {
    judgement.because.push_back({"What a rule of this priority is about was seen to happen.",
                                 "priority", std::string(schemas::to_string(priority))});
  }
  if (judgement.because.empty()) {
    judgement.because.push_back(
        {"Nothing in these alerts tells an intrusion from ordinary work.", "rule", series.rule()});
  }
  for (const std::string& field : playbook.decisive_fields) {
    if (!facts.has(field)) note_missing(judgement, field);
  }
  if (judgement.verdict == Verdict::kUndetermined) {
    judgement.would_change.emplace_back("the result of the checks under advice.verify");
  }
  if (!judgement.effect_observed) {
    judgement.would_change.emplace_back("an alert that shows the action succeed");
  }

  const Verdict scored = scored_verdict(judgement, suspicious);
  judgement.severity = severity_of(priority, judgement.effect_observed, refused, scored);
  apply_risk(facts, priority, refused, playbook.strong, scored, judgement);
  apply_attention(scored, judgement);
  apply_attack(episode.summary(), playbook, judgement);
  judgement.counts_for_incidents = scored != Verdict::kTest && scored != Verdict::kLikelyBenign;
  return judgement;
}

}  // namespace gyre::stages
