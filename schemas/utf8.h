// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gyre::schemas {

/// Every byte that belongs to no well-formed sequence becomes U+FFFD (ruling 12).
std::string repaired_utf8(std::string_view text);

/// In a JSON text, a surrogate escape without its other half becomes \ufffd, of the same length;
/// true if there was one. simdjson would refuse the string, or make invalid UTF-8 of it.
bool repair_surrogates(std::span<char> json);

/// At most `bytes` of valid UTF-8, cut before a character.
std::string_view cut_long_utf8(std::string_view text, std::size_t bytes);  ///< of what is longer
inline std::string_view cut_utf8(std::string_view text, std::size_t bytes) {
  return text.size() <= bytes ? text : cut_long_utf8(text, bytes);
}

/// At most `bytes` of valid UTF-8: of what is longer the head and the tail, `…` between them.
std::string shortened_utf8(std::string_view text, std::size_t bytes);

/// Writes at most four bytes; returns what is behind them.
char* put_utf8(std::uint32_t code_point, char* to);

}  // namespace gyre::schemas
