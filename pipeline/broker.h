// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "pipeline/alignment.h"

namespace gyre::pipeline {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// A record as consumed. Owned: it may outlive the next poll.
struct Record {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  Nanos timestamp =
      kNoTime;  ///< the broker's record timestamp (milliseconds precision); kNoTime if it has none
  bool log_append_time = false;  ///< stamped by the broker, not by the producer
  std::optional<std::string> key;
  std::optional<std::string> value;  ///< none: a tombstone
  Headers headers;
};

/// A record to be sent.
struct OutRecord {
  std::string topic;
  std::int32_t partition = -1;  ///< -1: murmur2 of the key, which must be there
  std::optional<std::string> key;
  std::optional<std::string> value;  ///< none: a tombstone
  Headers headers;
};

/// What the broker counts of a record: key, value and headers, names included.
std::size_t size_of(const OutRecord& record);
/// Throws Refusal if a topic that takes records of up to `largest` bytes cannot take this one.
void refuse_larger(const OutRecord& record, std::size_t largest);

/// The largest record of a topic with Kafka's default max.message.bytes, with room for what frames
/// it. Every value of ours but a dead letter is smaller by construction.
inline constexpr std::size_t kLargestRecord = 1'000'000;
/// Of the dead-letter topic, which is made to take more: it holds what others could send.
inline constexpr std::size_t kLargestDeadLetter = 10'000'000;

/// A topic that a stage writes to.
struct OutputTopic {
  std::string name;
  std::size_t largest_record = kLargestRecord;
};

/// The assignment this member holds since the last poll. `partitions` are of the stage's input
/// topic.
struct Assignment {
  std::vector<std::int32_t>
      partitions;  ///< all that are now ours, sorted; empty after a revocation
};

struct Poll {
  /// Set when the assignment changed. Then `records` is empty, no record of an older assignment
  /// will come, and none comes until `resume` was called with the start offsets of every partition
  /// of it.
  std::optional<Assignment> assignment;
  std::vector<Record> records;  ///< in offset order within a partition
};

struct BatchLimits {
  std::chrono::milliseconds wait{100};   ///< for the first record
  std::chrono::milliseconds linger{20};  ///< after the first record
  std::size_t records = 10'000;
  std::size_t bytes = 8'000'000;
  std::optional<Alignment> alignment;  ///< none: whatever has come first
};

/// What of an input partition poll has not handed out.
struct Unread {
  bool known = true;          ///< false: the partition's broker did not say where it ends
  std::int64_t records = 0;   ///< offsets up to the end, asked now; 0 where only markers are left
  std::optional<Nanos> next;  ///< the stamp of the first of them, if it has been fetched
};

struct PartitionOffset {
  std::int32_t partition = 0;
  std::int64_t next_offset = 0;  ///< the next to read: Kafka's meaning of a committed offset
};

/// What a partition holds: offsets [low, high).
struct LogRange {
  std::int64_t low = 0;
  std::int64_t high = 0;
};

using TopicPartition = std::pair<std::string, std::int32_t>;

/// Offsets [from, to) of a log.
struct LogPart {
  TopicPartition log;
  std::int64_t from = 0;
  std::int64_t to = 0;
};

/// One stage's client in one worker: one consumer in the stage's group and one transactional
/// producer, both with stable ids. One thread. Every call may throw Failure (roll back, call
/// `recover`, go on) or Refusal (end the process).
///
/// The order of calls of a batch: poll, begin, send..., commit. Never a transaction open across a
/// poll.
class Broker {
 public:
  virtual ~Broker() = default;

  virtual Poll poll(const BatchLimits& limits) = 0;
  /// Starts (again) reading the assigned partitions, each at its offset.
  virtual void resume(std::span<const PartitionOffset> from) = 0;

  virtual void begin() = 0;
  /// A record larger than its topic takes is a Refusal: read again, the batch would give the same
  /// one, and a rollback would stop the stage without a word.
  virtual void send(OutRecord record) = 0;
  /// Sends the input offsets in the transaction and commits it. Refused before it is sent if this
  /// consumer is not a living member of its group (rule T1 of the engine's design: a commit with
  /// generation -1 is not fenced). Returns, for each topic partition sent to in the transaction,
  /// the offset of its last record.
  virtual std::map<TopicPartition, std::int64_t> commit(
      std::span<const PartitionOffset> next_offsets) = 0;
  /// After a Failure: aborts what is open and, where the producer may be harmed, replaces it. The
  /// caller then recovers each task and calls `resume`.
  virtual void recover() = 0;

  /// The group's committed offsets of partitions of the input topic, waiting until no transaction
  /// is pending on any (rule T3). A partition that is left out: never committed.
  virtual std::map<std::int32_t, std::int64_t> committed(
      std::span<const std::int32_t> partitions) = 0;
  std::optional<std::int64_t> committed(std::int32_t partition);
  /// What partitions of any topic hold, to the high watermark (read_uncommitted): where a restore
  /// must arrive (rule T2).
  virtual std::map<TopicPartition, LogRange> ranges(std::span<const TopicPartition> logs) = 0;
  LogRange range(const std::string& topic, std::int32_t partition);
  /// Reads the committed records of each part, in order within it, until the position reaches its
  /// end, which is a high watermark that was asked for after `committed`. `apply` is told which of
  /// `parts` a record is of. Returns the offsets reached; none: the assignment changed meanwhile,
  /// as the next poll tells, and nobody needs the rest.
  virtual std::optional<std::vector<std::int64_t>> restore(
      std::span<const LogPart> parts,
      const std::function<void(std::size_t part, const Record&)>& apply) = 0;
  /// Of one log, to its high watermark of now.
  std::optional<std::int64_t> restore(const std::string& topic, std::int32_t partition,
                                      std::int64_t from,
                                      const std::function<void(const Record&)>& apply);
  /// Of the stage's input topic.
  virtual std::int32_t input_partitions() = 0;
  /// What partitions of the input topic hold. One that is left out: its leader does not answer now.
  virtual std::map<std::int32_t, LogRange> input_ranges(
      std::span<const std::int32_t> partitions) = 0;
  /// The records at these very offsets of the input topic, those that there are.
  virtual std::map<std::int32_t, Record> records_at(std::span<const PartitionOffset> offsets) = 0;
  /// Tells one cluster from another behind the same address; empty: not known.
  virtual std::string cluster_id() = 0;
  /// The brokers' clock: the stamp that one put on a record sent here (LogAppendTime), carried on
  /// since by a clock that nobody sets. kNoTime: no record was stamped yet. kEndOfTime: this broker
  /// has no clock.
  virtual Nanos time() = 0;
  /// First offset with a record timestamp at or after `time`; the end if none. For `input.start:
  /// TIME`.
  virtual std::int64_t offset_at(std::int32_t partition, Nanos time) = 0;
  virtual Unread unread(std::int32_t partition) = 0;
  /// The stamp of the record that poll will hand out next of a partition, if it has been fetched.
  virtual std::optional<Nanos> next_time(std::int32_t partition) = 0;
  /// Asks the brokers to delete what lies before each offset of the input topic, and does not wait.
  /// Never throws: failing costs disk space and is told by the next call. Empty: no problem so far.
  virtual std::string delete_before(std::span<const PartitionOffset> offsets) = 0;
  /// What other members have committed to some partitions of a topic since the last call; at first
  /// the last thousand records of each. Waits for nothing.
  virtual void follow(const std::string& topic, std::span<const std::int32_t> partitions,
                      const std::function<void(const Record&)>& each) = 0;
};

}  // namespace gyre::pipeline
