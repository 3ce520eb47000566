// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "stages/report/facts.h"

// Who did what to what, in the alerts' own words: what tells a finding from others.
namespace gyre::stages {

struct Seen {
  std::string_view label;           ///< `by`, `command line`, `on`
  std::vector<std::string> values;  ///< sorted, without repeats; at least one
  bool capped = false;
};

/// In the order in which they are read.
std::vector<Seen> seen_of(const Facts& facts);

/// The addresses that the API servers themselves saw a request come from: the last of each list in
/// `ka.sourceips`. Whoever sends a request may write those before it.
std::vector<std::string> seen_sources(const Facts& facts);

/// The commands of sessions, whole where `ka.uri` is among the evidence; else Falco's own field,
/// which holds the first word.
std::vector<std::string> session_commands(const Facts& facts);

/// The line of a finding's first screen; Markdown.
std::string seen_line(const Facts& facts);

/// What a list of findings says of one: a label and a value in turn, shortened.
std::vector<std::string> seen_in_short(const Facts& facts);

}  // namespace gyre::stages
