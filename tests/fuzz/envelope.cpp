// SPDX-License-Identifier: Apache-2.0
#include "schemas/reader.h"
#include "tests/fuzz/valid.h"

namespace gyre::schemas {

// Whatever a record is, it comes to an end, in alerts that keep their promises and in few
// rejections that say why.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ParseLimits limits{.record_bytes = 100'000, .fields = 8, .string_bytes = 300};
  static AlertReader reader(limits);
  static AlertParser parser(limits);
  static Alert alone;
  const std::string_view record(reinterpret_cast<const char*>(data), size);
  const bool bare = parser.parse(record, alone).has_value();
  std::size_t alerts = 0;
  std::size_t rejections = 0;
  reader.open(record);
  while (const Reading* reading = reader.next()) {
    CHECK(!reading->envelope.empty());
    if (reading->rejection) {
      CHECK(!reading->rejection->detail.empty());
      CHECK(++rejections <= 17);
    } else {
      check_alert(reading->alert, limits);
      ++alerts;
    }
  }
  CHECK(!bare || (alerts == 1 && rejections == 0));
  return 0;
}

}  // namespace gyre::schemas
