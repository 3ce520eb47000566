// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace gyre::stages {

/// Escapes everything that CommonMark would read as markup, and HTML; one line. For names and
/// values of an alert.
std::string markdown_text(std::string_view text);
/// A code span that holds the text whatever backticks it has; one line.
std::string markdown_code(std::string_view text);
/// A fenced block whose fence is longer than any run of backticks inside.
std::string markdown_block(std::string_view text, std::string_view language);

}  // namespace gyre::stages
