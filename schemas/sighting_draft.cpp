// SPDX-License-Identifier: Apache-2.0
#include "schemas/sighting_draft.h"

#include <algorithm>
#include <new>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "schemas/sighting.h"
#include "schemas/utf8.h"
#include "schemas/wire.h"

namespace gyre::schemas {

namespace {

using records::Bundle;
using records::Sighting;
using records::Summary;
using records::Values;

// What most alerts have: drafts of a batch lie in memory that is out of the caches again before it
// is read, so each byte of it counts.
constexpr std::size_t kUsualFields = 24;

// The entries of `alerts` sorted by id, one an id.
std::string sorted_by_id(std::string_view alerts) {
  std::vector<AlertEntry> entries;
  for (std::size_t i = 0; i < alerts.size() / kAlertEntryBytes; ++i)
    entries.push_back(alert_entry(alerts, i));
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return a.id < b.id; });
  entries.erase(std::unique(entries.begin(), entries.end(),
                            [](const auto& a, const auto& b) { return a.id == b.id; }),
                entries.end());
  std::string sorted;
  sorted.reserve(alerts.size());
  for (const auto& entry : entries) append_alert_entry(sorted, entry);
  return sorted;
}

// Steps through names sorted as `fields` are, from one call to the next.
template <typename Fields>
auto position_of(Fields& fields, std::size_t& at, std::string_view name) {
  while (at < fields.size()) {
    const int order = fields[at].name.compare(name);
    if (order >= 0) return order == 0;
    ++at;
  }
  return false;
}

}  // namespace

SightingDraft::SightingDraft(std::string_view element, std::pmr::memory_resource& memory)
    : memory_(memory), fields_(&memory), samples_(&memory), tags_(&memory) {
  fields_.reserve(kUsualFields);
  samples_.reserve(kSamples + 1);
  wire::Reader bundle(keep(element));
  CHECK(bundle.next() == Bundle::kSightingsFieldNumber);
  const std::string_view whole = bundle.text();
  wire::Reader sighting(whole);
  std::size_t read = 0;
  while (const int field = sighting.next()) {
    if (field < Sighting::kSummaryFieldNumber) read = whole.size() - sighting.rest().size();
    if (field == Sighting::kAlertsFieldNumber) alerts_ = sighting.text();
    if (field == Sighting::kHeartbeatFieldNumber) heartbeat_ = sighting.number() != 0;
    if (field != Sighting::kSummaryFieldNumber || read_summary(sighting.text())) continue;
    summary_ = std::make_unique<Summary>();
    CHECK(
        summary_->ParseFromArray(sighting.text().data(), static_cast<int>(sighting.text().size())));
  }
  head_ = whole.substr(0, read);
}

