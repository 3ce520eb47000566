// SPDX-License-Identifier: Apache-2.0
#include "pipeline/config_outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/config_fields.h"
#include "pipeline/config_kinds.h"

namespace gyre::pipeline {
namespace {

using config_fields::append_list;
using config_fields::Fields;
using config_fields::read_list;
using config_kinds::Kind;
using std::string;

constexpr std::string_view kKinds[] = {"finding", "incident", "outbreak", "sensor_health"};
constexpr std::string_view kAttention[] = {"page", "ticket", "record"};
constexpr std::string_view kSeverities[] = {"informational", "low", "medium", "high", "critical"};

Kind<string> one_of(std::span<const std::string_view> words) {
  const std::vector<string> all(words.begin(), words.end());
  return config_kinds::text(
      [all](const string& value) { return std::ranges::find(all, value) != all.end(); },
      fmt::format("one of {}", fmt::join(all, ", ")));
}

void read_filter(ConfigReader& reader, const YAML::Node& node, const string& path,
                 Output::Filter& filter) {
  const auto label = config_kinds::text(
      [](const string& value) { return !value.empty() && value.size() <= 256; }, "1 to 256 bytes");
  Fields fields(reader, node, path);
  const auto list = [&](const string& name, const Kind<string>& kind, std::vector<string>& into) {
    fields.key(name, [&reader, kind, &into](const YAML::Node& values, const string& where) {
      read_list(reader, values, where, kind, into);
    });
  };
  list("kind", one_of(kKinds), filter.kind);
  list("attention", one_of(kAttention), filter.attention);
  list("severity", one_of(kSeverities), filter.severity);
  list("tenant", label, filter.tenant);
  fields.read();
}

Output read_output(ConfigReader& reader, const YAML::Node& node, const string& path) {
  Output output;
  Fields fields(reader, node, path);
  const auto scalar = [&](const string& name, const auto& kind, auto& into) {
    fields.key(name, [&reader, kind, &into](const YAML::Node& value, const string& where) {
      reader.scalar(value, where, kind, into);
    });
  };
  scalar("topic", config_kinds::topic(), output.topic);
  scalar("encoding", config_kinds::word<schemas::Encoding>(schemas::kEncodings), output.encoding);
  scalar("markdown", config_kinds::word<Output::Markdown>(kMarkdownWords), output.markdown);
  fields.key("filter", [&](const YAML::Node& filter, const string& where) {
    read_filter(reader, filter, where, output.filter);
  });
  const auto seen = fields.read();
  if (node.IsMap() && !seen.contains("topic"))
    reader.problem(node.Mark(), path + " names no topic");
  if (output.encoding == schemas::Encoding::kFalco && seen.contains("markdown"))
    reader.problem_of({path + ".markdown"},
                      path + ".markdown: an alert of the encoding falco has no place for it");
  return output;
}

string show_output(const Output& output) {
  const Output::Filter& filter = output.filter;
  std::vector<string> parts = {"topic: " + output.topic};
  if (output.encoding != Output{}.encoding)
    parts.push_back(fmt::format("encoding: {}", schemas::to_string(output.encoding)));
  if (output.markdown != Output{}.markdown)
    parts.push_back(
        fmt::format("markdown: {}", kMarkdownWords[static_cast<std::size_t>(output.markdown)]));
  std::vector<string> lists;
  append_list(lists, "kind", filter.kind);
  append_list(lists, "attention", filter.attention);
  append_list(lists, "severity", filter.severity);
  append_list(lists, "tenant", filter.tenant);
  if (!lists.empty()) parts.push_back(fmt::format("filter: {{{}}}", fmt::join(lists, ", ")));
  return fmt::format("{{{}}}", fmt::join(parts, ", "));
}

}  // namespace

void read_outputs(ConfigReader& reader, const YAML::Node& node, Config& config) {
  if (!node.IsSequence() || node.size() == 0)
    return reader.problem(node.Mark(),
                          "outputs must be a list with at least one topic: [{topic: "
                          "falco.reports}]");
  config.outputs.clear();
  for (const YAML::Node& each : node)
    config.outputs.push_back(
        read_output(reader, each, fmt::format("outputs[{}]", config.outputs.size())));
}

string show_outputs(const Config& config) {
  std::vector<string> all;
  for (const Output& output : config.outputs) all.push_back(show_output(output));
  return fmt::format("[{}]", fmt::join(all, ", "));
}

}  // namespace gyre::pipeline
