// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/playbook.pb.h"
#include "schemas/records.pb.h"
#include "stages/report/facts.h"
#include "stages/report/judge.h"

namespace gyre::stages {

enum class AdviceKind : std::uint8_t { kVerify, kContain, kHarden, kTune };

/// A step of a playbook with the alert's values in it, ready to be printed.
struct Advice {
  AdviceKind kind = AdviceKind::kVerify;
  std::string title;
  std::string text;
  std::vector<std::string> preconditions;
  std::vector<std::string> record;    ///< read-only commands that come first
  std::vector<std::string> commands;  ///< read-only in kVerify
  std::string snippet;
  std::string language;  ///< of the snippet: `yaml`, `json` ...
  std::string if_benign;
  std::string if_suspicious;
  std::string if_gone;
  bool disruptive = false;
  std::string blast_radius;
  std::string undo;
  std::vector<std::string> undo_commands;
  std::string source;
};

/// The playbook's steps that the evidence supports: of the entity's platforms, their conditions
/// proven, their commands filled. Where some calls were refused, nothing is done to one of several
/// objects: nobody knows which of them it was. What is known to be harmless needs no containment
/// and no hardening. What is suspicious is not tuned away, nor what only names explain: of that, an
/// exception is offered only where every call was refused. An exception made from the evidence
/// comes first under kTune.
std::vector<Advice> advise(std::string_view report_id, const Playbook& playbook,
                           const records::Series& series, const Facts& facts,
                           const Judgement& judgement);

/// What an exception would have to be bound to and these alerts do not hold, where one may be
/// offered at all.
std::vector<std::string> missing_for_tuning(const Playbook& playbook, const records::Series& series,
                                            const Facts& facts, const Judgement& judgement);

}  // namespace gyre::stages
