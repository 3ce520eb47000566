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
using records::Entity;
using records::Sample;
using records::Sighting;
using records::Summary;
using records::Values;

// The summary that `summarise` makes of a plain alert.
void write_summary(const SightedAlert& of, wire::Writer& to) {
  const auto time = static_cast<std::uint64_t>(of.time);
  to.number(Summary::kFirstFieldNumber, time);
  to.number(Summary::kLastFieldNumber, time);
  to.number(Summary::kPriorityFieldNumber, static_cast<std::uint64_t>(of.alert.priority));
  for (const auto& [name, value] : of.alert.fields)
    to.texts(Summary::kFieldsFieldNumber, Values::kFieldFieldNumber, name,
             Values::kValuesFieldNumber, cut_utf8(value, kValueBytes));
  const std::size_t sample = to.open(Summary::kSamplesFieldNumber);
  to.text(Sample::kIdFieldNumber, view(of.id));
  to.number(Sample::kTimeFieldNumber, static_cast<std::uint64_t>(of.alert.time));
  to.text(Sample::kUuidFieldNumber, cut_utf8(of.alert.uuid, kSampleUuidBytes));
  to.text(Sample::kOutputFieldNumber, cut_utf8(of.alert.output, kSampleOutputBytes));
  to.number(Sample::kOutcomeFieldNumber, static_cast<std::uint64_t>(of.outcome));
  to.close(sample);
  for (const std::string& one : of.alert.tags) to.element(Summary::kTagsFieldNumber, one);
  to.number(Summary::kFlagsFieldNumber, of.alert.flags);
}

void write_entity(const Entity& entity, wire::Writer& to) {
  to.number(Entity::kKindFieldNumber, static_cast<std::uint64_t>(entity.kind()));
  to.text(Entity::kTenantFieldNumber, entity.tenant());
  to.text(Entity::kClusterFieldNumber, entity.cluster());
  to.text(Entity::kHostnameFieldNumber, entity.hostname());
  to.text(Entity::kIdFieldNumber, entity.id());
  to.number(Entity::kContainerUnknownFieldNumber, entity.container_unknown() ? 1 : 0);
  to.number(Entity::kKeyIncompleteFieldNumber, entity.key_incomplete() ? 1 : 0);
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

void write_alert(const SightedAlert& of, wire::Writer& to) {
  if (is_plain(of.alert)) {
    const std::size_t summary = to.open(Sighting::kSummaryFieldNumber);
    write_summary(of, to);
    to.close(summary);
  } else {
    Summary chosen;
    summarise(of.alert, of.time, of.id, of.outcome, chosen);
    to.message(Sighting::kSummaryFieldNumber, chosen);
  }
  const auto entry = encoded_alert_entry({view(of.id), of.alert.time, of.outcome, of.native_id});
  to.text(Sighting::kAlertsFieldNumber, {entry.data(), entry.size()});
  to.number(Sighting::kArrivalsFieldNumber, 1);
}

void write_sighting(const SightingHead& head, const SightedAlert& of, wire::Writer& to) {
  const std::size_t sighting = to.open(Bundle::kSightingsFieldNumber);
  to.text(Sighting::kFindingKeyFieldNumber, view(head.finding_key));
  const std::size_t entity = to.open(Sighting::kEntityFieldNumber);
  write_entity(head.entity, to);
  to.close(entity);
  to.text(Sighting::kRuleFieldNumber, head.rule);
  to.text(Sighting::kSourceFieldNumber, head.source);
  to.text(Sighting::kShapeFieldNumber, head.shape);
  to.number(Sighting::kShapeVersionFieldNumber, kShapeVersion);
  to.number(Sighting::kSecondFieldNumber, static_cast<std::uint64_t>(head.second));
  write_alert(of, to);
  to.number(Sighting::kHeartbeatFieldNumber, head.heartbeat ? 1 : 0);
  to.close(sighting);
}

}  // namespace gyre::schemas
