// SPDX-License-Identifier: Apache-2.0
#include "pipeline/config_reader.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"

namespace gyre::pipeline {

using std::string;

namespace {

// As in a shell, a default also stands in for an empty variable.
std::optional<string> variable(const string& expression) {
  const auto split = expression.find(":-");
  const char* value = std::getenv(expression.substr(0, split).c_str());
  if (value != nullptr && (*value != '\0' || split == string::npos)) return value;
  if (split == string::npos) return std::nullopt;
  return expression.substr(split + 2);
}

}  // namespace

void ConfigReader::problem(const YAML::Mark& mark, const string& what) {
  problems_.push_back({mark.line, mark.column,
                       mark.is_null() ? fmt::format("{}: {}", origin_, what)
                                      : fmt::format("{}:{}:{}: {}", origin_, mark.line + 1,
                                                    mark.column + 1, what)});
}

void ConfigReader::problem_of(std::initializer_list<string> paths, const string& what) {
  for (const string& path : paths)
    if (const auto place = places_.find(path); place != places_.end())
      return problem(place->second, what);
  problem(YAML::Mark::null_mark(), what);
}

std::optional<string> ConfigReader::resolve(const YAML::Node& node, const string& path) {
  if (node.IsNull() || !node.IsScalar()) {
    problem(node.Mark(), node.IsNull() ? path + " has no value"
                                       : path + " must be a single value, not a list or a map");
    return std::nullopt;
  }
  return interpolate(node, path);
}

void ConfigReader::finish() {
  if (problems_.empty()) return;
  std::ranges::stable_sort(problems_, {},
                           [](const Problem& p) { return std::pair(p.line, p.column); });
  string all;
  for (const Problem& each : problems_) all += (all.empty() ? "" : "\n") + each.text;
  throw ConfigError(all);
}

std::optional<string> ConfigReader::interpolate(const YAML::Node& node, const string& path) {
  const string& raw = node.Scalar();
  string result;
  std::size_t at = 0;
  for (;;) {
    const auto begin = raw.find("${", at);
    result.append(raw, at, begin == string::npos ? begin : begin - at);
    if (begin == string::npos) return result;
    const auto end = raw.find('}', begin);
    if (end == string::npos) {
      problem(node.Mark(), fmt::format("{}: `${{` without a closing `}}`", path));
      return std::nullopt;
    }
    if (begin > at && raw[begin - 1] == '$') {  // `$${X}` stands for the text `${X}`
      result.append(raw, begin + 1, end - begin);
    } else if (const auto value = variable(raw.substr(begin + 2, end - begin - 2))) {
      result += *value;
    } else {
      problem(node.Mark(),
              fmt::format("{}: the environment variable of {} is not set; set it or give a "
                          "default: ${{NAME:-default}}",
                          path, raw.substr(begin, end + 1 - begin)));
      return std::nullopt;
    }
    at = end + 1;
  }
}

}  // namespace gyre::pipeline
