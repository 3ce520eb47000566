// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/broker.h"
#include "pipeline/kafka_statistics.h"

namespace gyre::pipeline {

struct KafkaClient {
  std::string brokers;
  std::map<std::string, std::string> properties;  ///< the user's; the engine's own win
};

struct KafkaStage {
  std::string input_topic;
  std::string group;
  std::string id;  ///< transactional.id and group.instance.id, stable over restarts
  std::vector<OutputTopic> output_topics;  ///< warmed before the first transaction
  /// Called before the first request that needs the topics or that others notice; returns when it
  /// may be sent, and throws what forbids it. May be empty.
  std::function<void()> may_begin = {};
  /// Called with true before a wait for a broker, which may last as long as none answers, with
  /// false after it. May be empty.
  std::function<void(bool)> waits = {};
  /// Called every 5 s with what each client tells of itself. May be empty.
  std::function<void(const KafkaStatistics&)> observe = {};
};

/// Broker over librdkafka, with the settings of docs/decisions (static membership,
/// retry.backoff.ms=10, auto.offset.reset=error ...). Throws Failure if no broker can be reached or
/// a topic is missing, naming both.
std::unique_ptr<Broker> make_kafka_broker(const KafkaClient& client, const KafkaStage& stage);

/// A plain consumer of all partitions of a topic from the beginning, read_committed, for `gyre
/// reports`; calls `each`, until it returns false, and `caught_up` once the end of every partition
/// was seen; it ends there, or with `follow` goes on with what comes.
void read_topic(const KafkaClient& client, const std::string& topic, bool follow,
                const std::function<bool(const Record&)>& each,
                const std::function<void()>& caught_up);

/// A plain idempotent producer for `gyre generate`.
class KafkaWriter {
 public:
  KafkaWriter(const KafkaClient& client, std::string topic);
  ~KafkaWriter();
  void send(std::int32_t partition, std::string_view value);  ///< partition -1: round-robin
  void flush();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre::pipeline
