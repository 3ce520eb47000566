// SPDX-License-Identifier: Apache-2.0
#include "schemas/alert_values.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "schemas/json_text.h"

namespace gyre::schemas {

namespace {

constexpr std::array<std::string_view, 8> kPriorities = {
    "Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"};

// Fields with an argument in brackets.
constexpr std::array<std::string_view, 18> kBracketed = {
    "proc.aname",        "proc.aexe",        "proc.aexepath",
    "proc.apid",         "proc.acmdline",    "proc.aenv",
    "proc.env",          "evt.arg",          "evt.rawarg",
    "ka.uri.param",      "jevt.value",       "json.value",
    "container.label",   "k8s.pod.label",    "k8s.ns.label",
    "k8smeta.pod.label", "k8smeta.ns.label", "k8smeta.deployment.label"};

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view without_zone_after_z(std::string_view text) {
  const auto z = text.find_first_of("Zz");
  if (z == std::string_view::npos || z + 1 == text.size()) return text;
  const std::string_view zone = text.substr(z + 1);
  const bool is_zone = zone.size() <= 6 && (zone[0] == '+' || zone[0] == '-') &&
                       zone.find_first_not_of("0123456789:", 1) == std::string_view::npos;
  return is_zone ? text.substr(0, z + 1) : text;
}

std::optional<Instant> parse_date(std::string_view text) {
  auto time = parse_rfc3339(text);
  if (!time) time = parse_rfc3339(without_zone_after_z(text));
  if (!time || *time > kLastEventTime) return std::nullopt;
  Nanos unit = kNanosPerSecond;
  constexpr std::size_t kSeconds = std::string_view("2026-01-02T03:04:05").size();
  for (std::size_t i = kSeconds + 1; i < text.size() && is_digit(text[i]) && unit > 1; ++i)
    if (text[kSeconds] == '.' || text[kSeconds] == ',') unit /= 10;
  return Instant{*time, unit};
}

// A number as JSON spells it, digit by digit: a double would round nanoseconds.
class Decimal {
 public:
  static std::optional<Decimal> read(std::string_view text) {
    if (!is_json_number(text)) return std::nullopt;
    Decimal number;
    number.negative_ = text.starts_with('-');
    if (number.negative_) text.remove_prefix(1);
    if (const auto e = text.find_first_of("eE"); e != std::string_view::npos) {
      std::string_view exponent = text.substr(e + 1);
      if (exponent.starts_with('+')) exponent.remove_prefix(1);
      const auto read =
          std::from_chars(exponent.data(), exponent.data() + exponent.size(), number.exponent_);
      if (read.ec != std::errc() || number.exponent_ > kFar || number.exponent_ < -kFar)
        return std::nullopt;
      text = text.substr(0, e);
    }
    const auto point = std::min(text.find('.'), text.size());
    number.whole_ = text.substr(0, point);
    number.fraction_ = text.substr(std::min(point + 1, text.size()));
    return number;
  }

  bool is_negative() const { return negative_; }
  /// The digit that counts tens to that power.
  int digit(std::int64_t power) const {
    std::int64_t at = highest_power() - power;
    if (at < 0) return 0;
    if (at < ssize(whole_)) return whole_[static_cast<std::size_t>(at)] - '0';
    at -= ssize(whole_);
    return at < ssize(fraction_) ? fraction_[static_cast<std::size_t>(at)] - '0' : 0;
  }
  /// Of its last digit.
  std::int64_t lowest_power() const { return exponent_ - ssize(fraction_); }
  std::int64_t highest_power() const { return exponent_ + ssize(whole_) - 1; }
  bool has_fraction() const {
    const std::int64_t end = std::min<std::int64_t>(highest_power() + 1, 0);
    for (std::int64_t power = lowest_power(); power < end; ++power)
      if (digit(power) != 0) return true;
    return false;
  }
  /// Without what stands behind the point; nothing if that is more than 64 bits hold.
  std::optional<std::int64_t> whole() const {
    std::int64_t power = highest_power();
    while (power >= lowest_power() && digit(power) == 0) --power;
    if (power < lowest_power()) return 0;
    if (power > kMostDigits) return std::nullopt;
    std::int64_t value = 0;
    for (; power >= 0; --power) {
      if (__builtin_mul_overflow(value, 10, &value) ||
          __builtin_add_overflow(value, digit(power), &value))
        return std::nullopt;
    }
    return value;
  }

 private:
  static constexpr std::int64_t kFar = 1'000'000'000'000;
  static constexpr std::int64_t kMostDigits = 19;

  static std::int64_t ssize(std::string_view text) {
    return static_cast<std::int64_t>(text.size());
  }

