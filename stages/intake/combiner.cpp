// SPDX-License-Identifier: Apache-2.0
#include "stages/intake/combiner.h"

#include <algorithm>

#include "base/check.h"
#include "schemas/identity.h"
#include "schemas/shape.h"
#include "schemas/sighting.h"
#include "schemas/sighting_bytes.h"

namespace gyre::stages {

namespace {

using records::Bundle;
using records::Sighting;

// A sighting of more alerts is continued by another one: its ids alone would fill a bundle.
constexpr std::size_t kSightingBytes = 8192 * schemas::kAlertEntryBytes;

void sort_by_id(std::string& alerts) {
  if (alerts.size() <= schemas::kAlertEntryBytes) return;
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

const Combined& Combiner::add(const schemas::Alert& alert, const Understanding& is) {
  const Second second = second_of(is.time);
  auto [at, added] = index_.try_emplace({is.finding_key, second}, sightings_.size());
  if (!added && sightings_[at->second].alerts.size() >= kSightingBytes) {
    at->second = sightings_.size();
    added = true;
  }
  Combined& sighting = added ? open(is, second) : sightings_[at->second];
  if (added) {
    schemas::append_summary(alert, is.time, is.duplicate_id, is.outcome.outcome, sighting.summary);
  } else {
    if (!sighting.merged) {
      sighting.merged = std::make_unique<records::Summary>();
      CHECK(sighting.merged->ParseFromString(sighting.summary));
    }
    schemas::summarise(alert, is.time, is.duplicate_id, is.outcome.outcome, *sighting.merged);
  }
  schemas::append_alert_entry(sighting.alerts,
                              {view(is.duplicate_id), alert.time, is.outcome.outcome});
  ++sighting.arrivals;
  return sighting;
}

Combined& Combiner::open(const Understanding& is, Second second) {
  Combined& sighting = sightings_.emplace_back();
  sighting.target = static_cast<std::int32_t>(
      schemas::entity_partition(is.entity, static_cast<std::uint32_t>(targets_)));
  sighting.rule = is.rule;
  sighting.cluster = is.entity.cluster();
  sighting.heartbeat = is.heartbeat;
  schemas::WireWriter head(sighting.head);
  head.text(Sighting::kFindingKeyFieldNumber, view(is.finding_key));
  head.message(Sighting::kEntityFieldNumber, is.entity);
  head.text(Sighting::kRuleFieldNumber, is.rule);
  head.text(Sighting::kSourceFieldNumber, is.source);
  head.text(Sighting::kShapeFieldNumber, is.shape);
  head.number(Sighting::kShapeVersionFieldNumber, schemas::kShapeVersion);
  head.number(Sighting::kSecondFieldNumber, static_cast<std::uint64_t>(second));
  return sighting;
}

std::string_view Combiner::encoded(Combined& sighting) {
  if (sighting.merged) {
    sighting.summary.clear();
    sighting.merged->AppendToString(&sighting.summary);
  }
  sort_by_id(sighting.alerts);
  schemas::WireWriter tail(sighting.head);
  tail.begin(Sighting::kSummaryFieldNumber, sighting.summary.size());
  sighting.head += sighting.summary;
  tail.text(Sighting::kAlertsFieldNumber, sighting.alerts);
  tail.number(Sighting::kArrivalsFieldNumber, sighting.arrivals);
  tail.number(Sighting::kHeartbeatFieldNumber, sighting.heartbeat ? 1 : 0);
  buffer_.clear();
  schemas::WireWriter(buffer_).begin(Bundle::kSightingsFieldNumber, sighting.head.size());
  return buffer_ += sighting.head;
}

void Combiner::clear() {
  index_.clear();
  sightings_.clear();
}

}  // namespace gyre::stages
