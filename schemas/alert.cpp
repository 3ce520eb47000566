// SPDX-License-Identifier: Apache-2.0
#include "schemas/alert.h"

#include <algorithm>

namespace gyre::schemas {

std::string_view to_string(ParseError error) {
  switch (error) {
    case ParseError::kNotJson:
      return "not_json";
    case ParseError::kNotAnAlert:
      return "not_an_alert";
    case ParseError::kNoTime:
      return "no_time";
    case ParseError::kTooLarge:
      return "too_large";
  }
  return "not_json";
}

std::string_view Alert::field(std::string_view name) const {
  const auto at = std::lower_bound(fields.begin(), fields.end(), name,
                                   [](const auto& entry, std::string_view wanted) {
                                     return std::string_view(entry.first) < wanted;
                                   });
  return at != fields.end() && at->first == name ? std::string_view(at->second)
                                                 : std::string_view();
}

}  // namespace gyre::schemas
