// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gyre::tests {

/// Where a JSON text breaks the contract of that name (`report`, `dead_letter`), read in its closed
/// form: what the schema does not name is an error here, though consumers must ignore it. Empty: it
/// keeps it.
std::vector<std::string> violations(std::string_view contract, std::string_view json);

}  // namespace gyre::tests
