// SPDX-License-Identifier: Apache-2.0
#include "pipeline/config.h"

#include <fmt/format.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/yaml_text.h"
#include "pipeline/config_keys.h"
#include "pipeline/config_kinds.h"
#include "pipeline/config_overrides.h"
#include "pipeline/config_reader.h"
#include "pipeline/kafka_broker.h"
#include "pipeline/kafka_properties.h"
#include "stages/by_container/contribution.h"

namespace gyre::pipeline {
namespace {

using config_kinds::is_name;
using std::string;

// ---- From the document to the table.

void read_map(ConfigReader& reader, const YAML::Node& map, const string& prefix, Config& config) {
  std::set<string> seen;
  for (const auto& each : map) {
    if (!each.first.IsScalar()) {
      reader.problem(each.first.Mark(), "a key must be a name");
      continue;
    }
    const string path = prefix + each.first.Scalar();
    const auto key = std::ranges::find(config_keys(), path, &ConfigKey::path);
    const bool section = std::ranges::any_of(
        config_keys(), [&](const ConfigKey& known) { return known.path.starts_with(path + "."); });
    reader.found(path, each.first.Mark());
    if (!seen.insert(path).second)
      reader.problem(each.first.Mark(), fmt::format("{} stands here twice", path));
    else if (key != config_keys().end())
      key->read(reader, each.second, config);
    else if (section && each.second.IsMap())
      read_map(reader, each.second, path + ".", config);
    else if (section && !each.second.IsNull())
      reader.problem(each.second.Mark(), path + " must be a map of keys");
    else if (!section)
      reader.problem(each.first.Mark(), fmt::format("unknown key {}; the nearest known one is {}",
                                                    path, nearest_key(path)));
  }
}

/// `GYRE_FINDINGS_GAP` of `findings.gap`.
string variable_of(const string& path) {
  string name = "GYRE_" + path;
  for (char& c : name) c = c == '.' ? '_' : static_cast<char>(std::toupper(c));
  return name;
}

/// A value that stands outside of the file: of a list or map as YAML, else as it is.
YAML::Node outer_node(ConfigReader& reader, const ConfigKey& key, const string& value) {
  if (!key.structured) return YAML::Node(value);
  try {
    return YAML::Load(value);
  } catch (const YAML::Exception& error) {
    // Not the parser's text: it quotes, and this may be a secret.
    reader.problem(YAML::Mark::null_mark(), key.path + " must be YAML of one line, as [a, b]");
    return {};
  }
}

void read_outer(ConfigReader& reader, const ConfigKey& key, const string& value, Config& config) {
  reader.found(key.path, YAML::Mark::null_mark());
  const YAML::Node node = outer_node(reader, key, value);
  if (node.IsDefined() && !node.IsNull()) key.read(reader, node, config);
}

/// A variable that is empty says nothing: whoever starts processes often cannot unset one.
void read_environment(ConfigReader& reader, Config& config) {
  for (const ConfigKey& key : config_keys()) {
    const string variable = variable_of(key.path);
    const char* value = std::getenv(variable.c_str());
    if (value == nullptr || *value == '\0') continue;
    reader.enter_environment(variable);
    read_outer(reader, key, value, config);
  }
}

/// A variable that nearly is one of ours is a slip of the pen. Others are left alone: the file may
/// use them, and Kubernetes sets some for a service of our name.
void refuse_misspelled_variables(ConfigReader& reader) {
  constexpr std::size_t kSlip = 2;  // letters
  std::set<string> known;
  for (const ConfigKey& key : config_keys()) known.insert(variable_of(key.path));
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const string name(*entry, std::strcspn(*entry, "="));
    if (!name.starts_with("GYRE_") || known.contains(name)) continue;
    const auto far = [&](const string& other) { return config_kinds::distance(name, other); };
    const string& nearest = *std::ranges::min_element(known, {}, far);
    if (far(nearest) > kSlip) continue;
    reader.enter_environment(name);
    reader.problem(
        YAML::Mark::null_mark(),
        fmt::format(
            "is read by nothing; if {} is meant, rename it, else choose a name less like it",
            nearest));
  }
}

/// `KEY=VALUE`; `kafka.properties.NAME` is a key, too.
void read_flags(ConfigReader& reader, const std::vector<string>& flags, Config& config) {
  constexpr std::string_view kProperties = "kafka.properties";
  reader.enter_flags();
  for (const string& flag : flags) {
    const auto equals = flag.find('=');
    string path = flag.substr(0, equals);
    string value = equals == string::npos ? "" : flag.substr(equals + 1);
    const bool property = path.starts_with(string(kProperties) + ".");
    const string name = property ? path.substr(kProperties.size() + 1) : "";
    if (property) path = kProperties;
    const auto key = std::ranges::find(config_keys(), path, &ConfigKey::path);
    if (equals == string::npos) {
      reader.problem(YAML::Mark::null_mark(), flag + " is not KEY=VALUE");
    } else if (key == config_keys().end()) {
      reader.problem(
          YAML::Mark::null_mark(),
          fmt::format("unknown key {}; the nearest known one is {}", path, nearest_key(path)));
    } else if (property) {
      YAML::Node map;
      map[name] = value;
      reader.found(path, YAML::Mark::null_mark());
      key->read(reader, map, config);
    } else {
      read_outer(reader, *key, value, config);
    }
  }
}

void default_instance(ConfigReader& reader, Config& config) {
  if (!config.instance.empty()) return;
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) == 0) config.instance = host.data();
  if (!is_name(config.instance, 100))
    reader.problem(YAML::Mark::null_mark(),
                   fmt::format("instance: the hostname \"{}\" is not a name: letters, digits, `.`, "
                               "`_`, `-`, at most 100; set `instance`",
                               config.instance));
}

