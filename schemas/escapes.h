// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace gyre::schemas {

/// Where the backslashes of a JSON text stand, for who goes through it once from front to back:
/// strings without one are their own text.
class Escapes {
 public:
  explicit Escapes(std::string_view text) : next_(text.data()), end_(text.data() + text.size()) {}

  /// `part` must not begin before the part asked about last.
  bool are_in(std::string_view part) {
    if (next_ < part.data()) {
      const std::string_view rest(part.data(), static_cast<std::size_t>(end_ - part.data()));
      next_ = rest.data() + std::min(rest.find('\\'), rest.size());
    }
    return next_ < part.data() + part.size();
  }

 private:
  const char* next_;
  const char* end_;
};

}  // namespace gyre::schemas