void SightingDraft::add(const SightedAlert& alert) {
  if (!summary_ && !(is_plain(alert.alert) && has_room_for(alert.alert))) {
    wire::Writer written;
    write_summary(written);
    const std::string_view bytes = written.bytes();
    summary_ = std::make_unique<Summary>();
    CHECK(summary_->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  }
  if (summary_)
    summarise(alert.alert, alert.time, alert.id, alert.outcome, *summary_);
  else
    add_plain(alert);
  append_alert_entry(alerts_, {view(alert.id), alert.alert.time, alert.outcome});
  ++arrivals_;
}

void SightingDraft::write(wire::Writer& to) const {
  const std::size_t sighting = to.open(Bundle::kSightingsFieldNumber);
  to.raw(head_);
  if (summary_) {
    to.message(Sighting::kSummaryFieldNumber, *summary_);
  } else {
    const std::size_t summary = to.open(Sighting::kSummaryFieldNumber);
    write_summary(to);
    to.close(summary);
  }
  to.text(Sighting::kAlertsFieldNumber, sorted_by_id(alerts_));
  to.number(Sighting::kArrivalsFieldNumber, arrivals_);
  to.number(Sighting::kHeartbeatFieldNumber, heartbeat_ ? 1 : 0);
  to.close(sighting);
}

// False if it holds what only the message does.
bool SightingDraft::read_summary(std::string_view bytes) {
  wire::Reader summary(bytes);
  while (const int number = summary.next()) {
    switch (number) {
      case Summary::kFirstFieldNumber:
        first_ = static_cast<Nanos>(summary.number());
        break;
      case Summary::kLastFieldNumber:
        last_ = static_cast<Nanos>(summary.number());
        break;
      case Summary::kPriorityFieldNumber:
        priority_ = summary.number();
        break;
      case Summary::kFlagsFieldNumber:
        flags_ = summary.number();
        break;
      case Summary::kTagsFieldNumber:
        tags_.push_back(summary.text());
        break;
      case Summary::kFieldsFieldNumber: {
        Field& field = fields_.emplace_back();
        wire::Reader values(summary.text());
        while (const int part = values.next()) {
          if (part == Values::kFieldFieldNumber)
            field.name = values.text();
          else
            field = {field.name, make_value(0, values.text(), nullptr), 1};
        }
        break;
      }
      case Summary::kSamplesFieldNumber: {
        Sample& sample = samples_.emplace_back();
        wire::Reader of(summary.text());
        while (const int part = of.next()) {
          if (part == records::Sample::kIdFieldNumber) sample.id = of.text();
          if (part == records::Sample::kTimeFieldNumber) sample.time = of.number();
          if (part == records::Sample::kUuidFieldNumber) sample.uuid = of.text();
          if (part == records::Sample::kOutputFieldNumber) sample.output = of.text();
          if (part == records::Sample::kOutcomeFieldNumber) sample.outcome = of.number();
        }
        break;
      }
      default:
        return false;
    }
  }
  return true;
}

// `summarise` chooses where there are too many.
bool SightingDraft::has_room_for(const Alert& alert) const {
  if (tags_.size() + alert.tags.size() > kTags) return false;
  std::size_t fields = fields_.size();
  std::size_t at = 0;
  for (const auto& field : alert.fields) {
    const bool known = position_of(fields_, at, field.first);
    ++(known ? at : fields);
  }
  return fields <= kFieldsPerSummary;
}

void SightingDraft::add_plain(const SightedAlert& alert) {
  first_ = std::min(first_, alert.time);
  last_ = std::max(last_, alert.time);
  priority_ = std::min(priority_, static_cast<std::uint64_t>(alert.alert.priority));
  flags_ |= alert.alert.flags;
  std::size_t at = 0;
  for (const auto& [name, value] : alert.alert.fields) {
    if (!position_of(fields_, at, name))
      fields_.insert(fields_.begin() + static_cast<std::ptrdiff_t>(at), Field{.name = keep(name)});
    add_value(fields_[at++], cut_utf8(value, kValueBytes));
  }
  add_sample(alert);
  for (const std::string& tag : alert.alert.tags) {
    const auto place = std::lower_bound(tags_.begin(), tags_.end(), tag);
    if (place == tags_.end() || *place != tag) tags_.insert(place, keep(tag));
  }
}

void SightingDraft::add_value(Field& field, std::string_view value) {
  for (const Value* known = field.first; known != nullptr; known = known->next)
    if (known->text == value) return;
  // The hash orders several; one alone needs none.
  if (field.count == 1) field.first->hash = fast_hash(field.first->text);
  const std::uint64_t hash = field.count == 0 ? 0 : fast_hash(value);
  Value** place = &field.first;
  while (*place != nullptr && std::pair((*place)->hash, (*place)->text) < std::pair(hash, value))
    place = &(*place)->next;
  const bool full = field.count == kValuesPerField;
  field.capped = field.capped || full;
  if (full && *place == nullptr) return;
  *place = make_value(hash, keep(value), *place);
  if (!full) {
    ++field.count;
    return;
  }
  while ((*place)->next != nullptr) place = &(*place)->next;
  *place = nullptr;
}

SightingDraft::Value* SightingDraft::make_value(std::uint64_t hash, std::string_view text,
                                                Value* next) {
  return new (memory_.allocate(sizeof(Value), alignof(Value))) Value{hash, text, next};
}

// As `summarise` does: the smallest ids, and of copies the smallest texts.
void SightingDraft::add_sample(const SightedAlert& alert) {
  const std::string_view id = view(alert.id);
  const std::string_view uuid = cut_utf8(alert.alert.uuid, kSampleUuidBytes);
  const std::string_view output = cut_utf8(alert.alert.output, kSampleOutputBytes);
  const auto place = std::lower_bound(samples_.begin(), samples_.end(), id,
                                      [](const Sample& a, std::string_view b) { return a.id < b; });
  if (place != samples_.end() && place->id == id) {
    const auto lower = [&](std::string_view& kept, std::string_view other) {
      if (!other.empty() && (kept.empty() || other < kept)) kept = keep(other);
    };
    lower(place->uuid, uuid);
    lower(place->output, output);
    return;
  }
  if (samples_.size() == kSamples && place == samples_.end()) return;
  samples_.insert(place, {keep(id), static_cast<std::uint64_t>(alert.alert.time), keep(uuid),
                          keep(output), static_cast<std::uint64_t>(alert.outcome)});
  if (samples_.size() > kSamples) samples_.pop_back();
}

std::string_view SightingDraft::keep(std::string_view text) {
  if (text.empty()) return {};
  auto* const own = static_cast<char*>(memory_.allocate(text.size(), 1));
  std::copy(text.begin(), text.end(), own);
  return {own, text.size()};
}

void SightingDraft::write_summary(wire::Writer& to) const {
  to.number(Summary::kFirstFieldNumber, static_cast<std::uint64_t>(first_));
  to.number(Summary::kLastFieldNumber, static_cast<std::uint64_t>(last_));
  to.number(Summary::kPriorityFieldNumber, priority_);
  for (const Field& field : fields_) {
    std::size_t size = wire::field_size(field.name.size());
    for (const Value* value = field.first; value != nullptr; value = value->next)
      size += wire::field_size(value->text.size());
    if (field.capped) size += 2;
    to.begin(Summary::kFieldsFieldNumber, size);
    to.element(Values::kFieldFieldNumber, field.name);
    for (const Value* value = field.first; value != nullptr; value = value->next)
      to.element(Values::kValuesFieldNumber, value->text);
    to.number(Values::kCappedFieldNumber, field.capped ? 1 : 0);
  }
  for (const Sample& one : samples_) {
    const std::size_t sample = to.open(Summary::kSamplesFieldNumber);
    to.text(records::Sample::kIdFieldNumber, one.id);
    to.number(records::Sample::kTimeFieldNumber, one.time);
    to.text(records::Sample::kUuidFieldNumber, one.uuid);
    to.text(records::Sample::kOutputFieldNumber, one.output);
    to.number(records::Sample::kOutcomeFieldNumber, one.outcome);
    to.close(sample);
  }
  for (const std::string_view tag : tags_) to.element(Summary::kTagsFieldNumber, tag);
  to.number(Summary::kFlagsFieldNumber, flags_);
}

}  // namespace gyre::schemas
