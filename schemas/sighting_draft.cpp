// SPDX-License-Identifier: Apache-2.0
#include "schemas/sighting_draft.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/hash.h"
#include "schemas/sighting.h"
#include "schemas/wire.h"

namespace gyre::schemas {

namespace {

using records::Bundle;
using records::Sighting;
using records::Summary;
using records::Values;

struct Said {
  std::string_view name;
  std::string_view value;
};

// Of a field of one alert.
Said said_by(std::string_view element) {
  wire::Reader values(element);
  Said said;
  while (const int part = values.next())
    (part == Values::kFieldFieldNumber ? said.name : said.value) = values.text();
  return said;
}

// Of two names that are one where they were cut, one alert has two values.
bool has_one_value(std::string_view element) {
  constexpr std::size_t kShortestCut = kValueBytes - 3;
  if (element.size() < kShortestCut) return true;
  wire::Reader values(element);
  std::size_t parts = 0;
  while (values.next() != 0) ++parts;
  return parts == 2;
}

}  // namespace

void SightingDraft::start(std::string_view element) {
  head_ = {};
  alerts_.clear();
  arrivals_ = 0;
  heartbeat_ = false;
  flags_ = 0;
  fields_.clear();
  values_.clear();
  samples_.clear();
  tags_.clear();
  summary_.reset();
  wire::Reader bundle(element);
  CHECK(bundle.next() == Bundle::kSightingsFieldNumber);
  read(bundle.text());
}

void SightingDraft::add(std::string_view alert) { read(alert); }

void SightingDraft::read(std::string_view bytes) {
  wire::Reader sighting(bytes);
  while (const int field = sighting.next()) {
    if (field < Sighting::kSummaryFieldNumber)
      head_ = bytes.substr(0, bytes.size() - sighting.rest().size());
    if (field == Sighting::kSummaryFieldNumber) add_summary(sighting.text());
    if (field == Sighting::kAlertsFieldNumber) alerts_.append(sighting.text());
    if (field == Sighting::kArrivalsFieldNumber) arrivals_ += sighting.number();
    if (field == Sighting::kHeartbeatFieldNumber) heartbeat_ = sighting.number() != 0;
  }
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
  write_alerts(to);
  to.number(Sighting::kArrivalsFieldNumber, arrivals_);
  to.number(Sighting::kHeartbeatFieldNumber, heartbeat_ ? 1 : 0);
  to.close(sighting);
}

void SightingDraft::add_summary(std::string_view bytes) {
  if (!summary_) {
    if (read_plain(bytes)) {
      if (samples_.empty()) return start_plain();
      compare_fields();
      if (has_room()) return add_plain();
    }
    wire::Writer written;
    if (!samples_.empty()) write_summary(written);
    summary_ = std::make_unique<Summary>();
    CHECK(summary_->ParseFromArray(written.bytes().data(), static_cast<int>(written.size())));
  }
  Summary other;
  CHECK(other.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  merge(*summary_, other);
}

// False if it says what only the message holds.
bool SightingDraft::read_plain(std::string_view bytes) {
  plain_.fields.clear();
  plain_.tags.clear();
  plain_.first = plain_.last = 0;
  plain_.priority = plain_.flags = 0;
  wire::Reader summary(bytes);
  while (const int number = summary.next()) {
    switch (number) {
      case Summary::kFirstFieldNumber:
        plain_.first = static_cast<Nanos>(summary.number());
        break;
      case Summary::kLastFieldNumber:
        plain_.last = static_cast<Nanos>(summary.number());
        break;
      case Summary::kPriorityFieldNumber:
        plain_.priority = summary.number();
        break;
      case Summary::kFlagsFieldNumber:
        plain_.flags = summary.number();
        break;
      case Summary::kTagsFieldNumber:
        plain_.tags.push_back(summary.text());
        break;
      case Summary::kFieldsFieldNumber:
        if (!has_one_value(summary.text())) return false;
        plain_.fields.push_back(summary.text());
        break;
      case Summary::kSamplesFieldNumber: {
        plain_.sample = {};
        wire::Reader of(summary.text());
        while (const int part = of.next()) {
          if (part == records::Sample::kIdFieldNumber) plain_.sample.id = of.text();
          if (part == records::Sample::kTimeFieldNumber)
            plain_.sample.time = static_cast<Nanos>(of.number());
          if (part == records::Sample::kUuidFieldNumber) plain_.sample.uuid = of.text();
          if (part == records::Sample::kOutputFieldNumber) plain_.sample.output = of.text();
          if (part == records::Sample::kOutcomeFieldNumber) plain_.sample.outcome = of.number();
        }
        break;
      }
      default:
        return false;
    }
  }
  return true;
}

// Of the first alert, which has no more than there is room for.
void SightingDraft::start_plain() {
  first_ = plain_.first;
  last_ = plain_.last;
  priority_ = plain_.priority;
  flags_ = plain_.flags;
  for (const std::string_view element : plain_.fields) fields_.push_back({element});
  tags_ = plain_.tags;
  samples_.push_back(plain_.sample);
}

// Both are sorted by name, and most fields of most alerts are the same.
void SightingDraft::compare_fields() {
  news_.clear();
  std::size_t at = 0;
  for (const std::string_view element : plain_.fields) {
    if (at < fields_.size() && fields_[at].element == element) {
      ++at;
      continue;
    }
    const auto [name, value] = said_by(element);
    int order = 1;
    for (; at < fields_.size(); ++at) {
      Field& field = fields_[at];
      if (field.name.empty()) field.name = said_by(field.element).name;
      order = field.name.compare(name);
      if (order >= 0) break;
    }
    const bool is_new = at == fields_.size() || order != 0;
    news_.push_back({element, name, value, at, is_new});
    if (!is_new) ++at;
  }
}

// `merge` chooses where there are too many.
bool SightingDraft::has_room() const {
  const auto added =
      std::count_if(news_.begin(), news_.end(), [](const News& news) { return news.is_new; });
  return tags_.size() + plain_.tags.size() <= kTags &&
         fields_.size() + static_cast<std::size_t>(added) <= kFieldsPerSummary;
}

void SightingDraft::add_plain() {
  first_ = std::min(first_, plain_.first);
  last_ = std::max(last_, plain_.last);
  priority_ = std::min(priority_, plain_.priority);
  flags_ |= plain_.flags;
  // From the back: what is inserted moves no place that is still needed.
  for (auto news = news_.rbegin(); news != news_.rend(); ++news) {
    if (news->is_new)
      fields_.insert(fields_.begin() + static_cast<std::ptrdiff_t>(news->at),
                     {news->element, news->name});
    else
      add_value(fields_[news->at], news->value);
  }
  add_sample(plain_.sample);
  if (plain_.tags == tags_) return;
  for (const std::string_view tag : plain_.tags) {
    const auto place = std::lower_bound(tags_.begin(), tags_.end(), tag);
    if (place == tags_.end() || *place != tag) tags_.insert(place, tag);
  }
}

void SightingDraft::add_value(Field& field, std::string_view value) {
  if (field.count == 0) {
    const std::string_view only = said_by(field.element).value;
    if (only == value) return;
    field.first = make_value(fast_hash(only), only, kNone);
    field.count = 1;
  }
  for (auto known = field.first; known != kNone; known = values_[known].next)
    if (values_[known].text == value) return;
  const std::uint64_t hash = fast_hash(value);
  std::uint32_t before = kNone;
  std::uint32_t at = field.first;
  while (at != kNone && std::pair(values_[at].hash, values_[at].text) < std::pair(hash, value))
    before = std::exchange(at, values_[at].next);
  const bool full = field.count == kValuesPerField;
  field.capped = field.capped || full;
  if (full && at == kNone) return;
  const std::uint32_t made = make_value(hash, value, at);
  (before == kNone ? field.first : values_[before].next) = made;
  if (!full) {
    ++field.count;
    return;
  }
  for (at = made; values_[values_[at].next].next != kNone;) at = values_[at].next;
  values_[at].next = kNone;
}

std::uint32_t SightingDraft::make_value(std::uint64_t hash, std::string_view text,
                                        std::uint32_t next) {
  values_.push_back({hash, text, next});
  return static_cast<std::uint32_t>(values_.size() - 1);
}

// As `summarise` does: the smallest ids, and of copies the smallest texts.
void SightingDraft::add_sample(const Sample& sample) {
  const auto place = std::lower_bound(samples_.begin(), samples_.end(), sample.id,
                                      [](const Sample& a, std::string_view b) { return a.id < b; });
  if (place != samples_.end() && place->id == sample.id) {
    const auto lower = [](std::string_view& kept, std::string_view other) {
      if (!other.empty() && (kept.empty() || other < kept)) kept = other;
    };
    lower(place->uuid, sample.uuid);
    lower(place->output, sample.output);
    place->time = std::min(place->time, sample.time);
    place->outcome = std::max(place->outcome, sample.outcome);
    return;
  }
  if (samples_.size() == kSamples && place == samples_.end()) return;
  samples_.insert(place, sample);
  if (samples_.size() > kSamples) samples_.pop_back();
}

void SightingDraft::write_summary(wire::Writer& to) const {
  to.number(Summary::kFirstFieldNumber, static_cast<std::uint64_t>(first_));
  to.number(Summary::kLastFieldNumber, static_cast<std::uint64_t>(last_));
  to.number(Summary::kPriorityFieldNumber, priority_);
  for (const Field& field : fields_) {
    if (field.count == 0) {
      to.element(Summary::kFieldsFieldNumber, field.element);
      continue;
    }
    std::size_t size = wire::field_size(field.name.size());
    for (auto at = field.first; at != kNone; at = values_[at].next)
      size += wire::field_size(values_[at].text.size());
    if (field.capped) size += 2;
    to.begin(Summary::kFieldsFieldNumber, size);
    to.element(Values::kFieldFieldNumber, field.name);
    for (auto at = field.first; at != kNone; at = values_[at].next)
      to.element(Values::kValuesFieldNumber, values_[at].text);
    to.number(Values::kCappedFieldNumber, field.capped ? 1 : 0);
  }
  for (const Sample& one : samples_) {
    const std::size_t sample = to.open(Summary::kSamplesFieldNumber);
    to.text(records::Sample::kIdFieldNumber, one.id);
    to.number(records::Sample::kTimeFieldNumber, static_cast<std::uint64_t>(one.time));
    to.text(records::Sample::kUuidFieldNumber, one.uuid);
    to.text(records::Sample::kOutputFieldNumber, one.output);
    to.number(records::Sample::kOutcomeFieldNumber, one.outcome);
    to.close(sample);
  }
  for (const std::string_view tag : tags_) to.element(Summary::kTagsFieldNumber, tag);
  to.number(Summary::kFlagsFieldNumber, flags_);
}

void SightingDraft::write_alerts(wire::Writer& to) const {
  std::vector<std::string_view> entries = split_alert_entries(alerts_);
  std::sort(entries.begin(), entries.end());
  leave_one_an_id(entries);
  to.begin(Sighting::kAlertsFieldNumber, entries.size() * kAlertEntryBytes);
  for (const std::string_view entry : entries) to.raw(entry);
}

}  // namespace gyre::schemas
