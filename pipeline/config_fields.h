// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/config_kinds.h"
#include "pipeline/config_reader.h"

/// Maps and lists that stand within a key of the configuration. Private to config_keys.cpp and the
/// files of single keys.
namespace gyre::pipeline::config_fields {

using config_kinds::Kind;
using std::string;

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

inline void read_list(ConfigReader& reader, const YAML::Node& node, const string& path,
                      const Kind<string>& kind, std::vector<string>& into) {
  if (!node.IsSequence() || node.size() == 0)
    return reader.problem(node.Mark(), path + " must be a list with at least one value: [a, b]");
  for (const YAML::Node& each : node)
    if (string value; reader.scalar(each, path, kind, value)) into.push_back(std::move(value));
}

/// `name: [a, "b c"]`; nothing of an empty list.
inline void append_list(std::vector<string>& parts, std::string_view name,
                        const std::vector<string>& values) {
  std::vector<string> quoted;
  for (const string& value : values) quoted.push_back(config_kinds::yaml_text(value));
  if (!values.empty()) parts.push_back(fmt::format("{}: [{}]", name, fmt::join(quoted, ", ")));
}

}  // namespace gyre::pipeline::config_fields
