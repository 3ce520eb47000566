// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/broker.h"
#include "pipeline/kafka_broker.h"
#include "pipeline/kafka_handles.h"

namespace gyre::pipeline {

/// The broker port over librdkafka, told in three files: kafka_consumer.cpp (group, assignment,
/// polling), kafka_producer.cpp (transactions), kafka_offsets.cpp (where logs begin and end, and
/// restores).
class KafkaBroker final : public Broker {
 public:
  KafkaBroker(KafkaClient client, KafkaStage stage);
  ~KafkaBroker() override { drop_producer(); }

  Poll poll(const BatchLimits& limits) override;
  void resume(std::span<const PartitionOffset> from) override;
  void begin() override;
  void send(OutRecord record) override;
  std::map<TopicPartition, std::int64_t> commit(
      std::span<const PartitionOffset> next_offsets) override;
  void recover() override;
  std::optional<std::int64_t> committed(std::int32_t partition) override;
  std::int64_t high_watermark(const std::string& topic, std::int32_t partition) override {
    return watermarks(uncommitted(), topic, partition).second;
  }
  std::int64_t low_watermark(const std::string& topic, std::int32_t partition) override {
    return watermarks(uncommitted(), topic, partition).first;
  }
  std::int64_t restore(const std::string& topic, std::int32_t partition, std::int64_t from,
                       const std::function<void(const Record&)>& apply) override;
  std::int32_t input_partitions() override {
    return kafka::partition_count(client_, consumer_.get(), input_.get());
  }
  std::int64_t offset_at(std::int32_t partition, Nanos time) override;
  bool at_end(std::int32_t partition) override;

 private:
  struct Output {
    kafka::Topic topic;
    std::int32_t partitions = 0;
    std::size_t largest_record = kLargestRecord;
  };

  static void on_rebalance(rd_kafka_t* consumer, rd_kafka_resp_err_t what,
                           rd_kafka_topic_partition_list_t* partitions, void* self) noexcept;
  static void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* self) noexcept;

  void make_consumer();
  void make_producer();
  void drop_producer();
  Output& output(const std::string& name);
  rd_kafka_t* uncommitted();
  rd_kafka_t* committed_reader();
  std::pair<std::int64_t, std::int64_t> watermarks(rd_kafka_t* handle, const std::string& topic,
                                                   std::int32_t partition);
  bool take(const rd_kafka_message_t& message, Poll& poll);
  void refuse_if_consumer_is_dead() const;
  [[noreturn]] void fail(const std::string& doing, const kafka::Error& error);
  [[noreturn]] void refuse_twin(const std::string& noticed) const;
  kafka::Membership membership();
  std::string input_name(std::int32_t partition) const {
    return "topic " + stage_.input_topic + " [" + std::to_string(partition) + "]";
  }

  KafkaClient client_;
  KafkaStage stage_;

  std::optional<Assignment> news_;  // of the rebalance callback, until told by poll
  std::vector<std::int32_t> assigned_;
  std::map<std::int32_t, std::int64_t> positions_;  // next to be handed out

  bool in_transaction_ = false;
  bool replace_producer_ = false;
  bool fenced_ = false;
  std::string failed_delivery_;  // the first of this transaction
  std::string too_large_;        // the topic that refused a record for its size
  kafka::Clock::time_point producer_made_;
  kafka::Clock::time_point begun_;
  std::map<std::pair<rd_kafka_topic_t*, std::int32_t>, std::int64_t> delivered_;

  // Handles last: their callbacks write to what stands above until they are gone.
  kafka::Handle restorer_;
  kafka::Handle uncommitted_;
  kafka::Handle producer_;
  std::map<std::string, Output> outputs_;
  kafka::Handle consumer_;
  kafka::Topic input_;
};

}  // namespace gyre::pipeline
