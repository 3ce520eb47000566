// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/ocsf_check.h"

// First: it says how RapidJSON's own headers are to be read.
#include <valijson/adapters/rapidjson_adapter.hpp>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "tests/contract/promises.h"

namespace gyre::tests {
namespace {

using rapidjson::Value;
using valijson::adapters::RapidJsonAdapter;

const std::filesystem::path kSchemas =
    std::filesystem::path(GYRE_SOURCE_DIR) / ".." / "shared" / "ocsf";

std::filesystem::path file_of(int class_uid) {
  return kSchemas / (class_uid == 2005 ? "incident_finding-1.8.0.schema.json"
                                       : "detection_finding-1.8.0.schema.json");
}

const valijson::Schema& schema_of(int class_uid) {
  static std::map<int, std::unique_ptr<valijson::Schema>> schemas;
  auto& schema = schemas[class_uid];
  if (!schema) {
    std::stringstream text;
    text << std::ifstream(file_of(class_uid)).rdbuf();
    rapidjson::Document document;
    document.Parse(text.str().c_str());
    schema = std::make_unique<valijson::Schema>();
    valijson::SchemaParser(valijson::SchemaParser::kDraft7)
        .populateSchema(RapidJsonAdapter(document), *schema);
  }
  return *schema;
}

/// The value at `evidences[0].process.name`; none if there is none.
const Value* at(const Value& record, const std::string& path) {
  const Value* value = &record;
  std::istringstream parts(path);
  for (std::string part; std::getline(parts, part, '.');) {
    const std::size_t bracket = part.find('[');
    if (!value->IsObject() || !value->HasMember(part.substr(0, bracket).c_str())) return nullptr;
    value = &(*value)[part.substr(0, bracket).c_str()];
    if (bracket == std::string::npos) continue;
    const auto index = static_cast<rapidjson::SizeType>(std::stoi(part.substr(bracket + 1)));
    if (!value->IsArray() || index >= value->Size()) return nullptr;
    value = &(*value)[index];
  }
  return value;
}

}  // namespace

bool has_ocsf_schemas() {
  return std::filesystem::exists(file_of(2004)) && std::filesystem::exists(file_of(2005));
}

std::vector<std::string> ocsf_violations(const Value& record) {
  std::vector<std::string> broken;
  const int uid = record["class_uid"].GetInt();
  if (record["type_uid"].GetInt() != uid * 100 + record["activity_id"].GetInt())
    broken.emplace_back("type_uid is not class_uid * 100 + activity_id");
  if (record.HasMember("observables"))
    for (const Value& observable : record["observables"].GetArray()) {
      const std::string name = observable["name"].GetString();
      const Value* value = at(record, name);
      if (value == nullptr || *value != observable["value"])
        broken.push_back("observables: no such value at " + name);
    }
  if (!has_ocsf_schemas()) return broken;
  valijson::ValidationResults results;
  valijson::Validator validator;
  if (validator.validate(schema_of(uid), RapidJsonAdapter(record), &results)) return broken;
  for (valijson::ValidationResults::Error error; results.popError(error);) {
    std::string place;
    for (const std::string& part : error.context) place += part;
    broken.push_back(place + ": " + error.description);
  }
  return broken;
}

}  // namespace gyre::tests
