// SPDX-License-Identifier: Apache-2.0
#include "stages/report/playbook_falco_rules.h"

#include <fmt/format.h>
#include <re2/re2.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <set>

namespace gyre::stages {

namespace {

using Problems = std::vector<std::string>;
using Keys = std::set<std::string, std::less<>>;

const Keys kRuleKeys = {"rule",
                        "condition",
                        "output",
                        "desc",
                        "priority",
                        "source",
                        "enabled",
                        "capture",
                        "capture_duration",
                        "warn_evttypes",
                        "skip-if-unknown-filter",
                        "tags",
                        "exceptions",
                        "override"};
const Keys kRuleOverrides = {"condition", "output",        "desc",
                             "tags",      "exceptions",    "priority",
                             "enabled",   "warn_evttypes", "skip-if-unknown-filter"};
const Keys kAppendable = {"condition", "output", "desc", "tags", "exceptions", "items"};
const Keys kListForm = {"=",     "==",       "!=",         "<",          "<=",       ">",
                        ">=",    "contains", "icontains",  "startswith", "endswith", "glob",
                        "iglob", "in",       "intersects", "pmatch"};
const Keys kFlatForm = {"in", "intersects", "pmatch"};
const Keys kOfLists = {"in", "intersects"};
const Keys kPriorities = {"EMERGENCY", "ALERT", "CRITICAL",      "ERROR", "WARNING",
                          "NOTICE",    "INFO",  "INFORMATIONAL", "DEBUG"};

std::vector<std::string> scalars(const YAML::Node& node) {
  std::vector<std::string> all;
  if (node.IsScalar()) all.push_back(node.Scalar());
  for (const YAML::Node& item : node) {
    const auto inner = scalars(item);
    all.insert(all.end(), inner.begin(), inner.end());
  }
  return all;
}

// The engine puts values into its condition as they are: what is not plain must be in double
// quotes.
void check_value(const std::string& value, Problems& problems) {
  static const RE2 bare(R"([A-Za-z0-9_./:@+-]+)");
  static const RE2 quoted(R"re("([^"\\\x00-\x1f]|\\")+")re");
  if (value == "<NA>" || value == "\"<NA>\"" || value == "N/A")
    problems.push_back("a comparison with <NA> matches nothing");
  if (!RE2::FullMatch(value, bare) && !RE2::FullMatch(value, quoted))
    problems.push_back(fmt::format("value `{}` needs double quotes of the filter language", value));
}

void check_tuple(const YAML::Node& tuple, const YAML::Node& fields, const YAML::Node& comps,
                 Problems& problems) {
  if (!tuple.IsSequence() || tuple.size() != fields.size()) {
    problems.push_back("a tuple of `values` has not as many parts as `fields`");
    return;
  }
  for (std::size_t i = 0; i < tuple.size(); ++i) {
    const bool takes_list = comps.IsSequence() && kFlatForm.contains(comps[i].Scalar());
    if (tuple[i].IsSequence() != takes_list)
      problems.push_back("`in` takes a list, every other comparison one value");
  }
}

void check_scope(const std::string& name, const std::vector<std::string>& fields,
                 const YAML::Node& values, Problems& problems) {
  const bool narrow = std::any_of(fields.begin(), fields.end(),
                                  [](const std::string& field) { return !is_too_wide(field); });
  if (!narrow)
    problems.push_back(
        fmt::format("exception `{}` is too wide: {}", name, fmt::join(fields, ", ")));
  if (std::find(fields.begin(), fields.end(), "container.id") != fields.end())
    problems.push_back("container.id changes at every start");
  for (const std::string& value : scalars(values)) {
    if (value == "kube-system") problems.push_back("an exception for kube-system hides too much");
  }
}

void check_exception(const YAML::Node& node, Problems& problems) {
  if (!node.IsMap() || !node["name"]) {
    problems.push_back("an exception needs a `name`");
    return;
  }
  const std::string name = node["name"].Scalar();
  for (const auto& entry : node) {
    const std::string key = entry.first.Scalar();
    if (key != "name" && key != "fields" && key != "comps" && key != "values")
      problems.push_back(fmt::format("unknown key `{}` in an exception", key));
  }
  const YAML::Node fields = node["fields"];
  const YAML::Node comps = node["comps"];
  const YAML::Node values = node["values"];
  if (!values || !values.IsSequence() || values.size() == 0) {
    problems.push_back(fmt::format("exception `{}` has no `values`", name));
    return;
  }
  for (const std::string& value : scalars(values)) check_value(value, problems);
  if (!fields) {  // values for one that exists
    if (comps) problems.push_back("`comps` without `fields`");
    return;
  }
  if (fields.IsScalar()) {
    if (comps && !kFlatForm.contains(comps.Scalar()))
      problems.push_back("a single field takes `in`, `pmatch` or `intersects`");
  } else {
    if (comps && (!comps.IsSequence() || comps.size() != fields.size()))
      problems.push_back("`comps` has not as many parts as `fields`");
    for (const std::string& comp : scalars(comps))
      if (!kListForm.contains(comp)) problems.push_back(fmt::format("unknown operator `{}`", comp));
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const bool takes_lists =
          comps && comps.IsSequence() && i < comps.size() && kOfLists.contains(comps[i].Scalar());
      if (is_list_field(fields[i].Scalar()) && !takes_lists)
        problems.push_back(fmt::format("`{}` is a list: `in` or `intersects`", fields[i].Scalar()));
    }
    for (const YAML::Node& tuple : values) check_tuple(tuple, fields, comps, problems);
  }
  check_scope(name, scalars(fields), values, problems);
}

void check_override(const YAML::Node& item, const Keys& overridable, Problems& problems) {
  const YAML::Node override_node = item["override"];
  if (!override_node) return;
  for (const auto& entry : override_node) {
    const std::string key = entry.first.Scalar();
    const std::string how = entry.second.Scalar();
    if (!overridable.contains(key)) {
      problems.push_back(fmt::format("`{}` cannot be overridden", key));
    } else if (!item[key]) {
      problems.push_back(fmt::format("override of `{}`, which is not there", key));
    }
    if (how != "append" && how != "replace")
      problems.push_back("an override is `append` or `replace`");
    if (how == "append" && !kAppendable.contains(key))
      problems.push_back(fmt::format("`{}` cannot be appended to", key));
    if (key == "exceptions" && how == "replace")
      problems.push_back("replacing `exceptions` drops the user's own");
  }
  for (const std::string& key : overridable) {
    if (item[key] && !override_node[key])
      problems.push_back(fmt::format("key `{}` has no entry under `override`", key));
  }
}

void check_keys(const YAML::Node& item, const Keys& known, Problems& problems) {
  Keys seen;
  for (const auto& entry : item) {
    const std::string key = entry.first.Scalar();
    if (!known.contains(key)) problems.push_back(fmt::format("unknown key `{}`", key));
    if (!seen.insert(key).second) problems.push_back(fmt::format("key `{}` stands twice", key));
  }
}

void check_rule(const YAML::Node& item, Problems& problems) {
  check_keys(item, kRuleKeys, problems);
  check_override(item, kRuleOverrides, problems);
  if (item["priority"] && !kPriorities.contains(item["priority"].Scalar()))
    problems.push_back("`priority` must be one of Falco's, in capitals");
  if (!item["override"]) {
    for (const char* key : {"condition", "output", "desc", "priority"})
      if (!item[key]) problems.push_back(fmt::format("a new rule needs `{}`", key));
  }
  const YAML::Node exceptions = item["exceptions"];
  if (!exceptions) return;
  Keys names;
  for (const YAML::Node& exception : exceptions) {
    check_exception(exception, problems);
    if (exception.IsMap() && exception["name"] && !names.insert(exception["name"].Scalar()).second)
      problems.push_back("two exceptions of one name");
  }
}

void check_item(const YAML::Node& item, Problems& problems) {
  if (!item.IsMap()) {
    problems.push_back("an item must be a mapping");
  } else if (item["required_engine_version"]) {
    check_keys(item, {"required_engine_version"}, problems);
  } else if (item["list"]) {
    check_keys(item, {"list", "items", "override"}, problems);
    check_override(item, {"items"}, problems);
  } else if (item["macro"]) {
    check_keys(item, {"macro", "condition", "override"}, problems);
    check_override(item, {"condition"}, problems);
  } else if (item["rule"]) {
    check_rule(item, problems);
  } else {
    problems.push_back("an item must be a rule, macro, list or required_engine_version");
  }
}

}  // namespace

bool is_too_wide(std::string_view field) {
  static const Keys wide = {"proc.name", "proc.pname",     "user.name",
                            "user.uid",  "k8s.ns.name",    "proc.tty",
                            "evt.type",  "container.name", "evt.hostname"};
  return wide.contains(field);
}

bool is_list_field(std::string_view field) {
  static const Keys lists = {"ka.user.groups",          "ka.sourceips",
                             "ka.req.binding.subjects", "ka.req.role.rules",
                             "ka.req.service.ports",    "ka.req.pod.supplemental_groups"};
  if (field.find('[') != std::string_view::npos) return false;
  return lists.contains(field) || field.starts_with("ka.req.role.rules.") ||
         field.starts_with("ka.req.pod.containers.") || field.starts_with("ka.req.pod.volumes.");
}

std::vector<std::string> wrong_in_falco_rules(const std::string& yaml) {
  Problems problems;
  try {
    const YAML::Node file = YAML::Load(yaml);
    if (!file.IsSequence()) return {"a rules file is a list of items"};
    for (const YAML::Node& item : file) check_item(item, problems);
  } catch (const YAML::Exception& error) {
    problems.emplace_back(error.what());
  }
  return problems;
}

}  // namespace gyre::stages
