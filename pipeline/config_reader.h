// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <cstdint>
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
  /// Begins with the file, which `origin` names in messages.
  explicit ConfigReader(std::string origin) : origin_(std::move(origin)) {}

  /// What comes now stands in this variable: without a place, taken as it is, and never quoted,
  /// since it may be a secret.
  void enter_environment(const std::string& variable);
  /// What comes now stands in the command line.
  void enter_flags();
  /// What comes now is about all of it.
  void enter_whole();

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
    problem(node.Mark(),
            fmt::format("{}: {} {}", path, shown(node.Scalar(), *value), result.error()));
    return false;
  }

  /// Remembers where a key stands, for problems that are found only in the whole.
  void found(const std::string& path, const YAML::Mark& mark);
  bool has(const std::string& path) const { return places_.contains(path); }
  /// Of the first of these keys that the file has; without a place if it has none of them.
  void problem_of(std::initializer_list<std::string> paths, const std::string& what);

  /// The scalar's text with the environment put in; nullopt, and a problem noted, if there is none.
  std::optional<std::string> resolve(const YAML::Node& node, const std::string& path);

  /// Throws ConfigError with all problems, in the order of the file, if there is any.
  void finish();

  /// Of each key found: where it was found last.
  std::map<std::string, std::string> origins() const;
  /// Whether a message may quote what is read: a variable may hold a secret.
  bool may_quote() const { return layer_ != Layer::kEnvironment; }

 private:
  enum class Layer : std::uint8_t { kFile, kEnvironment, kFlags, kWhole };
  struct Place {
    Layer layer;
    int line;
    int column;
    std::string prefix;  ///< of a message
    std::string origin;
  };
  struct Problem {
    Place place;
    std::string text;
  };

  /// Once, if several things lead to the same.
  void note(Problem problem);
  Place place_of(const YAML::Mark& mark) const;
  /// A value for a message: as it is written, or where it stands.
  std::string shown(const std::string& written, const std::string& value) const;
  std::optional<std::string> interpolate(const YAML::Node& node, const std::string& path);

  Layer layer_ = Layer::kFile;
  std::string origin_;
  std::string file_ = origin_;
  std::vector<Problem> problems_;
  std::map<std::string, Place> places_;
};

}  // namespace gyre::pipeline
