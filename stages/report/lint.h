// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

// What advice must never say: commands and settings that destroy evidence, weaken a protection or
// don't exist, and claims that an alert cannot carry. Every playbook is held against this when it
// is read, built in or not.
namespace gyre::stages {

enum class LintOf : unsigned {
  kReadOnly = 1,     ///< a command that changes nothing
  kContainment = 2,  ///< a command that may interrupt, and can be undone
  kHardening = 4,    ///< a command that changes a setting for good
  kSnippet = 8,      ///< a manifest or configuration
  kClaim = 16,       ///< prose that says what an alert means
  kProse = 32,       ///< any other prose
};

/// What is wrong with it: `W2: never switch off a protection`; the ids are those of the table.
std::vector<std::string> lint(std::string_view text, LintOf kind);

/// Does the command interrupt somebody's work (rule D3)?
bool is_disruptive(std::string_view command);

}  // namespace gyre::stages
