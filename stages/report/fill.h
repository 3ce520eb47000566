// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <re2/re2.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Commands with values of an alert in them. A value goes in only if the whole of it is of a form
// that no shell reads as anything but a word; there is no quoting here that could be wrong.
namespace gyre::stages {

using Fillings = std::map<std::string, std::string, std::less<>>;

inline const std::map<std::string_view, RE2>& safe_patterns() {
  static const std::map<std::string_view, RE2> patterns = [] {
    constexpr const char* kSecond = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z";
    std::map<std::string_view, RE2> compiled;
    compiled.try_emplace("container.id", "[0-9a-f]{12}|[0-9a-f]{64}");
    compiled.try_emplace("k8s.ns.name", "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?");
    compiled.try_emplace("k8s.pod.name", "[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?");
    compiled.try_emplace("since", kSecond);
    compiled.try_emplace("until", kSecond);
    return compiled;
  }();
  return patterns;
}

inline bool is_placeholder(std::string_view name) { return safe_patterns().contains(name); }

inline bool is_safe(std::string_view name, std::string_view value) {
  const auto pattern = safe_patterns().find(name);
  return pattern != safe_patterns().end() &&
         RE2::FullMatch(re2::StringPiece(value.data(), value.size()), pattern->second);
}

/// The names between braces: `{container.id}`. `{{.Image}}` of Go's templates is none.
inline std::vector<std::string> placeholders(std::string_view text) {
  static const RE2 pattern(R"(\{([a-z][a-z0-9_.]*)\})");
  std::vector<std::string> names;
  std::string name;
  re2::StringPiece rest(text.data(), text.size());
  while (RE2::FindAndConsume(&rest, pattern, &name)) names.push_back(name);
  return names;
}

/// The text with its placeholders filled, or nothing when one is unknown or unsafe.
inline std::optional<std::string> fill(std::string_view text, const Fillings& fillings) {
  std::string filled(text);
  for (const std::string& name : placeholders(text)) {
    const auto found = fillings.find(name);
    if (found == fillings.end() || !is_safe(name, found->second)) return std::nullopt;
    const std::string hole = "{" + name + "}";
    filled.replace(filled.find(hole), hole.size(), found->second);
  }
  return filled;
}

}  // namespace gyre::stages
