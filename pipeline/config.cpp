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
#include <functional>
#include <map>
#include <optional>
#include <ranges>
#include <set>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "pipeline/config_kinds.h"
#include "pipeline/config_reader.h"
#include "pipeline/kafka_broker.h"
#include "pipeline/kafka_properties.h"

namespace gyre::pipeline {
namespace {

using config_kinds::are_brokers;
using config_kinds::choice;
using config_kinds::distance;
using config_kinds::integer;
using config_kinds::is_address;
using config_kinds::is_name;
using config_kinds::Kind;
using config_kinds::milliseconds;
using config_kinds::seconds;
using config_kinds::size;
using config_kinds::text;
using std::string;

// ---- The table of keys: what is read, shown, hashed and documented.

struct Key {
  string path;
  bool semantic;  ///< decisions depend on it
  std::function<void(ConfigReader&, const YAML::Node&, Config&)> read;
  std::function<string(const Config&)> show;
};

using Read = std::function<void(ConfigReader&, const YAML::Node&, Config&)>;

bool is_semantic(const string& path) {
  return path.starts_with("findings.") || path.starts_with("outbreaks.") ||
         path.starts_with("limits.") || path == "reports.close" || path == "input.tenant" ||
         path == "input.cluster";
}

template <class Get, class T>
Key one(const string& path, Get get, const Kind<T>& kind) {
  return {path, is_semantic(path),
          [=](ConfigReader& reader, const YAML::Node& node, Config& config) {
            reader.scalar(node, path, kind, get(config));
          },
          [=](const Config& config) { return kind.show(get(config)); }};
}

template <class Get, class T>
Key many(const string& path, Get get, const Kind<T>& kind) {
  const Read read = [=](ConfigReader& reader, const YAML::Node& node, Config& config) {
    if (!node.IsSequence() || node.size() == 0)
      return reader.problem(node.Mark(), path + " must be a list with at least one value: [a, b]");
    std::vector<T> values;
    for (const YAML::Node& each : node) {
      T value{};
      if (reader.scalar(each, path, kind, value)) values.push_back(std::move(value));
    }
    if (values.size() == node.size()) get(config) = std::move(values);
  };
  return {path, is_semantic(path), read, [=](const Config& config) {
            string all;
            for (const T& each : get(config)) all += (all.empty() ? "" : ", ") + kind.show(each);
            return "[" + all + "]";
          }};
}

void read_properties(ConfigReader& reader, const YAML::Node& node, Config& config) {
  if (!node.IsMap()) return reader.problem(node.Mark(), "kafka.properties must be a map");
  std::set<string> seen;
  for (const auto& each : node) {
    const string name = each.first.Scalar();
    const string path = "kafka.properties." + name;
    if (!seen.insert(property_name(name)).second)
      reader.problem(each.first.Mark(), path + " stands here twice, or under two of its names");
    const auto value = reader.resolve(each.second, path);
    if (!value) continue;
    // What a variable holds may be a secret, what the file says is not.
    reader.found(path, each.first.Mark());
    if (const auto problem = property_problem(name, *value, *value == each.second.Scalar()))
      reader.problem(each.first.Mark(), fmt::format("{} {}", path, *problem));
    else
      config.kafka.properties[name] = *value;
  }
}

// Values of properties may be secrets: only their names are shown.
string show_properties(const Config& config) {
  return fmt::format("{{{}}}", fmt::join(config.kafka.properties | std::views::keys, ", "));
}

// One line a key; the accessor serves reading and showing.
#define AT(member) \
  [](auto& c) -> auto& { return c.member; }

// NOLINTNEXTLINE(readability-function-size): a line a key
std::vector<Key> table() {
  constexpr Second kHour = 3600;
  constexpr Second kDay = 24 * kHour;
  const auto topic = text([](const string& t) { return is_name(t, 249); },
                          "a topic name: letters, digits, `.`, `_`, `-`, at most 249");
  const auto name = text([](const string& t) { return is_name(t, 100); },
                         "a name: letters, digits, `.`, `_`, `-`, at most 100");
  const auto label =
      text([](const string& t) { return !t.empty() && t.size() <= 256; }, "1 to 256 bytes long");
  const auto any = text([](const string&) { return true; }, "");
  const auto some = text([](const string& t) { return !t.empty(); }, "a path: it is empty");
  const auto stage =
      text([](const string& t) { return t == "intake" || t == "by_container" || t == "by_rule"; },
           "a stage: intake, by_container or by_rule");
  const auto start = text(
      [](const string& t) {
        return t == "earliest" || t == "latest" || parse_rfc3339(t).has_value();
      },
      "earliest, latest or a time as 2026-01-02T03:04:05Z");
  const auto brokers =
      text(are_brokers, "a list of brokers: host:port,host:port; without a port 9092");
  const auto address = text(is_address, "an address: host:port");
  return {
      one("name", AT(name), name),
      one("instance", AT(instance), name),
      one("workers", AT(workers), integer<int>(1, 256)),
      many("stages", AT(stages), stage),
      one("kafka.brokers", AT(kafka.brokers), brokers),
      {"kafka.properties", false, read_properties, show_properties},
      one("input.topic", AT(input.topic), topic),
      one("input.start", AT(input.start), start),
      one("input.tenant", AT(input.tenant), label),
      one("input.cluster", AT(input.cluster), label),
      one("output.topic", AT(output.topic), topic),
      one("output.dead_letter_topic", AT(output.dead_letter_topic), topic),
      one("inner.partitions", AT(inner.partitions), integer<std::int32_t>(1, 1024)),
      one("inner.replication_factor", AT(inner.replication_factor), integer<std::int16_t>(1, 32)),
      one("state.directory", AT(state.directory), some),
      one("state.cache", AT(state.cache_bytes), size(8 << 20, std::int64_t{1} << 40)),
      one("admin.listen", AT(admin.listen), address),
      one("batch.linger", AT(batch.linger), milliseconds(0, 10'000)),
      one("batch.records", AT(batch.records), integer<std::size_t>(1, 1'000'000)),
      one("batch.bytes", AT(batch.bytes), size(64 << 10, 1 << 30)),
      one("limits.record_bytes", AT(limits.record_bytes), size(1 << 10, 64 << 20)),
      one("limits.fields", AT(limits.fields), integer<std::size_t>(16, 10'000)),
      one("limits.string_bytes", AT(limits.string_bytes), size(256, 16 << 20)),
      one("findings.disorder", AT(findings.disorder), seconds(0, 60)),
      one("findings.lateness", AT(findings.lateness), seconds(0, kDay)),
      one("findings.duplicate_horizon", AT(findings.duplicate_horizon), seconds(60, kDay)),
      one("findings.gap", AT(findings.gap), seconds(60, kDay)),
      one("findings.max_age", AT(findings.max_age), seconds(60, 30 * kDay)),
      one("findings.keep_closed", AT(findings.keep_closed), seconds(0, 7 * kDay)),
      one("findings.settle_error", AT(findings.settle_error), seconds(0, kHour)),
      one("findings.settle_warning", AT(findings.settle_warning), seconds(0, kHour)),
      one("findings.settle_below", AT(findings.settle_below), seconds(0, kHour)),
      many("findings.backoff_attention", AT(findings.backoff_attention), seconds(1, 7 * kDay)),
      many("findings.backoff_record", AT(findings.backoff_record), seconds(1, 7 * kDay)),
      one("findings.incident_gap", AT(findings.incident_gap), seconds(60, kDay)),
      one("findings.incident_max_age", AT(findings.incident_max_age), seconds(60, 30 * kDay)),
      one("findings.incident_risk", AT(findings.incident_risk), integer<std::uint32_t>(1, 100)),
      one("findings.shapes", AT(findings.shapes), integer<std::uint32_t>(1, 1024)),
      one("findings.per_entity", AT(findings.per_entity), integer<std::uint32_t>(1, 1024)),
      one("outbreaks.hosts", AT(outbreaks.hosts), integer<std::uint32_t>(2, 1000)),
      one("outbreaks.workloads", AT(outbreaks.workloads), integer<std::uint32_t>(2, 1000)),
      one("outbreaks.window", AT(outbreaks.window), seconds(60, kDay)),
      one("outbreaks.recurring", AT(outbreaks.recurring), integer<std::uint32_t>(2, 1000)),
      one("outbreaks.recurring_window", AT(outbreaks.recurring_window), seconds(60, 7 * kDay)),
      one("outbreaks.rollout", AT(outbreaks.rollout), seconds(1, kDay)),
      one("outbreaks.quiet", AT(outbreaks.quiet), seconds(60, kDay)),
      one("outbreaks.max_age", AT(outbreaks.max_age), seconds(60, 30 * kDay)),
      one("reports.close", AT(findings.close_all), choice("changed", "all")),
      one("playbooks", AT(playbooks), any),
  };
}
#undef AT

const std::vector<Key>& keys() {
  static const std::vector<Key> all = table();
  return all;
}

// ---- From the document to the table.

/// By the last name first, so that a key in the wrong section is found in the right one.
string nearest(const string& path) {
  const auto leaf = [](const string& p) { return p.substr(p.rfind('.') + 1); };
  const auto rank = [&](const string& known) {
    return std::pair(distance(leaf(path), leaf(known)), distance(path, known));
  };
  std::set<string> known;
  for (const Key& key : keys()) known.insert({key.path, key.path.substr(0, key.path.find('.'))});
  return *std::ranges::min_element(known, {}, rank);
}

void read_map(ConfigReader& reader, const YAML::Node& map, const string& prefix, Config& config) {
  std::set<string> seen;
  for (const auto& each : map) {
    if (!each.first.IsScalar()) {
      reader.problem(each.first.Mark(), "a key must be a name");
      continue;
    }
    const string path = prefix + each.first.Scalar();
    const auto key = std::ranges::find(keys(), path, &Key::path);
    const bool section = std::ranges::any_of(
        keys(), [&](const Key& known) { return known.path.starts_with(path + "."); });
    reader.found(path, each.first.Mark());
    if (!seen.insert(path).second)
      reader.problem(each.first.Mark(), fmt::format("{} stands here twice", path));
    else if (key != keys().end())
      key->read(reader, each.second, config);
    else if (section && each.second.IsMap())
      read_map(reader, each.second, path + ".", config);
    else if (section && !each.second.IsNull())
      reader.problem(each.second.Mark(), path + " must be a map of keys");
    else if (!section)
      reader.problem(each.first.Mark(), fmt::format("unknown key {}; the nearest known one is {}",
                                                    path, nearest(path)));
  }
}

void default_instance(ConfigReader& reader, Config& config) {
  if (!config.instance.empty()) return;
  const char* given = std::getenv("GYRE_INSTANCE");
  const bool is_given = given != nullptr && *given != '\0';
  std::array<char, 256> host{};
  if (is_given)
    config.instance = given;
  else if (gethostname(host.data(), host.size() - 1) == 0)
    config.instance = host.data();
  if (!is_name(config.instance, 100))
    reader.problem(YAML::Mark::null_mark(),
                   fmt::format("instance: {} \"{}\" is not a name: letters, digits, `.`, `_`, `-`, "
                               "at most 100; set `instance`",
                               is_given ? "GYRE_INSTANCE" : "the hostname", config.instance));
}

/// What no single key can be blamed for.
void check_whole(ConfigReader& reader, const Config& config) {
  struct Topic {
    const char* key;  ///< that names it
    const char* what;
    string name;
  };
  std::map<string, Topic> used;
  for (const Topic& topic : std::initializer_list<Topic>{
           {"name", "the by-container topic of `name`", config.by_container_topic()},
           {"name", "the intake changelog of `name`", config.intake_changelog()},
           {"name", "the by-container changelog of `name`", config.by_container_changelog()},
           {"name", "the duplicate ids of `name`", config.by_container_ids()},
           {"name", "the by-rule topic of `name`", config.by_rule_topic()},
           {"name", "the by-rule changelog of `name`", config.by_rule_changelog()},
           {"input.topic", "input.topic", config.input.topic},
           {"output.topic", "output.topic", config.output.topic},
           {"output.dead_letter_topic", "output.dead_letter_topic",
            config.output.dead_letter_topic}}) {
    const auto [other, fresh] = used.emplace(topic.name, topic);
    if (!fresh)
      reader.problem_of({topic.key, other->second.key},
                        fmt::format("{} and {} are the same topic, {}", topic.what,
                                    other->second.what, topic.name));
  }
  if (std::set<string>(config.stages.begin(), config.stages.end()).size() != config.stages.size())
    reader.problem_of({"stages"}, "stages: a stage is named twice");
  const auto at_least = [&](const string& high, Second value, const string& low, Second least) {
    if (value < least)
      reader.problem_of({high, low}, fmt::format("{} must be at least {}", high, low));
  };
  const auto& findings = config.findings;
  at_least("findings.lateness", findings.lateness, "findings.disorder", findings.disorder);
  at_least("findings.gap", findings.gap, "findings.lateness", findings.lateness);
  at_least("findings.max_age", findings.max_age, "findings.gap", findings.gap);
  at_least("findings.keep_closed", findings.keep_closed, "findings.gap", findings.gap);
  if (findings.keep_closed + findings.gap < findings.duplicate_horizon)
    reader.problem_of(
        {"findings.keep_closed", "findings.gap", "findings.duplicate_horizon"},
        "findings.keep_closed and findings.gap together must be at least "
        "findings.duplicate_horizon: a copy is counted with the alert that it repeats");
  at_least("findings.incident_max_age", findings.incident_max_age, "findings.incident_gap",
           findings.incident_gap);
  at_least("outbreaks.max_age", config.outbreaks.max_age, "outbreaks.quiet",
           config.outbreaks.quiet);
  for (const auto& [key, backoff] :
       {std::pair("findings.backoff_attention", &findings.backoff_attention),
        std::pair("findings.backoff_record", &findings.backoff_record)})
    if (!std::ranges::is_sorted(*backoff))
      reader.problem_of({key},
                        fmt::format("{}: no wait may be shorter than the one before it", key));
}

/// What the file names on this machine, and what librdkafka says of the properties together.
void check_here(ConfigReader& reader, const Config& config) {
  std::error_code error;
  if (!config.playbooks.empty() && !std::filesystem::is_directory(config.playbooks, error))
    reader.problem_of({"playbooks"},
                      fmt::format("playbooks: {} is no directory that can be read: {}",
                                  config.playbooks, error ? error.message() : "it is a file"));
  try {
    check_properties({"", config.kafka.properties});
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
  for (const Key& key : keys()) values[key.path] = key.show(config);
  return values;
}

string Config::semantic_hash() const {
  IdHasher hasher;
  for (const Key& key : keys())
    if (key.semantic) hasher.add(key.path).add(key.show(*this));
  return to_hex(view(hasher.finish()).substr(0, 8));
}

Config load_config(const string& path, const Config& defaults, Checked checked) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  // A directory opens, but cannot be read.
  if (!file || (file.peek() == std::ifstream::traits_type::eof() && !file.eof()))
    throw ConfigError(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  file.clear();
  content << file.rdbuf();
  return parse_config(content.str(), path, defaults, checked);
}

Config parse_config(const string& yaml, const string& origin, const Config& defaults,
                    Checked checked) {
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
    reader.problem(error.mark, error.msg);
  }
  default_instance(reader, config);
  check_whole(reader, config);
  if (checked == Checked::kHere) check_here(reader, config);
  reader.finish();
  return config;
}

}  // namespace gyre::pipeline
