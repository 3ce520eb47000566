// SPDX-License-Identifier: Apache-2.0
#include "pipeline/config_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "pipeline/config_kinds.h"
#include "pipeline/config_outputs.h"
#include "pipeline/config_overrides.h"
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
using config_kinds::word;
using config_kinds::yaml_text;
using std::string;

using Key = ConfigKey;
using Read = decltype(ConfigKey::read);

bool is_semantic(const string& path) {
  return path.starts_with("findings.") || path.starts_with("outbreaks.") ||
         path.starts_with("limits.") || path == "overrides" || path == "reports.close" ||
         path == "input.tenant" || path == "input.cluster";
}

template <class Get, class T>
Key one(const string& path, Get get, const Kind<T>& kind) {
  return {path,
          is_semantic(path),
          false,
          [=](ConfigReader& reader, const YAML::Node& node, Config& config) {
            reader.scalar(node, path, kind, get(config));
          },
          [=](const Config& config) { return kind.show(get(config)); },
          nullptr};
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
  return {path,
          is_semantic(path),
          true,
          read,
          [=](const Config& config) {
            string all;
            for (const T& each : get(config)) all += (all.empty() ? "" : ", ") + kind.show(each);
            return "[" + all + "]";
          },
          nullptr};
}

constexpr std::string_view kFile = "_file";

/// The name whose value stands in a file, if the key says so.
std::optional<string> property_of_file(const string& name) {
  if (!name.ends_with(kFile)) return std::nullopt;
  return name.substr(0, name.size() - kFile.size());
}

void forget(std::map<string, string>& values, const string& name) {
  std::erase_if(
      values, [&](const auto& known) { return property_name(known.first) == property_name(name); });
}

void read_property(ConfigReader& reader, const YAML::Mark& mark, const string& name,
                   const string& value, bool may_quote_value, Config& config) {
  const string path = "kafka.properties." + name;
  if (const auto property = property_of_file(name)) {
    if (const auto problem = property_name_problem(*property))
      return reader.problem(mark, fmt::format("{}: {} {}", path, *property, *problem));
    // Whoever gives it anew, gives it another way.
    forget(config.kafka.properties, *property);
    forget(config.kafka.property_files, *property);
    config.kafka.property_files[*property] = value;
    return;
  }
  if (const auto problem = property_problem(name, value, may_quote_value))
    return reader.problem(mark, fmt::format("{} {}", path, *problem));
  forget(config.kafka.properties, name);
  forget(config.kafka.property_files, name);
  config.kafka.properties[name] = value;
}

void read_properties(ConfigReader& reader, const YAML::Node& node, Config& config) {
  if (!node.IsMap()) return reader.problem(node.Mark(), "kafka.properties must be a map");
  std::set<string> seen;
  for (const auto& each : node) {
    const string name = each.first.Scalar();
    const string path = "kafka.properties." + name;
    if (!seen.insert(property_name(property_of_file(name).value_or(name))).second)
      reader.problem(each.first.Mark(), path + " stands here twice, or under two of its names");
    const auto value = reader.resolve(each.second, path);
    if (!value) continue;
    // What a variable holds may be a secret, what the file says is not.
    reader.found(path, each.first.Mark());
    read_property(reader, each.first.Mark(), name, *value,
                  reader.may_quote() && *value == each.second.Scalar(), config);
  }
}

/// Values of properties may be secrets: only their names are shown.
string show_properties(const Config& config) {
  std::vector<string> names;
  for (const auto& [name, value] : config.kafka.properties) names.push_back(name);
  for (const auto& [name, file] : config.kafka.property_files)
    names.push_back(name + string(kFile));
  return fmt::format("{{{}}}", fmt::join(names, ", "));
}

string dump_properties(const Config& config) {
  std::vector<string> all;
  for (const auto& [name, value] : config.kafka.properties)
    all.push_back(
        fmt::format("{}: {}", name, yaml_text(is_secret(name) ? string(kMasked) : value)));
  for (const auto& [name, file] : config.kafka.property_files)
    all.push_back(fmt::format("{}{}: {}", name, kFile, yaml_text(file)));
  return fmt::format("{{{}}}", fmt::join(all, ", "));
}

// One line a key; the accessor serves reading and showing.
#define AT(member) \
  [](auto& c) -> auto& { return c.member; }

// NOLINTNEXTLINE(readability-function-size): a line a key
std::vector<Key> table() {
  constexpr Second kHour = 3600;
  constexpr Second kDay = 24 * kHour;
  const auto topic = config_kinds::topic();
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
      {"kafka.properties", false, true, read_properties, show_properties, dump_properties},
      one("input.topic", AT(input.topic), topic),
      one("input.start", AT(input.start), start),
      one("input.tenant", AT(input.tenant), label),
      one("input.cluster", AT(input.cluster), label),
      one("input.dead_letter_topic", AT(input.dead_letter_topic), topic),
      {"outputs", false, true, read_outputs, show_outputs, nullptr},
      one("inner.partitions", AT(inner.partitions), integer<std::int32_t>(1, 1024)),
      one("inner.replication_factor", AT(inner.replication_factor), integer<std::int16_t>(1, 32)),
      one("state.directory", AT(state.directory), some),
      one("state.cache", AT(state.cache_bytes), size(8 << 20, std::int64_t{1} << 40)),
      one("admin.listen", AT(admin.listen), address),
      one("log.format", AT(log.json), choice("logfmt", "json")),
      one("log.level", AT(log.level), word<LogSettings::Level>(kLogLevels)),
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
      {"overrides", true, true, read_overrides, show_overrides, nullptr},
      one("playbooks", AT(playbooks), any),
  };
}
#undef AT

}  // namespace

const std::vector<ConfigKey>& config_keys() {
  static const std::vector<ConfigKey> all = table();
  return all;
}

// By the last name first, so that a key in the wrong section is found in the right one.
string nearest_key(const string& path) {
  const auto leaf = [](const string& p) { return p.substr(p.rfind('.') + 1); };
  const auto rank = [&](const string& known) {
    return std::pair(distance(leaf(path), leaf(known)), distance(path, known));
  };
  std::set<string> known;
  for (const Key& key : config_keys())
    known.insert({key.path, key.path.substr(0, key.path.find('.'))});
  return *std::ranges::min_element(known, {}, rank);
}

}  // namespace gyre::pipeline
