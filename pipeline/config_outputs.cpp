// SPDX-License-Identifier: Apache-2.0
#include "pipeline/config_outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/config_kinds.h"

namespace gyre::pipeline {
namespace {

using config_kinds::Kind;
using config_kinds::yaml_text;
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

/// Reads the keys of one map, each as its name says.
class Fields {
 public:
  using Read = std::function<void(const YAML::Node&, const string& path)>;

  Fields(ConfigReader& reader, const YAML::Node& map, string path)
      : reader_(reader), map_(map), path_(std::move(path)) {}

  void key(const string& name, Read read) { known_.emplace_back(name, std::move(read)); }

  /// The names that stood there.
  std::set<string> read() {
    std::set<string> seen;
    if (!map_.IsMap()) {
      reader_.problem(map_.Mark(), path_ + " must be a map of keys");
      return seen;
    }
    for (const auto& each : map_) {
      const string name = each.first.Scalar();
      const string path = path_ + "." + name;
      const auto key = std::ranges::find(known_, name, &std::pair<string, Read>::first);
      reader_.found(path, each.first.Mark());
      if (!seen.insert(name).second)
        reader_.problem(each.first.Mark(), path + " stands here twice");
      else if (key != known_.end())
        key->second(each.second, path);
      else
        reader_.problem(
            each.first.Mark(),
            fmt::format("unknown key {}; the nearest known one is {}", path, nearest(name)));
    }
    return seen;
  }

 private:
  string nearest(const string& name) const {
    const auto rank = [&](const auto& known) { return config_kinds::distance(name, known.first); };
    return std::ranges::min_element(known_, {}, rank)->first;
  }

  ConfigReader& reader_;
  const YAML::Node& map_;
  string path_;
  std::vector<std::pair<string, Read>> known_;
};

void read_list(ConfigReader& reader, const YAML::Node& node, const string& path,
               const Kind<string>& kind, std::vector<string>& into) {
  if (!node.IsSequence() || node.size() == 0)
    return reader.problem(node.Mark(), path + " must be a list with at least one value: [a, b]");
  for (const YAML::Node& each : node)
    if (string value; reader.scalar(each, path, kind, value)) into.push_back(std::move(value));
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

void append_list(std::vector<string>& parts, std::string_view name,
                 const std::vector<string>& values) {
  std::vector<string> quoted;
  for (const string& value : values) quoted.push_back(yaml_text(value));
  if (!values.empty()) parts.push_back(fmt::format("{}: [{}]", name, fmt::join(quoted, ", ")));
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
