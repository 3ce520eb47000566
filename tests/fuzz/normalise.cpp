// SPDX-License-Identifier: Apache-2.0
#include "schemas/normalise.h"

#include "schemas/utf8.h"
#include "tests/fuzz/valid.h"

namespace gyre::schemas {

// Valid UTF-8 stays valid, and no text grows beyond what its placeholders need.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = repaired_utf8({reinterpret_cast<const char*>(data), size});
  const std::string normalised = normalise(text);
  check_utf8(normalised);
  CHECK(normalised.size() <= 12 * text.size() + 12);
  CHECK(normalise(text) == normalised);
  return 0;
}

}  // namespace gyre::schemas
