// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <string>
#include <vector>

#include "pipeline/config.h"
#include "pipeline/config_reader.h"

namespace gyre::pipeline {

/// A key of the configuration: how it is read, shown, hashed and documented. Private to config.cpp.
struct ConfigKey {
  std::string path;
  bool semantic;    ///< decisions depend on it
  bool structured;  ///< a list or a map
  std::function<void(ConfigReader&, const YAML::Node&, Config&)> read;
  /// On one line, without secrets.
  std::function<std::string(const Config&)> show;
  /// As YAML of one line; none: `show` is.
  std::function<std::string(const Config&)> dump;
};

/// In the order of docs/configuration.md; keys of a section stand together.
const std::vector<ConfigKey>& config_keys();

/// The known key or section that is spelled most like this one.
std::string nearest_key(const std::string& path);

}  // namespace gyre::pipeline
