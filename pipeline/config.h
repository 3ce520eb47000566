// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pipeline/log.h"
#include "pipeline/outputs.h"
#include "schemas/alert.h"
#include "stages/by_container/stage.h"
#include "stages/by_rule/stage.h"
#include "stages/intake/intake.h"

namespace gyre::pipeline {

/// One YAML file. Every field has its default here; docs/configuration.md explains each.
struct Config {
  std::string name = "gyre";  ///< prefixes inner topics, groups, transactional ids
  std::string instance;       ///< stable over restarts; default: the hostname
  int workers = 1;
  std::vector<std::string> stages = {"intake", "by_container", "by_rule"};

  struct Kafka {
    std::string brokers = "127.0.0.1:9092";
    std::map<std::string, std::string>
        properties;  ///< any librdkafka property that the engine does not own
    std::map<std::string, std::string>
        property_files;  ///< of `NAME_file`: the file that holds the value of NAME
  } kafka;

  struct Input {
    std::string topic = "falco.alerts";
    std::string start =
        "earliest";  ///< earliest | latest | RFC 3339; counts only where no checkpoint exists
    std::string tenant = "default";
    std::string cluster = "default";
    std::string dead_letter_topic = "falco.alerts.dead-letter";
  } input;

  std::vector<Output> outputs = {{}};  ///< at least one

  struct Inner {
    std::int32_t partitions = 16;  ///< fixed at creation
    std::int16_t replication_factor = 3;
  } inner;

  struct State {
    std::string directory = "/var/lib/gyre";
    std::size_t cache_bytes = 128 << 20;
  } state;

  struct Admin {
    std::string listen = "127.0.0.1:9464";  ///< /metrics, /healthz, /readyz, /status
  } admin;

  LogSettings log;

  struct Batch {
    std::chrono::milliseconds linger{20};
    std::size_t records = 10'000;
    std::size_t bytes = 8'000'000;
  } batch;

  schemas::ParseLimits limits;
  stages::FindingConfig findings;    ///< gap, lateness, settling, back-off, reports.close ...
  stages::OutbreakConfig outbreaks;  ///< thresholds; reports.close stands in `findings`

  /// What holds for some tenants and rules only; worked out in `findings` and `outbreaks`. Of
  /// several that say the same of one alert the last one counts.
  struct Override {
    std::vector<std::string> tenants;             ///< empty: all
    std::vector<std::string> rules;               ///< empty: all
    std::map<std::string, std::string> settings;  ///< by path, as the file spells them
  };
  std::vector<Override> overrides;
  std::string playbooks;  ///< a directory whose files override the built-in playbooks; empty: none

  // Names derived from `name` (DESIGN 5), said once.
  std::string by_container_topic() const { return name + ".by-container"; }
  std::string intake_changelog() const { return name + ".intake.changelog"; }
  std::string by_container_changelog() const { return name + ".by-container.changelog"; }
  std::string by_container_ids() const { return name + ".by-container.ids"; }
  std::string by_rule_topic() const { return name + ".by-rule"; }
  std::string by_rule_changelog() const { return name + ".by-rule.changelog"; }
  std::string group(const std::string& stage) const { return name + "." + stage; }
  std::string client_id(const std::string& stage, int worker) const;
  /// `outbreaks`, with what follows from `findings`.
  stages::OutbreakConfig outbreak_config() const;
  /// Hash of what decisions depend on (findings, outbreaks, overrides, limits, input.tenant,
  /// input.cluster), 16 hex digits.
  std::string semantic_hash() const;
};

/// How far a configuration is checked: by itself, or also whether what it names is on this machine
/// (the directory of playbooks, files in kafka.properties). Whoever only reads from Kafka, or
/// replays, may have another machine's file.
enum class Checked : std::uint8_t { kAlone, kHere };

/// Where the value of a key came from, by its path: `gyre.yaml:3`, `GYRE_WORKERS`, `--set`; nothing
/// of one that has its default.
using ConfigOrigins = std::map<std::string, std::string>;

/// What counts, the first of these that says something: `flags` (`KEY=VALUE`), the environment
/// (`GYRE_FINDINGS_GAP` of `findings.gap`), the file at `path`, `defaults`. Throws ConfigError with
/// every problem, each with line and column and, for an unknown key, the nearest known one.
Config load_config(const std::string& path, const Config& defaults = {},
                   Checked checked = Checked::kAlone, const std::vector<std::string>& flags = {},
                   ConfigOrigins* origins = nullptr);
/// The same from a text; `origin` is named in messages.
Config parse_config(const std::string& yaml, const std::string& origin, const Config& defaults = {},
                    Checked checked = Checked::kAlone, const std::vector<std::string>& flags = {},
                    ConfigOrigins* origins = nullptr);
/// Every key that the file may have, as `findings.gap`, with its value as the file would spell it.
/// Of kafka.properties only the names: values may be secrets.
std::map<std::string, std::string> config_values(const Config& config);
/// For docs/configuration.md: which keys `overrides` takes, as Markdown.
std::string overridable_keys();
/// All of it as a file that reads the same, each value with its origin; secrets are masked.
std::string config_dump(const Config& config, const ConfigOrigins& origins);

}  // namespace gyre::pipeline
