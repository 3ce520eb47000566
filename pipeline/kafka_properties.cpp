// SPDX-License-Identifier: Apache-2.0
#include "pipeline/kafka_properties.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "pipeline/config.h"
#include "pipeline/kafka_handles.h"

namespace gyre::pipeline {

std::string property_name(std::string_view spelled) {
  static const std::map<std::string, std::string, std::less<>> aliases = {
      {"bootstrap.servers", "metadata.broker.list"},
      {"max.in.flight", "max.in.flight.requests.per.connection"},
      {"max.partition.fetch.bytes", "fetch.message.max.bytes"},
      {"sasl.mechanism", "sasl.mechanisms"},
      {"linger.ms", "queue.buffering.max.ms"},
      {"retries", "message.send.max.retries"},
      {"compression.type", "compression.codec"},
      {"acks", "request.required.acks"},
      {"delivery.timeout.ms", "message.timeout.ms"},
      {"auto.commit.enable", "enable.auto.commit"},
  };
  constexpr std::string_view kTopic = "topic.";
  while (spelled.starts_with(kTopic)) spelled.remove_prefix(kTopic.size());
  const auto alias = aliases.find(spelled);
  return alias == aliases.end() ? std::string(spelled) : alias->second;
}

const std::map<std::string, std::string>& owned_properties() {
  static const std::string kOffsets = "offsets are committed in the transaction only";
  static const std::string kIds = "derived from name, instance and stage, stable over restarts";
  static const std::string kTransactions = "set by the transactional producer";
  static const std::map<std::string, std::string> properties = {
      {"metadata.broker.list", "set kafka.brokers"},
      {"client.id", kIds},
      {"group.id", kIds},
      {"group.instance.id", kIds},
      {"transactional.id", kIds},
      {"enable.auto.commit", kOffsets},
      {"enable.auto.offset.store", kOffsets},
      {"auto.commit.interval.ms", kOffsets},
      {"isolation.level", "aborted records must never be seen"},
      {"auto.offset.reset", "a lost position must stop the engine, not replay or skip the topic"},
      {"partition.assignment.strategy", "static members with range see no rebalance on a restart"},
      {"enable.partition.eof", "restores end by it"},
      {"allow.auto.create.topics", "a mistyped topic must not come into being"},
      {"transaction.timeout.ms", "how long a dead process may hold up readers"},
      {"enable.idempotence", kTransactions},
      {"enable.gapless.guarantee", kTransactions},
      {"request.required.acks", kTransactions},
      {"message.send.max.retries", kTransactions},
      {"max.in.flight.requests.per.connection", kTransactions},
      {"message.timeout.ms", kTransactions},
      {"queuing.strategy", kTransactions},
      {"socket.max.fails",
       "a request without an answer must cost the connection, which is counted"},
      {"message.max.bytes", "larger records are refused before they can abort a transaction"},
      {"batch.size", "a batch must be no larger than every topic takes"},
      {"delivery.report.only.error", "checkpoints are made of the offsets delivered"},
      {"partitioner", "keys are placed by murmur2, as Java clients do"},
  };
  return properties;
}

bool is_secret(const std::string& property) {
  const auto has = [&](std::string_view part) { return property.find(part) != std::string::npos; };
  return has("password") || has("secret") || has("token") || has(".pem") ||
         property == "sasl.oauthbearer.config";
}

std::optional<std::string> property_problem(const std::string& name, const std::string& value,
                                            bool may_quote_value) {
  const auto owned = owned_properties().find(property_name(name));
  if (owned != owned_properties().end()) return "is set by the engine: " + owned->second;
  const kafka::Conf conf(rd_kafka_conf_new());
  std::array<char, 512> reason{};
  const auto result =
      rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), reason.data(), reason.size());
  if (result == RD_KAFKA_CONF_OK) return std::nullopt;
  std::string said = reason.data();
  // librdkafka speaks of the name behind an alias.
  if (const auto at = said.find(property_name(name)); at != std::string::npos)
    said.replace(at, property_name(name).size(), name);
  return std::string("is not taken by librdkafka") +
         (may_quote_value || result == RD_KAFKA_CONF_UNKNOWN
              ? ": " + said
              : std::string(", because of its value"));
}

std::optional<std::string> property_name_problem(const std::string& name) {
  const auto owned = owned_properties().find(property_name(name));
  if (owned != owned_properties().end()) return "is set by the engine: " + owned->second;
  const kafka::Conf conf(rd_kafka_conf_new());
  // Sets it to its default: reading one that has no value says as little as one that is unknown.
  if (rd_kafka_conf_set(conf.get(), name.c_str(), nullptr, nullptr, 0) != RD_KAFKA_CONF_UNKNOWN)
    return std::nullopt;
  return "is no property of librdkafka";
}

KafkaClient kafka_client(const Config& config) {
  KafkaClient client{config.kafka.brokers, config.kafka.properties};
  std::string problems;
  for (const auto& [name, path] : config.kafka.property_files) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    std::string value = std::move(content).str();
    while (value.ends_with('\n') || value.ends_with('\r')) value.pop_back();
    const std::string key = "kafka.properties." + name + "_file";
    if (!file || value.empty())
      problems += fmt::format("{}{}: cannot read {}: {}", problems.empty() ? "" : "\n", key, path,
                              file ? "it is empty" : std::strerror(errno));
    else if (const auto problem = property_problem(name, value, false))
      problems += fmt::format("{}{}: {} {}", problems.empty() ? "" : "\n", key, name, *problem);
    client.properties[name] = std::move(value);
  }
  for (const auto& [name, value] : config.kafka.properties)
    if (is_secret(name) && value == kMasked)
      problems += fmt::format(
          "{}kafka.properties.{}: is masked, as gyre config dump prints secrets; write {}_file: "
          "and "
          "the path of a file that holds it",
          problems.empty() ? "" : "\n", name, name);
  if (!problems.empty()) throw ConfigError(problems);
  return client;
}

void check_properties(const KafkaClient& client) {
  KafkaClient nowhere{"", client.properties};
  nowhere.properties["log_level"] = "0";  // the error says it all
  const KafkaStage stage{.input_topic = "", .group = "check", .id = "check", .output_topics = {}};
  kafka::make_handle(RD_KAFKA_CONSUMER,
                     kafka::make_conf(nowhere, kafka::tuning(), kafka::consumer_properties(stage)));
  kafka::make_handle(RD_KAFKA_PRODUCER,
                     kafka::make_conf(nowhere, kafka::tuning(), kafka::producer_properties(stage)));
}

}  // namespace gyre::pipeline
