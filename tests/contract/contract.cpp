// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/contract.h"

// First: it says how RapidJSON's own headers are to be read.
#include <valijson/adapters/rapidjson_adapter.hpp>

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

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

std::string text(const rapidjson::Value& object, const char* key) {
  const auto found = object.FindMember(key);
  if (found == object.MemberEnd()) return {};
  return {found->value.GetString(), found->value.GetStringLength()};
}

// Its place in an ascending list; -1: it is not there.
int level(const std::string& name, std::initializer_list<std::string_view> names) {
  const auto at = std::find(names.begin(), names.end(), name);
  return at == names.end() ? -1 : static_cast<int>(at - names.begin());
}

std::map<std::string, std::uint64_t> counts_of(const rapidjson::Document& report) {
  std::map<std::string, std::uint64_t> counts;
  for (const char* group : {"counts", "outcome"}) {
    const auto found = report.FindMember(group);
    if (found == report.MemberEnd()) continue;
    for (const auto& count : found->value.GetObject())
      counts[std::string(group) + "." + count.name.GetString()] = count.value.GetUint64();
  }
  return counts;
}

std::set<std::string> tactics_of(const rapidjson::Document& report) {
  std::set<std::string> tactics;
  const auto found = report.FindMember("attack");
  if (found == report.MemberEnd()) return tactics;
  for (const auto& entry : found->value.GetArray()) tactics.insert(text(entry, "tactic"));
  return tactics;
}

// What a revision must differ in from the one before.
std::string content_of(const rapidjson::Document& report) {
  std::string content;
  for (const auto& member : report.GetObject()) {
    const std::string_view name = member.name.GetString();
    if (name == "revision" || name == "reason" || name == "time" || name == "markdown") continue;
    rapidjson::StringBuffer value;
    rapidjson::Writer<rapidjson::StringBuffer> writer(value);
    member.value.Accept(writer);
    content += value.GetString();
    content += '\n';
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
  rapidjson::Document report;
  report.Parse(json.data(), json.size());
  const std::string reason = text(report, "reason");
  const bool closed = text(report, "state") == "closed";
  const auto risk = report.FindMember("risk");
  const auto attention = report.FindMember("attention");
  Said now{
      .revision = report["revision"].GetUint64(),
      .time = text(report, "time"),
      .fixed = {},
      .counts = counts_of(report),
      .tactics = tactics_of(report),
      .priority = level(text(report, "priority"), {"Debug", "Informational", "Notice", "Warning",
                                                   "Error", "Critical", "Alert", "Emergency"}),
      .severity =
          level(text(report, "severity"), {"informational", "low", "medium", "high", "critical"}),
      .attention = attention == report.MemberEnd()
                       ? -1
                       : level(text(attention->value, "level"), {"record", "ticket", "page"}),
      .risk = risk == report.MemberEnd() ? -1 : risk->value["score"].GetInt(),
      .closed = closed,
      .content = content_of(report)};
  for (const char* name : {"kind", "tenant", "rule", "shape", "series", "shape_key"})
    now.fixed[name] = text(report, name);
  const auto entity = report.FindMember("entity");
  if (entity != report.MemberEnd()) now.fixed["entity"] = text(entity->value, "key");

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
