// SPDX-License-Identifier: Apache-2.0
#include "pipeline/config_overrides.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>
#include <vector>

#include "pipeline/config_fields.h"
#include "pipeline/config_keys.h"
#include "pipeline/config_kinds.h"

namespace gyre::pipeline {
namespace {

using config_fields::append_list;
using config_fields::Fields;
using config_fields::read_list;
using std::string;
using std::string_view;

constexpr std::size_t kCombinations = 10'000;

constexpr auto kByRule = std::to_array<string_view>(
    {"findings.gap", "findings.max_age", "findings.keep_closed", "findings.settle_error",
     "findings.settle_warning", "findings.settle_below", "findings.backoff_attention",
     "findings.backoff_record", "findings.shapes"});
constexpr auto kByTenant =
    std::to_array<string_view>({"findings.incident_gap", "findings.incident_max_age",
                                "findings.incident_risk", "findings.per_entity"});

/// `gap` of `findings.gap`.
string leaf(string_view path) { return string(path.substr(path.find('.') + 1)); }

/// One section of an entry.
void read_section(ConfigReader& reader, const YAML::Node& node, const string& path,
                  const string& section, Config::Override& into) {
  Fields fields(reader, node, path);
  for (const ConfigKey& key : config_keys()) {
    if (!key.path.starts_with(section + ".")) continue;
    fields.key(leaf(key.path), [&](const YAML::Node& value, const string& where) {
      const Overridable by = overridable(key.path);
      if (by == Overridable::kNever)
        return reader.problem(
            value.Mark(),
            fmt::format("{}: {} is the same for all tenants and rules", where, key.path));
      if (by == Overridable::kByTenant && !into.rules.empty())
        return reader.problem(
            value.Mark(),
            fmt::format("{}: {} is of a whole entity, whatever its rules; only an entry without "
                        "`rule` may have it",
                        where, key.path));
      Config read;
      key.read(reader, value, read);
      into.settings[key.path] = key.show(read);
    });
  }
  fields.read();
}

Config::Override read_override(ConfigReader& reader, const YAML::Node& node, const string& path) {
  const auto name = config_kinds::text(
      [](const string& value) { return !value.empty() && value.size() <= 256; }, "1 to 256 bytes");
  Config::Override read;
  // Whom it is of has to be known first, wherever it stands.
  Fields fields(reader, node, path);
  std::vector<std::pair<string, YAML::Node>> sections;
  fields.key("tenant", [&](const YAML::Node& value, const string& where) {
    read_list(reader, value, where, name, read.tenants);
  });
  fields.key("rule", [&](const YAML::Node& value, const string& where) {
    read_list(reader, value, where, name, read.rules);
  });
  for (const char* section : {"findings", "outbreaks"})
    fields.key(section, [&, section](const YAML::Node& value, const string&) {
      sections.emplace_back(section, value);
    });
  const auto seen = fields.read();
  for (const auto& [section, value] : sections)
    read_section(reader, value, path + "." + section, section, read);
  if (!node.IsMap()) return read;
  if (!seen.contains("tenant") && !seen.contains("rule"))
    reader.problem(node.Mark(), path + " names neither `tenant` nor `rule`");
  if (sections.empty())
    reader.problem(node.Mark(),
                   path + " changes nothing: it has neither `findings` nor `outbreaks`");
  return read;
}

bool names(const std::vector<string>& list, const string& name) {
  return list.empty() || std::ranges::find(list, name) != list.end();
}

}  // namespace

Overridable overridable(string_view path) {
  if (std::ranges::find(kByTenant, path) != kByTenant.end()) return Overridable::kByTenant;
  const bool by_rule =
      std::ranges::find(kByRule, path) != kByRule.end() || path.starts_with("outbreaks.");
  return by_rule ? Overridable::kByRule : Overridable::kNever;
}

string overridable_keys() {
  std::vector<string> by_rule;
  std::vector<string> by_tenant;
  for (const ConfigKey& key : config_keys()) {
    const Overridable by = overridable(key.path);
    if (by != Overridable::kNever)
      (by == Overridable::kByRule ? by_rule : by_tenant).push_back("`" + key.path + "`");
  }
  return fmt::format("- by tenant, by rule, or both: {}\n- by tenant only: {}\n",
                     fmt::join(by_rule, ", "), fmt::join(by_tenant, ", "));
}

void read_overrides(ConfigReader& reader, const YAML::Node& node, Config& config) {
  if (!node.IsSequence())
    return reader.problem(node.Mark(),
                          "overrides must be a list: [{tenant: [a], findings: {gap: 30m}}]");
  config.overrides.clear();
  for (const YAML::Node& each : node)
    config.overrides.push_back(
        read_override(reader, each, fmt::format("overrides[{}]", config.overrides.size())));
}

string show_overrides(const Config& config) {
  std::vector<string> all;
  for (const Config::Override& override : config.overrides) {
    std::vector<string> parts;
    append_list(parts, "tenant", override.tenants);
    append_list(parts, "rule", override.rules);
    for (const string section : {"findings", "outbreaks"}) {
      std::vector<string> settings;
      for (const auto& [path, value] : override.settings)
        if (path.starts_with(section + ".")) settings.push_back(leaf(path) + ": " + value);
      if (!settings.empty())
        parts.push_back(fmt::format("{}: {{{}}}", section, fmt::join(settings, ", ")));
    }
    all.push_back(fmt::format("{{{}}}", fmt::join(parts, ", ")));
  }
  return fmt::format("[{}]", fmt::join(all, ", "));
}

void apply_overrides(ConfigReader& reader, Config& config) {
  std::set<string> tenants = {""};
  std::set<string> rules = {""};
  for (const Config::Override& override : config.overrides) {
    tenants.insert(override.tenants.begin(), override.tenants.end());
    rules.insert(override.rules.begin(), override.rules.end());
  }
  config.findings.elsewhere = {};
  config.outbreaks.elsewhere = {};
  if (tenants.size() * rules.size() > kCombinations)
    return reader.problem_of({"overrides"},
                             fmt::format("overrides: {} tenants and {} rules are more than {} "
                                         "combinations",
                                         tenants.size() - 1, rules.size() - 1, kCombinations));
  const Config everywhere = config;
  for (const string& tenant : tenants) {
    for (const string& rule : rules) {
      std::vector<std::size_t> applied;
      Config here = everywhere;
      for (std::size_t i = 0; i < everywhere.overrides.size(); ++i) {
        const Config::Override& override = everywhere.overrides[i];
        if (!names(override.tenants, tenant) || !names(override.rules, rule)) continue;
        applied.push_back(i);
        for (const auto& [path, value] : override.settings)
          std::ranges::find(config_keys(), path, &ConfigKey::path)
              ->read(reader, YAML::Load(value), here);
      }
      if (applied.empty()) continue;
      check_semantics(reader, here, applied);
      config.findings.elsewhere.add(tenant, rule, here.findings);
      config.outbreaks.elsewhere.add(tenant, rule, here.outbreak_config());
    }
  }
}

void check_semantics(ConfigReader& reader, const Config& config,
                     const std::vector<std::size_t>& overrides) {
  // The last entry that says one of the keys is to blame, else the file's own.
  const auto problem = [&](const std::vector<string>& keys, const string& what) {
    for (auto at = overrides.rbegin(); at != overrides.rend(); ++at) {
      for (const string& key : keys)
        if (config.overrides[*at].settings.contains(key))
          return reader.problem_of({fmt::format("overrides[{}].{}", *at, key)},
                                   fmt::format("overrides[{}]: {}", *at, what));
    }
    if (!overrides.empty()) return;  // said of the whole already
    for (const string& key : keys)
      if (reader.has(key)) return reader.problem_of({key}, what);
    reader.problem_of({}, what);
  };
  const auto at_least = [&](const string& high, Second value, const string& low, Second least) {
    if (value < least) problem({high, low}, fmt::format("{} must be at least {}", high, low));
  };
  const auto& findings = config.findings;
  at_least("findings.lateness", findings.lateness, "findings.disorder", findings.disorder);
  at_least("findings.gap", findings.gap, "findings.lateness", findings.lateness);
  at_least("findings.max_age", findings.max_age, "findings.gap", findings.gap);
  at_least("findings.keep_closed", findings.keep_closed, "findings.gap", findings.gap);
  if (findings.keep_closed + findings.gap < findings.duplicate_horizon)
    problem({"findings.keep_closed", "findings.gap", "findings.duplicate_horizon"},
            "findings.keep_closed and findings.gap together must be at least "
            "findings.duplicate_horizon: a copy is counted with the alert that it repeats");
  if (findings.keep_closed + findings.gap < findings.incident_gap)
    problem({"findings.incident_gap", "findings.keep_closed", "findings.gap"},
            "findings.keep_closed and findings.gap together must be at least "
            "findings.incident_gap: an incident counts the findings before it that it does not "
            "list");
  at_least("findings.incident_max_age", findings.incident_max_age, "findings.incident_gap",
           findings.incident_gap);
  at_least("outbreaks.max_age", config.outbreaks.max_age, "outbreaks.quiet",
           config.outbreaks.quiet);
  at_least("outbreaks.recurring_window", config.outbreaks.recurring_window, "outbreaks.window",
           config.outbreaks.window);
  for (const auto& [key, backoff] : {std::pair<string, const std::vector<Second>*>(
                                         "findings.backoff_attention", &findings.backoff_attention),
                                     {"findings.backoff_record", &findings.backoff_record}})
    if (!std::ranges::is_sorted(*backoff))
      problem({key}, fmt::format("{}: no wait may be shorter than the one before it", key));
}

}  // namespace gyre::pipeline
