// SPDX-License-Identifier: Apache-2.0
#include "schemas/report.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

namespace gyre::schemas {

namespace {

bool needs_escape(unsigned char byte) { return byte < 0x20 || byte == '"' || byte == '\\'; }

// Where the next control character, quote or backslash stands. Eight bytes at a time, for a report
// is tens of kilobytes of text: a byte less its limit borrows where it is below it, and what
// borrows first is right (Hacker's Delight, 6-1).
std::size_t next_to_escape(std::string_view text, std::size_t at) {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  const auto below = [](std::uint64_t bytes, std::uint64_t limit) {
    return (bytes - kOnes * limit) & ~bytes & kOnes * 0x80;
  };
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof word);
    const std::uint64_t found =
        below(word, 0x20) | below(word ^ kOnes * '"', 1) | below(word ^ kOnes * '\\', 1);
    if (found != 0) return at + static_cast<std::size_t>(std::countr_zero(found)) / 8;
  }
  while (at < text.size() && !needs_escape(static_cast<unsigned char>(text[at]))) ++at;
  return at;
}

void append_escaped(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (std::size_t copied = 0;; ++copied) {
    const std::size_t at = next_to_escape(text, copied);
    out.append(text, copied, at - copied);
    if (at == text.size()) return;
    copied = at;
    const auto c = static_cast<unsigned char>(text[at]);
    out += '\\';
    switch (c) {
      case '"':
        out += '"';
        break;
      case '\\':
        out += '\\';
        break;
      case '\n':
        out += 'n';
        break;
      case '\r':
        out += 'r';
        break;
      case '\t':
        out += 't';
        break;
      default:
        out += "u00";
        out += kHex[c >> 4];
        out += kHex[c & 15];
    }
  }
}

}  // namespace

void JsonWriter::comma() {
  if (!first_) json_ += ',';
  first_ = false;
}

JsonWriter& JsonWriter::begin_object() {
  comma();
  json_ += '{';
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::end_object() {
  json_ += '}';
  first_ = false;
  return *this;
}

JsonWriter& JsonWriter::begin_array() {
  comma();
  json_ += '[';
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::end_array() {
  json_ += ']';
  first_ = false;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  value(name);
  json_ += ':';
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  comma();
  json_ += '"';
  append_escaped(json_, text);
  json_ += '"';
  return *this;
}

JsonWriter& JsonWriter::value(bool flag) {
  comma();
  json_ += flag ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::number(std::int64_t value) {
  comma();
  json_ += std::to_string(value);
  return *this;
}

JsonWriter& JsonWriter::text(std::string_view name, std::string_view text) {
  return text.empty() ? *this : key(name).value(text);
}

std::string JsonWriter::take() {
  first_ = true;
  return std::exchange(json_, {});
}

}  // namespace gyre::schemas
