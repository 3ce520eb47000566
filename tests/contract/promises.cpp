// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/promises.h"

#include <fmt/format.h>
#include <valijson/adapters/rapidjson_adapter.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "schemas/encoding.h"
#include "tests/contract/ecs_fields.h"
#include "tests/contract/ocsf_check.h"

namespace gyre::tests {
namespace {

using rapidjson::Value;
using schemas::Encoding;

/// Their keys are Falco's field names; a consumer indexes such a map as one field.
const std::set<std::string> kOpenMaps = {"native evidence.fields", "ecs falco.output_fields",
                                         "ocsf evidences[].data", "falco output_fields"};

std::string type_of(const Value& value) {
  if (value.IsNull()) return "null";
  if (value.IsBool()) return "boolean";
  if (value.IsObject()) return "object";
  if (value.IsArray()) return "array";
  return value.IsString() ? "string" : value.IsInt64() ? "integer" : "number";
}

using Visit = std::function<void(const std::string& path, const Value& value)>;

/// Each value with its path, as `evidences[].data.*`.
void visit(const std::string& encoding, const std::string& path, const Value& value,
           std::vector<std::string>& broken, const Visit& each) {
  if (!path.empty()) each(path, value);
  if (value.IsArray()) {
    for (const Value& item : value.GetArray()) visit(encoding, path + "[]", item, broken, each);
    return;
  }
  if (!value.IsObject()) return;
  const bool open = kOpenMaps.contains(encoding + " " + path);
  std::set<std::string> keys;
  for (const auto& member : value.GetObject()) {
    const std::string key = member.name.GetString();
    if (!keys.insert(key).second) broken.push_back(path + ": the key " + key + " stands twice");
    if (!open && key.find('.') != std::string::npos)
      broken.push_back(path + ": the key " + key + " has a dot");
    // Of an open map that holds numbers and text every key is a path of its own.
    const bool folded = open && encoding != "falco";
    visit(encoding, (path.empty() ? "" : path + ".") + (folded ? "*" : key), member.value, broken,
          each);
  }
}

void check_scalars_first(std::string_view json, const Value& record,
                         std::vector<std::string>& broken) {
  constexpr std::size_t kRead = 4000;
  if (json.size() <= kRead) return;
  for (const auto& member : record.GetObject()) {
    const std::string key = member.name.GetString();
    if (member.value.IsObject() || member.value.IsArray() || key == "markdown") continue;
    const std::size_t at = json.find(fmt::format("\"{}\":", key));
    if (at + key.size() + 3 > kRead) broken.push_back(key + " stands behind the first 4,000 bytes");
  }
}

rapidjson::Document parsed(std::string_view json) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseValidateEncodingFlag>(json.data(), json.size());
  return document;
}

void append(std::vector<std::string>& all, std::string_view encoding,
            const std::vector<std::string>& more) {
  for (const std::string& one : more) all.push_back(fmt::format("{}: {}", encoding, one));
}

std::vector<std::string> ecs_violations(const Value& record) {
  std::vector<std::string> broken;
  visit("ecs", "", record, broken, [&](const std::string& path, const Value& value) {
    if (value.IsObject()) return;
    const auto known = kEcsFields.find(path);
    if (known == kEcsFields.end())
      broken.push_back(path + " is no field of ECS that we write");
    else if (type_of(value) != known->second)
      broken.push_back(fmt::format("{} must be {}", path, known->second));
  });
  return broken;
}

/// The keys of falcosidekick's FalcoPayload that have a meaning for those that it feeds.
std::vector<std::string> falco_violations(const Value& record) {
  static const std::map<std::string, std::string> kKeys = {
      {"uuid", "string"}, {"output", "string"},   {"priority", "string"},
      {"rule", "string"}, {"time", "string"},     {"source", "string"},
      {"tags", "array"},  {"hostname", "string"}, {"output_fields", "object"}};
  std::vector<std::string> broken;
  for (const auto& member : record.GetObject())
    if (const auto known = kKeys.find(member.name.GetString());
        known == kKeys.end() || known->second != type_of(member.value))
      broken.push_back(std::string(member.name.GetString()) + " is not falcosidekick's");
  for (const auto& [key, type] : kKeys)
    if (key != "hostname" && !record.HasMember(key.c_str())) broken.push_back(key + " is missing");
  return broken;
}

}  // namespace

std::vector<std::string> broken_promises(std::string_view encoding, std::string_view json) {
  static std::map<std::string, std::string> types;  // of every path that was ever seen
  const rapidjson::Document record = parsed(json);
  if (record.HasParseError() || !record.IsObject()) return {"no JSON object of valid UTF-8"};
  std::vector<std::string> broken;
  if (json.size() > schemas::kEncodedBytes) broken.push_back(fmt::format("{} bytes", json.size()));
  // A file's last line ends.
  if (json.find('\n') < json.size() - 1) broken.emplace_back("more than one line");
  const std::string name(encoding);
  visit(name, "", record, broken, [&](const std::string& path, const Value& value) {
    if (value.IsNull()) broken.push_back(path + " is null");
    const auto [known, fresh] = types.emplace(name + " " + path, type_of(value));
    if (!fresh && known->second != type_of(value))
      broken.push_back(
          fmt::format("{} is {} here and was {}", path, type_of(value), known->second));
  });
  check_scalars_first(json, record, broken);
  return broken;
}

std::vector<std::string> encoding_violations(std::string_view report) {
  std::vector<std::string> all;
  append(all, "native", broken_promises("native", report));
  for (const Encoding encoding : {Encoding::kEcs, Encoding::kOcsf, Encoding::kFalco}) {
    const std::string_view name = schemas::to_string(encoding);
    for (const bool markdown : {true, false}) {
      const std::string json = schemas::encode(report, encoding, markdown);
      append(all, name, broken_promises(name, json));
      const rapidjson::Document record = parsed(json);
      if (record.HasParseError()) continue;
      if (encoding == Encoding::kEcs) append(all, name, ecs_violations(record));
      if (encoding == Encoding::kOcsf) append(all, name, ocsf_violations(record));
      if (encoding == Encoding::kFalco) append(all, name, falco_violations(record));
    }
  }
  return all;
}

}  // namespace gyre::tests
