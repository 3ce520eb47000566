// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "pipeline/broker.h"
#include "pipeline/task.h"
#include "pipeline/telemetry.h"

namespace gyre::pipeline {

/// One stage's loop: one transaction per batch, never open across a poll; state is written after
/// the commit. One thread.
class Worker {
 public:
  Worker(LoopId loop, Broker& broker, StageTasks& tasks, Telemetry& telemetry, BatchLimits limits);

  /// One batch, the life of which is this function. False if there was nothing to do.
  bool run_once();
  /// After a Failure: everything since the last commit is undone, and every task restored.
  void recover();
  /// Has deleted, of an input that nobody else reads, what was committed since the last call.
  void delete_read();
  /// run_once until `stop`, with recovery and back-off. A Refusal ends it.
  void run(const std::atomic<bool>& stop,
           const std::function<void(std::chrono::milliseconds)>& wait);

 private:
  void take(const Assignment& assignment);
  void resume();
  void tell(std::int32_t partition);
  void measure_lag();

  LoopId loop_;
  Broker& broker_;
  StageTasks& tasks_;
  Telemetry& telemetry_;
  BatchLimits limits_;
  std::vector<std::int32_t> partitions_;
  std::map<std::int32_t, std::int64_t> read_;  ///< committed, but not deleted yet
};

}  // namespace gyre::pipeline
