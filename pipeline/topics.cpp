// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "base/error.h"
#include "pipeline/commands.h"
#include "pipeline/kafka_admin.h"
#include "pipeline/kafka_broker.h"
#include "pipeline/kafka_properties.h"
#include "pipeline/task.h"

namespace gyre::pipeline {
namespace {

using Settings = std::map<std::string, std::string>;

/// Of topics that others write or read: more partitions than consumers are likely to want at once.
constexpr std::int32_t kOutputPartitions = 8;
/// What a topic must take at once: Kafka's default, and a large dead letter with what frames it.
constexpr std::int64_t kBatchBytes = 1'048'588;
constexpr std::int64_t kDeadLetterBatchBytes = 10 << 20;
static_assert(kBatchBytes > kLargestRecord && kDeadLetterBatchBytes > kLargestDeadLetter);
/// Kafka deletes and compacts closed segments only. With its default, 1 GiB or a week, each of
/// dozens of partitions would keep that much of what is read or overwritten, and a restore read it.
constexpr const char* kSegmentBytes = "16777216";

/// Milliseconds. Ids are needed until the watermark, which is `lateness` behind, has passed them by
/// the horizon of event time, but are kept by the broker's clock; four times leaves room for a
/// standstill.
std::int64_t ids_retention(const Config& config) {
  constexpr Second kLeast = 4 * 3600;
  const auto& findings = config.findings;
  return std::max(kLeast, 4 * (findings.duplicate_horizon + findings.lateness)) * 1000;
}

}  // namespace

std::vector<TopicSpec> topic_specs(const Config& config) {
  const auto inner = [&](const std::string& name, Settings settings) {
    settings.insert({{"segment.bytes", kSegmentBytes}, {"retention.bytes", "-1"}});
    return TopicSpec{.name = name,
                     .partitions = config.inner.partitions,
                     .exact = true,
                     .replication_factor = config.inner.replication_factor,
                     .config = std::move(settings),
                     .at_least = {{"max.message.bytes", kBatchBytes}}};
  };
  // The brokers' stamps tell the engine what time it is, and how old a state is.
  const auto changelog = [&](const std::string& name, Settings settings) {
    settings.insert({{"cleanup.policy", "compact"}, {"message.timestamp.type", "LogAppendTime"}});
    TopicSpec spec = inner(name, std::move(settings));
    spec.at_least["delete.retention.ms"] = kTombstonesKept / 1'000'000;
    return spec;
  };
  // Stamped with the time of an event, a report about an old alert would fall to time retention at
  // once.
  const auto output = [&](const std::string& name, std::int64_t batch_bytes) {
    return TopicSpec{.name = name,
                     .partitions = kOutputPartitions,
                     .replication_factor = config.inner.replication_factor,
                     .config = {{"message.timestamp.type", "LogAppendTime"}},
                     .at_least = {{"max.message.bytes", batch_bytes}}};
  };
  TopicSpec input{
      .name = config.input.topic,
      .partitions = kOutputPartitions,
      .replication_factor = config.inner.replication_factor,
      .config = {},
      .create = false,
      .advised = {{"message.timestamp.type",
                   {"LogAppendTime",
                    "event times are clamped to the record's time, which its sender sets "
                    "now"}}}};
  // What is older counts as new once more.
  TopicSpec ids = inner(config.by_container_ids(), {{"cleanup.policy", "compact,delete"},
                                                    {"message.timestamp.type", "LogAppendTime"}});
  ids.at_least["retention.ms"] = ids_retention(config);
  std::vector<TopicSpec> specs = {
      input,
      // What is read is deleted by the engine; what is not read yet must never expire.
      inner(config.by_container_topic(), {{"cleanup.policy", "delete"}, {"retention.ms", "-1"}}),
      changelog(config.intake_changelog(), {}),
      changelog(config.by_container_changelog(), {}),
      ids,
      inner(config.by_rule_topic(), {{"cleanup.policy", "delete"}, {"retention.ms", "-1"}}),
      changelog(config.by_rule_changelog(), {}),
      output(config.input.dead_letter_topic, kDeadLetterBatchBytes),
  };
  for (const Output& reports : config.outputs) specs.push_back(output(reports.topic, kBatchBytes));
  return specs;
}

std::vector<TopicSpec> topics_to_run(const Config& config) {
  std::vector<TopicSpec> specs = topic_specs(config);
  if (std::ranges::all_of(config.stages, [&](const std::string& stage) {
        return stored_partitions(config, stage).empty();
      }))
    return specs;
  for (TopicSpec& spec : specs) {
    if (!spec.exact) continue;
    spec.create = false;
    spec.lost = "the state in " + config.state.directory +
                " was made with it. It was deleted, or kafka.brokers lead to another cluster. "
                "Restore it, or set kafka.brokers right; or start anew under another `name`, with "
                "another state.directory";
  }
  return specs;
}

int topics(const Config& config) {
  for (const std::string& line : ensure_topics(kafka_client(config), topic_specs(config), true))
    std::cout << line << '\n';
  std::cout.flush();
  return 0;
}

}  // namespace gyre::pipeline
