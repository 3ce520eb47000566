// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "pipeline/memory_broker.h"
#include "pipeline/memory_coordinator.h"
#include "pipeline/memory_log.h"

namespace gyre::pipeline {

using memory::Kind;
using memory::Marker;
using memory::Partition;
using memory::Producer;

MemoryCluster::MemoryCluster() : impl_(std::make_shared<Impl>()) {}
MemoryCluster::~MemoryCluster() = default;

void MemoryCluster::create_topic(const std::string& name, std::int32_t partitions,
                                 std::size_t largest_record) {
  CHECK(partitions > 0);
  const auto count = static_cast<std::size_t>(partitions);
  const auto [topic, added] = impl_->topics.try_emplace(name, count);
  for (Partition& partition : topic->second) partition.largest_record = largest_record;
  if (!added && topic->second.size() != count) {
    throw Failure("topic " + name + " exists with " + std::to_string(topic->second.size()) +
                  " partitions, not " + std::to_string(partitions));
  }
}

std::int64_t MemoryCluster::append(const std::string& topic, std::int32_t partition,
                                   std::string value, Nanos timestamp, Headers headers,
                                   std::optional<std::string> key) {
  constexpr Nanos kMillisecond = 1'000'000;
  if (timestamp != kNoTime) {
    const Nanos rest = timestamp % kMillisecond;
    timestamp -= rest < 0 ? rest + kMillisecond : rest;
  }
  Partition& log = impl_->at(topic, partition);
  log.entries.push_back({.key = std::move(key),
                         .value = std::move(value),
                         .headers = std::move(headers),
                         .timestamp = timestamp});
  return log.high() - 1;
}

std::vector<Record> MemoryCluster::read(const std::string& topic, std::int32_t partition,
                                        std::int64_t from) const {
  const Partition& log = impl_->at(topic, partition);
  const std::int64_t end = log.stable();
  std::vector<Record> records;
  for (std::int64_t offset = log.next_data(std::max(from, log.low), end); offset < end;
       offset = log.next_data(offset + 1, end)) {
    records.push_back(memory::record_of(partition, offset, log.at(offset)));
  }
  return records;
}

std::int32_t MemoryCluster::partitions(const std::string& topic) const {
  return static_cast<std::int32_t>(impl_->topic(topic).size());
}

std::int64_t MemoryCluster::last_stable_offset(const std::string& topic,
                                               std::int32_t partition) const {
  return impl_->at(topic, partition).stable();
}

void MemoryCluster::set_id(std::string id) { impl_->cluster_id = std::move(id); }

void MemoryCluster::set_time(Nanos time) { impl_->time = time; }

std::optional<std::int64_t> MemoryCluster::committed(const std::string& group,
                                                     std::int32_t partition) const {
  const auto found = impl_->groups.find(group);
  if (found == impl_->groups.end() || !found->second.offsets.contains(partition))
    return std::nullopt;
  return found->second.offsets.at(partition);
}

void MemoryCluster::compact(const std::string& topic, std::int32_t partition,
                            Tombstones tombstones) {
  Partition& log = impl_->at(topic, partition);
  std::set<std::string> seen;
  for (std::int64_t offset = log.stable() - 1; offset >= log.low; --offset) {
    memory::Entry& entry = log.entries[static_cast<std::size_t>(offset - log.low)];
    if (log.next_data(offset, log.stable()) != offset) continue;
    const bool last = seen.insert(entry.key.value_or("")).second;
    // What is no data takes an offset and is seen by nobody, as what was compacted away.
    if (!last || (!entry.value && tombstones == Tombstones::kGone)) entry.kind = Kind::kCommit;
  }
}

void MemoryCluster::recreate_topic(const std::string& name) {
  for (Partition& log : impl_->topic(name)) {
    CHECK(log.undecided.empty());
    log = Partition{.largest_record = log.largest_record};
  }
  for (auto& [id, group] : impl_->groups)
    if (group.topic == name) group.offsets.clear();
}

void MemoryCluster::add_partitions(const std::string& name, std::int32_t partitions) {
  std::vector<Partition>& logs = impl_->topic(name);
  CHECK(static_cast<std::size_t>(partitions) > logs.size());
  logs.resize(static_cast<std::size_t>(partitions));
  for (auto& [id, group] : impl_->groups)
    if (group.topic == name && !group.members.empty()) impl_->rebalance(group);
}

void MemoryCluster::reset_offset(const std::string& group, std::int32_t partition,
                                 std::optional<std::int64_t> offset) {
  auto& offsets = impl_->groups.at(group).offsets;
  offsets.erase(partition);
  if (offset) offsets.emplace(partition, *offset);
}

void MemoryCluster::delete_records(const std::string& topic, std::int32_t partition,
                                   std::int64_t offset) {
  Partition& log = impl_->at(topic, partition);
  if (offset > log.high()) {
    throw Failure("delete records of " + topic + "-" + std::to_string(partition) + " before " +
                  std::to_string(offset) + ": the log ends at " + std::to_string(log.high()));
  }
  log.drop_before(offset);
}

void MemoryCluster::expire(const std::string& group, const std::string& id) {
  impl_->leave(group, id);
  const auto found = impl_->producers.find(id);
  if (found != impl_->producers.end() && found->second.session->group == group) time_out(id);
}

void MemoryCluster::time_out(const std::string& id) {
  const auto found = impl_->producers.find(id);
  if (found == impl_->producers.end()) return;
  impl_->end(found->second, Kind::kAbort);
  ++found->second.epoch;
}

void MemoryCluster::hold_markers(
    std::function<bool(const std::string& topic, std::int32_t partition)> held) {
  impl_->held = std::move(held);
}

void MemoryCluster::release_markers() {
  impl_->held = nullptr;
  for (const Marker& marker : std::exchange(impl_->held_markers, {})) impl_->write(marker);
}

void MemoryCluster::on_wait(std::function<void()> wait) { impl_->wait = std::move(wait); }

void MemoryCluster::on_commit(std::function<CommitFault(const std::string& id)> fault) {
  impl_->fault = std::move(fault);
}

void MemoryCluster::deliver_delayed() {
  for (const memory::EndRequest& request : std::exchange(impl_->delayed, {})) {
    Producer& producer = impl_->producers.at(request.id);
    if (producer.epoch == request.epoch) impl_->end(producer, Kind::kCommit);
  }
}

void MemoryCluster::set_reachable(const std::string& topic, std::int32_t partition,
                                  bool reachable) {
  impl_->at(topic, partition).reachable = reachable;
}

void MemoryCluster::drop_membership(const std::string& group, const std::string& id) {
  const auto session = impl_->leave(group, id);
  if (!session) return;
  session->generation = -1;
  session->member.clear();
}

}  // namespace gyre::pipeline
