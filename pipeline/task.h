// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pipeline/broker.h"
#include "pipeline/config.h"
#include "pipeline/telemetry.h"
#include "schemas/records.pb.h"
#include "stages/by_container/stage.h"
#include "stages/intake/intake.h"
#include "stages/report/playbook.h"
#include "state/store.h"
#include "state/transaction.h"

namespace gyre::pipeline {

/// What a decided batch wants sent and committed.
struct Outbox {
  std::vector<OutRecord>
      records;  ///< in the order of sending; a task's checkpoint is its last changelog record
  std::vector<PartitionOffset> offsets;  ///< of the stage's input; empty: nothing to commit
};

/// The only clock that touches data (DESIGN 6): the time of ticks, and the limit of CreateTime
/// stamps. kNoTime: no ticks.
using Clock = std::function<Nanos()>;

/// The tasks of one stage that this worker holds: one per input partition, each with its store. One
/// thread.
class StageTasks {
 public:
  virtual ~StageTasks() = default;

  /// Opens the stores of partitions that are likely to be assigned first.
  virtual void open(std::span<const std::int32_t> partitions) = 0;
  /// Makes `partitions` the ones held: recovers each (its store equals the changelog afterwards,
  /// and its checkpoint the committed offset, else Refusal) and returns where to read on. None: the
  /// assignment changed meanwhile, as the next poll tells.
  virtual std::optional<std::vector<PartitionOffset>> assign(
      std::span<const std::int32_t> partitions, Broker& broker) = 0;
  /// What the next batch may hold, for the stages that care.
  virtual BatchLimits plan(const BatchLimits& limits, Broker&) { return limits; }
  /// Whether the input is a topic of the engine's own: nobody else reads it, so what is committed
  /// can be deleted.
  virtual bool owns_input() const = 0;
  /// Decides a batch: changes wait in the tasks' transactions.
  virtual Outbox decide(const std::vector<Record>& records, Broker& broker) = 0;
  /// The batch was committed: the state follows. `sent` holds the offset of the last record by
  /// topic partition, `now` is the brokers' clock.
  virtual void apply(const std::map<TopicPartition, std::int64_t>& sent, Nanos now) = 0;
  virtual void rollback() = 0;
  /// Of a task held.
  virtual TaskStatus status(std::int32_t partition) const = 0;
  /// Sums over the tasks held.
  virtual records::Counters counters() const = 0;
};

struct TaskOptions {
  const Config& config;
  const state::StoreMemory& memory;
  Telemetry& telemetry;
  Clock clock;
  std::string client_id;
  bool in_memory = false;  ///< stores live in memory only
  /// The clock is event time itself: it clamps nothing (ruling 7).
  bool replay = false;
};

std::unique_ptr<StageTasks> make_intake_tasks(const TaskOptions& options);
std::unique_ptr<StageTasks> make_container_tasks(const TaskOptions& options,
                                                 const stages::Playbooks& playbooks);
std::unique_ptr<StageTasks> make_rule_tasks(const TaskOptions& options);

/// How long a changelog keeps a tombstone, at the least (delete.retention.ms, verified with the
/// topics). A store that followed its changelog last half that time ago may miss the end of a key:
/// the tombstone is gone, and so is the key, from the log alone.
inline constexpr Nanos kTombstonesKept = 24 * 3600 * kNanosPerSecond;

/// A changelog of a task. `own` maps a record's key to the store's key; none: not this task's.
struct Changelog {
  std::string topic;
  std::int32_t partition;
  std::string_view name;  ///< state::kChangelog or state::kIds
  std::function<std::optional<std::string>(const std::string& key)> own;
};
/// A task's store, and all changelogs that it is the fold of.
struct Following {
  std::int32_t partition;  ///< the task's
  state::Store* store;
  std::vector<Changelog> changelogs;
};
struct Restored {
  std::string_view wiped;     ///< why it was restored from the start; empty: it was not
  std::uint64_t records = 0;  ///< of changelogs that were read
};
/// Reads every changelog of a stage's tasks into their stores, all at once, from the offset that a
/// store remembers to the high watermark (rules T2, T3 of the engine's design: after `committed`
/// was asked). A store that belongs to another log or was away for too long is wiped and restored
/// from the start. One that knows more than the log is a Refusal: the log has lost what it still
/// has. `now` is the clock; kNoTime: there is none. Returns as many as `tasks`; none: the
/// assignment changed meanwhile, and each store has what it remembers to have.
std::optional<std::vector<Restored>> restore_tasks(Broker& broker, const std::string& stage,
                                                   std::span<const Following> tasks, Nanos now,
                                                   Telemetry& telemetry);

/// The partitions of which a state directory holds the stage's state.
std::vector<std::int32_t> stored_partitions(const Config& config, const std::string& stage);
using Stores = std::map<std::int32_t, std::unique_ptr<state::Store>>;  ///< by partition

/// The stores of a stage's tasks, opened ahead of their assignment or with it.
class OpenedStores {
 public:
  OpenedStores(const TaskOptions& options, std::string stage)
      : options_(options), stage_(std::move(stage)) {}
  void open(std::span<const std::int32_t> partitions);
  /// Hands out those of `partitions`, and closes all others.
  Stores take(std::span<const std::int32_t> partitions);

 private:
  const TaskOptions& options_;
  std::string stage_;
  Stores opened_;
};

/// When a store that is written now will have followed its changelog, by the clock of the brokers
/// and ours: the earlier one, so that a wrong clock costs a restore and nothing else.
inline Nanos follow_time(Nanos brokers, Nanos ours) { return std::min(brokers, ours); }

/// Runs `decide`, which may refuse to read on. A Refusal becomes a Failure if another member has
/// gone on with the task since `committed` was asked: a member that was thought dead while it
/// restored has old offsets and an old store, what it would read may be deleted, and it has no
/// reason to end.
void refuse_unless_overtaken(Broker& broker, std::int32_t partition,
                             std::optional<std::int64_t> committed, std::string_view task,
                             const std::function<void()>& decide);

template <typename Value>
std::optional<Value> find(const std::map<std::int32_t, Value>& map, std::int32_t partition) {
  const auto found = map.find(partition);
  return found == map.end() ? std::nullopt : std::optional(found->second);
}

/// Where a recovered task reads on: its checkpoint's offset, which must be the committed one and
/// lie in what the input holds (`range`; none: unknown). None: a first start. `reset` is what
/// `how_to_reset` says.
std::optional<std::int64_t> resume_offset(const state::Transaction& state,
                                          std::optional<std::int64_t> committed,
                                          const std::optional<LogRange>& range,
                                          std::string_view task, std::string_view reset);
/// In a sentence that goes on with the option that says where to.
std::string how_to_reset(const Config& config, const std::string& stage, const std::string& topic,
                         std::int32_t partition);

}  // namespace gyre::pipeline
