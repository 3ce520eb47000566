// SPDX-License-Identifier: Apache-2.0
#include "schemas/sighting_bytes.h"

#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "schemas/sensor.h"
#include "schemas/shape.h"
#include "schemas/sighting.h"
#include "schemas/utf8.h"
#include "schemas/wire.h"

namespace gyre::schemas {

namespace {

using records::Bundle;
using records::Sample;
using records::Sighting;
using records::Summary;
using records::Values;
using wire::counted;

// The summary that `summarise` makes of a plain alert.
template <typename To>
void write_summary(const SightedAlert& of, To& to) {
  const auto time = static_cast<std::uint64_t>(of.time);
  to.number(Summary::kFirstFieldNumber, time);
  to.number(Summary::kLastFieldNumber, time);
  to.number(Summary::kPriorityFieldNumber, static_cast<std::uint64_t>(of.alert.priority));
  for (const auto& [name, whole] : of.alert.fields) {
    const std::string_view value = cut_utf8(whole, kValueBytes);
    to.begin(Summary::kFieldsFieldNumber,
             wire::field_size(name.size()) + wire::field_size(value.size()));
    to.element(Values::kFieldFieldNumber, name);
    to.element(Values::kValuesFieldNumber, value);
  }
  const auto write_sample = [&](auto& sample) {
    sample.text(Sample::kIdFieldNumber, view(of.id));
    sample.number(Sample::kTimeFieldNumber, static_cast<std::uint64_t>(of.alert.time));
    sample.text(Sample::kUuidFieldNumber, cut_utf8(of.alert.uuid, kSampleUuidBytes));
    sample.text(Sample::kOutputFieldNumber, cut_utf8(of.alert.output, kSampleOutputBytes));
    sample.number(Sample::kOutcomeFieldNumber, static_cast<std::uint64_t>(of.outcome));
  };
  to.begin(Summary::kSamplesFieldNumber, counted(write_sample));
  write_sample(to);
  for (const std::string& one : of.alert.tags) to.element(Summary::kTagsFieldNumber, one);
  to.number(Summary::kFlagsFieldNumber, of.alert.flags);
}

}  // namespace

bool is_plain(const Alert& alert) {
  const auto fits = [](std::string_view text) { return text.size() <= kValueBytes; };
  return alert.fields.size() <= kFieldsPerSummary && alert.tags.size() <= kTags &&
         std::all_of(
             alert.fields.begin(), alert.fields.end(),
             [&](const auto& field) { return !field.first.empty() && fits(field.first); }) &&
         std::all_of(alert.tags.begin(), alert.tags.end(), fits) && !loss_of(alert);
}

void append_sighting(const SightingHead& head, const SightedAlert& of, std::string& to) {
  std::string chosen;
  const bool plain = is_plain(of.alert);
  if (!plain) {
    Summary summary;
    summarise(of.alert, of.time, of.id, of.outcome, summary);
    summary.AppendToString(&chosen);
  }
  std::string entry;
  append_alert_entry(entry, {view(of.id), of.alert.time, of.outcome});
  const auto summary = [&](auto& out) { plain ? write_summary(of, out) : out.raw(chosen); };
  const std::size_t summary_size = counted(summary);
  const auto sighting = [&](auto& out) {
    out.text(Sighting::kFindingKeyFieldNumber, view(head.finding_key));
    out.message(Sighting::kEntityFieldNumber, head.entity);
    out.text(Sighting::kRuleFieldNumber, head.rule);
    out.text(Sighting::kSourceFieldNumber, head.source);
    out.text(Sighting::kShapeFieldNumber, head.shape);
    out.number(Sighting::kShapeVersionFieldNumber, kShapeVersion);
    out.number(Sighting::kSecondFieldNumber, static_cast<std::uint64_t>(head.second));
    out.begin(Sighting::kSummaryFieldNumber, summary_size);
  };
  const auto tail = [&](auto& out) {
    out.text(Sighting::kAlertsFieldNumber, entry);
    out.number(Sighting::kArrivalsFieldNumber, 1);
    out.number(Sighting::kHeartbeatFieldNumber, head.heartbeat ? 1 : 0);
  };
  const std::size_t size = counted(sighting) + summary_size + counted(tail);
  wire::Writer writer(to, wire::field_size(size));
  writer.begin(Bundle::kSightingsFieldNumber, size);
  sighting(writer);
  summary(writer);
  tail(writer);
}

}  // namespace gyre::schemas
