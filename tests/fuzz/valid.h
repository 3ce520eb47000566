// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <simdjson.h>

#include <string_view>

#include "base/check.h"
#include "schemas/alert.h"

namespace gyre::schemas {

inline void check_utf8(std::string_view text) {
  CHECK(simdjson::validate_utf8(text.data(), text.size()));
}

/// What every alert promises, whatever it was read from.
inline void check_alert(const Alert& alert, const ParseLimits& limits) {
  CHECK(!alert.rule.empty());
  for (const auto* text :
       {&alert.rule, &alert.source, &alert.hostname, &alert.output, &alert.uuid}) {
    check_utf8(*text);
    CHECK(text->size() <= limits.string_bytes);
  }
  for (const auto& tag : alert.tags) check_utf8(tag);
  CHECK(alert.fields.size() <= limits.fields);
  std::string_view before;
  for (const auto& [name, value] : alert.fields) {
    check_utf8(name);
    check_utf8(value);
    CHECK(!value.empty() && value.size() <= limits.string_bytes);
    CHECK(before < name);
    before = name;
  }
}

}  // namespace gyre::schemas
