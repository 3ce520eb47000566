// SPDX-License-Identifier: Apache-2.0
#include "schemas/json_text.h"
#include "tests/fuzz/valid.h"

namespace gyre::schemas {

// What is an alert is JSON for both readers of JSON; what is read twice reads the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ParseLimits limits{.record_bytes = 100'000, .fields = 8, .string_bytes = 300};
  static AlertParser parser(limits);
  static Alert alert;
  static Alert again;
  const std::string_view record(reinterpret_cast<const char*>(data), size);
  if (!parser.parse(record, alert)) return 0;
  check_alert(alert, limits);
  CHECK(is_json(record));
  CHECK(parser.parse(record, again));
  CHECK(alert.fields == again.fields && alert.time == again.time && alert.flags == again.flags);
  outcome_of(alert);
  return 0;
}

}  // namespace gyre::schemas
