// SPDX-License-Identifier: Apache-2.0
#include "pipeline/memory_broker.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "pipeline/memory_coordinator.h"
#include "pipeline/memory_log.h"

namespace gyre::pipeline {

using memory::Entry;
using memory::Kind;
using memory::Partition;
using memory::Producer;
using memory::Session;

class MemoryBroker final : public Broker {
 public:
  MemoryBroker(std::shared_ptr<MemoryCluster::Impl> cluster, std::shared_ptr<Session> session)
      : cluster_(std::move(cluster)), session_(std::move(session)) {}

  Poll poll(const BatchLimits& limits) override;
  void resume(std::span<const PartitionOffset> from) override;
  void begin() override;
  void send(OutRecord record) override;
  std::map<TopicPartition, std::int64_t> commit(
      std::span<const PartitionOffset> next_offsets) override;
  void recover() override;
  using Broker::committed;
  using Broker::restore;
  std::map<std::int32_t, std::int64_t> committed(std::span<const std::int32_t> partitions) override;
  std::map<TopicPartition, LogRange> ranges(std::span<const TopicPartition> logs) override;
  std::optional<std::vector<std::int64_t>> restore(
      std::span<const LogPart> parts,
      const std::function<void(std::size_t, const Record&)>& apply) override;
  std::int32_t input_partitions() override {
    return static_cast<std::int32_t>(cluster_->topic(session_->topic).size());
  }
  std::map<std::int32_t, LogRange> input_ranges(std::span<const std::int32_t> partitions) override;
  std::map<std::int32_t, Record> records_at(std::span<const PartitionOffset> offsets) override;
  std::string cluster_id() override { return cluster_->cluster_id; }
  Nanos time() override { return cluster_->time; }
  std::int64_t offset_at(std::int32_t partition, Nanos time) override;
  Unread unread(std::int32_t partition) override;
  std::optional<Nanos> next_time(std::int32_t partition) override;
  std::string delete_before(std::span<const PartitionOffset> offsets) override;
  void follow(const std::string& topic, std::span<const std::int32_t> partitions,
              const std::function<void(const Record&)>& each) override;

 private:
  std::vector<Record> take(const BatchLimits& limits);
  Partition& within(const std::string& topic, std::int32_t partition, std::int64_t offset);

