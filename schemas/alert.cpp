// SPDX-License-Identifier: Apache-2.0
#include "schemas/alert.h"

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

}  // namespace gyre::schemas
