// SPDX-License-Identifier: Apache-2.0
#include "schemas/utf8.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace gyre::schemas {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Length of the well-formed UTF-8 sequence at the front, 0 if there is none.
std::size_t sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto in = [](unsigned byte, unsigned low, unsigned high) {
    return byte >= low && byte <= high;
  };
  const unsigned lead = at(0);
  if (lead < 0x80) return 1;
  if (in(lead, 0xC2, 0xDF)) return in(at(1), 0x80, 0xBF) ? 2 : 0;
  if (in(lead, 0xE0, 0xEF)) {
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : 0xBF;
    return in(at(1), low, high) && in(at(2), 0x80, 0xBF) ? 3 : 0;
  }
  if (in(lead, 0xF0, 0xF4)) {
    const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
    return in(at(1), low, high) && in(at(2), 0x80, 0xBF) && in(at(3), 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

std::optional<unsigned> code_unit(std::string_view text, std::size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return std::nullopt;
  unsigned value = 0;
  const char* end = text.data() + at + 6;
  const auto result = std::from_chars(text.data() + at + 2, end, value, 16);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return value;
}

}  // namespace

std::string repaired_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    out += length == 0 ? kReplacement : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

bool repair_surrogates(std::span<char> text) {
  const std::string_view json(text.data(), text.size());
  bool changed = false;
  for (auto i = json.find('\\'); i != std::string::npos; i = json.find('\\', i)) {
    // Only escapes of surrogates begin so; all others are stepped over, `\\\\` above all.
    const bool maybe = i + 2 < json.size() && json[i + 1] == 'u' && (json[i + 2] | 0x20) == 'd';
    const auto unit = maybe ? code_unit(json, i) : std::nullopt;
    if (!unit) {
      i += 2;
      continue;
    }
    const auto next = code_unit(json, i + 6);
    const bool high = *unit >= 0xD800 && *unit <= 0xDBFF;
    if (high && next && *next >= 0xDC00 && *next <= 0xDFFF) {
      i += 12;
      continue;
    }
    if (*unit >= 0xD800 && *unit <= 0xDFFF) {
      std::copy_n("\\ufffd", 6, text.begin() + static_cast<std::ptrdiff_t>(i));
      changed = true;
    }
    i += 6;
  }
  return changed;
}

std::string_view cut_long_utf8(std::string_view text, std::size_t bytes) {
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

std::string shortened_utf8(std::string_view text, std::size_t bytes) {
  constexpr std::string_view kMark = "…";
  if (text.size() <= bytes || bytes < kMark.size()) return std::string(cut_utf8(text, bytes));
  const std::string_view head = cut_utf8(text, (bytes - kMark.size() + 1) / 2);
  std::size_t tail = text.size() - (bytes - kMark.size() - head.size());
  while (tail < text.size() && (static_cast<unsigned char>(text[tail]) & 0xC0) == 0x80) ++tail;
  return std::string(head).append(kMark).append(text.substr(tail));
}

char* put_utf8(std::uint32_t code_point, char* to) {
  const auto put = [&](std::uint32_t byte) { *to++ = static_cast<char>(byte); };
  if (code_point < 0x80) {
    put(code_point);
    return to;
  }
  if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
  } else {
    if (code_point < 0x10000) {
      put(0xE0 | (code_point >> 12));
    } else {
      put(0xF0 | (code_point >> 18));
      put(0x80 | ((code_point >> 12) & 0x3F));
    }
    put(0x80 | ((code_point >> 6) & 0x3F));
  }
  put(0x80 | (code_point & 0x3F));
  return to;
}

}  // namespace gyre::schemas
