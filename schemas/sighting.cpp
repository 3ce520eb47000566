// SPDX-License-Identifier: Apache-2.0
#include "schemas/sighting.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"
#include "schemas/sensor.h"
#include "schemas/utf8.h"

namespace gyre::schemas {

namespace {

constexpr std::size_t kIdBytes = 16;
constexpr unsigned kNativeId = 0x80;

// Chosen by hash, not by time or order of arrival: the same set gives the same choice, whoever
// merged it.
auto choice_rank(std::string_view value) { return std::pair(fast_hash(value), value); }

template <typename Repeated>
auto position_of(Repeated& fields, std::string_view name) {
  return std::lower_bound(fields.begin(), fields.end(), name,
                          [](const records::Values& values, std::string_view key) {
                            return std::string_view(values.field()) < key;
                          });
}

// Inserts an element made by `make` before `position` of a sorted repeated field.
template <typename Element>
Element& insert_at(google::protobuf::RepeatedPtrField<Element>& fields, std::ptrdiff_t position) {
  Element* added = fields.Add();
  for (int i = fields.size() - 1; i > position; --i) fields.SwapElements(i, i - 1);
  return fields.size() - 1 == position ? *added : *fields.Mutable(static_cast<int>(position));
}

records::Values& field_of(records::Summary& summary, std::string_view name) {
  auto& fields = *summary.mutable_fields();
  const auto found = position_of(fields, name);
  if (found != fields.end() && found->field() == name) return *found;
  records::Values& added = insert_at(fields, found - fields.begin());
  added.set_field(std::string(name));
  return added;
}

// Which fields stay when there are too many depends on the names alone, so it is the same for every
// order of merging: the names with the smallest hashes among the rest, and always those that
// reports are built on.
bool always_kept(std::string_view name) {
  static constexpr std::string_view kKept[] = {"container.id",
                                               "container.image.digest",
                                               "container.image.repository",
                                               "container.image.tag",
                                               "container.name",
                                               "container.start_ts",
                                               "evt.res",
                                               "evt.type",
                                               "fd.name",
                                               "k8s.deployment.name",
                                               "k8s.ns.name",
                                               "k8s.pod.name",
                                               "k8s.rs.name",
                                               "proc.cmdline",
                                               "proc.exe",
                                               "proc.exepath",
                                               "proc.name",
                                               "proc.pcmdline",
                                               "proc.pname",
                                               "rule",
                                               "shape",
                                               "user.loginuid",
                                               "user.name",
                                               "user.uid"};
  return std::binary_search(std::begin(kKept), std::end(kKept), name);
}

void cap_fields(records::Summary& summary) {
  auto& fields = *summary.mutable_fields();
  while (fields.size() > static_cast<int>(kFieldsPerSummary)) {
    const auto worst =
        std::max_element(fields.begin(), fields.end(), [](const auto& a, const auto& b) {
          const auto rank = [](const auto& values) {
            return std::tuple(!always_kept(values.field()), fast_hash(values.field()),
                              std::string_view(values.field()));
          };
          return rank(a) < rank(b);
        });
    fields.erase(worst);
    summary.set_flags(summary.flags() | kTruncated);
  }
}

void add_sample(records::Summary& summary, const records::Sample& sample) {
  auto& samples = *summary.mutable_samples();
  // Ids are hashes already: the smallest ids are an order-independent choice.
  const auto at =
      std::lower_bound(samples.begin(), samples.end(), sample.id(),
                       [](const records::Sample& a, const std::string& id) { return a.id() < id; });
  if (at != samples.end() && at->id() == sample.id()) {
    // Copies of one alert may differ in what is no part of its identity; the smallest text wins,
    // whoever came first.
    if (!sample.uuid().empty() && (at->uuid().empty() || sample.uuid() < at->uuid()))
      at->set_uuid(sample.uuid());
    if (!sample.output().empty() && (at->output().empty() || sample.output() < at->output()))
      at->set_output(sample.output());
    at->set_time(std::min(at->time(), sample.time()));
    at->set_outcome(std::max(at->outcome(), sample.outcome()));
    return;
  }
  insert_at(samples, at - samples.begin()) = sample;
  if (samples.size() > static_cast<int>(kSamples)) samples.RemoveLast();
}

void add_tag(records::Summary& summary, std::string_view tag) {
  auto& tags = *summary.mutable_tags();
  const auto at = std::lower_bound(tags.begin(), tags.end(), tag);
  if (at != tags.end() && *at == tag) return;
  insert_at(tags, at - tags.begin()) = tag;
  if (tags.size() > static_cast<int>(kTags)) {
    tags.RemoveLast();
    summary.set_flags(summary.flags() | kTruncated);
  }
}

void widen(records::Summary& summary, Nanos first, Nanos last, std::uint32_t priority) {
  const bool empty =
      summary.samples_size() == 0;  // every alert leaves a sample, or smaller ones were there
  summary.set_first(empty ? first : std::min(summary.first(), first));
  summary.set_last(empty ? last : std::max(summary.last(), last));
  summary.set_priority(empty ? priority : std::min(summary.priority(), priority));
}

void worsen(records::Summary& summary, const records::Loss& loss) {
  if (summary.has_loss())
    merge(*summary.mutable_loss(), loss);
  else
    *summary.mutable_loss() = loss;
}

}  // namespace

AlertEntry alert_entry(std::string_view alerts, std::size_t index) {
  const std::string_view entry = alerts.substr(index * kAlertEntryBytes, kAlertEntryBytes);
  CHECK(entry.size() == kAlertEntryBytes);
  std::uint64_t time = 0;
  for (std::size_t i = 0; i < 8; ++i)
    time = (time << 8) | static_cast<unsigned char>(entry[kIdBytes + i]);
  const auto last = static_cast<unsigned char>(entry[kIdBytes + 8]);
  return {.id = entry.substr(0, kIdBytes),
          .time = static_cast<Nanos>(time),
          .outcome = static_cast<Outcome>(last & ~kNativeId),
          .native_id = (last & kNativeId) != 0};
}

std::array<char, kAlertEntryBytes> encoded_alert_entry(const AlertEntry& entry) {
  CHECK(entry.id.size() == kIdBytes);
  std::array<char, kAlertEntryBytes> bytes{};
  char* to = std::copy_n(entry.id.data(), kIdBytes, bytes.data());
  for (int shift = 56; shift >= 0; shift -= 8)
    *to++ = static_cast<char>(static_cast<std::uint64_t>(entry.time) >> shift);
  *to = static_cast<char>(static_cast<unsigned>(entry.outcome) | (entry.native_id ? kNativeId : 0));
  return bytes;
}

void append_alert_entry(std::string& alerts, const AlertEntry& entry) {
  const auto bytes = encoded_alert_entry(entry);
  alerts.append(bytes.data(), bytes.size());
}

std::vector<std::string_view> split_alert_entries(std::string_view alerts) {
  std::vector<std::string_view> entries;
  entries.reserve(alerts.size() / kAlertEntryBytes);
  for (std::size_t at = 0; at < alerts.size(); at += kAlertEntryBytes)
    entries.push_back(alerts.substr(at, kAlertEntryBytes));
  return entries;
}

void leave_one_an_id(std::vector<std::string_view>& entries) {
  const auto same_id = [](std::string_view a, std::string_view b) {
    return a.substr(0, kIdBytes) == b.substr(0, kIdBytes);
  };
  entries.erase(std::unique(entries.begin(), entries.end(), same_id), entries.end());
}

void summarise(const Alert& alert, Nanos time, const Id128& id, Outcome outcome,
               records::Summary& summary) {
  widen(summary, time, time, static_cast<std::uint32_t>(alert.priority));
  summary.set_flags(summary.flags() | alert.flags);
  int at = 0;  // both are sorted by name, and most alerts of a sighting have the same fields
  for (const auto& [whole, value] : alert.fields) {
    const std::string_view name = cut_utf8(whole, kValueBytes);
    while (at < summary.fields_size() && summary.fields(at).field() < name) ++at;
    const bool known = at < summary.fields_size() && summary.fields(at).field() == name;
    add_value(known ? *summary.mutable_fields(at) : field_of(summary, name), value);
  }
  cap_fields(summary);
  const auto& samples = summary.samples();
  if (samples.size() < static_cast<int>(kSamples) || view(id) <= samples.rbegin()->id()) {
    records::Sample sample;
    sample.set_id(std::string(view(id)));
    sample.set_time(alert.time);
    sample.set_uuid(std::string(cut_utf8(alert.uuid, kSampleUuidBytes)));
    sample.set_output(std::string(cut_utf8(alert.output, kSampleOutputBytes)));
    sample.set_outcome(static_cast<std::uint32_t>(outcome));
    add_sample(summary, sample);
  }
  for (const std::string& tag : alert.tags) add_tag(summary, cut_utf8(tag, kValueBytes));
  if (const auto loss = loss_of(alert)) worsen(summary, *loss);
}

void add_value(records::Summary& into, std::string_view field, std::string_view value) {
  add_value(field_of(into, field), value);
  cap_fields(into);
}

void add_value(records::Values& into, std::string_view value) {
  value = cut_utf8(value, kValueBytes);
  auto& values = *into.mutable_values();
  if (std::find(values.begin(), values.end(), value) != values.end()) return;
  const auto rank = choice_rank(value);
  const auto at =
      std::lower_bound(values.begin(), values.end(), rank,
                       [](const std::string& a, const auto& key) { return choice_rank(a) < key; });
  insert_at(values, at - values.begin()) = std::string(value);
  if (values.size() > static_cast<int>(kValuesPerField)) {
    values.RemoveLast();
    into.set_capped(true);
  }
}

void merge(records::Values& into, const records::Values& from) {
  for (const std::string& value : from.values()) add_value(into, value);
  if (from.capped()) into.set_capped(true);
}

void merge(records::Summary& into, const records::Summary& from) {
  widen(into, from.first(), from.last(), from.priority());
  into.set_flags(into.flags() | from.flags());
  for (const records::Values& values : from.fields()) merge(field_of(into, values.field()), values);
  cap_fields(into);
  for (const records::Sample& sample : from.samples()) add_sample(into, sample);
  for (const std::string& tag : from.tags()) add_tag(into, tag);
  if (from.has_loss()) worsen(into, from.loss());
}

void thin(records::Summary& summary) {
  constexpr int kThinTags = 8;
  const auto leave = [](auto& all, int most) {
    if (all.size() > most) all.DeleteSubrange(most, all.size() - most);
  };
  for (records::Values& values : *summary.mutable_fields()) {
    if (values.values_size() <= 1) continue;
    leave(*values.mutable_values(), 1);
    values.set_capped(true);
  }
  leave(*summary.mutable_samples(), 1);
  leave(*summary.mutable_tags(), kThinTags);
  summary.set_flags(summary.flags() | kTruncated);
}

void merge(records::Counts& into, const records::Counts& from) {
  into.set_alerts(into.alerts() + from.alerts());
  into.set_duplicates(into.duplicates() + from.duplicates());
  into.set_late(into.late() + from.late());
  if (!from.has_outcome()) return;
  auto& outcome = *into.mutable_outcome();
  outcome.set_succeeded(outcome.succeeded() + from.outcome().succeeded());
  outcome.set_blocked(outcome.blocked() + from.outcome().blocked());
  outcome.set_unknown(outcome.unknown() + from.outcome().unknown());
}

void widen(records::Span& into, const records::Span& from) {
  const bool is_new = into.last() == 0;
  into.set_first(is_new ? from.first() : std::min(into.first(), from.first()));
  into.set_last(std::max(into.last(), from.last()));
  into.set_priority(is_new ? from.priority() : std::min(into.priority(), from.priority()));
}

void merge(records::Contribution& into, const records::Contribution& from) {
  records::Counts added = into.added();
  merge(added, from.added());
  std::optional<records::Span> span;
  if (into.has_span()) span = into.span();
  if (from.has_span()) widen(span ? *span : span.emplace(), from.span());
  if (from.second() >= into.second()) into = from;
  *into.mutable_added() = std::move(added);
  if (span) *into.mutable_span() = *std::move(span);
}

void count_outcome(Outcome outcome, records::OutcomeCounts& counts) {
  switch (outcome) {
    case Outcome::kSucceeded:
      return counts.set_succeeded(counts.succeeded() + 1);
    case Outcome::kBlocked:
      return counts.set_blocked(counts.blocked() + 1);
    case Outcome::kUnknown:
      return counts.set_unknown(counts.unknown() + 1);
  }
}

records::Counts plus_difference(const records::Counts& sum, const records::Counts& now,
                                const records::Counts& before) {
  records::Counts result;
  result.set_alerts(sum.alerts() + now.alerts() - before.alerts());
  result.set_duplicates(sum.duplicates() + now.duplicates() - before.duplicates());
  result.set_late(sum.late() + now.late() - before.late());
  auto& outcome = *result.mutable_outcome();
  const auto &of_sum = sum.outcome(), &of_now = now.outcome(), &of_before = before.outcome();
  outcome.set_succeeded(of_sum.succeeded() + of_now.succeeded() - of_before.succeeded());
  outcome.set_blocked(of_sum.blocked() + of_now.blocked() - of_before.blocked());
  outcome.set_unknown(of_sum.unknown() + of_now.unknown() - of_before.unknown());
  return result;
}

void merge(records::Sighting& into, const records::Sighting& from) {
  if (into.finding_key().empty()) {
    into = from;
    return;
  }
  CHECK(into.finding_key() == from.finding_key() && into.second() == from.second());
  merge(*into.mutable_summary(), from.summary());
  if (from.has_counts()) merge(*into.mutable_counts(), from.counts());
  into.set_arrivals(into.arrivals() + from.arrivals());
  into.set_heartbeat(into.heartbeat() && from.heartbeat());
  into.set_own_second(std::max(into.own_second(), from.own_second()));
  into.set_shape_version(std::max(into.shape_version(), from.shape_version()));

  const std::vector<std::string_view> left = split_alert_entries(into.alerts());
  const std::vector<std::string_view> right = split_alert_entries(from.alerts());
  std::vector<std::string_view> both;
  both.reserve(left.size() + right.size());
  std::merge(left.begin(), left.end(), right.begin(), right.end(), std::back_inserter(both));
  leave_one_an_id(both);
  std::string alerts;
  alerts.reserve(both.size() * kAlertEntryBytes);
  for (const std::string_view entry : both) alerts += entry;
  into.set_alerts(std::move(alerts));
}

const records::Values* find_field(const records::Summary& summary, std::string_view field) {
  const auto& fields = summary.fields();
  const auto found = position_of(fields, field);
  return found != fields.end() && found->field() == field ? &*found : nullptr;
}

std::string_view single(const records::Summary& summary, std::string_view field) {
  const records::Values* values = find_field(summary, field);
  return values != nullptr && values->values_size() == 1 && !values->capped()
             ? std::string_view(values->values(0))
             : std::string_view();
}

}  // namespace gyre::schemas
