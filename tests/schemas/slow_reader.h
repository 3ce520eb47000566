// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "schemas/alert.h"

namespace gyre::schemas {

/// What AlertParser says of a text, found another way: nlohmann-json, regular expressions, maps.
struct SlowReading {
  std::string error;  ///< empty: an alert; `unsure`: this reader can't tell
  Alert alert;        ///< a field whose text it can't tell has the value kAnyText
};
inline constexpr std::string_view kAnyText = "\x01";

SlowReading slow_read(std::string_view json, const ParseLimits& limits = {});

}  // namespace gyre::schemas
