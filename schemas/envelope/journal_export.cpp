// SPDX-License-Identifier: Apache-2.0
#include "schemas/envelope/journal_export.h"

#include <cstdint>

#include "schemas/alert_values.h"

namespace gyre::schemas::envelope {

namespace {

constexpr std::string_view kNameCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

struct Field {
  std::string_view name;
  std::string_view value;
};

// NAME=text, or NAME, the size in 64 bits, little endian, and that many bytes; then a newline.
std::optional<Field> take_field(std::string_view& text) {
  const auto end = text.find_first_not_of(kNameCharacters);
  if (end == 0 || end == std::string_view::npos) return std::nullopt;
  Field field{text.substr(0, end), {}};
  const char separator = text[end];
  text.remove_prefix(end + 1);
  if (separator == '=') {
    field.value = text.substr(0, text.find('\n'));
  } else {
    constexpr std::size_t kSizeBytes = 8;
    if (separator != '\n' || text.size() < kSizeBytes) return std::nullopt;
    std::uint64_t size = 0;
    for (std::size_t i = kSizeBytes; i-- > 0;)
      size = (size << 8) | static_cast<unsigned char>(text[i]);
    text.remove_prefix(kSizeBytes);
    if (size > text.size()) return std::nullopt;
    field.value = text.substr(0, size);
  }
  text.remove_prefix(field.value.size());
  if (!text.empty() && text.front() != '\n') return std::nullopt;
  if (!text.empty()) text.remove_prefix(1);
  return field;
}

}  // namespace

std::optional<JournalEntry> take_journal_entry(std::string_view& text) {
  JournalEntry entry;
  bool journals_own = false;
  while (!text.empty() && text.front() != '\n') {
    const auto field = take_field(text);
    if (!field) return std::nullopt;
    if (field->name == "MESSAGE" && entry.message.empty()) entry.message = field->value;
    if (field->name == "__REALTIME_TIMESTAMP" && entry.time == kNoTime) {
      const auto instant = parse_instant(field->value);
      if (instant) entry.time = instant->latest();
    }
    journals_own = journals_own || field->name.starts_with('_');
  }
  while (text.starts_with('\n')) text.remove_prefix(1);
  return journals_own ? std::optional(entry) : std::nullopt;
}

}  // namespace gyre::schemas::envelope
