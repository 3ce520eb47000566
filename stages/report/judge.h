// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/records.pb.h"
#include "stages/report/playbook.h"

namespace gyre::stages {

enum class Severity : std::uint8_t { kInformational, kLow, kMedium, kHigh, kCritical };
enum class Verdict : std::uint8_t { kUndetermined, kSuspicious, kLikelyBenign, kTest };
enum class Confidence : std::uint8_t { kLow, kMedium, kHigh };
enum class Attention : std::uint8_t { kRecord, kTicket, kPage };

std::string_view to_string(Severity severity);
std::string_view to_string(Verdict verdict);
std::string_view to_string(Confidence confidence);
std::string_view to_string(Attention attention);

/// A sentence and the field and value it came from.
struct Because {
  std::string text;
  std::string field;
  std::string value;
};

struct Explanation {
  std::string cause;
  std::string proof;
};

struct RiskTerm {
  int points = 0;
  Because because;
};

struct Technique {
  std::string tactic;     ///< `TA0002`
  std::string technique;  ///< `T1059.004`; may be empty
  std::string name;       ///< of the technique, of the tactic where there is none: `Unix Shell`
  std::string source;     ///< `rule_tag` | `mapping`; of an incident `findings`
};

/// An episode of a finding key, and what is known of whom it is about.
struct Finding {
  const records::Series& series;
  const records::Episode& episode;
  const records::EntityState& entity;
};

/// What we think of a finding. A pure function of its episode, card and playbook; the ledger says
/// why.
struct Judgement {
  Verdict verdict = Verdict::kUndetermined;
  Confidence confidence = Confidence::kLow;
  std::vector<Because> because;
  std::vector<std::string> would_change;
  std::vector<Explanation> explanations;  ///< ordinary ones, each with what would prove it
  Severity severity = Severity::kLow;
  int risk = 0;  ///< clamp(sum of terms, 0, 100)
  std::vector<RiskTerm> terms;
  Attention attention = Attention::kRecord;
  std::string attention_because;
  records::OutcomeCounts outcome;  ///< with what the rule itself proves (ruling 24, 7)
  bool effect_observed = false;    ///< ruling 25
  /// Suspicious unless more than names explain it: a strong rule, or the effect of a Critical.
  bool alarming = false;
  std::vector<Technique> attack;     ///< sorted, unique
  std::vector<std::string> missing;  ///< field names that would have decided more
  /// Test or likely_benign at medium confidence or better: does not count for incidents (ruling
  /// 28).
  bool counts_for_incidents = true;
  bool left_to_incident = false;  ///< it would be a ticket, but its incident asks for it
  std::string joins;  ///< id of the open incident that takes it up in this second; empty: none
};

/// Whom a report asks for that is not recognised; `effect`: what it is about was seen to happen;
/// `suspicious`: something tells it from ordinary work.
Attention attention_of(Severity severity, bool effect, bool suspicious);

/// Test or likely benign by more than names.
inline bool is_known(const Judgement& judgement) {
  return (judgement.verdict == Verdict::kTest || judgement.verdict == Verdict::kLikelyBenign) &&
         judgement.confidence != Confidence::kLow;
}

/// Recognised so that nobody has to look. Where a strong rule fired or a Critical's effect was
/// seen, an image alone is not enough: whoever starts a container chooses it.
inline bool needs_nobody(const Judgement& judgement) {
  return is_known(judgement) && (!judgement.alarming || judgement.confidence == Confidence::kHigh);
}

/// Whether the finding's alerts show by themselves what its playbook names as the effect (ruling
/// 25); false where it names none.
bool shows_effect(const Finding& finding, const Playbooks& playbooks);

Judgement judge(const Finding& finding, const Playbooks& playbooks);

}  // namespace gyre::stages
