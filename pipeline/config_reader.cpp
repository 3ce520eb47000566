// SPDX-License-Identifier: Apache-2.0
#include "pipeline/config_reader.h"

#include <algorithm>
#include <cstdlib>
#include <tuple>

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

void ConfigReader::enter_environment(const string& variable) {
  layer_ = Layer::kEnvironment;
  origin_ = variable;
}

void ConfigReader::enter_flags() {
  layer_ = Layer::kFlags;
  origin_ = "--set";
}

void ConfigReader::enter_whole() {
  layer_ = Layer::kWhole;
  origin_ = file_;
}

ConfigReader::Place ConfigReader::place_of(const YAML::Mark& mark) const {
  if (layer_ != Layer::kFile || mark.is_null()) return {layer_, -1, -1, origin_, origin_};
  return {layer_, mark.line, mark.column,
          fmt::format("{}:{}:{}", origin_, mark.line + 1, mark.column + 1),
          fmt::format("{}:{}", origin_, mark.line + 1)};
}

string ConfigReader::shown(const string& written, const string& value) const {
  if (layer_ == Layer::kEnvironment) return "its value";
  // What a variable holds may be a secret; what the file says is not.
  return fmt::format("{}\"{}\"", value != written ? "the value of " : "", written);
}

void ConfigReader::note(Problem problem) {
  const auto same = [&](const Problem& known) {
    return known.text == problem.text && known.place.prefix == problem.place.prefix;
  };
  if (std::ranges::none_of(problems_, same)) problems_.push_back(std::move(problem));
}

void ConfigReader::problem(const YAML::Mark& mark, const string& what) {
  note({place_of(mark), what});
}

void ConfigReader::found(const string& path, const YAML::Mark& mark) {
  places_.insert_or_assign(path, place_of(mark));
}

void ConfigReader::problem_of(std::initializer_list<string> paths, const string& what) {
  for (const string& path : paths)
    if (const auto place = places_.find(path); place != places_.end()) {
      note({place->second, what});
      return;
    }
  problem(YAML::Mark::null_mark(), what);
}

std::map<string, string> ConfigReader::origins() const {
  std::map<string, string> origins;
  for (const auto& [path, place] : places_) origins[path] = place.origin;
  return origins;
}

std::optional<string> ConfigReader::resolve(const YAML::Node& node, const string& path) {
  if (node.IsNull() || !node.IsScalar()) {
    problem(node.Mark(), node.IsNull() ? path + " has no value"
                                       : path + " must be a single value, not a list or a map");
    return std::nullopt;
  }
  return layer_ == Layer::kFile ? interpolate(node, path) : node.Scalar();
}

void ConfigReader::finish() {
  if (problems_.empty()) return;
  std::ranges::stable_sort(problems_, {}, [](const Problem& p) {
    return std::tuple(p.place.layer, p.place.line, p.place.column);
  });
  string all;
  for (const Problem& each : problems_)
    all += fmt::format("{}{}: {}", all.empty() ? "" : "\n", each.place.prefix, each.text);
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
