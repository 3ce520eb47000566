// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "schemas/ascii.h"

namespace gyre::schemas {

/// What must be readable behind a text that JsonIndex reads; the first byte of it must be NUL.
inline constexpr std::size_t kJsonPadding = 64;

/// Where the tokens of a JSON text begin: simdjson's first stage, which also checks the UTF-8, and
/// that every string ends and holds no control character. Keeps its memory.
class JsonIndex {
 public:
  JsonIndex();
  ~JsonIndex();
  JsonIndex(const JsonIndex&) = delete;
  JsonIndex& operator=(const JsonIndex&) = delete;

  /// False if it is no JSON whatever its tokens say.
  bool read(std::string_view json);
  /// In order; behind the last one stands the text's size.
  const std::uint32_t* begin() const;
  const std::uint32_t* end() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Goes through an indexed text token by token, without looking back. What it says of a token is
/// what the first character says: the caller checks the rest.
class JsonWalk {
 public:
  JsonWalk() = default;
  JsonWalk(char* json, const JsonIndex& index)
      : json_(json), at_(index.begin()), end_(index.end()) {}

  bool at_end() const { return at_ == end_; }
  /// The next token's first character; at the end NUL.
  char peek() const { return json_[*at_]; }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  /// Where the next token stands.
  const char* here() const { return json_ + *at_; }

  /// What stands between the quotes of the string that is next. Behind a string comes white space
  /// only, or it would be a token.
  std::span<char> string() {
    char* const from = json_ + *at_++ + 1;
    char* to = json_ + *at_ - 1;
    while (*to != '"') --to;
    return {from, to};
  }
  /// The next token, which is neither a string nor a bracket; at the end nothing.
  std::string_view scalar() {
    if (at_end()) return {};
    const char* const from = json_ + *at_++;
    const char* to = json_ + *at_;
    while (to != from && is_space(to[-1])) --to;
    return {from, static_cast<std::size_t>(to - from)};
  }
  /// The object or array that is next, as far as brackets say where it ends; nothing if they don't.
  std::string_view nested() {
    const char* const from = here();
    std::size_t depth = 0;
    do {
      if (at_end()) return {};
      const char c = json_[*at_++];
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
    } while (depth > 0);
    return {from, static_cast<std::size_t>(json_ + at_[-1] + 1 - from)};
  }

 private:
  char* json_ = nullptr;
  const std::uint32_t* at_ = nullptr;
  const std::uint32_t* end_ = nullptr;
};

}  // namespace gyre::schemas
