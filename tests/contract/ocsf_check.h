// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <valijson/adapters/rapidjson_adapter.hpp>

#include <string>
#include <vector>

namespace gyre::tests {

/// Where a record breaks the schema of its class (where the schemas are), or what a schema cannot
/// say: the arithmetic of `type_uid`, and that an observable is named after an attribute.
std::vector<std::string> ocsf_violations(const rapidjson::Value& record);

}  // namespace gyre::tests
