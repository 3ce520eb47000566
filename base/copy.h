// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gyre {

/// memcpy for texts that are short most of the time: up to 32 bytes without a call, whose cost is a
/// multiple of theirs.
inline void copy_short(char* to, const char* from, std::size_t size) {
  const auto ends = [&](auto word) {  // as many bytes from the front and from the back
    auto last = word;
    std::memcpy(&word, from, sizeof word);
    std::memcpy(&last, from + size - sizeof last, sizeof last);
    std::memcpy(to, &word, sizeof word);
    std::memcpy(to + size - sizeof last, &last, sizeof last);
  };
  struct Sixteen {
    std::uint64_t halves[2];
  };
  if (size > 32) {
    std::memcpy(to, from, size);
  } else if (size >= 16) {
    ends(Sixteen{});
  } else if (size >= 8) {
    ends(std::uint64_t{});
  } else if (size >= 4) {
    ends(std::uint32_t{});
  } else {
    for (std::size_t i = 0; i < size; ++i) to[i] = from[i];
  }
}

}  // namespace gyre
