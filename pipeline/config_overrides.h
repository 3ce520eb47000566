// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>
#include <string_view>

#include "pipeline/config.h"
#include "pipeline/config_reader.h"

/// The key `overrides`: what holds for some tenants and rules only. Private to config.cpp and
/// config_keys.cpp.
namespace gyre::pipeline {

/// For whom a key may have a value of its own. What is of a whole task (its times), or changes what
/// an alert is, never has one; what is of an entity, whatever the rules, has one by tenant.
enum class Overridable : std::uint8_t { kNever, kByTenant, kByRule };
Overridable overridable(std::string_view path);

void read_overrides(ConfigReader& reader, const YAML::Node& node, Config& config);
/// As YAML of one line.
std::string show_overrides(const Config& config);

/// Works out what holds for each tenant and rule that is named, into `config.findings` and
/// `config.outbreaks`, and checks each as the whole is checked.
void apply_overrides(ConfigReader& reader, Config& config);

/// What no single key of `findings` and `outbreaks` can be blamed for. `overrides`: the entries
/// that apply, one of which may be to blame.
void check_semantics(ConfigReader& reader, const Config& config,
                     const std::vector<std::size_t>& overrides = {});

}  // namespace gyre::pipeline
