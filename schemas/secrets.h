// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

// What redaction looks for: a table, and a scanner that says which of its rows can match at all.
namespace gyre::schemas {

struct SecretRow {
  std::string_view name;
  std::string_view reason;
  /// Any of these must stand in the text, case ignored; four characters at least. None: `needs`
  /// alone decides.
  std::span<const std::string_view> hints;
  /// All of these must too; small letters.
  std::array<std::string_view, 2> needs;
  /// What stands around the hint at `at` must look like it; null: anything does.
  bool (*confirms)(std::string_view text, std::size_t at, std::size_t size);
  std::string_view expression;  ///< RE2; empty: the options of programs, program_secrets.h
  std::string_view replacement;
  int value;  ///< the group that must read like a secret, secret_value.h; 0: whatever it is
  std::string_view before;  ///< an example, and what becomes of it
  std::string_view after;
};

/// In the order in which they are applied; at most 32.
std::span<const SecretRow> secret_rows();

/// The rows, one bit each, that may match somewhere in `text`. One pass; linear in time whatever
/// the text.
std::uint32_t rows_hinted_by(std::string_view text);

}  // namespace gyre::schemas
