// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace gyre {

/// Of a problem that a YAML parser names on a line (from 0) of `text`: what it says, or, where a
/// tab indents that line, the tab and its cure, of which parsers say nothing.
inline std::string yaml_problem(std::string_view text, int line, const std::string& said) {
  for (; line > 0; --line) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return said;
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find_first_not_of(" \t-"));
  if (text.find('\t') == std::string_view::npos) return said;
  return "a tab in front of the line; YAML takes only spaces there (" + said + ")";
}

}  // namespace gyre
