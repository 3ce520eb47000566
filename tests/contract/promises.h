// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gyre::tests {

/// What every record for consumers promises beside its schema (DESIGN 8): no null, no dotted key
/// outside the open maps, scalar keys of the record within its first 4,000 bytes, at most 60 KiB,
/// and one JSON type a path over everything that this process has shown it so far.
std::vector<std::string> broken_promises(std::string_view encoding, std::string_view json);

/// A report, as `native` publishes it, in every other encoding: its promises, ECS's fields, OCSF's
/// schemas (where `../shared/ocsf` is) and what these cannot say, falcosidekick's fields.
std::vector<std::string> encoding_violations(std::string_view report);

/// Whether OCSF's schemas are here.
bool has_ocsf_schemas();

}  // namespace gyre::tests
