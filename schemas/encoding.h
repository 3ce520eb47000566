// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gyre::schemas {

/// How a report is written for those who read it (docs/outputs.md).
enum class Encoding : std::uint8_t {
  kNative,  ///< schemas/report.schema.json
  kEcs,     ///< Elastic Common Schema 9.4
  kOcsf,    ///< OCSF 1.8.0: Detection Finding (2004), Incident Finding (2005)
  kFalco,   ///< an alert as falcosidekick sends it
};

/// The words for them, in the order of the enumeration.
inline constexpr std::array<std::string_view, 4> kEncodings = {"native", "ecs", "ocsf", "falco"};
inline std::string_view to_string(Encoding encoding) {
  return kEncodings.at(static_cast<std::size_t>(encoding));
}

/// No record is larger, as far as leaving out its Markdown can keep it so: Wazuh and CloudEvents
/// take 64 KiB.
inline constexpr std::size_t kEncodedBytes = 60 * 1024;

/// A function of the report alone. `report` is what `native` publishes; without `markdown`, or
/// where the whole would be too large, the document is left out, and of the latter it is said.
/// The encoding `falco` has no place for it.
std::string encode(std::string_view report, Encoding encoding, bool markdown);

}  // namespace gyre::schemas
