// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "pipeline/kafka_statistics.h"
#include "state/store.h"

namespace gyre::pipeline {

/// A loop of this process: one stage in one worker.
struct LoopId {
  std::string stage;
  int worker = 0;
  auto operator<=>(const LoopId&) const = default;
};

/// Where a task stands after its last commit.
struct TaskStatus {
  std::int64_t next_offset = 0;  ///< of its input partition, as checkpoint and group have it; 0: no
                                 ///< checkpoint yet
  std::int64_t changelog_offset = 0;  ///< K: its state equals the changelog below it
  Nanos stream_time = kNoTime;        ///< event time that all of its sources have reached
  std::int32_t held_by = -1;          ///< the source partition that is furthest behind; -1: unknown
  std::int64_t findings_open = 0;
  std::int64_t outbreaks_open = 0;
  state::Usage state;  ///< of its store
  bool stopped =
      false;  ///< of intake: its source partition is unread and brings nothing (ruling 19)
};

/// What this process does now: its loops, and the tasks they hold. Any thread.
class Status {
 public:
  using Clock = std::chrono::steady_clock;

  struct Task {
    std::string stage;
    std::int32_t partition = 0;
    int worker = 0;
    std::optional<TaskStatus> at;     ///< none: not recovered yet
    std::optional<std::int64_t> lag;  ///< records of its input partition still to be read
  };

  /// A loop that `ready` waits for.
  void expect(const LoopId& loop);
  void set_ready(const LoopId& loop, bool ready, std::string_view why_not);
  /// Every expected loop holds an assignment (which may be empty), has its tasks recovered and
  /// turned within the last 15 s; else false and which does not.
  std::pair<bool, std::string> ready(Clock::time_point now = Clock::now()) const;
  /// The loop begins a turn.
  void turned(const LoopId& loop, Clock::time_point now = Clock::now());
  /// It waits for a broker, however long that takes, or no more.
  void waits(const LoopId& loop, bool waits, Clock::time_point now = Clock::now());
  /// Each loop that began waits so, or was alive within the last 60 s; else false and which was
  /// not.
  std::pair<bool, std::string> healthy(Clock::time_point now = Clock::now()) const;

  /// A client of the loop's tells of itself.
  void kafka(const LoopId& loop, const KafkaStatistics& now);
  /// By stage and client, all workers together: the worst of times, the sum of the rest since the
  /// process began.
  std::map<std::pair<std::string, std::string>, KafkaStatistics> kafka() const;

  /// All that the loop holds from now on. What it held before is gone from here, unless another
  /// loop of this process has taken it since.
  void assigned(const LoopId& loop, std::span<const std::int32_t> partitions);
  /// Ignored for a task that is held no more.
  void task(const LoopId& loop, std::int32_t partition, const TaskStatus& at);
  void lag(const LoopId& loop, std::int32_t partition, std::int64_t records);
  /// Ordered by stage and partition.
  std::vector<Task> tasks() const;

  /// All of it as one JSON object; docs/metrics.md describes it.
  std::string json() const;

 private:
  struct Client {
    KafkaStatistics now;
    std::uint64_t timeouts_before = 0;  // of those that it took the place of
    std::uint64_t disconnects_before = 0;
  };
  struct Loop {
    bool ready = false;
    std::string why_not = "is starting";
    std::optional<Clock::time_point> turned;
    std::optional<Clock::time_point> alive;
    bool waits = false;
    std::map<std::string, Client> clients;  // consumer, producer
  };

  std::pair<bool, std::string> ready_locked(Clock::time_point now) const;
  Task* held(const LoopId& loop, std::int32_t partition);

  mutable std::mutex mutex_;
  std::map<LoopId, Loop> loops_;
  std::map<std::pair<std::string, std::int32_t>, Task> tasks_;
};

}  // namespace gyre::pipeline
