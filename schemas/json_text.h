// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gyre::schemas {

/// A number as RFC 8259 spells it, of any size.
bool is_json_number(std::string_view text);

/// The well-formed JSON value at the front of `text`, taken off it with the white space around it;
/// nothing, if there is none. Linear in time, of any depth; UTF-8 is not looked at.
std::optional<std::string_view> take_json(std::string_view& text);

/// One well-formed value and nothing else.
bool is_json(std::string_view text);

/// What keeps `text` from being one JSON object and nothing else, and behind how many bytes.
std::string why_no_object(std::string_view text);

/// The next member of an object, or element of an array (then without key), of a well-formed text
/// whose opening bracket was taken off.
struct JsonItem {
  std::string_view key;  ///< a string token, with its quotes
  std::string_view value;
};
std::optional<JsonItem> take_item(std::string_view& rest);

/// null, "" or "<NA>", however it is escaped: as good as no value.
bool says_nothing(std::string_view token);

/// The value of the first member of that name in a well-formed object that says something, or of
/// the first; empty: none.
std::string_view member_of(std::string_view object, std::string_view key);

/// What a string token says, written over what stands between its quotes; nothing if an escape is
/// none. A lone surrogate becomes U+FFFD.
struct Unescaped {
  std::size_t size;
  bool repaired;
};
std::optional<Unescaped> unescape(std::span<char> text);

/// Appends what a well-formed string token, with its quotes, says; nothing of any other token. A
/// lone surrogate becomes U+FFFD; true if there was one.
bool append_unescaped(std::string_view token, std::string& to);
std::string unescaped(std::string_view token);

}  // namespace gyre::schemas
