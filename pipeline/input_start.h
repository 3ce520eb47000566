// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "pipeline/broker.h"
#include "pipeline/task.h"
#include "state/transaction.h"

namespace gyre::pipeline {

/// Where intake reads a partition of the input on.
struct InputStart {
  std::int64_t next_offset = 0;
  std::int64_t lost = 0;  ///< offsets before it that were deleted unread, a loss accepted by hand
  bool fresh = false;     ///< a first start: `next_offset` is nowhere written yet
};

/// What Kafka says of a partition of the input.
struct InputFacts {
  std::optional<std::int64_t> committed;  ///< none: never
  std::optional<LogRange> range;          ///< none: its leader does not answer
  std::optional<Record> last;             ///< the record before the checkpoint's offset
};
/// Where the record lies by which the topic is known again; none: it is not to be asked for.
std::optional<PartitionOffset> last_record_of(const records::Checkpoint& checkpoint,
                                              std::int32_t partition,
                                              const std::optional<LogRange>& range);

/// Decides it from the task's checkpoint and what Kafka says. Partition numbers and offsets say
/// nothing of which topic they belong to, so the checkpoint also names the topic and remembers the
/// last record. Throws Refusal, with the cure, where going on would lose, skip or double records:
/// the topic is another one or was made anew, its records were deleted unread, offsets were set by
/// hand, the clock is far behind.
InputStart input_start(const TaskOptions& options, const state::Transaction& state,
                       const InputFacts& facts, std::int32_t partition, Broker& broker);

/// By which a checkpoint knows the last record again.
std::string fingerprint(const Record& record);

/// The changelog partition in which a partition of the input has its checkpoint.
inline std::int32_t intake_changelog_partition(const Config& config, std::int32_t partition) {
  return partition % config.inner.partitions;
}

}  // namespace gyre::pipeline
