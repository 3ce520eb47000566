// SPDX-License-Identifier: Apache-2.0
#include "pipeline/dead_letter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/check.h"
#include "base/hash.h"
#include "base/time.h"

namespace gyre::pipeline {
namespace {

constexpr std::string_view kError = "gyre-error";
constexpr std::string_view kDetail = "gyre-detail";
constexpr std::string_view kName = "gyre-name";
constexpr std::string_view kTopic = "gyre-source-topic";
constexpr std::string_view kPartition = "gyre-source-partition";
constexpr std::string_view kOffset = "gyre-source-offset";
constexpr std::string_view kTime = "gyre-source-time";
constexpr std::string_view kKey = "gyre-source-key";
constexpr std::string_view kTruncated = "gyre-truncated";
constexpr std::string_view kSha256 = "gyre-sha256";
constexpr std::string_view kElement = stages::kElementHeader;
constexpr std::string_view kRedelivered = "gyre-redelivered";
constexpr auto kOurs =
    std::to_array<std::string_view>({kError, kDetail, kName, kTopic, kPartition, kOffset, kTime,
                                     kKey, kTruncated, kSha256, kElement});

// The rest is room for key and headers.
constexpr std::size_t kLargestValue = kLargestDeadLetter - (256 << 10);

bool is_ours(std::string_view name) {
  return std::find(kOurs.begin(), kOurs.end(), name) != kOurs.end();
}

std::size_t size_of(const Headers& headers) {
  std::size_t size = 0;
  for (const auto& [name, value] : headers) size += name.size() + value.size();
  return size;
}

std::optional<std::string_view> header(const Record& record, std::string_view name) {
  for (const auto& [key, value] : record.headers)
    if (key == name) return value;
  return std::nullopt;
}

template <typename Number>
std::optional<Number> number(std::optional<std::string_view> text) {
  Number value = 0;
  if (!text) return std::nullopt;
  const char* const end = text->data() + text->size();
  const auto result = std::from_chars(text->data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return value;
}

std::uint32_t times_redelivered(const Record& letter) {
  return number<std::uint32_t>(header(letter, kRedelivered)).value_or(0);
}

}  // namespace

OutRecord to_dead_letter(const Config& config, stages::DeadLetter letter) {
  OutRecord record{.topic = config.input.dead_letter_topic,
                   .partition = -1,
                   .key = fmt::format("{}-{}", letter.partition, letter.offset),
                   .value = std::move(letter.value),
                   .headers = {}};
  const auto add = [&](std::string_view name, std::string value) {
    record.headers.emplace_back(name, std::move(value));
  };
  add(kError, std::move(letter.error));
  add(kDetail, std::move(letter.detail));
  add(kName, config.name);
  add(kTopic, config.input.topic);
  add(kPartition, std::to_string(letter.partition));
  add(kOffset, std::to_string(letter.offset));
  if (letter.record_time != kNoTime) add(kTime, format_rfc3339(letter.record_time));
  if (letter.key) add(kKey, std::move(*letter.key));
  if (!letter.element.empty()) add(kElement, std::move(letter.element));
  // However large brokers let their records be, one that can't be written again would stop us.
  const bool long_headers =
      size_of(record.headers) + size_of(letter.headers) > kLargestDeadLetter - kLargestValue;
  if (long_headers) {
    letter.headers.clear();
    std::erase_if(record.headers, [](const auto& header) { return header.first == kKey; });
  }
  for (auto& [name, value] : letter.headers)
    if (!is_ours(name)) record.headers.emplace_back(std::move(name), std::move(value));
  if (long_headers || record.value->size() > kLargestValue) {
    add(kTruncated, std::to_string(record.value->size()));
    add(kSha256, to_hex(sha256(*record.value)));
    if (record.value->size() > kLargestValue) record.value->resize(kLargestValue);
  }
  return record;
}

Redelivery redelivery_of(const Record& letter, const Config& config, std::string_view error) {
  const bool ours = letter.value && header(letter, kName) == config.name &&
                    header(letter, kTopic) == config.input.topic &&
                    number<std::int32_t>(header(letter, kPartition)).value_or(-1) >= 0;
  if (!ours || header(letter, kError) != error) return Redelivery::kNotAsked;
  if (times_redelivered(letter) >= kMostRedeliveries) return Redelivery::kGivenUp;
  const auto element = header(letter, kElement);
  return element == stages::kRestOfElements || header(letter, kTruncated) ? Redelivery::kCut
                                                                          : Redelivery::kRedeliver;
}

OutRecord to_redelivered(const Record& letter, const std::string& input_topic) {
  const auto partition = number<std::int32_t>(header(letter, kPartition));
  CHECK(partition && letter.value);
  OutRecord record{.topic = input_topic,
                   .partition = *partition,
                   .key = {},
                   .value = letter.value,
                   .headers = {}};
  if (const auto key = header(letter, kKey)) record.key = std::string(*key);
  for (const auto& [name, value] : letter.headers)
    if (name == kElement || (!is_ours(name) && name != kRedelivered))
      record.headers.emplace_back(name, value);
  record.headers.emplace_back(kRedelivered, std::to_string(times_redelivered(letter) + 1));
  return record;
}

}  // namespace gyre::pipeline
