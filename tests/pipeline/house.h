// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <array>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/time.h"
#include "pipeline/memory_broker.h"
#include "pipeline/task.h"
#include "pipeline/worker.h"

/// The whole of Gyre on the embedded broker, for tests that step it: processes of all stages, a
/// clock that stands still unless it is moved.
namespace gyre::pipeline {

inline void create_topics(MemoryCluster& cluster, const Config& config, std::int32_t sources) {
  cluster.create_topic(config.input.topic, sources);
  for (const std::string& topic :
       {config.by_container_topic(), config.intake_changelog(), config.by_container_changelog(),
        config.by_container_ids(), config.by_rule_topic(), config.by_rule_changelog()})
    cluster.create_topic(topic, config.inner.partitions);
  for (const Output& output : config.outputs) cluster.create_topic(output.topic, 2);
  cluster.create_topic(config.input.dead_letter_topic, 2, kLargestDeadLetter);
}

/// An alert of container `container` of `host`. Its text differs by time alone.
inline std::string alert(Nanos time, int container, int host = 0, int rule = 0) {
  return fmt::format(
      R"({{"rule":"Rule {}","time":"{}","priority":"Critical","output":"o","hostname":"node-{}",)"
      R"("output_fields":{{"container.id":"c0ffee00{:04}","evt.type":"execve","proc.cmdline":"sh -c x","proc.name":"sh"}}}})",
      rule, format_rfc3339(time), host, container);
}

/// What outlives a process, without a disk. Room for what a test writes: nothing is ever flushed.
using DiskInMemory = std::shared_ptr<const state::StoreMemory>;
inline DiskInMemory make_disk() {
  return std::make_shared<state::StoreMemory>(256 << 20, state::StoreMemory::Disk::kNone);
}

/// In the order of an alert's way.
inline constexpr std::array<const char*, 3> kStageNames = {"intake", "by_container", "by_rule"};

/// One process: all stages, one worker each. Its state outlives it where the disk does.
struct Process {
  using Wrap = std::function<std::unique_ptr<Broker>(std::unique_ptr<Broker>)>;

  Process(
      MemoryCluster& cluster, const Config& config, const stages::Playbooks& playbooks,
      const std::string& id, const Nanos& clock, DiskInMemory with_disk = make_disk(),
      const BatchLimits& limits = {},
      const Wrap& wrap = [](std::unique_ptr<Broker> broker) { return broker; })
      : disk(std::move(with_disk)),
        intake_broker(
            wrap(cluster.connect(config.group("intake"), config.input.topic, id + "-intake"))),
        container_broker(wrap(cluster.connect(config.group("by_container"),
                                              config.by_container_topic(), id + "-by_container"))),
        rule_broker(wrap(
            cluster.connect(config.group("by_rule"), config.by_rule_topic(), id + "-by_rule"))),
        options{.config = config,
                .memory = *disk,
                .telemetry = telemetry,
                .clock = [&clock] { return clock; },
                .client_id = id},
        intake_tasks(make_intake_tasks(options)),
        container_tasks(make_container_tasks(options, playbooks)),
        rule_tasks(make_rule_tasks(options)),
        intake({"intake"}, *intake_broker, *intake_tasks, telemetry, limits),
        by_container({"by_container"}, *container_broker, *container_tasks, telemetry, limits),
        by_rule({"by_rule"}, *rule_broker, *rule_tasks, telemetry, limits) {}

  /// As kStageNames.
  std::array<Worker*, 3> workers() { return {&intake, &by_container, &by_rule}; }

  /// One batch of each stage, with recovery as the loop does it. False: there was nothing to do.
  bool step() {
    bool worked = false;
    for (Worker* worker : workers()) {
      try {
        worked |= worker->run_once();
      } catch (const Failure&) {
        worker->recover();
        worked = true;
      }
    }
    return worked;
  }

  DiskInMemory disk;
  Telemetry telemetry{true};
  std::unique_ptr<Broker> intake_broker;
  std::unique_ptr<Broker> container_broker;
  std::unique_ptr<Broker> rule_broker;
  TaskOptions options;
  std::unique_ptr<StageTasks> intake_tasks;
  std::unique_ptr<StageTasks> container_tasks;
  std::unique_ptr<StageTasks> rule_tasks;
  Worker intake;
  Worker by_container;
  Worker by_rule;
};

/// The committed records of a topic as (key, value).
inline std::multiset<std::pair<std::string, std::string>> content(const MemoryCluster& cluster,
                                                                  const std::string& topic) {
  std::multiset<std::pair<std::string, std::string>> all;
  for (std::int32_t partition = 0; partition < cluster.partitions(topic); ++partition)
    for (const Record& record : cluster.read(topic, partition))
      all.emplace(record.key.value_or(""), record.value.value_or(""));
  return all;
}

}  // namespace gyre::pipeline
