// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

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

  /// Reads a scalar as `kind` says; what is wrong is noted under `path`.
  template <class T>
  void scalar(const YAML::Node& node, const std::string& path, const config_kinds::Kind<T>& kind,
              T& into) {
    if (const auto value = resolve(node, path)) {
      auto result = kind.read(*value);
      // What a variable holds may be a secret; what the file says is not.
      const bool inserted = *value != node.Scalar();
      if (result)
        into = std::move(*result);
      else
        problem(node.Mark(), fmt::format("{}: {}\"{}\" {}", path, inserted ? "the value of " : "",
                                         node.Scalar(), result.error()));
    }
  }

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
};

}  // namespace gyre::pipeline
