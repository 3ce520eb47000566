// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/config_kinds.h"

namespace gyre::pipeline {

/// Reads the nodes of one configuration and collects problems instead of stopping at the first.
/// Private to config.cpp.
class ConfigReader {
 public:
  /// `origin` names the file in messages.
  explicit ConfigReader(std::string origin) : origin_(std::move(origin)) {}

  void problem(const YAML::Mark& mark, const std::string& what);

  /// Reads a scalar as `kind` says; false, and noted under `path`, if something is wrong.
  template <class T>
  bool scalar(const YAML::Node& node, const std::string& path, const config_kinds::Kind<T>& kind,
              T& into) {
    const auto value = resolve(node, path);
    if (!value) return false;
    auto result = kind.read(*value);
    if (result) {
      into = std::move(*result);
      return true;
    }
    // What a variable holds may be a secret; what the file says is not.
    const bool inserted = *value != node.Scalar();
    problem(node.Mark(), fmt::format("{}: {}\"{}\" {}", path, inserted ? "the value of " : "",
                                     node.Scalar(), result.error()));
    return false;
  }

  /// Remembers where a key stands, for problems that are found only in the whole.
  void found(const std::string& path, const YAML::Mark& mark) { places_.emplace(path, mark); }
  /// Of the first of these keys that the file has; without a place if it has none of them.
  void problem_of(std::initializer_list<std::string> paths, const std::string& what);

  /// The scalar's text with the environment put in; nullopt, and a problem noted, if there is none.
  std::optional<std::string> resolve(const YAML::Node& node, const std::string& path);

  /// Throws ConfigError with all problems, in the order of the file, if there is any.
  void finish();

 private:
  struct Problem {
    int line;
    int column;
    std::string text;
  };

  std::optional<std::string> interpolate(const YAML::Node& node, const std::string& path);

  std::string origin_;
  std::vector<Problem> problems_;
  std::map<std::string, YAML::Mark> places_;
};

}  // namespace gyre::pipeline
