// SPDX-License-Identifier: Apache-2.0
#include "base/time.h"

#include <fmt/format.h>

#include <chrono>

namespace gyre {

namespace {

// Reads exactly `digits` decimal digits at the front of `text`.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

Nanos take_fraction(std::string_view& text) {
  Nanos nanos = 0;
  Nanos unit = kNanosPerSecond;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    unit /= 10;
    nanos += (text.front() - '0') * unit;  // digits beyond the ninth add 0
    text.remove_prefix(1);
  }
  return nanos;
}

std::optional<std::int64_t> take_offset_seconds(std::string_view& text) {
  if (take(text, "Zz")) return 0;
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return std::nullopt;
  const int sign = text.front() == '-' ? -1 : 1;
  text.remove_prefix(1);
  const auto hours = take_number(text, 2);
  take(text, ":");
  const auto minutes = take_number(text, 2);
  if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  return sign * (*hours * 3600 + *minutes * 60);
}

}  // namespace

std::optional<Nanos> parse_rfc3339(std::string_view text) {
  constexpr std::size_t kSeconds = std::string_view("2026-01-02T03:04:05").size();
  if (text.size() < kSeconds) return std::nullopt;
  bool whole = text[4] == '-' && text[7] == '-' && text[13] == ':' && text[16] == ':' &&
               (text[10] == 'T' || text[10] == 't' || text[10] == ' ');
  const auto number = [&](std::size_t at, std::size_t digits) {
    int value = 0;
    for (const char c : text.substr(at, digits)) {
      whole = whole && c >= '0' && c <= '9';
      value = value * 10 + (c - '0');
    }
    return value;
  };
  const int year = number(0, 4);
  const int month = number(5, 2);
  const int day = number(8, 2);
  const int hour = number(11, 2);
  const int minute = number(14, 2);
  const int second = number(17, 2);
  if (!whole) return std::nullopt;
  text.remove_prefix(kSeconds);
  Nanos fraction = 0;
  if (take(text, ".,")) fraction = take_fraction(text);
  const auto offset = take_offset_seconds(text);
  if (!offset || !text.empty()) return std::nullopt;

  namespace chr = std::chrono;
  const chr::year_month_day date{chr::year{year}, chr::month{static_cast<unsigned>(month)},
                                 chr::day{static_cast<unsigned>(day)}};
  // Nanoseconds of 64 bits reach from 1678 to 2261.
  if (!date.ok() || year < 1680 || year > 2261 || hour > 23 || minute > 59 || second > 60)
    return std::nullopt;
  const std::int64_t days = chr::sys_days{date}.time_since_epoch().count();
  const std::int64_t seconds = days * 86'400 + hour * 3'600 + minute * 60 + second - *offset;
  return seconds * kNanosPerSecond + fraction;
}

std::string format_rfc3339_second(Second second) {
  namespace chr = std::chrono;
  const chr::sys_seconds time{chr::seconds{second}};
  const auto day = chr::floor<chr::days>(time);
  const chr::year_month_day date{day};
  const chr::hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string format_rfc3339(Nanos time) {
  std::string text = format_rfc3339_second(second_of(time));
  text.pop_back();
  return fmt::format("{}.{:09}Z", text, time - second_of(time) * kNanosPerSecond);
}

}  // namespace gyre
