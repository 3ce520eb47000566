// SPDX-License-Identifier: Apache-2.0
#include "schemas/sighting_bytes.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "schemas/sensor.h"
#include "schemas/utf8.h"

namespace gyre::schemas {

namespace {

using google::protobuf::io::CodedOutputStream;
using records::Sample;
using records::Summary;
using records::Values;

constexpr unsigned kVarint = 0;
constexpr unsigned kLengthDelimited = 2;

constexpr std::uint64_t tag(int field, unsigned type) {
  return static_cast<std::uint64_t>(field) << 3 | type;
}

std::size_t varint_size(std::uint64_t value) { return CodedOutputStream::VarintSize64(value); }

std::size_t number_size(std::uint64_t value) { return value == 0 ? 0 : 1 + varint_size(value); }

std::size_t text_size(std::string_view value) {
  return value.empty() ? 0 : wire_size(value.size());
}

// `summarise` cuts and chooses where there is too much; then its result is written.
bool is_plain(const Alert& alert) {
  const auto fits = [](std::string_view text) { return text.size() <= kValueBytes; };
  return alert.fields.size() <= kFieldsPerSummary && alert.tags.size() <= kTags &&
         std::all_of(
             alert.fields.begin(), alert.fields.end(),
             [&](const auto& field) { return !field.first.empty() && fits(field.first); }) &&
         std::all_of(alert.tags.begin(), alert.tags.end(), fits) && !loss_of(alert);
}

}  // namespace

std::size_t wire_size(std::size_t size) { return 1 + varint_size(size) + size; }

void WireWriter::varint(std::uint64_t value) {
  std::array<std::uint8_t, 10> bytes{};
  const std::uint8_t* end = CodedOutputStream::WriteVarint64ToArray(value, bytes.data());
  to_.append(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::size_t>(end - bytes.data()));
}

void WireWriter::begin(int field, std::size_t size) {
  if (size < 0x80) {
    const std::array<char, 2> head = {static_cast<char>(tag(field, kLengthDelimited)),
                                      static_cast<char>(size)};
    to_.append(head.data(), head.size());
    return;
  }
  to_ += static_cast<char>(tag(field, kLengthDelimited));
  varint(size);
}

void WireWriter::number(int field, std::uint64_t value) {
  CHECK(field < 16);
  if (value == 0) return;
  to_ += static_cast<char>(tag(field, kVarint));
  varint(value);
}

void WireWriter::text(int field, std::string_view value) {
  CHECK(field < 16);
  if (value.empty()) return;
  begin(field, value.size());
  to_ += value;
}

void WireWriter::message(int field, const google::protobuf::MessageLite& message) {
  begin(field, message.ByteSizeLong());
  message.AppendPartialToString(&to_);
}

void append_summary(const Alert& alert, Nanos time, const Id128& id, Outcome outcome,
                    std::string& to) {
  if (!is_plain(alert)) {
    Summary summary;
    summarise(alert, time, id, outcome, summary);
    summary.AppendToString(&to);
    return;
  }
  WireWriter writer(to);
  const auto instant = static_cast<std::uint64_t>(time);
  writer.number(Summary::kFirstFieldNumber, instant);
  writer.number(Summary::kLastFieldNumber, instant);
  writer.number(Summary::kPriorityFieldNumber, static_cast<std::uint64_t>(alert.priority));
  for (const auto& [name, whole] : alert.fields) {
    const std::string_view value = cut_utf8(whole, kValueBytes);
    writer.begin(Summary::kFieldsFieldNumber, wire_size(name.size()) + wire_size(value.size()));
    writer.text(Values::kFieldFieldNumber, name);
    writer.begin(Values::kValuesFieldNumber, value.size());
    to += value;
  }
  const std::string_view uuid = cut_utf8(alert.uuid, kSampleUuidBytes);
  const std::string_view output = cut_utf8(alert.output, kSampleOutputBytes);
  const auto own = static_cast<std::uint64_t>(alert.time);
  const auto said = static_cast<std::uint64_t>(outcome);
  writer.begin(Summary::kSamplesFieldNumber, wire_size(id.size()) + number_size(own) +
                                                 text_size(uuid) + text_size(output) +
                                                 number_size(said));
  writer.text(Sample::kIdFieldNumber, view(id));
  writer.number(Sample::kTimeFieldNumber, own);
  writer.text(Sample::kUuidFieldNumber, uuid);
  writer.text(Sample::kOutputFieldNumber, output);
  writer.number(Sample::kOutcomeFieldNumber, said);
  for (const std::string& one : alert.tags) {
    writer.begin(Summary::kTagsFieldNumber, one.size());
    to += one;
  }
  writer.number(Summary::kFlagsFieldNumber, alert.flags);
}

}  // namespace gyre::schemas
