// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace gyre::schemas {

/// One string with what is random in it replaced by placeholders: `<random>`, `<uuid>`, `<pid>`
/// ... (rulings 9 and 10). A placeholder's text that stands in the string itself gets a backslash,
/// so that nobody can write one; `<redacted>` is ours and stays. Linear in time, valid UTF-8 stays
/// valid.
std::string normalise(std::string_view text);

/// The same, appended to `out`.
void normalise_to(std::string_view text, std::string& out);

/// A row of the normaliser's table, which is tried from top to bottom at each run of letters and
/// digits; the first that matches wins.
struct NormaliserRow {
  std::string_view name;
  std::string_view reason;
  std::string_view before;  ///< an example, and what becomes of it
  std::string_view after;
};
std::span<const NormaliserRow> normaliser_rows();

}  // namespace gyre::schemas
