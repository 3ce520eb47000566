// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/log.h"
#include "pipeline/status.h"

namespace gyre::pipeline {

/// A committed revision.
struct Published {
  std::string kind;
  std::string attention;
  std::string reason;
  std::chrono::nanoseconds delay;  ///< from the second of event time whose decision it is
  /// Of a finding's first: its priority, and how long ago its first alert happened.
  std::optional<std::pair<std::string, std::chrono::nanoseconds>> opened = std::nullopt;
  std::vector<std::string_view> caps = {};  ///< the limits that it says were reached
};

/// The one place that logs and counts: one member function a fact, in the past tense. Any thread.
/// metric_list.h says what is counted. Labels come from fixed lists, or from the first values met;
/// what is beyond is `other`.
class Telemetry {
 public:
  /// `quiet`: warnings and errors only.
  explicit Telemetry(bool quiet = false);
  ~Telemetry();

  void started(std::string_view version);
  void stopping(std::string_view why);
  void alerts_read(const std::string& source, std::string_view priority, std::uint64_t count);
  void alerts_of_rule(const std::string& rule, std::uint64_t count);
  void alerts_of_cluster(const std::string& cluster, std::uint64_t count);
  /// Neither header, field nor config names their cluster. The first time it is also a warning.
  void alerts_without_cluster(const std::string& topic, std::uint64_t count);
  void dead_letter(const std::string& reason, std::uint64_t count);
  /// Deltas of one committed by_container batch.
  void folded(std::uint64_t alerts, std::uint64_t duplicates, std::uint64_t late,
              std::uint64_t heartbeats);
  void overflowed(std::uint64_t alerts);
  /// Of one committed by_rule batch.
  void contributions(std::uint64_t count);
  void replays_dropped(std::uint64_t bundles);
  void report_published(const Published& report);
  /// `took` from its first record to the commit, of which Kafka took `commit`.
  void batch_committed(std::string_view stage, std::size_t records, std::chrono::nanoseconds took,
                       std::chrono::nanoseconds commit);
  void batch_failed(std::string_view stage, std::string_view what);
  void assigned(const LoopId& loop, std::size_t partitions);
  /// All that a loop holds, at once.
  void tasks_recovered(std::string_view stage, std::size_t tasks, std::uint64_t records,
                       std::chrono::nanoseconds took);
  /// So many more records of changelogs were read; in offsets, so far, `read` of `of`.
  void restoring(std::string_view stage, std::uint64_t records, std::int64_t read, std::int64_t of);
  /// A task's state was wiped and read anew from the start of its changelog.
  void state_restored(std::string_view stage, std::int32_t partition, std::string_view because);
  /// Offsets [first, next) of the input were deleted unread and somebody said to go on without.
  void loss_accepted(const std::string& topic, std::int32_t partition, std::int64_t first,
                     std::int64_t next);
  /// The loss stands in a committed checkpoint.
  void input_lost(std::int64_t records);
  void info(std::string_view sentence);
  void warn(std::string_view sentence);
  void error(std::string_view sentence);

  /// What is going on now; the gauges of /metrics are made of it.
  Status& status();
  const Status& status() const;
  /// Prometheus text exposition.
  std::string metrics() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre::pipeline
