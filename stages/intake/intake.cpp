// SPDX-License-Identifier: Apache-2.0
#include "stages/intake/intake.h"

#include <algorithm>

#include "base/check.h"

namespace gyre::stages {

namespace {

std::string_view element_of(schemas::RecordHeaders headers) {
  for (const auto& [name, value] : headers)
    if (name == kElementHeader) return value;
  return {};
}

// Of two places in a record, whether the first is the second or in it.
bool is_within(std::string_view place, std::string_view outer) {
  return outer.empty() ||
         (place.starts_with(outer) && (place.size() == outer.size() || place[outer.size()] == '.'));
}

}  // namespace

Intake::Intake(schemas::ParseLimits limits, std::string tenant, std::string cluster,
               std::int32_t targets)
    : reader_(limits),
      tenant_(std::move(tenant)),
      cluster_(std::move(cluster)),
      targets_(targets),
      combiner_(targets) {
  CHECK(targets_ > 0);
}

void Intake::add(const IntakeRecord& record, SourceState& source) {
  Range& range =
      ranges_.try_emplace(record.partition, Range{record.offset, record.offset, {}}).first->second;
  range.next = record.offset + 1;
  source.next_offset = record.offset + 1;
  source.sent_to.resize(static_cast<std::size_t>(targets_));
  const std::string_view only = element_of(record.headers);
  const std::size_t dead_before = dead_letters_.size();
  std::size_t elements = 0;
  bool met = only.empty();
  reader_.open(record.value, record.headers);
  while (schemas::Reading* reading = reader_.next()) {
    ++elements;
    // What could not be read at all may hold several by now, or the other way round.
    const bool wanted = only.empty() || is_within(reading->place, only) ||
                        (reading->rejection && is_within(only, reading->place));
    if (!wanted || (reading->rest && !only.empty())) continue;
    met = true;
    if (reading->rejection) {
      std::string element = reading->rest ? std::string(kRestOfElements) : reading->place;
      if (is_within(only, element)) element = only;
      reject(record, std::move(*reading->rejection), std::move(element), source);
      continue;
    }
    source.counters.set_in(source.counters.in() + 1);
    const Nanos record_time =
        record.record_time == kNoTime ? reading->envelope_time : record.record_time;
    fold(reading->alert, record_time, record, source, range);
  }
  if (!met)
    reject(record,
           {schemas::ParseError::kNotAnAlert, "the record has no such element as its header " +
                                                  std::string(kElementHeader) + " names"},
           std::string(only), source);
  else if (only.empty() && elements == 1 && dead_letters_.size() > dead_before)
    dead_letters_.back().element.clear();
}

void Intake::reject(const IntakeRecord& record, schemas::Rejection rejection, std::string element,
                    SourceState& source) {
  source.counters.set_in(source.counters.in() + 1);
  source.counters.set_dead(source.counters.dead() + 1);
  dead_letters_.push_back(
      {.partition = record.partition,
       .offset = record.offset,
       .record_time = record.record_time,
       .error = std::string(schemas::to_string(rejection.error)),
       .detail = std::move(rejection.detail),
       .element = std::move(element),
       .value = std::string(record.value),
       .key = record.key ? std::optional<std::string>(*record.key) : std::nullopt,
       .headers = {record.headers.begin(), record.headers.end()}});
}

void Intake::fold(schemas::Alert& alert, Nanos record_time, const IntakeRecord& record,
                  SourceState& source, Range& range) {
  source.counters.set_sent(source.counters.sent() + 1);
  ++seen_.alerts[{alert.source, alert.priority}];

  understand(alert, record_time, {record.tenant, record.cluster, tenant_, cluster_}, hasher_, is_);
  source.progress = std::max(source.progress, is_.time);
  if (is_.entity.cluster() == schemas::kUnnamed) ++seen_.without_cluster;
  ++in_hand_.rules[is_.rule];
  ++in_hand_.clusters[is_.entity.cluster()];
  range.arrivals.resize(static_cast<std::size_t>(targets_));
  ++range.arrivals[static_cast<std::size_t>(combiner_.add(alert, is_))];
}

void Intake::tick(std::int32_t partition, Nanos progress, SourceState& source) {
  source.sent_to.resize(static_cast<std::size_t>(targets_));
  source.progress = std::max(source.progress, progress);
  ranges_.try_emplace(partition, Range{source.next_offset, source.next_offset, {}});
}

IntakeOutput Intake::finish(std::map<std::int32_t, SourceState>& sources,
                            std::int32_t source_partitions, std::string_view sender) {
  bool tell_all = false;
  for (const auto& [partition, range] : ranges_) {
    const Nanos progress = sources.at(partition).progress;
    if (progress == kNoTime) continue;
    const auto [told, first] = told_.try_emplace(partition, second_of(progress));
    if (first || told->second < second_of(progress)) tell_all = true;
    told->second = second_of(progress);
  }

  IntakeOutput output;
  output.dead_letters = std::move(dead_letters_);
  for (const auto& [rule, alerts] : in_hand_.rules) seen_.rules[rule] += alerts;
  for (const auto& [cluster, alerts] : in_hand_.clusters) seen_.clusters[cluster] += alerts;
  in_hand_ = {};
  std::vector<Combiner::Parts> by_target = combiner_.finish();
  for (std::int32_t target = 0; target < targets_; ++target) {
    auto& parts = by_target[static_cast<std::size_t>(target)];
    if (parts.empty() && !tell_all) continue;
    if (parts.empty()) parts.emplace_back();
    for (std::size_t part = 0; part < parts.size(); ++part) {
      records::Bundle bundle;  // without the sightings
      bundle.set_sources(source_partitions);
      bundle.set_sender(std::string(sender));
      bundle.set_part(static_cast<std::uint32_t>(part));
      bundle.set_parts(static_cast<std::uint32_t>(parts.size()));
      for (const auto& [partition, range] : ranges_) {
        SourceState& source = sources.at(partition);
        records::SourceRange& said = *bundle.add_ranges();
        said.set_partition(partition);
        said.set_first(range.first);
        said.set_next(range.next);
        said.set_progress(source.progress);
        said.set_arrivals(
            range.arrivals.empty() ? 0 : range.arrivals[static_cast<std::size_t>(target)]);
        if (part == 0) source.sent_to[static_cast<std::size_t>(target)] += said.arrivals();
        said.set_sent(source.sent_to[static_cast<std::size_t>(target)]);
      }
      bundle.AppendToString(&parts[part]);
      output.bundles.emplace_back(target, std::move(parts[part]));
    }
  }
  ranges_.clear();
  dead_letters_.clear();
  return output;
}

void Intake::reset() {
  combiner_.clear();
  ranges_.clear();
  dead_letters_.clear();
  told_.clear();  // whatever was told may have been rolled back
  seen_ = {};
  in_hand_ = {};
}

Intake::Seen Intake::take_seen() { return std::exchange(seen_, {}); }

}  // namespace gyre::stages
