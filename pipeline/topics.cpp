// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "base/error.h"
#include "pipeline/commands.h"
#include "pipeline/kafka_admin.h"
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
constexpr const char* kSmallSegment = "16777216";

/// Ids are needed for the horizon of event time, but are kept by the broker's clock; four times
/// leaves room for a standstill.
std::string ids_retention(const Config& config) {
  constexpr Second kLeast = 4 * 3600;
  return std::to_string(std::max(kLeast, 4 * config.findings.duplicate_horizon) * 1000);
}

}  // namespace

std::vector<TopicSpec> topic_specs(const Config& config) {
  const auto inner = [&](const std::string& name, Settings settings) {
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
  return {
      input,
      // What is read is deleted by the engine; what is not read yet must never expire.
      inner(config.by_container_topic(), {{"cleanup.policy", "delete"}, {"retention.ms", "-1"}}),
      // Few keys that are written with every batch: large segments would hold mostly dead records.
      changelog(config.intake_changelog(), {{"segment.bytes", kSmallSegment}}),
      changelog(config.by_container_changelog(), {}),
      inner(config.by_container_ids(), {{"cleanup.policy", "compact,delete"},
                                        {"retention.ms", ids_retention(config)},
                                        {"message.timestamp.type", "LogAppendTime"}}),
      inner(config.by_rule_topic(), {{"cleanup.policy", "delete"}, {"retention.ms", "-1"}}),
      changelog(config.by_rule_changelog(), {}),
      output(config.output.topic, kBatchBytes),
      output(config.output.dead_letter_topic, kDeadLetterBatchBytes),
  };
}

int topics(const Config& config) {
  const KafkaClient client{config.kafka.brokers, config.kafka.properties};
  for (const std::string& line : ensure_topics(client, topic_specs(config), true))
    std::cout << line << '\n';
  std::cout.flush();
  return 0;
}

}  // namespace gyre::pipeline
