// SPDX-License-Identifier: Apache-2.0
#include "pipeline/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "pipeline/crash_point.h"

namespace gyre::pipeline {

namespace {

// Outputs, changelog and offsets in one transaction.
std::map<TopicPartition, std::int64_t> commit(Broker& broker, Outbox& outbox) {
#ifdef GYRE_CHAOS
  if (commits_apart()) return commit_apart(broker, outbox.records, outbox.offsets);
#endif
  broker.begin();
  for (OutRecord& record : outbox.records) broker.send(std::move(record));
  return broker.commit(outbox.offsets);
}

}  // namespace

Worker::Worker(LoopId loop, Broker& broker, StageTasks& tasks, Telemetry& telemetry,
               BatchLimits limits)
    : loop_(std::move(loop)),
      broker_(broker),
      tasks_(tasks),
      telemetry_(telemetry),
      limits_(limits) {}

bool Worker::run_once() {
  // 1. Poll a batch. Assignments change here and nowhere else, so no transaction is ever open when
  // one does.
  const Poll polled = broker_.poll(tasks_.plan(limits_, broker_));
  if (polled.assignment) {
    take(*polled.assignment);
    return true;
  }
  const auto began = std::chrono::steady_clock::now();
  GYRE_CRASH_POINT("polled");

  // 2. Decide all of it; what changes stays in the tasks' transactions.
  Outbox outbox = tasks_.decide(polled.records, broker_);
  if (outbox.offsets.empty()) return false;
  GYRE_CRASH_POINT("decided");

  // 3. Everything that leaves the process becomes visible at once, or nothing of it.
  const auto decided = std::chrono::steady_clock::now();
  const auto sent = commit(broker_, outbox);
  const auto committed = std::chrono::steady_clock::now();
  GYRE_CRASH_POINT("committed");

  // 4. Only now the state: it equals the changelog up to here.
  tasks_.apply(sent, broker_.time());
  GYRE_CRASH_POINT("applied");
  for (const PartitionOffset& offset : outbox.offsets) {
    read_[offset.partition] = offset.next_offset;
    tell(offset.partition);
  }
  telemetry_.batch_committed(loop_.stage, polled.records.size(), committed - began,
                             committed - decided);
  return true;
}

void Worker::take(const Assignment& assignment) {
  telemetry_.status().set_ready(loop_, false, "recovering its tasks");
  partitions_ = assignment.partitions;
  telemetry_.status().assigned(loop_, partitions_);
  GYRE_CRASH_POINT("assigned");
  telemetry_.assigned(loop_, partitions_.size());
  resume();
}

// If the assignment changes while the tasks recover, the next poll tells of another one.
void Worker::resume() {
  const auto offsets = tasks_.assign(partitions_, broker_);
  if (!offsets) return;
  broker_.resume(*offsets);
  for (const std::int32_t partition : partitions_) tell(partition);
  telemetry_.status().set_ready(loop_, true, "");
}

void Worker::tell(std::int32_t partition) {
  telemetry_.status().task(loop_, partition, tasks_.status(partition));
}

void Worker::measure_lag() {
  for (const std::int32_t partition : partitions_)
    if (const Unread unread = broker_.unread(partition); unread.known)
      telemetry_.status().lag(loop_, partition, unread.records);
}

void Worker::delete_read() {
  if (!tasks_.owns_input() || read_.empty()) return;
  std::vector<PartitionOffset> offsets;
  for (const auto& [partition, next] : std::exchange(read_, {}))
    offsets.push_back({partition, next});
  if (const std::string problem = broker_.delete_before(offsets); !problem.empty())
    telemetry_.warn(fmt::format("What was read is not deleted stage={} what={}", loop_.stage,
                                pipeline::quoted(problem)));
}

void Worker::recover() {
  telemetry_.status().set_ready(loop_, false, "recovering from a failure");
  tasks_.rollback();
  broker_.recover();
  resume();
}

void Worker::run(const std::atomic<bool>& stop,
                 const std::function<void(std::chrono::milliseconds)>& wait) {
  constexpr std::chrono::milliseconds kFirstBackoff{100};
  constexpr std::chrono::milliseconds kLastBackoff{10'000};
  constexpr std::chrono::seconds kMeasureEvery{1};
  constexpr std::chrono::seconds kDeleteEvery{30};
  std::chrono::milliseconds backoff = kFirstBackoff;
  bool broken = false;
  auto measured = std::chrono::steady_clock::now();
  auto deleted = measured;
  telemetry_.status().set_ready(loop_, false, "waits for its partitions");
  while (!stop) {
    telemetry_.status().turned(loop_);
    try {
      if (broken) recover();
      broken = false;
      run_once();
      if (const auto now = std::chrono::steady_clock::now(); now - measured >= kMeasureEvery) {
        measure_lag();
        measured = now;
        if (now - deleted >= kDeleteEvery) {
          delete_read();
          deleted = now;
        }
      }
      backoff = kFirstBackoff;
    } catch (const Failure& failure) {
      // The one place where a failing world is caught: the batch is rolled back and read again.
      telemetry_.batch_failed(loop_.stage, failure.what());
      broken = true;
      wait(backoff);
      backoff = std::min(backoff * 2, kLastBackoff);
    }
  }
}

}  // namespace gyre::pipeline
