// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/broker.h"

namespace gyre::pipeline {

/// An in-process log with the semantics of Kafka that matter here: partitions and offsets, transactions whose control markers become
/// visible partition by partition and take an offset each, last stable offset, pending offsets, groups with generations and static
/// members (range assignment), producer fencing by epoch. It serves replay, the demo and the tests; it is not Kafka.
///
/// Deterministic: nothing here reads a clock or draws a number. One thread, or a caller that serialises.
class MemoryCluster {
 public:
  MemoryCluster();
  ~MemoryCluster();

  void create_topic(const std::string& name, std::int32_t partitions);
  /// Appends outside any transaction (a producer that is not ours). Returns the offset.
  std::int64_t append(const std::string& topic, std::int32_t partition, std::string value, Nanos timestamp,
                      Headers headers = {}, std::optional<std::string> key = std::nullopt);
  /// All records of a partition that a read_committed reader sees now, from `from`.
  std::vector<Record> read(const std::string& topic, std::int32_t partition, std::int64_t from = 0) const;
  std::int32_t partitions(const std::string& topic) const;
  std::int64_t last_stable_offset(const std::string& topic, std::int32_t partition) const;
  /// Drops what lies before `offset`, as DeleteRecords does.
  void delete_records(const std::string& topic, std::int32_t partition, std::int64_t offset);

  /// A member of `group` with one consumer and one producer. A second one with the same id fences the first, as Kafka does with a
  /// static member and a transactional id: the first then fails with Failure at its next commit.
  std::unique_ptr<Broker> connect(const std::string& group, const std::string& input_topic, const std::string& id);
  /// The member is gone without a word: the group gives its partitions to the others, its open transaction is aborted.
  void expire(const std::string& group, const std::string& id);

  /// For tests: while set, a commit decides at the coordinator and writes the marker of the group's offsets, but the markers of the
  /// named data partitions stay unwritten until `release_markers`. That is the hole of rule T2.
  void hold_markers(std::function<bool(const std::string& topic, std::int32_t partition)> held);
  void release_markers();
  /// For tests: while set, `committed` sees offsets pending in an undecided transaction and calls this instead of waiting (rule T3);
  /// the callback must decide the transaction, else the call throws Failure.
  void on_pending_offsets(std::function<void()> wait);
  /// For tests: a consumer of `id` that is not (or no longer) a member shows generation -1, as librdkafka does (rule T1).
  void drop_membership(const std::string& group, const std::string& id);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
  friend class MemoryBroker;
};

}  // namespace gyre::pipeline