  bool negative_ = false;
  std::string_view whole_;
  std::string_view fraction_;
  std::int64_t exponent_ = 0;
};

// One without a sign and a fraction, however it is spelled: some serialisers make 5.0 of 5.
std::optional<std::int64_t> whole_number(std::string_view text) {
  const auto number = Decimal::read(text);
  if (!number || number->is_negative() || number->has_fraction()) return std::nullopt;
  return number->whole();
}

std::optional<Instant> parse_epoch(std::string_view text) {
  const auto number = Decimal::read(text);
  if (!number || number->is_negative()) return std::nullopt;
  const auto read = number->whole();
  if (!read || *read == 0) return std::nullopt;
  const std::int64_t whole = *read;
  Nanos unit = 1;
  if (whole < 10'000'000'000) {
    unit = 1'000'000'000;
  } else if (whole < 10'000'000'000'000) {
    unit = 1'000'000;
  } else if (whole < 10'000'000'000'000'000) {
    unit = 1'000;
  }
  Nanos nanos = 0;
  if (__builtin_mul_overflow(whole, unit, &nanos)) return std::nullopt;
  for (std::int64_t power = -1; power >= number->lowest_power() && unit > 1; --power) {
    unit /= 10;
    if (__builtin_add_overflow(nanos, number->digit(power) * unit, &nanos)) return std::nullopt;
  }
  if (nanos > kLastEventTime) return std::nullopt;
  return Instant{nanos, unit};
}

}  // namespace

std::string_view to_string(Priority priority) {
  return kPriorities[static_cast<std::size_t>(priority)];
}

AlertKey alert_key(std::string_view name) {
  switch (name.size()) {
    case 4:
      return name == "rule"   ? kRule
             : name == "time" ? kTime
             : name == "tags" ? kTags
             : name == "uuid" ? kUuid
             : name == "date" ? kDate
                              : kOther;
    case 6:
      return name == "output" ? kOutput : name == "source" ? kSource : kOther;
    case 8:
      return name == "priority" ? kPriority : name == "hostname" ? kHostname : kOther;
    case 10:
      return name == "@timestamp" ? kTimestamp : kOther;
    case 11:
      return name == "specversion" ? kSpecVersion : kOther;
    case 12:
      return name == "outputFields" ? kOutputFields : kOther;  // gRPC's, as protobuf's JSON has it
    case 13:
      return name == "output_fields" ? kOutputFields : kOther;
    default:
      return kOther;
  }
}

std::optional<Instant> parse_instant(std::string_view text) {
  text = trimmed(text);
  auto instant = parse_date(text);
  return instant ? instant : parse_epoch(text);
}

std::optional<Instant> parse_timestamp(std::string_view seconds, std::string_view nanos) {
  const auto whole = whole_number(trimmed(seconds));
  if (!whole || *whole == 0 || *whole > kLastEventTime / kNanosPerSecond) return std::nullopt;
  const auto rest =
      is_unknown(nanos) ? std::optional<std::int64_t>(0) : whole_number(trimmed(nanos));
  if (!rest || *rest >= kNanosPerSecond) return std::nullopt;
  return Instant{*whole * kNanosPerSecond + *rest, 1};
}

std::optional<Priority> parse_priority(std::string_view text) {
  text = trimmed(text);
  if (!text.empty() && is_digit(text[0])) {
    const auto number = whole_number(text);
    if (!number || *number >= ssize(kPriorities)) return std::nullopt;
    return static_cast<Priority>(*number);
  }
  if (equal_ignoring_case(text, "Info")) return Priority::kInformational;
  for (std::size_t i = 0; i < kPriorities.size(); ++i)
    if (equal_ignoring_case(text, kPriorities[i])) return static_cast<Priority>(i);
  return std::nullopt;
}

void restore_source(std::string& source) {
  static constexpr auto kSources =
      std::to_array<std::string_view>({"syscall", "k8s_audit", "internal"});
  if (source == kSources[0]) return;
  if (source.empty() || source == "syscalls") {
    source = kSources[0];
    return;
  }
  if (is_digit(source[0])) {
    const auto number = whole_number(source);
    if (number && *number < ssize(kSources)) source = kSources[static_cast<std::size_t>(*number)];
    return;
  }
  for (const std::string_view name : kSources)
    if (equal_ignoring_case(source, name)) source = name;
}

std::optional<std::size_t> replaced_bracket(std::string_view name) {
  const auto at = name.find('_');
  if (at == std::string_view::npos || at + 1 == name.size()) return std::nullopt;
  const std::string_view field = name.substr(0, at);
  if (field.find('.') == std::string_view::npos || name.find('[', at) != std::string_view::npos)
    return std::nullopt;
  if (std::find(kBracketed.begin(), kBracketed.end(), field) == kBracketed.end())
    return std::nullopt;
  return at;
}

}  // namespace gyre::schemas
