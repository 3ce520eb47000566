// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/contract.h"

// First: it says how RapidJSON's own headers are to be read.
#include <valijson/adapters/rapidjson_adapter.hpp>

#include <map>
#include <memory>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "schemas/contracts.h"

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

}  // namespace

std::vector<std::string> violations(std::string_view contract, std::string_view json) {
  rapidjson::Document document;
  document.Parse(json.data(), json.size());
  if (document.HasParseError()) return {"no JSON"};
  valijson::ValidationResults results;
  valijson::Validator validator;
  std::vector<std::string> found;
  if (validator.validate(schema_of(contract), RapidJsonAdapter(document), &results)) return found;
  for (valijson::ValidationResults::Error error; results.popError(error);) {
    std::string place;
    for (const std::string& part : error.context) place += part;
    found.push_back(place + ": " + error.description);
  }
  return found;
}

}  // namespace gyre::tests