/// What no single key can be blamed for.
void check_whole(ConfigReader& reader, const Config& config) {
  struct Topic {
    string key;  ///< that names it
    string what;
    string name;
  };
  std::map<string, Topic> used;
  std::vector<Topic> topics = {
      {"name", "the by-container topic of `name`", config.by_container_topic()},
      {"name", "the intake changelog of `name`", config.intake_changelog()},
      {"name", "the by-container changelog of `name`", config.by_container_changelog()},
      {"name", "the duplicate ids of `name`", config.by_container_ids()},
      {"name", "the by-rule topic of `name`", config.by_rule_topic()},
      {"name", "the by-rule changelog of `name`", config.by_rule_changelog()},
      {"input.topic", "input.topic", config.input.topic},
      {"input.dead_letter_topic", "input.dead_letter_topic", config.input.dead_letter_topic}};
  for (std::size_t i = 0; i < config.outputs.size(); ++i)
    topics.push_back({fmt::format("outputs[{}].topic", i), fmt::format("outputs[{}].topic", i),
                      config.outputs[i].topic});
  for (const Topic& topic : topics) {
    const auto [other, fresh] = used.emplace(topic.name, topic);
    if (!fresh)
      reader.problem_of({topic.key, other->second.key},
                        fmt::format("{} and {} are the same topic, {}", topic.what,
                                    other->second.what, topic.name));
  }
  if (std::set<string>(config.stages.begin(), config.stages.end()).size() != config.stages.size())
    reader.problem_of({"stages"}, "stages: a stage is named twice");
  check_semantics(reader, config);
}

/// What the file names on this machine, and what librdkafka says of the properties together.
void check_here(ConfigReader& reader, const Config& config) {
  std::error_code error;
  if (!config.playbooks.empty() && !std::filesystem::is_directory(config.playbooks, error))
    reader.problem_of({"playbooks"},
                      fmt::format("playbooks: {} is no directory that can be read: {}",
                                  config.playbooks, error ? error.message() : "it is a file"));
  try {
    check_properties(kafka_client(config));
  } catch (const ConfigError& problem) {
    const string said = problem.what();
    string named = "kafka.properties";
    for (const auto& [name, value] : config.kafka.properties)
      if (said.find(name) != string::npos) named = "kafka.properties." + name;
    reader.problem_of({named, "kafka.properties"}, said);
  }
}

}  // namespace

string Config::client_id(const string& stage, int worker) const {
  return fmt::format("{}-{}-{}-{}", name, stage, instance, worker);
}

std::map<string, string> config_values(const Config& config) {
  std::map<string, string> values;
  for (const ConfigKey& key : config_keys()) values[key.path] = key.show(config);
  return values;
}

stages::OutbreakConfig Config::outbreak_config() const {
  stages::OutbreakConfig config = outbreaks;
  config.staleness = stages::longest_delay(findings);
  return config;
}

string Config::semantic_hash() const {
  IdHasher hasher;
  for (const ConfigKey& key : config_keys())
    if (key.semantic) hasher.add(key.path).add(key.show(*this));
  return to_hex(view(hasher.finish()).substr(0, 8));
}

string config_dump(const Config& config, const ConfigOrigins& origins) {
  string text;
  string section;
  for (const ConfigKey& key : config_keys()) {
    const auto dot = key.path.find('.');
    const string head = dot == string::npos ? "" : key.path.substr(0, dot);
    if (head != section && !head.empty()) text += head + ":\n";
    section = head;
    const auto origin = origins.find(key.path);
    const string value = key.dump         ? key.dump(config)
                         : key.structured ? key.show(config)
                                          : config_kinds::yaml_text(key.show(config));
    text += fmt::format("{}{}: {}{}\n", head.empty() ? "" : "  ", key.path.substr(dot + 1), value,
                        origin == origins.end() ? "" : "  # " + origin->second);
  }
  return text;
}

Config load_config(const string& path, const Config& defaults, Checked checked,
                   const std::vector<string>& flags, ConfigOrigins* origins) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  // A directory opens, but cannot be read.
  if (!file || (file.peek() == std::ifstream::traits_type::eof() && !file.eof()))
    throw ConfigError(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  file.clear();
  content << file.rdbuf();
  return parse_config(content.str(), path, defaults, checked, flags, origins);
}

Config parse_config(const string& yaml, const string& origin, const Config& defaults,
                    Checked checked, const std::vector<string>& flags, ConfigOrigins* origins) {
  ConfigReader reader(origin);
  Config config = defaults;
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(yaml);
    if (documents.size() > 1)
      reader.problem(documents[1].Mark(), "a second document; the configuration is one");
    if (!documents.empty() && documents[0].IsMap())
      read_map(reader, documents[0], "", config);
    else if (!documents.empty() && !documents[0].IsNull())
      reader.problem(documents[0].Mark(), "the configuration must be a map of keys");
  } catch (const YAML::Exception& error) {
    reader.problem(error.mark, yaml_problem(yaml, error.mark.line, error.msg));
  }
  read_environment(reader, config);
  refuse_misspelled_variables(reader);
  read_flags(reader, flags, config);
  reader.enter_whole();
  default_instance(reader, config);
  check_whole(reader, config);
  apply_overrides(reader, config);
  if (checked == Checked::kHere) check_here(reader, config);
  reader.finish();
  if (origins != nullptr) *origins = reader.origins();
  return config;
}

}  // namespace gyre::pipeline
