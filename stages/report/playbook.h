// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/records.pb.h"

namespace re2 {
class RE2;
}

namespace gyre::stages {

enum class AdviceKind : std::uint8_t { kVerify, kContain, kHarden, kTune };

/// One piece of advice. `commands` and `snippet` may hold `{field}` of the alert; an advice whose
/// field is unknown or holds a character outside its safe set is left out, never filled with a
/// guess.
struct Advice {
  AdviceKind kind = AdviceKind::kVerify;
  std::string title;
  std::string text;
  std::vector<std::string> commands;
  std::string snippet;
  std::string language;
  std::vector<std::string> preconditions;
  std::string undo;
  std::string source;
};

/// A known, named source of alerts (test tool, own tooling): the evidence that recognises it
/// (rulings 26, 27).
struct Signature {
  std::string name;     ///< for people: `Falco event-generator`
  std::string verdict;  ///< `test` | `likely_benign`
  /// Full match over the field's value: what a process can choose (low confidence).
  std::shared_ptr<const re2::RE2> names_pattern;
  std::string names_field;           ///< the field the pattern is held against
  std::vector<std::string> images;   ///< exact repositories (ruling 11): medium
  std::vector<std::string> parents;  ///< exact proc.pname demanded as well, may be empty
  bool images_required =
      false;  ///< without image and parent the verdict stays undetermined, with `missing`
};

struct Playbook {
  std::string id;
  std::vector<std::string> rules;  ///< exact rule names; empty: the fallback
  std::string family;
  bool strong = false;                 ///< ruling 26
  bool fires_only_on_success = false;  ///< ruling 24 (7)
  std::string meaning;                 ///< what the rule says, in plain words
  std::string blocked_text;            ///< what a refusal means here
  std::string succeeded_text;
  std::string effect_field;   ///< ruling 25: the effect is observed where this field ...
  std::string effect_prefix;  ///< ... begins so; empty: evt.res is the effect
  std::vector<std::string> benign_causes;
  std::vector<Signature> signatures;
  std::vector<Advice> advice;
  std::vector<std::string> decisive_fields;  ///< named in `missing` when absent
  std::vector<std::string> tactics;          ///< ATT&CK tactic ids, `TA0002`; empty: from the tags
};

/// The built-in playbooks, overridden by the files of a directory. Constant after construction; any
/// thread.
class Playbooks {
 public:
  /// Throws ConfigError naming file, line and key of every problem. `directory` empty: only the
  /// built-in ones.
  explicit Playbooks(const std::string& directory = "");
  ~Playbooks();
  const Playbook& for_rule(std::string_view rule) const;
  std::size_t size() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre::stages
