// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/contract.h"

// First: it says how RapidJSON's own headers are to be read.
#include <valijson/adapters/rapidjson_adapter.hpp>

#include <simdjson.h>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <memory>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "schemas/contracts.h"
#include "tests/contract/promises.h"

namespace gyre::tests {
namespace {

using valijson::adapters::RapidJsonAdapter;

// An object whose properties are named has no others.
void close(rapidjson::Value& value, rapidjson::Document::AllocatorType& memory) {
  if (value.IsArray()) {
    for (auto& item : value.GetArray()) close(item, memory);
  } else if (value.IsObject()) {
    for (auto& member : value.GetObject()) close(member.value, memory);
    if (value.HasMember("type") && value.HasMember("properties") &&
        !value.HasMember("additionalProperties"))
      value.AddMember("additionalProperties", false, memory);
  }
}

const valijson::Schema& schema_of(std::string_view contract) {
  static std::map<std::string, std::unique_ptr<valijson::Schema>, std::less<>> schemas;
  auto found = schemas.find(contract);
  if (found == schemas.end()) {
    rapidjson::Document document;
    const std::string_view text = schemas::contract(contract);
    document.Parse(text.data(), text.size());
    close(document, document.GetAllocator());
    auto schema = std::make_unique<valijson::Schema>();
    valijson::SchemaParser(valijson::SchemaParser::kDraft7)
        .populateSchema(RapidJsonAdapter(document), *schema);
    found = schemas.emplace(std::string(contract), std::move(schema)).first;
  }
  return *found->second;
}

using Json = simdjson::dom::element;

std::string text(const Json& object, std::string_view key) {
  std::string_view value;
  return object[key].get(value) == simdjson::SUCCESS ? std::string(value) : std::string();
}

std::string text_in(const Json& report, std::string_view group, std::string_view key) {
  Json found;
  return report[group].get(found) == simdjson::SUCCESS ? text(found, key) : std::string();
}

// Its place in an ascending list; -1: it is not there.
int level(const std::string& name, std::initializer_list<std::string_view> names) {
  const auto at = std::find(names.begin(), names.end(), name);
  return at == names.end() ? -1 : static_cast<int>(at - names.begin());
}

std::map<std::string, std::uint64_t> counts_of(const Json& report) {
  std::map<std::string, std::uint64_t> counts;
  for (const char* group : {"counts", "outcome"}) {
    simdjson::dom::object found;
    if (report[group].get(found) != simdjson::SUCCESS) continue;
    for (const auto& [name, count] : found)
      counts[std::string(group) + "." + std::string(name)] = count.get_uint64().value();
  }
  return counts;
}

std::set<std::string> tactics_of(const Json& report) {
  std::set<std::string> tactics;
  simdjson::dom::array found;
  if (report["attack"].get(found) != simdjson::SUCCESS) return tactics;
  for (const Json entry : found) tactics.insert(text(entry, "tactic"));
  return tactics;
}

// Where the value of a key of the head, or of the last key, begins. No text in a report holds what
// is looked for: its quotes are escaped.
std::size_t value_at(std::string_view json, const std::string& name) {
  const std::size_t at = json.find("\"" + name + "\":");
  return at == std::string_view::npos ? json.size() : at + name.size() + 3;
}

// All but the Markdown, which says the same for people and is half of it.
std::string without_markdown(std::string_view json) {
  const std::size_t at = json.rfind(",\"markdown\":\"");
  return at == std::string_view::npos ? std::string(json) : std::string(json.substr(0, at)) + '}';
}

// What a revision must differ in from the one before.
std::string content_of(std::string content) {
  for (const char* name : {"revision", "time", "reason"}) {
    const std::size_t from = value_at(content, name);
    content.erase(from, content.find(',', from) - from);
  }
  return content;
}

}  // namespace

std::vector<std::string> ReportStream::violations(std::string_view json) {
  std::vector<std::string> found = tests::violations("report", json);
  return found.empty() ? contradictions(json) : found;
}

std::vector<std::string> ReportStream::contradictions(std::string_view json) {
  std::vector<std::string> found;
  const std::string said = without_markdown(json);
  simdjson::dom::parser parser;
  const Json report = parser.parse(said);
  const std::string reason = text(report, "reason");
  const bool closed = text(report, "state") == "closed";
  std::int64_t risk = -1;
  if (report["risk"]["score"].get(risk) != simdjson::SUCCESS) risk = -1;
  Said now{
      .revision = report["revision"].get_uint64().value(),
      .time = text(report, "time"),
      .fixed = {},
      .counts = counts_of(report),
      .tactics = tactics_of(report),
      .priority = level(text(report, "priority"), {"Debug", "Informational", "Notice", "Warning",
                                                   "Error", "Critical", "Alert", "Emergency"}),
      .severity =
          level(text(report, "severity"), {"informational", "low", "medium", "high", "critical"}),
      .attention = level(text_in(report, "attention", "level"), {"record", "ticket", "page"}),
      .risk = static_cast<int>(risk),
      .closed = closed,
      .content = content_of(said)};
  for (const char* name : {"kind", "tenant", "rule", "shape", "series", "shape_key"})
    now.fixed[name] = text(report, name);
  if (const std::string entity = text_in(report, "entity", "key"); !entity.empty())
    now.fixed["entity"] = entity;

  const auto check = [&](bool holds, const std::string& what) {
    if (!holds) found.push_back(what);
  };
  Said& before = said_[text(report, "id")];
  check(now.revision == before.revision + 1, "a hole in the revisions");
  check((reason == "opened") == (now.revision == 1), "the first, and no other, is opened");
  if (before.revision > 0) {
    check(now.time >= before.time, "time falls");
    check(now.fixed == before.fixed, "it is another's");
    for (const auto& [name, count] : before.counts)
      check(now.counts[name] >= count, name + " falls");
    check(now.priority >= before.priority, "the priority falls");
    check(std::includes(now.tactics.begin(), now.tactics.end(), before.tactics.begin(),
                        before.tactics.end()),
          "a tactic is taken back");
    if (reason != "verdict") {
      check(now.severity >= before.severity, "the severity falls without a verdict");
      check(now.attention >= before.attention, "the attention falls without a verdict");
      check(now.risk >= before.risk, "the risk falls without a verdict");
    }
    check(closed || !before.closed, "it is opened again");
    check(reason == "settled" || now.content != before.content, "it says nothing new");
  }
  before = std::move(now);
  return found;
}

std::vector<std::string> violations(std::string_view contract, std::string_view json) {
  rapidjson::Document document;
  document.Parse(json.data(), json.size());
  if (document.HasParseError()) return {"no JSON"};
  valijson::ValidationResults results;
  valijson::Validator validator;
  std::vector<std::string> found;
  if (validator.validate(schema_of(contract), RapidJsonAdapter(document), &results))
    return contract == "report" ? encoding_violations(json) : found;
  for (valijson::ValidationResults::Error error; results.popError(error);) {
    std::string place;
    for (const std::string& part : error.context) place += part;
    found.push_back(place + ": " + error.description);
  }
  return found;
}

}  // namespace gyre::tests
