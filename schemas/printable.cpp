// SPDX-License-Identifier: Apache-2.0
#include "schemas/printable.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace gyre::schemas {

namespace {

struct Range {
  std::uint32_t first;
  std::uint32_t last;
};

// Unicode 16: Cc, Zl, Zp, Zs but the blank, Default_Ignorable_Code_Point, the format characters
// that show nothing, and the braille pattern without dots.
constexpr auto kUnseen = std::to_array<Range>(
    {{0x00, 0x1F},       {0x7F, 0xA0},       {0xAD, 0xAD},      {0x34F, 0x34F},
     {0x61C, 0x61C},     {0x115F, 0x1160},   {0x1680, 0x1680},  {0x17B4, 0x17B5},
     {0x180B, 0x180F},   {0x2000, 0x200F},   {0x2028, 0x202F},  {0x205F, 0x206F},
     {0x2800, 0x2800},   {0x3000, 0x3000},   {0x3164, 0x3164},  {0xFE00, 0xFE0F},
     {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},   {0xFFF0, 0xFFFC},  {0x13430, 0x1343F},
     {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}});

struct Character {
  std::uint32_t code;
  std::size_t bytes;
};

// The text is valid UTF-8; a byte that is not stands for itself.
Character character_at(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t bytes = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (bytes == 1 || text.size() - at < bytes) return {lead < 0x80 ? lead : 0xFFFDU, 1};
  std::uint32_t code = lead & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i)
    code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3FU);
  return {code, bytes};
}

bool is_unseen(std::uint32_t code) {
  const auto range = std::lower_bound(kUnseen.begin(), kUnseen.end(), code,
                                      [](const Range& a, std::uint32_t b) { return a.last < b; });
  return range != kUnseen.end() && range->first <= code;
}

bool is_plain(std::string_view text) { return plain_bytes(text, 0) == text.size(); }

template <typename Sign>
std::string replaced(std::string_view text, const Sign& sign) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const Character one = character_at(text, i);
    if (is_unseen(one.code))
      sign(one.code, out);
    else
      out += text.substr(i, one.bytes);
    i += one.bytes;
  }
  return out;
}

}  // namespace

std::size_t plain_bytes(std::string_view text, std::size_t from) {
  std::size_t at = from;
  while (at < text.size() && text[at] >= ' ' && text[at] < 0x7F) ++at;
  return at - from;
}

std::size_t unprintable_bytes(std::string_view text, std::size_t at) {
  const Character one = character_at(text, at);
  return is_unseen(one.code) ? one.bytes : 0;
}

std::string printable(std::string_view text) {
  if (is_plain(text)) return std::string(text);
  return replaced(text, [](std::uint32_t, std::string&) {});
}

std::string visible(std::string_view text) {
  if (is_plain(text)) return std::string(text);
  return replaced(text, [](std::uint32_t code, std::string& out) {
    out += code == '\n' ? std::string("␤") : fmt::format("<U+{:04X}>", code);
  });
}

}  // namespace gyre::schemas
