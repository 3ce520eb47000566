// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

namespace gyre::schemas {

/// The JSON Schema of that name (`schemas/NAME.schema.json`); empty if there is none.
std::string_view contract(std::string_view name);

/// All names, sorted: `dead_letter`, `playbook`, `report`.
std::vector<std::string_view> contract_names();

}  // namespace gyre::schemas
