// SPDX-License-Identifier: Apache-2.0
#include "schemas/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "schemas/alert_values.h"
#include "schemas/ascii.h"
#include "schemas/utf8.h"

namespace gyre::schemas {

namespace {

// Reads one value without recursion: a record may nest as deep as it is long.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : at_(text.data()), end_(at_ + text.size()) {}

  const char* at() const { return at_; }

  void spaces() {
    while (at_ != end_ && is_space(*at_)) ++at_;
  }

  bool value() {
    for (;;) {
      spaces();
      if (at_ == end_) return false;
      if (*at_ == '{' || *at_ == '[') {
        open_ += *at_++;
        spaces();
        if (!at_close()) {
          if (open_.back() == '{' && !key()) return false;
          continue;
        }
      } else if (!scalar()) {
        return false;
      }
      while (!open_.empty()) {
        spaces();
        if (at_close()) {
          ++at_;
          open_.pop_back();
          continue;
        }
        if (!take(',')) return false;
        if (open_.back() == '{' && !key()) return false;
        break;
      }
      if (open_.empty()) return true;
    }
  }

 private:
  bool at_close() const { return at_ != end_ && *at_ == (open_.back() == '{' ? '}' : ']'); }

  bool take(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }

  bool key() {
    spaces();
    if (at_ == end_ || !string()) return false;
    spaces();
    return take(':');
  }

  bool scalar() {
    if (*at_ == '"') return string();
    if (*at_ == '-' || is_digit(*at_)) {
      const char* from = at_;
      while (at_ != end_ &&
             (is_digit(*at_) || std::string_view("+-.eE").find(*at_) != std::string_view::npos))
        ++at_;
      return is_json_number({from, at_});
    }
    for (const std::string_view word : {"true", "false", "null"}) {
      if (!std::string_view(at_, end_).starts_with(word)) continue;
      at_ += word.size();
      return true;
    }
    return false;
  }

  bool string() {
    if (!take('"')) return false;
    while (at_ != end_) {
      const char c = *at_++;
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c == '\\' && !escape()) return false;
    }
    return false;
  }

  bool escape() {
    if (at_ == end_) return false;
    const char c = *at_++;
    if (c != 'u') return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
    for (int i = 0; i < 4; ++i, ++at_)
      if (at_ == end_ || !is_hex(*at_)) return false;
    return true;
  }

  const char* at_;
  const char* end_;
  std::string open_;
};

// Of `\uXXXX` at `at`; nothing if that does not stand there.
std::optional<std::uint32_t> code_unit(std::string_view text, std::size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return std::nullopt;
  std::uint32_t unit = 0;
  for (const char c : text.substr(at + 2, 4)) {
    if (!is_hex(c)) return std::nullopt;
    unit = unit << 4 | static_cast<std::uint32_t>(is_digit(c) ? c - '0' : lower(c) - 'a' + 10);
  }
  return unit;
}

char control(char escape) {
  switch (escape) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return escape;
  }
}

}  // namespace

bool is_json_number(std::string_view text) {
  const auto digits = [&] {
    const std::size_t before = text.size();
    while (!text.empty() && is_digit(text.front())) text.remove_prefix(1);
    return before - text.size();
  };
  const auto skip = [&](std::string_view any_of) {
    const bool found = !text.empty() && any_of.find(text.front()) != std::string_view::npos;
    if (found) text.remove_prefix(1);
    return found;
  };
  skip("-");
  const bool zero = text.starts_with('0');
  const std::size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  if (skip(".") && digits() == 0) return false;
  if (skip("eE")) {
    skip("+-");
    if (digits() == 0) return false;
  }
  return text.empty();
}

std::optional<std::string_view> take_json(std::string_view& text) {
  Scanner scanner(text);
  scanner.spaces();
  const char* from = scanner.at();
  if (!scanner.value()) return std::nullopt;
  const std::string_view value(from, scanner.at());
  scanner.spaces();
  text.remove_prefix(static_cast<std::size_t>(scanner.at() - text.data()));
  return value;
}

std::string why_no_object(std::string_view text) {
  Scanner scanner(text);
  const bool whole = scanner.value();
  if (whole) scanner.spaces();
  const std::string behind = fmt::format("behind byte {}", scanner.at() - text.data());
  if (scanner.at() == text.data() + text.size())
    return whole ? "no JSON object" : "it ends in the middle of its JSON, " + behind;
  return (whole ? "something follows the JSON, " : "broken JSON, ") + behind;
}

bool is_json(std::string_view text) { return take_json(text) && text.empty(); }

std::optional<JsonItem> take_item(std::string_view& rest) {
  while (!rest.empty() && (is_space(rest.front()) || rest.front() == ',')) rest.remove_prefix(1);
  if (rest.empty() || rest.front() == ']' || rest.front() == '}') return std::nullopt;
  auto value = take_json(rest);
  if (!value || !rest.starts_with(':'))
    return value ? std::optional(JsonItem{{}, *value}) : std::nullopt;
  rest.remove_prefix(1);
  const std::string_view key = *value;
  value = take_json(rest);
  return value ? std::optional(JsonItem{key, *value}) : std::nullopt;
}

bool says_nothing(std::string_view token) {
  constexpr std::size_t kLongest = std::string_view(R"("\u003c\u004e\u0041\u003e")").size();
  return token == "null" ||
         (token.starts_with('"') && token.size() <= kLongest && is_unknown(unescaped(token)));
}

std::string_view member_of(std::string_view object, std::string_view key) {
  if (!object.starts_with('{')) return {};
  object.remove_prefix(1);
  std::string_view first;
  while (const auto item = take_item(object)) {
    if (unescaped(item->key) != key) continue;
    if (!says_nothing(item->value)) return item->value;
    if (first.empty()) first = item->value;
  }
  return first;
}

std::optional<Unescaped> unescape(std::span<char> text) {
  const std::string_view from(text.data(), text.size());
  char* to = text.data();
  bool repaired = false;
  for (std::size_t at = 0;;) {
    const std::size_t plain = std::min(from.find('\\', at), from.size());
    if (to != from.data() + at) std::memmove(to, from.data() + at, plain - at);
    to += plain - at;
    at = plain;
    if (at == from.size()) break;
    if (at + 1 == from.size()) return std::nullopt;
    const char c = from[at + 1];
    if (c != 'u') {
      if (std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos) return std::nullopt;
      *to++ = control(c);
      at += 2;
      continue;
    }
    const auto unit = code_unit(from, at);
    if (!unit) return std::nullopt;
    std::uint32_t point = *unit;
    at += 6;
    if (point >= 0xD800 && point <= 0xDFFF) {
      const std::uint32_t low = code_unit(from, at).value_or(0);
      if (point <= 0xDBFF && low >= 0xDC00 && low <= 0xDFFF) {
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
        at += 6;
      } else {
        point = 0xFFFD;
        repaired = true;
      }
    }
    to = put_utf8(point, to);
  }
  return Unescaped{static_cast<std::size_t>(to - text.data()), repaired};
}

bool append_unescaped(std::string_view token, std::string& to) {
  if (!token.starts_with('"')) return false;
  const std::size_t before = to.size();
  to += token.substr(1, token.size() - 2);
  const auto said = unescape(std::span(to).subspan(before));
  CHECK(said);
  to.resize(before + said->size);
  return said->repaired;
}

std::string unescaped(std::string_view token) {
  std::string text;
  append_unescaped(token, text);
  return text;
}

}  // namespace gyre::schemas
