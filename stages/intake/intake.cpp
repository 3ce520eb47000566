// SPDX-License-Identifier: Apache-2.0
#include "stages/intake/intake.h"

#include <algorithm>

#include "base/check.h"
#include "schemas/shape.h"
#include "schemas/sighting.h"
#include "stages/intake/understand.h"

namespace gyre::stages {

namespace {

constexpr std::size_t kBundleBytes = 512 << 10;
// A sighting of more alerts is continued by another one: its ids alone would fill a bundle.
constexpr std::size_t kSightingBytes = 8192 * schemas::kAlertEntryBytes;

std::string_view element_of(schemas::RecordHeaders headers) {
  for (const auto& [name, value] : headers)
    if (name == kElementHeader) return value;
  return {};
}

void sort_by_id(std::string& alerts) {
  std::vector<schemas::AlertEntry> entries;
  for (std::size_t i = 0; i < alerts.size() / schemas::kAlertEntryBytes; ++i)
    entries.push_back(schemas::alert_entry(alerts, i));
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  entries.erase(std::unique(entries.begin(), entries.end(),
                            [](const auto& a, const auto& b) { return a.id == b.id; }),
                entries.end());
  std::string sorted;
  sorted.reserve(alerts.size());
  for (const auto& entry : entries) schemas::append_alert_entry(sorted, entry);
  alerts = std::move(sorted);
}

}  // namespace

Intake::Intake(schemas::ParseLimits limits, std::string tenant, std::string cluster,
               std::int32_t targets)
    : reader_(limits), tenant_(std::move(tenant)), cluster_(std::move(cluster)), targets_(targets) {
  CHECK(targets_ > 0);
}

void Intake::add(const IntakeRecord& record, SourceState& source) {
  Range& range =
      ranges_.try_emplace(record.partition, Range{record.offset, record.offset, {}}).first->second;
  range.next = record.offset + 1;
  source.next_offset = record.offset + 1;
  source.sent_to.resize(static_cast<std::size_t>(targets_));
  const std::size_t dead_before = dead_letters_.size();
  const std::string_view only = element_of(record.headers);
  std::size_t elements = 0;
  reader_.open(record.value, record.headers);
  while (schemas::Reading* reading = reader_.next()) {
    const std::size_t element = elements++;
    if (!only.empty() && only != std::to_string(element)) continue;
    source.counters.set_in(source.counters.in() + 1);
    if (reading->rejection) {
      source.counters.set_dead(source.counters.dead() + 1);
      dead_letters_.push_back(
          {.partition = record.partition,
           .offset = record.offset,
           .record_time = record.record_time,
           .error = std::string(schemas::to_string(reading->rejection->error)),
           .detail = reading->rejection->detail,
           .element = reading->rest ? "rest" : std::to_string(element),
           .value = std::string(record.value),
           .key = record.key ? std::optional<std::string>(*record.key) : std::nullopt,
           .headers = {record.headers.begin(), record.headers.end()}});
      continue;
    }
    const Nanos record_time =
        record.record_time == kNoTime ? reading->envelope_time : record.record_time;
    fold(reading->alert, record_time, record, source, range);
  }
  if (elements > 1) return;
  for (std::size_t i = dead_before; i < dead_letters_.size(); ++i) dead_letters_[i].element.clear();
}

void Intake::fold(schemas::Alert& alert, Nanos record_time, const IntakeRecord& record,
                  SourceState& source, Range& range) {
  source.counters.set_sent(source.counters.sent() + 1);
  ++seen_.alerts[{alert.source, alert.priority}];

  Understanding is =
      understand(alert, record_time, {record.tenant, record.cluster, tenant_, cluster_}, hasher_);
  source.progress = std::max(source.progress, is.time);
  if (is.entity.cluster() == schemas::kUnnamed) ++seen_.without_cluster;

  const Second second = second_of(is.time);
  std::string index_key(view(is.finding_key));
  index_key.append(reinterpret_cast<const char*>(&second), sizeof second);
  const auto target = static_cast<std::int32_t>(
      schemas::entity_partition(is.entity, static_cast<std::uint32_t>(targets_)));
  auto [at, added] = index_.try_emplace(std::move(index_key), sightings_.size());
  if (!added && sightings_[at->second].second->alerts().size() >= kSightingBytes) {
    at->second = sightings_.size();
    added = true;
  }
  if (added) {
    auto& fresh = *google::protobuf::Arena::CreateMessage<records::Sighting>(&memory());
    fresh.set_finding_key(std::string(view(is.finding_key)));
    *fresh.mutable_entity() = std::move(is.entity);
    fresh.set_rule(std::move(is.rule));
    fresh.set_source(std::move(is.source));
    fresh.set_shape(std::move(is.shape));
    fresh.set_shape_version(schemas::kShapeVersion);
    fresh.set_second(second);
    fresh.set_heartbeat(is.heartbeat);
    sightings_.emplace_back(target, &fresh);
  }
  records::Sighting& sighting = *sightings_[at->second].second;
  schemas::summarise(alert, is.time, is.duplicate_id, is.outcome.outcome,
                     *sighting.mutable_summary());
  schemas::append_alert_entry(*sighting.mutable_alerts(),
                              {view(is.duplicate_id), alert.time, is.outcome.outcome});
  sighting.set_arrivals(sighting.arrivals() + 1);
  ++range.arrivals[target];
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
  std::vector<std::vector<records::Sighting*>> by_target(static_cast<std::size_t>(targets_));
  for (auto& [target, sighting] : sightings_) {
    sort_by_id(*sighting->mutable_alerts());
    seen_.rules[sighting->rule()] += sighting->arrivals();
    seen_.clusters[sighting->entity().cluster()] += sighting->arrivals();
    by_target[static_cast<std::size_t>(target)].push_back(sighting);
  }
  for (std::int32_t target = 0; target < targets_; ++target) {
    auto& sightings = by_target[static_cast<std::size_t>(target)];
    if (sightings.empty() && !tell_all) continue;
    const auto make = [&] {
      return google::protobuf::Arena::CreateMessage<records::Bundle>(&memory());
    };
    std::vector<records::Bundle*> parts = {make()};
    std::size_t bytes = 0;
    for (records::Sighting* sighting : sightings) {
      const std::size_t size = sighting->ByteSizeLong();
      if (bytes > 0 && bytes + size > kBundleBytes) {
        parts.push_back(make());
        bytes = 0;
      }
      bytes += size;
      parts.back()->mutable_sightings()->UnsafeArenaAddAllocated(sighting);
    }
    for (std::size_t part = 0; part < parts.size(); ++part) {
      records::Bundle& bundle = *parts[part];
      bundle.set_sources(source_partitions);
      bundle.set_sender(std::string(sender));
      bundle.set_part(static_cast<std::uint32_t>(part));
      bundle.set_parts(static_cast<std::uint32_t>(parts.size()));
      for (const auto& [partition, range] : ranges_) {
        SourceState& source = sources.at(partition);
        records::SourceRange& said = *bundle.add_ranges();
        const auto arrivals = range.arrivals.find(target);
        said.set_partition(partition);
        said.set_first(range.first);
        said.set_next(range.next);
        said.set_progress(source.progress);
        said.set_arrivals(arrivals == range.arrivals.end() ? 0 : arrivals->second);
        if (part == 0) source.sent_to[static_cast<std::size_t>(target)] += said.arrivals();
        said.set_sent(source.sent_to[static_cast<std::size_t>(target)]);
      }
      output.bundles.emplace_back(target, &bundle);
    }
  }
  output.memory = std::move(memory_);
  sightings_.clear();
  index_.clear();
  ranges_.clear();
  dead_letters_.clear();
  return output;
}

google::protobuf::Arena& Intake::memory() {
  if (!memory_) {
    google::protobuf::ArenaOptions options;
    options.start_block_size = 16 << 10;
    options.max_block_size = 1 << 20;
    memory_ = std::make_unique<google::protobuf::Arena>(options);
  }
  return *memory_;
}

void Intake::reset() {
  sightings_.clear();
  memory_.reset();
  index_.clear();
  ranges_.clear();
  dead_letters_.clear();
  told_.clear();  // whatever was told may have been rolled back
  seen_ = {};
}

Intake::Seen Intake::take_seen() { return std::exchange(seen_, {}); }

}  // namespace gyre::stages