  std::shared_ptr<MemoryCluster::Impl> cluster_;
  std::shared_ptr<Session> session_;
  std::vector<std::int32_t> assigned_;              // as last told by poll
  std::map<std::int32_t, std::int64_t> positions_;  // of the resumed ones
  std::map<TopicPartition, std::int64_t> followed_;
  std::size_t turn_ = 0;
  bool open_ = false;
  bool harmed_ = false;  // an end request of this epoch may still be under way: rule T4
};

Poll MemoryBroker::poll(const BatchLimits& limits) {
  CHECK(!open_);
  Session& session = *session_;
  if (session.fenced) {
    throw Failure("poll: another client has taken the id " + session.id + " (FENCED_INSTANCE_ID)");
  }
  if (!cluster_->is_member(session)) cluster_->join(session_);
  Poll result;
  if (session.announce) {
    session.announce = false;
    session.generation = cluster_->groups.at(session.group).generation;
    session.member = session.id;
    assigned_ = session.partitions;
    positions_.clear();
    result.assignment = Assignment{assigned_};
  } else {
    result.records = take(limits);
  }
  return result;
}

std::vector<Record> MemoryBroker::take(const BatchLimits& limits) {
  struct Source {
    const Partition* log;
    std::int64_t* position;
    std::int64_t end;
  };
  std::vector<Source> sources;
  std::vector<SourceView> views;
  const auto view = [](std::int32_t partition, const Source& source) {
    if (!source.log->reachable) return SourceView{.partition = partition, .next = {}};
    if (*source.position < source.end)
      *source.position = source.log->next_data(*source.position, source.end);
    if (*source.position >= source.end)
      return SourceView{.partition = partition, .next = {}, .finished = true};
    return SourceView{.partition = partition, .next = source.log->at(*source.position).timestamp};
  };
  for (auto& [partition, position] : positions_) {
    const Partition& log = within(session_->topic, partition, position);
    sources.push_back({&log, &position, log.stable()});
    views.push_back(view(partition, sources.back()));
  }
  std::vector<Record> records;
  std::size_t bytes = 0;
  while (records.size() < limits.records) {
    const auto next = next_source(views, turn_, limits.alignment);
    if (!next) break;
    const Source& source = sources[*next];
    const Entry& entry = source.log->at(*source.position);
    bytes += memory::size_of(entry);
    if (!records.empty() && bytes > limits.bytes) break;
    records.push_back(memory::record_of(views[*next].partition, (*source.position)++, entry));
    views[*next] = view(views[*next].partition, source);
    turn_ = *next + 1;
  }
  return records;
}

Partition& MemoryBroker::within(const std::string& topic, std::int32_t partition,
                                std::int64_t offset) {
  Partition& log = cluster_->at(topic, partition);
  if (offset < log.low || offset > log.high()) {
    throw Failure("offset " + std::to_string(offset) + " of " + topic + "-" +
                  std::to_string(partition) + " is out of range: the log holds [" +
                  std::to_string(log.low) + ", " + std::to_string(log.high()) + ")");
  }
  return log;
}

void MemoryBroker::resume(std::span<const PartitionOffset> from) {
  for (const auto& [partition, offset] : from) {
    CHECK(std::binary_search(assigned_.begin(), assigned_.end(), partition));
    within(session_->topic, partition, offset);
  }
  for (const auto& [partition, offset] : from) positions_[partition] = offset;
}

void MemoryBroker::begin() {
  CHECK(!open_);
  cluster_->producer_of(*session_);
  if (std::exchange(harmed_, false)) cluster_->init(session_);
  if (cluster_->completing(*session_) && (!cluster_->waited() || cluster_->completing(*session_))) {
    throw Failure("begin: the last transaction of " + session_->id +
                  " lacks markers (CONCURRENT_TRANSACTIONS)");
  }
  cluster_->producer_of(*session_).transaction = ++cluster_->transactions;
  open_ = true;
}

void MemoryBroker::send(OutRecord record) {
  CHECK(open_);
  Producer& producer = cluster_->producer_of(*session_);
  const std::size_t count = cluster_->topic(record.topic).size();
  if (record.partition < 0) {
    CHECK(record.key);
    record.partition = static_cast<std::int32_t>((murmur2(*record.key) & 0x7fffffff) % count);
  }
  Partition& log = cluster_->at(record.topic, record.partition);
  refuse_larger(record, log.largest_record);
  const std::int64_t offset = log.high();
  log.undecided.try_emplace(producer.transaction, offset);
  log.entries.push_back({.key = std::move(record.key),
                         .value = std::move(record.value),
                         .headers = std::move(record.headers),
                         .producer = producer.number,
                         .transaction = producer.transaction,
                         .epoch = producer.epoch});
  producer.last[{std::move(record.topic), record.partition}] = offset;
}

std::map<TopicPartition, std::int64_t> MemoryBroker::commit(
    std::span<const PartitionOffset> next_offsets) {
  CHECK(open_);
  if (session_->generation < 0 || session_->member.empty()) {
    throw Failure("commit of " + session_->id + " not sent: not a member of group " +
                  session_->group + " (generation " + std::to_string(session_->generation) +
                  "); the group would not fence it");
  }
  cluster_->send_offsets(*session_, next_offsets);
  const auto hook = cluster_->fault;
  const CommitFault fault = hook ? hook(session_->id) : CommitFault::kNone;
  if (fault != CommitFault::kNone) {
    harmed_ = true;
    cluster_->delayed.push_back({session_->id, session_->epoch});
  }
  if (fault != CommitFault::kDelayed) {
    Producer& producer = cluster_->producer_of(*session_);
    auto last = producer.last;
    cluster_->end(producer, Kind::kCommit);
    if (fault == CommitFault::kNone || fault == CommitFault::kRepeated) {
      open_ = false;
      return last;
    }
  }
  throw Failure("commit of " + session_->id + ": no answer; it may or may not be committed");
}

void MemoryBroker::recover() {
  if (session_->fenced) {
    throw Refusal("another client uses the id " + session_->id +
                  ": two would fence each other for ever; give each its own instance name");
  }
  Producer& producer = cluster_->producers.at(session_->id);
  if (harmed_ || producer.epoch != session_->epoch) {
    cluster_->init(session_);
  } else {
    cluster_->end(producer, Kind::kAbort);
  }
  harmed_ = false;
  open_ = false;
  positions_.clear();
}

std::map<std::int32_t, std::int64_t> MemoryBroker::committed(
    std::span<const std::int32_t> partitions) {
  const memory::Group& group = cluster_->groups.at(session_->group);
  const auto pending = [&] {
    return std::ranges::any_of(group.pending, [&](const auto& one) {
      return std::ranges::any_of(partitions, [&](auto p) { return one.second.contains(p); });
    });
  };
  if (pending() && (!cluster_->waited() || pending())) {
    throw Failure("committed offsets of " + session_->topic + " in group " + session_->group +
                  ": pending in a transaction that nobody decides (UNSTABLE_OFFSET_COMMIT)");
  }
  std::map<std::int32_t, std::int64_t> offsets;
  for (const std::int32_t partition : partitions) {
    cluster_->at(session_->topic, partition);
    const auto found = group.offsets.find(partition);
    if (found != group.offsets.end()) offsets.insert(*found);
  }
  return offsets;
}

std::map<TopicPartition, LogRange> MemoryBroker::ranges(std::span<const TopicPartition> logs) {
  std::map<TopicPartition, LogRange> ranges;
  for (const auto& [topic, partition] : logs) {
    const Partition& log = cluster_->at(topic, partition);
    ranges[{topic, partition}] = {log.low, log.high()};
  }
  return ranges;
}

std::optional<std::vector<std::int64_t>> MemoryBroker::restore(
    std::span<const LogPart> parts, const std::function<void(std::size_t, const Record&)>& apply) {
  std::vector<std::int64_t> positions;
  for (const auto& [where, from, to] : parts) {
    Partition& log = within(where.first, where.second, from);
    std::int64_t position = from;
    for (;;) {
      const std::int64_t end = std::min(log.stable(), to);
      while ((position = log.next_data(position, end)) < end) {
        apply(positions.size(), memory::record_of(where.second, position, log.at(position)));
        ++position;
      }
      if (position >= to) break;
      if (!cluster_->waited() || log.stable() <= position) {
        throw Failure("restore of " + where.first + "-" + std::to_string(where.second) +
                      " stands at " + std::to_string(position) + " below the high watermark " +
                      std::to_string(to) + ": a transaction that nobody decides");
      }
      // Who waits hears of the group.
      if (session_->announce || !cluster_->is_member(*session_)) return std::nullopt;
    }
    positions.push_back(position);
  }
  return positions;
}

std::map<std::int32_t, LogRange> MemoryBroker::input_ranges(
    std::span<const std::int32_t> partitions) {
  std::map<std::int32_t, LogRange> ranges;
  for (const std::int32_t partition : partitions) {
    const Partition& log = cluster_->at(session_->topic, partition);
    if (log.reachable) ranges[partition] = {log.low, log.high()};
  }
  return ranges;
}

std::map<std::int32_t, Record> MemoryBroker::records_at(std::span<const PartitionOffset> offsets) {
  std::map<std::int32_t, Record> records;
  for (const auto& [partition, offset] : offsets) {
    const Partition& log = cluster_->at(session_->topic, partition);
    if (offset >= log.low && offset < log.stable() && log.next_data(offset, log.stable()) == offset)
      records[partition] = memory::record_of(partition, offset, log.at(offset));
  }
  return records;
}

std::int64_t MemoryBroker::offset_at(std::int32_t partition, Nanos time) {
  const Partition& log = cluster_->at(session_->topic, partition);
  for (std::int64_t offset = log.low; offset < log.high(); ++offset) {
    const Entry& entry = log.at(offset);
    if (entry.kind == Kind::kData && entry.timestamp >= time) return offset;
  }
  return log.high();
}

Unread MemoryBroker::unread(std::int32_t partition) {
  const Partition& log = cluster_->at(session_->topic, partition);
  const auto position = positions_.find(partition);
  if (!log.reachable || position == positions_.end() || position->second < log.low)
    return {.known = false};
  return {.known = true,
          .records = log.high() - log.next_data(position->second, log.high()),
          .next = next_time(partition)};
}

std::optional<Nanos> MemoryBroker::next_time(std::int32_t partition) {
  const Partition& log = cluster_->at(session_->topic, partition);
  const auto position = positions_.find(partition);
  if (!log.reachable || position == positions_.end() || position->second < log.low)
    return std::nullopt;
  const std::int64_t next = log.next_data(position->second, log.stable());
  return next < log.stable() ? std::optional(log.at(next).timestamp) : std::nullopt;
}

std::string MemoryBroker::delete_before(std::span<const PartitionOffset> offsets) {
  for (const auto& [partition, offset] : offsets)
    cluster_->at(session_->topic, partition).drop_before(offset);
  return {};
}

void MemoryBroker::follow(const std::string& topic, std::span<const std::int32_t> partitions,
                          const std::function<void(const Record&)>& each) {
  constexpr std::int64_t kFollowed = 1000;
  for (const std::int32_t partition : partitions) {
    const Partition& log = cluster_->at(topic, partition);
    std::int64_t& position =
        followed_.try_emplace({topic, partition}, log.high() - kFollowed).first->second;
    position = std::max(position, log.low);
    const std::int64_t end = log.stable();
    while ((position = log.next_data(position, end)) < end) {
      each(memory::record_of(partition, position, log.at(position)));
      ++position;
    }
  }
}

std::unique_ptr<Broker> MemoryCluster::connect(const std::string& group,
                                               const std::string& input_topic,
                                               const std::string& id) {
  impl_->topic(input_topic);
  auto session = std::make_shared<Session>();
  session->group = group;
  session->topic = input_topic;
  session->id = id;
  impl_->init(session);
  impl_->join(session);
  return std::make_unique<MemoryBroker>(impl_, std::move(session));
}

}  // namespace gyre::pipeline
