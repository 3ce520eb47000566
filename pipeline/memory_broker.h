// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/broker.h"

namespace gyre::pipeline {

/// What happens to the request that ends a transaction, for tests of rules T3 and T4.
enum class CommitFault {
  kNone,
  kDelayed,    ///< it arrives at `deliver_delayed` only; the caller gets a Failure, offsets stay
               ///< pending
  kReplyLost,  ///< it is decided, yet the caller gets a Failure and the request comes once more
               ///< later
  kRepeated,   ///< it is decided and the caller told so, but its connection broke on the way: the
               ///< request was sent twice, and the first comes once more later
};

/// An in-process log with the semantics of Kafka that matter here: partitions and offsets,
/// transactions whose control markers become visible partition by partition and take an offset
/// each, last stable offset, pending offsets, groups with generations and static members (range
/// assignment), producer fencing by epoch. It serves replay, the demo and the tests; it is not
/// Kafka.
///
/// Deterministic: nothing here reads a clock or draws a number; records sent by a Broker have no
/// timestamp. One thread, or a caller that serialises.
class MemoryCluster {
 public:
  MemoryCluster();
  ~MemoryCluster();

  /// `largest_record` binds what a Broker sends, not what is appended.
  void create_topic(const std::string& name, std::int32_t partitions,
                    std::size_t largest_record = kLargestRecord);
  /// Appends outside any transaction (a producer that is not ours). Returns the offset.
  std::int64_t append(const std::string& topic, std::int32_t partition, std::string value,
                      Nanos timestamp, Headers headers = {},
                      std::optional<std::string> key = std::nullopt);
  /// All records of a partition that a read_committed reader sees now, from `from`.
  std::vector<Record> read(const std::string& topic, std::int32_t partition,
                           std::int64_t from = 0) const;
  std::int32_t partitions(const std::string& topic) const;
  std::int64_t last_stable_offset(const std::string& topic, std::int32_t partition) const;
  /// Where a group reads on; none: it never committed.
  std::optional<std::int64_t> committed(const std::string& group, std::int32_t partition) const;
  /// What brokers say of who they are; by default nothing.
  void set_id(std::string id);
  /// What brokers say of their clock; kEndOfTime, the default: they have none.
  void set_time(Nanos time);
  /// Leaves of each key its last committed record: what compaction does. In the long run it leaves
  /// no tombstone either.
  enum class Tombstones { kKept, kGone };
  void compact(const std::string& topic, std::int32_t partition,
               Tombstones tombstones = Tombstones::kGone);
  /// Makes a topic anew, empty. Groups forget its offsets.
  void recreate_topic(const std::string& name);
  /// A topic gets more partitions.
  void add_partitions(const std::string& name, std::int32_t partitions);
  /// The group forgets its offsets, as after a week without members; or they are set by hand.
  void reset_offset(const std::string& group, std::int32_t partition,
                    std::optional<std::int64_t> offset);
  /// Drops what lies before `offset`, as DeleteRecords does.
  void delete_records(const std::string& topic, std::int32_t partition, std::int64_t offset);

  /// A member of `group` with one consumer and one producer. A second one with the same id fences
  /// the first, as Kafka does with a static member and a transactional id: the first then fails
  /// with Failure at its next poll, send or commit, and `recover` refuses. The producer's identity
  /// is `id` alone, whatever the group. Destroying a Broker is a crash: nobody is told, see
  /// `expire`.
  std::unique_ptr<Broker> connect(const std::string& group, const std::string& input_topic,
                                  const std::string& id);
  /// The member is gone without a word: the group gives its partitions to the others, its open
  /// transaction is aborted. If its Broker lives on, its next poll joins again.
  void expire(const std::string& group, const std::string& id);
  /// The coordinator gives up on the open transaction of a member that may well be alive, and
  /// fences its producer.
  void time_out(const std::string& id);

  /// For tests: while set, a transaction is decided at the coordinator and the marker of the
  /// group's offsets is written, but the markers of the named data partitions stay unwritten until
  /// `release_markers`, which also ends the holding. That is the hole of rule T2.
  void hold_markers(std::function<bool(const std::string& topic, std::int32_t partition)> held);
  void release_markers();
  /// For tests: called where Kafka would be waited for: `committed` while offsets are pending in an
  /// undecided transaction (rule T3), `restore` while the last stable offset is below the high
  /// watermark (rule T2), `begin` while markers of the producer's last transaction are unwritten.
  /// It must move things on (release markers, deliver a commit, expire a member); without it, or if
  /// it changes nothing, the call throws Failure.
  void on_wait(std::function<void()> wait);
  /// For tests: asked at every commit, after its offsets were sent and before the transaction ends.
  void on_commit(std::function<CommitFault(const std::string& id)> fault);
  /// For tests: the delayed and repeated requests of `CommitFault` arrive now. Each ends whatever
  /// transaction its producer has open, if the epoch is still the same (rule T4).
  void deliver_delayed();
  /// For tests: an unreachable partition hands out nothing and does not say where it ends: its
  /// broker is gone.
  void set_reachable(const std::string& topic, std::int32_t partition, bool reachable);
  /// For tests: the group drops the member, and its consumer, no longer a member, shows generation
  /// -1 as librdkafka does (rule T1). Its open transaction stays open. Its next poll joins again.
  void drop_membership(const std::string& group, const std::string& id);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
  friend class MemoryBroker;
};

}  // namespace gyre::pipeline
