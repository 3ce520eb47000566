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
#include "stages/report/conditions.h"
#include "stages/report/facts.h"
#include "stages/report/field_scope.h"

namespace gyre::stages {

namespace {

constexpr std::string_view kImage = "container.image.repository";
constexpr std::string_view kDigest = "container.image.digest";

template <typename List>
bool contains(const List& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool names_match(const KnownSource& source, const Facts& facts) {
  for (std::size_t i = 0; i < source.names.size(); ++i) {
    // What was capped has the same shape as what was kept, so the same pattern.
    const auto values = facts.values(source.entry.names(static_cast<int>(i)).field());
    const bool all = std::all_of(values.begin(), values.end(), [&](std::string_view value) {
      return RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *source.names[i]);
    });
    if (values.empty() || !all) return false;
  }
  return true;
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

// Holds the catalogue of known sources against a finding (rulings 11, 26, 27).
class Recogniser {
 public:
  Recogniser(const Playbooks& playbooks, const records::Series& series, const Facts& facts,
             Judgement& judgement)
      : playbooks_(playbooks), series_(series), facts_(facts), judgement_(judgement) {}

  bool recognise() {
    const auto& sources = playbooks_.sources();
    return std::any_of(sources.begin(), sources.end(),
                       [&](const KnownSource& source) { return is(source); });
  }

 private:
  void because(std::string text, std::string_view field) {
    judgement_.because.push_back({std::move(text), std::string(field), first_value(facts_, field)});
  }

  // True when it decided the class.
  bool is(const KnownSource& source) {
    const playbook::Source& entry = source.entry;
    if (!entry.rules().empty() && !contains(entry.rules(), series_.rule())) return false;
    if (!names_match(source, facts_)) return false;
    const Match image = match_all(facts_, kImage, [&](std::string_view value) {
      return std::any_of(entry.images().begin(), entry.images().end(),
                         [&](const auto& known) { return playbooks_.is_image(value, known); });
    });
    const Match parent = entry.parents().empty()
                             ? Match::kYes
                             : match_all(facts_, "proc.pname", [&](std::string_view value) {
                                 return contains(entry.parents(), value);
                               });
    because(fmt::format("It looks as {} does; whoever runs a program chooses these names, so they "
                        "prove nothing alone.",
                        entry.name()),
            entry.names(0).field());
    if ((image == Match::kNo && !entry.images().empty()) || parent == Match::kNo) {
      because(fmt::format("It is not {}: this value is another one.", entry.name()),
              image == Match::kNo ? kImage : "proc.pname");
      return false;
    }
    if (image == Match::kUnknown && !entry.images().empty() && can_hold(series_, facts_, kImage))
      note_missing(judgement_, kImage);
    if (parent == Match::kUnknown) note_missing(judgement_, "proc.pname");
    const bool announced = is_announced(entry);
    const bool proven = image == Match::kYes && parent == Match::kYes;
    if (!proven && !announced && (entry.images_required() || parent == Match::kUnknown))
      return false;
    label(entry, proven, announced);
    return true;
  }

  bool is_announced(const playbook::Source& entry) {
    const playbook::Window* window = playbooks_.window_of(entry, series_.entity(), facts_.summary(),
                                                          facts_.single("k8s.ns.name"));
    if (window == nullptr) return false;
    judgement_.because.push_back(
        {"A test was announced for this time and place.", "test_windows", window->name()});
    return true;
  }

  void label(const playbook::Source& entry, bool proven, bool announced) {
    judgement_.verdict =
        entry.verdict() == playbook::Source::TEST ? Verdict::kTest : Verdict::kLikelyBenign;
    judgement_.would_change.push_back(entry.confirm());
    if (!proven) {
      judgement_.confidence = announced ? Confidence::kHigh : Confidence::kLow;
      if (!entry.images().empty())
        judgement_.would_change.emplace_back(
            "the container's image: another one excludes this reading");
      return;
    }
    because(fmt::format("The image is exactly that of {}.", entry.name()), kImage);
    if (!entry.parents().empty())
      because("The parent process is the one it has there.", "proc.pname");
    const Match digest = match_all(
        facts_, kDigest, [&](std::string_view value) { return contains(entry.digests(), value); });
    if (digest == Match::kYes) {
      because("The image's digest is in the catalogue of known sources.", kDigest);
    } else {
      judgement_.would_change.emplace_back("an image digest that its publisher does not know");
    }
    judgement_.confidence =
        digest == Match::kYes || announced ? Confidence::kHigh : Confidence::kMedium;
  }

  const Playbooks& playbooks_;
  const records::Series& series_;
  const Facts& facts_;
  Judgement& judgement_;
};

Technique named(std::string_view tactic, std::string_view technique, std::string_view source) {
  const TechniqueEntry* entry = find_technique(technique);
  const std::string_view name = entry == nullptr ? tactic_name(tactic) : entry->name;
  return {std::string(tactic), std::string(technique), std::string(name), std::string(source)};
}

// Of the rule's tags: a technique goes to those of its tactics that the tags name; under a tactic
// that ATT&CK does not list it in, it stays a tag: members of an incident count tactics.
std::vector<Technique> attack_of_tags(const records::Summary& summary) {
  std::vector<Technique> attack;
  std::set<std::string_view> tactics;
  std::set<std::string_view> techniques;
  for (const std::string& tag : summary.tags()) {
    if (const auto tactic = tactic_of_tag(tag); !tactic.empty()) tactics.insert(tactic);
    if (const auto technique = technique_of_tag(tag); find_technique(technique) != nullptr)
      techniques.insert(technique);
  }
  for (const std::string_view tactic : tactics) {
    const std::size_t before = attack.size();
    for (const std::string_view technique : techniques) {
      if (tactics_of_technique(technique).find(tactic) != std::string_view::npos)
        attack.push_back(named(tactic, technique, "rule_tag"));
    }
    if (attack.size() == before) attack.push_back(named(tactic, "", "rule_tag"));
  }
  return attack;
}

void apply_attack(const records::Summary& summary, const Playbook& playbook, Judgement& judgement) {
  if (playbook.attack().empty()) judgement.attack = attack_of_tags(summary);
  for (const playbook::Attack& entry : playbook.attack())
    judgement.attack.push_back(named(entry.tactic(), entry.technique(), "mapping"));
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

Judgement judge_sensor(const records::Episode& episode) {
  Judgement judgement;
  const bool test = schemas::single(episode.summary(), "rule") == "Test rule";
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
  if (!playbook.has_effect()) return outcome.succeeded() > 0;
  return all_proven(playbook.effect().when(), facts, outcome, false);
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
                const records::EntityState& entity, const Playbooks& playbooks) {
  if (is_about_sensor(series)) return judge_sensor(episode);
  const Facts facts(episode.summary(), entity);
  const Playbook& playbook = playbooks.of(series, episode.summary());
  const records::OutcomeCounts outcome = outcome_under(playbook, episode.counts().outcome());
  const auto priority =
      static_cast<schemas::Priority>(std::min<std::uint32_t>(episode.summary().priority(), 7));

  Judgement judgement;
  judgement.outcome = outcome;
  judgement.effect_observed = effect_of(outcome, facts, playbook);
  const bool refused = all_refused(outcome, judgement.effect_observed, playbook.has_effect());
  const bool critical = priority <= schemas::Priority::kCritical && judgement.effect_observed;
  const bool suspicious = playbook.strong() || critical;
  judgement.alarming = suspicious;
  // Of the many patterns that an overflow finding holds, the values kept show a few only.
  const bool labelled =
      !series.overflow() && Recogniser(playbooks, series, facts, judgement).recognise();
  if (!labelled && suspicious) {
    judgement.verdict = Verdict::kSuspicious;
    judgement.confidence =
        playbook.strong() && judgement.effect_observed ? Confidence::kHigh : Confidence::kMedium;
  }
  if (playbook.strong()) {
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
  for (const playbook::KeyField& key : playbook.key_fields()) {
    if (!facts.has(key.field()) && key.field() != "evt.res" && can_hold(series, facts, key.field()))
      note_missing(judgement, key.field());
  }
  const bool no_result = outcome.unknown() > 0 && !facts.has("evt.res");
  if (no_result && series.source().starts_with("syscall")) note_missing(judgement, "evt.res");
  if (judgement.verdict == Verdict::kUndetermined || judgement.verdict == Verdict::kSuspicious) {
    for (const playbook::Benign& benign : playbook.benign())
      judgement.explanations.push_back({benign.cause(), benign.proof()});
  }
  if (judgement.verdict == Verdict::kUndetermined) {
    judgement.would_change.emplace_back("what the checks find");
  }
  if (!judgement.effect_observed) {
    judgement.would_change.emplace_back("an alert that shows the action succeed");
  }

  const Verdict scored = scored_verdict(judgement, suspicious);
  judgement.severity = severity_of(priority, judgement.effect_observed, refused, scored);
  apply_risk(facts, priority, refused, playbook.strong(), scored, judgement);
  apply_attention(scored, judgement);
  apply_attack(episode.summary(), playbook, judgement);
  judgement.counts_for_incidents = scored != Verdict::kTest && scored != Verdict::kLikelyBenign;
  return judgement;
}

}  // namespace gyre::stages
