// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>

#include "pipeline/config.h"
#include "pipeline/config_reader.h"

/// The key `outputs`. Private to config_keys.cpp.
namespace gyre::pipeline {

void read_outputs(ConfigReader& reader, const YAML::Node& node, Config& config);
/// As YAML of one line.
std::string show_outputs(const Config& config);

}  // namespace gyre::pipeline
