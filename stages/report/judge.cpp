// SPDX-License-Identifier: Apache-2.0
#include "stages/report/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <set>
#include <tuple>

#include "schemas/alert.h"
#include "schemas/sensor.h"
#include "stages/report/attack.h"
#include "stages/report/conditions.h"
#include "stages/report/facts.h"
#include "stages/report/field_scope.h"
#include "stages/report/recognise.h"

namespace gyre::stages {

namespace {

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
  // Without a tactic among the tags, a technique speaks for itself where it has only one.
  for (const std::string_view technique : techniques) {
    const std::string_view own = tactics_of_technique(technique);
    if (tactics.empty() && own.find(' ') == std::string_view::npos)
      attack.push_back(named(own, technique, "rule_tag"));
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

void apply_attack(const Facts& facts, const Playbook& playbook, Judgement& judgement) {
  if (playbook.attack().empty()) judgement.attack = attack_of_tags(facts.summary());
  std::set<std::string> detailed;
  std::vector<Technique> tactics;
  for (const playbook::Attack& entry : playbook.attack()) {
    if (!all_proven(entry.when(), facts, judgement.outcome, judgement.effect_observed)) continue;
    Technique technique = named(entry.tactic(), entry.technique(), "mapping");
    if (entry.technique().empty()) {
      tactics.push_back(std::move(technique));
    } else {
      detailed.insert(entry.tactic());
      judgement.attack.push_back(std::move(technique));
    }
  }
  for (Technique& tactic : tactics)
    if (!detailed.contains(tactic.tactic)) judgement.attack.push_back(std::move(tactic));
  std::sort(judgement.attack.begin(), judgement.attack.end(), [](const auto& a, const auto& b) {
    return std::make_tuple(tactic_order(a.tactic), a.technique) <
           std::make_tuple(tactic_order(b.tactic), b.technique);
  });
}

// The verdict that names alone cannot have lowered; severity, risk and attention follow it (ruling
// 27).
Verdict scored_verdict(const Judgement& judgement, bool suspicious) {
  if (is_known(judgement)) return judgement.verdict;
  return suspicious ? Verdict::kSuspicious : Verdict::kUndetermined;
}

// What severity, risk and attention rest on, beside whether the effect was seen.
struct Grounds {
  schemas::Priority priority;
  bool refused;    // no attempt is seen to have got through
  bool strong;     // the rule's pattern has hardly any innocent use
  Verdict scored;  // that names alone cannot have lowered
};

bool is_recognised(Verdict verdict) {
  return verdict == Verdict::kTest || verdict == Verdict::kLikelyBenign;
}

// docs/decisions/0002-severity-and-attention.md
Severity severity_of(const Grounds& grounds, bool effect) {
  if (is_recognised(grounds.scored)) return Severity::kInformational;
  constexpr std::array<Severity, 8> kBase = {
      Severity::kCritical, Severity::kCritical, Severity::kCritical,      Severity::kHigh,
      Severity::kMedium,   Severity::kLow,      Severity::kInformational, Severity::kInformational};
  Severity severity = kBase.at(static_cast<std::size_t>(grounds.priority));
  const bool lowered = severity == Severity::kCritical ? !effect : grounds.refused;
  if (lowered && severity != Severity::kInformational) {
    severity = static_cast<Severity>(static_cast<int>(severity) - 1);
  }
  return grounds.scored == Verdict::kSuspicious ? std::max(severity, Severity::kHigh) : severity;
}

void add_term(Judgement& judgement, int points, std::string text, std::string_view field,
              std::string_view value) {
  judgement.terms.push_back({points, {std::move(text), std::string(field), std::string(value)}});
}

void add_terms_of_alerts(const Facts& facts, const Grounds& grounds, Judgement& judgement) {
  constexpr std::array<int, 8> kPoints = {70, 60, 50, 35, 25, 12, 6, 3};
  const auto term = [&](int points, std::string text, std::string_view field,
                        std::string_view value) {
    add_term(judgement, points, std::move(text), field, value);
  };
  const bool no_priority = (facts.summary().flags() & schemas::kPriorityUnknown) != 0;
  term(kPoints.at(static_cast<std::size_t>(grounds.priority)),
       no_priority ? "the rule's priority; an alert whose own is none of Falco's counts as Warning"
                   : "the rule's priority",
       "priority", schemas::to_string(grounds.priority));
  if (judgement.effect_observed)
    term(20, "what the rule is about happened", "outcome", "succeeded");
  if (grounds.refused) {
    const std::string_view field = was_dry_run(facts) ? "ka.uri" : result_field(facts);
    term(-10, "no attempt is seen to have got through", field, first_value(facts, field));
  }
  if (grounds.strong) term(25, "the rule's pattern has hardly any innocent use", "rule", "");
  if (const auto root = facts.any_of("user.uid", {"0"}); !root.empty()) {
    term(5, "ran as root", "user.uid", root);
  } else if (const auto name = facts.any_of("user.name", {"root"}); !name.empty()) {
    term(5, "ran as root", "user.name", name);
  }
  if (const auto yes = facts.any_of("container.privileged", {"true"}); !yes.empty()) {
    term(15, "the container is privileged", "container.privileged", yes);
  }
}

void add_terms_of_signs(const Facts& facts, const std::map<std::string, playbook::Sign>& signs,
                        const std::set<playbook::Step::Platform>& here, Judgement& judgement) {
  for (const auto& [id, sign] : signs) {
    if (!is_here(sign.platforms(), here) ||
        !can_claim(sign.when(), facts, judgement.outcome, judgement.effect_observed))
      continue;
    const auto values = facts.values(sign.when(0).field());
    const auto seen = std::find_if(values.begin(), values.end(), [&](std::string_view value) {
      return value_fits(sign.when(0), value);
    });
    add_term(judgement, static_cast<int>(sign.points()), sign.text(), sign.when(0).field(),
             seen == values.end() ? std::string_view() : *seen);
  }
}

void apply_risk(Verdict scored, Judgement& judgement) {
  const auto sum = [&] {
    return std::accumulate(judgement.terms.begin(), judgement.terms.end(), 0,
                           [](int total, const RiskTerm& next) { return total + next.points; });
  };
  if (is_recognised(scored))
    add_term(judgement, -(sum() - sum() / 10), "recognised by more than names", "verdict",
             to_string(scored));
  judgement.risk = std::clamp(sum(), 0, 100);
}

void apply_attention(Verdict scored, Judgement& judgement) {
  const bool known = is_recognised(scored);
  const bool settled = known && needs_nobody(judgement);
  judgement.attention = settled ? Attention::kRecord
                                : attention_of(judgement.severity, judgement.effect_observed,
                                               scored == Verdict::kSuspicious);
  if (known && !settled) {
    judgement.attention_because =
        "recognised by an image, which whoever starts a container chooses; no test was announced";
    return;
  }
  if (known) {
    judgement.attention_because = "recognised as known activity by more than names";
    return;
  }
  judgement.attention_because = fmt::format("severity {}", to_string(judgement.severity));
  if (judgement.attention == Attention::kPage) {
    judgement.attention_because += ", and it happened";
  } else if (judgement.severity >= Severity::kHigh) {
    judgement.attention_because += judgement.effect_observed
                                       ? ", and nothing tells it from ordinary work"
                                       : ", but no alert shows that it happened";
  }
}

// How much of what happened may be missing, and with it from every other report of the host.
Severity severity_of_loss(const records::Loss& loss) {
  const auto share = schemas::share_of(loss);
  if (loss.silent() || (share && *share >= 100)) return Severity::kHigh;
  return share && *share >= 10 ? Severity::kMedium : Severity::kLow;
}

Judgement judge_sensor(const records::Episode& episode) {
  Judgement judgement;
  const bool test = schemas::single(episode.summary(), "rule") == "Test rule";
  // A sensor on a busy node loses a little now and then; nobody can do anything about that. What
  // it missed stands in the reports of what it watches all the same.
  constexpr std::uint32_t kSmallLoss = 10;  // thousandths
  const auto share = schemas::share_of(episode.summary().loss());
  const bool small = episode.summary().has_loss() && !episode.summary().loss().silent() && share &&
                     *share <= kSmallLoss;
  judgement.counts_for_incidents = false;
  judgement.severity =
      test || small ? Severity::kInformational : severity_of_loss(episode.summary().loss());
  judgement.attention = test || small ? Attention::kRecord : Attention::kTicket;
  judgement.attention_because = test ? "a test alert of the sensor's own chain"
                                : small
                                    ? "the sensor lost no more than 1 % of what it watched"
                                    : "the sensor reports a problem of its own: it may not see all";
  return judgement;
}

bool effect_of(const records::OutcomeCounts& outcome, const Facts& facts,
               const Playbook& playbook) {
  if (was_dry_run(facts)) return false;
  if (!playbook.has_effect()) return outcome.succeeded() > 0;
  return is_shown(playbook.effect(), facts, outcome, false);
}

Because why_undecided(const Facts& facts, const records::Series& series, const Judgement& judgement,
                      bool refused) {
  if (judgement.effect_observed)
    return {"It happened; nothing in these alerts says whether it was meant.", "outcome",
            "succeeded"};
  if (was_dry_run(facts))
    return {"A dry run changes nothing; nothing in these alerts says what it was for.", "ka.uri",
            first_value(facts, "ka.uri")};
  if (refused) {
    const std::string_view field = result_field(facts);
    return {"It did not get through; nothing in these alerts says what it was for.",
            std::string(field), std::string(first_value(facts, field))};
  }
  return {"Nothing in these alerts tells an intrusion from ordinary work.", "rule", series.rule()};
}

void apply_missing(const records::Series& series, const Facts& facts, const Playbook& playbook,
                   Judgement& judgement) {
  for (const playbook::KeyField& key : playbook.key_fields()) {
    if (!facts.has(key.field()) && key.field() != "evt.res" && can_hold(series, facts, key.field()))
      note_missing(judgement, key.field());
  }
  // In a shape it is a runtime, whoever it was (ruling 9).
  if (series.shape().find(" parent=<runtime>") != std::string::npos && !facts.has("proc.pname"))
    note_missing(judgement, "proc.pname");
  if (series.entity().container_unknown()) note_missing(judgement, "container.id");
  const bool no_result = judgement.outcome.unknown() > 0 && !facts.has("evt.res");
  if (no_result && series.source().starts_with("syscall")) note_missing(judgement, "evt.res");
}

void apply_explanations(const Playbook& playbook, const std::set<playbook::Step::Platform>& here,
                        Judgement& judgement) {
  if (!is_recognised(judgement.verdict)) {
    for (const playbook::Benign& benign : playbook.benign()) {
      if (is_here(benign.platforms(), here))
        judgement.explanations.push_back({benign.cause(), benign.proof()});
    }
  }
  if (judgement.verdict == Verdict::kUndetermined) {
    judgement.would_change.emplace_back(
        judgement.explanations.empty()
            ? "a check that speaks for ordinary work, or against it"
            : "an ordinary explanation with its proof, or a check that speaks against it");
  }
  if (!judgement.effect_observed) {
    judgement.would_change.emplace_back("an alert that shows the action succeed");
  }
}

}  // namespace

Attention attention_of(Severity severity, bool effect, bool suspicious) {
  const Severity pages = suspicious ? Severity::kHigh : Severity::kCritical;
  if (severity >= pages && effect) return Attention::kPage;
  return severity >= Severity::kMedium ? Attention::kTicket : Attention::kRecord;
}

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

bool shows_effect(const Finding& finding, const Playbooks& playbooks) {
  const auto& [series, episode, entity] = finding;
  const Playbook& playbook = playbooks.of(series, episode.summary());
  return playbook.has_effect() && effect_of(outcome_under(playbook, episode.counts().outcome()),
                                            Facts(episode.summary(), entity), playbook);
}

Judgement judge(const Finding& finding, const Playbooks& playbooks) {
  const auto& [series, episode, entity] = finding;
  if (is_about_sensor(series)) return judge_sensor(episode);
  const Facts facts(episode.summary(), entity);
  const Playbook& playbook = playbooks.of(series, episode.summary());
  const records::OutcomeCounts outcome = outcome_under(playbook, episode.counts().outcome());
  const auto priority =
      static_cast<schemas::Priority>(std::min<std::uint32_t>(episode.summary().priority(), 7));

  Judgement judgement;
  judgement.outcome = outcome;
  // What showed it may be among the values of an overflow finding that are not kept.
  judgement.effect_observed = (episode.summary().flags() & schemas::kEffectSeen) != 0 ||
                              effect_of(outcome, facts, playbook);
  const bool refused = none_took_effect(facts, outcome, judgement.effect_observed);
  const bool strong = playbook.strong() &&
                      (!playbook.has_strong_if() ||
                       is_shown(playbook.strong_if(), facts, outcome, judgement.effect_observed));
  const bool critical = priority <= schemas::Priority::kCritical && judgement.effect_observed;
  const bool suspicious = strong || critical;
  judgement.alarming = suspicious;
  // Of the many patterns that an overflow finding holds, the values kept show a few only.
  const bool labelled =
      !series.overflow() && Recogniser(playbooks, series, facts, judgement).recognise();
  const bool by_names = labelled && judgement.confidence == Confidence::kLow;
  std::vector<Because> remarks;
  if ((!labelled || by_names) && suspicious) {
    remarks.swap(judgement.because);
    if (by_names) judgement.would_change.clear();
    judgement.verdict = Verdict::kSuspicious;
    judgement.confidence =
        strong && judgement.effect_observed ? Confidence::kHigh : Confidence::kMedium;
  }
  if (strong) {
    judgement.because.push_back(
        {"The rule's pattern has hardly any innocent use.", "rule", series.rule()});
  }
  if (critical) {
    judgement.because.push_back({"What a rule of this priority is about was seen to happen.",
                                 "priority", std::string(schemas::to_string(priority))});
  }
  // That it looks like something known is a remark: whoever runs a program chooses its names.
  judgement.because.insert(judgement.because.end(), remarks.begin(), remarks.end());
  if (judgement.because.empty())
    judgement.because.push_back(why_undecided(facts, series, judgement, refused));
  const auto here = platforms_of(series.entity(), facts);
  apply_missing(series, facts, playbook, judgement);
  apply_explanations(playbook, here, judgement);

  const Grounds grounds{.priority = priority,
                        .refused = refused,
                        .strong = strong,
                        .scored = scored_verdict(judgement, suspicious)};
  judgement.severity = severity_of(grounds, judgement.effect_observed);
  if (is_known(judgement) && !needs_nobody(judgement)) judgement.severity = Severity::kMedium;
  add_terms_of_alerts(facts, grounds, judgement);
  add_terms_of_signs(facts, playbooks.signs(), here, judgement);
  apply_risk(grounds.scored, judgement);
  apply_attention(grounds.scored, judgement);
  apply_attack(facts, playbook, judgement);
  judgement.counts_for_incidents = !is_recognised(grounds.scored);
  return judgement;
}

}  // namespace gyre::stages
