// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "base/time.h"

/// What a scalar of the configuration may be. Private to config.cpp.
namespace gyre::pipeline::config_kinds {

using std::string;

/// A reader whose error completes `"12x" is ...`, and a writer that it reads back.
template <class T>
struct Kind {
  std::function<tl::expected<T, string>(const string&)> read;
  std::function<string(const T&)> show;
};

struct Unit {
  std::string_view name;
  std::int64_t factor;
};
// The largest first: a value is shown in the first one that divides it.
inline constexpr std::array<Unit, 5> kTimeUnits{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};
inline constexpr std::array<Unit, 8> kSizeUnits{{{"GiB", 1 << 30},
                                                 {"MiB", 1 << 20},
                                                 {"KiB", 1 << 10},
                                                 {"GB", 1'000'000'000},
                                                 {"MB", 1'000'000},
                                                 {"KB", 1000},
                                                 {"B", 1},
                                                 {"", 1}}};

template <std::size_t N>
std::optional<std::int64_t> read_quantity(std::string_view text, const std::array<Unit, N>& units) {
  std::int64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  std::string_view name(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
  while (name.starts_with(' ')) name.remove_prefix(1);
  const auto unit = std::ranges::find(units, name, &Unit::name);
  if (unit == units.end()) return std::nullopt;
  std::int64_t result = 0;
  if (__builtin_mul_overflow(number, unit->factor, &result)) return std::nullopt;
  return result;
}

template <std::size_t N>
string show_quantity(std::int64_t value, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    // `1d` reads worse than `24h` beside the hours and minutes of the other defaults.
    if (unit.name == "d" || value % unit.factor != 0 || (value == 0 && unit.name != "s")) continue;
    return fmt::format("{}{}", value / unit.factor, unit.name);
  }
  return fmt::format("{}", value);
}

/// A quantity whose stored count is `scale` smallest units each.
template <class T, std::size_t N>
Kind<T> quantity(const std::array<Unit, N>& units, std::int64_t scale, std::int64_t low,
                 std::int64_t high, string what) {
  what += fmt::format(" from {} to {}", show_quantity(low * scale, units),
                      show_quantity(high * scale, units));
  return {[&units, scale, low, high, what](const string& text) -> tl::expected<T, string> {
            const auto value = read_quantity(text, units);
            if (!value || *value % scale != 0 || *value < low * scale || *value > high * scale)
              return tl::unexpected("is not " + what);
            return static_cast<T>(*value / scale);
          },
          [&units, scale](const T& value) {
            return show_quantity(static_cast<std::int64_t>(value) * scale, units);
          }};
}

inline Kind<Second> seconds(Second low, Second high) {
  return quantity<Second>(kTimeUnits, 1000, low, high, "a duration in whole seconds, as `15m`,");
}

inline Kind<std::size_t> size(std::int64_t low, std::int64_t high) {
  return quantity<std::size_t>(kSizeUnits, 1, low, high, "a size, as `64KiB`,");
}

inline Kind<std::chrono::milliseconds> milliseconds(std::int64_t low, std::int64_t high) {
  const auto count = quantity<std::int64_t>(kTimeUnits, 1, low, high, "a duration, as `20ms`,");
  return {
      [count](const string& text) {
        return count.read(text).map([](auto value) { return std::chrono::milliseconds(value); });
      },
      [count](const std::chrono::milliseconds& value) { return count.show(value.count()); }};
}

template <class T>
Kind<T> integer(std::int64_t low, std::int64_t high) {
  return {[low, high](const string& text) -> tl::expected<T, string> {
            std::int64_t value = 0;
            const auto [rest, error] =
                std::from_chars(text.data(), text.data() + text.size(), value);
            if (error != std::errc() || rest != text.data() + text.size() || value < low ||
                value > high)
              return tl::unexpected(fmt::format("is not a whole number from {} to {}", low, high));
            return static_cast<T>(value);
          },
          [](const T& value) { return fmt::format("{}", value); }};
}

/// Any text for which `fits` holds; `demand` completes `"x" is not ...`.
inline Kind<string> text(std::function<bool(const string&)> fits, const string& demand) {
  return {[fits = std::move(fits), demand](const string& value) -> tl::expected<string, string> {
            if (!fits(value)) return tl::unexpected("is not " + demand);
            return value;
          },
          [](const string& value) { return value.empty() ? "\"\"" : value; }};
}

inline Kind<bool> choice(const string& off, const string& on) {
  return {[off, on](const string& value) -> tl::expected<bool, string> {
            if (value != off && value != on)
              return tl::unexpected(fmt::format("is neither {} nor {}", off, on));
            return value == on;
          },
          [off, on](const bool& value) { return value ? on : off; }};
}

/// One of the words of an enumeration, in its order.
template <class Enum>
Kind<Enum> word(std::span<const std::string_view> words) {
  return {[words](const string& value) -> tl::expected<Enum, string> {
            const auto found = std::ranges::find(words, value);
            if (found == words.end())
              return tl::unexpected(fmt::format("is not one of {}", fmt::join(words, ", ")));
            return static_cast<Enum>(found - words.begin());
          },
          [words](const Enum& value) { return string(words[static_cast<std::size_t>(value)]); }};
}

inline bool is_name(const string& value, std::size_t longest) {
  return !value.empty() && value.size() <= longest && value != "." && value != ".." &&
         std::ranges::all_of(value, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

inline Kind<string> topic() {
  return text([](const string& t) { return is_name(t, 249); },
              "a topic name: letters, digits, `.`, `_`, `-`, at most 249");
}

/// As a scalar of YAML that reads the same, also within brackets.
inline string yaml_text(const string& value) {
  const bool plain = !value.empty() && value.front() != '-' && value != "null" && value != "~" &&
                     std::ranges::all_of(value, [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || string("._-/").find(c) != string::npos;
                     });
  if (plain || value == "\"\"") return value;
  string quoted = "\"";
  for (const char c : value) {
    if (static_cast<unsigned char>(c) < 0x20) {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
      continue;
    }
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

inline bool is_address(const string& value) {
  const auto colon = value.rfind(':');
  return colon != string::npos && value.find_first_of(" /,") == string::npos &&
         integer<int>(0, 65535).read(value.substr(colon + 1)).has_value();
}

inline bool are_brokers(const string& value) {
  if (value.empty() || value.ends_with(',')) return false;
  std::istringstream list(value);
  for (string broker; std::getline(list, broker, ',');) {
    if (broker.starts_with(' ')) broker.erase(0, 1);
    // Without a port librdkafka takes 9092.
    if (broker.find(':') == string::npos ? !is_name(broker, 255)
                                         : !is_address(broker) || broker.starts_with(':'))
      return false;
  }
  return true;
}

/// Levenshtein.
inline std::size_t distance(const string& a, const string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, changed}));
    }
  }
  return row[b.size()];
}

}  // namespace gyre::pipeline::config_kinds
