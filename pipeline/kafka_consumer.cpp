// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "pipeline/kafka_impl.h"

namespace gyre::pipeline {

using kafka::Clock;
using kafka::left;
using kafka::text;

KafkaBroker::KafkaBroker(KafkaClient client, KafkaStage stage)
    : client_(std::move(client)), stage_(std::move(stage)) {
  make_consumer();
  make_producer();
  const kafka::List topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), stage_.input_topic.c_str(),
                                    RD_KAFKA_PARTITION_UA);
  if (const auto code = rd_kafka_subscribe(consumer_.get(), topics.get())) {
    throw Failure("subscribing to " + stage_.input_topic + ": " + text(code));
  }
}

void KafkaBroker::on_rebalance(rd_kafka_t* consumer, rd_kafka_resp_err_t what,
                               rd_kafka_topic_partition_list_t* partitions, void* self) noexcept {
  auto& broker = *static_cast<KafkaBroker*>(self);
  Assignment assignment;
  if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && partitions->cnt > 0) {
    // Not yet assigned: only `resume` knows where to start, and until then nothing may be fetched.
    for (int i = 0; i < partitions->cnt; ++i) {
      assignment.partitions.push_back(partitions->elems[i].partition);
    }
    std::sort(assignment.partitions.begin(), assignment.partitions.end());
  } else {
    rd_kafka_assign(consumer, what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS ? partitions : nullptr);
  }
  broker.news_ = std::move(assignment);
}

void KafkaBroker::make_consumer() {
  kafka::Properties own = kafka::reader_properties("read_committed");
  own.insert({{"group.id", stage_.group},
              {"group.instance.id", stage_.id},
              {"client.id", stage_.id},
              {"partition.assignment.strategy", "range"}});
  kafka::Conf conf = kafka::make_conf(client_, kafka::tuning(), own);
  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_rebalance_cb(conf.get(), on_rebalance);
  consumer_ = kafka::make_handle(RD_KAFKA_CONSUMER, std::move(conf));
  rd_kafka_poll_set_consumer(consumer_.get());
  input_ = kafka::make_topic(consumer_.get(), stage_.input_topic);
  input_partitions();
}

void KafkaBroker::refuse_twin(const std::string& noticed) const {
  throw Refusal("another process runs with the id " + stage_.id + " (" + noticed +
                "). Two with one id put each other out in turn. Stop one, or give each its own "
                "`instance` in the configuration");
}

void KafkaBroker::refuse_if_consumer_is_dead() const {
  std::array<char, 512> said{};
  const auto code = rd_kafka_fatal_error(consumer_.get(), said.data(), said.size());
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  if (code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) refuse_twin("the group fenced this member");
  throw Refusal("the consumer of group " + stage_.group + " cannot go on: " + text(code) + ": " +
                said.data());
}

/// Takes one message into the batch or the position. True if it is a record.
bool KafkaBroker::take(const rd_kafka_message_t& message, Poll& poll) {
  switch (message.err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      positions_[message.partition] = message.offset + 1;
      poll.records.push_back(kafka::to_record(message));
      return true;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: {
      auto& position = positions_[message.partition];
      position = std::max(position, message.offset);
      return false;
    }
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      throw Refusal(
          input_name(message.partition) +
          ": the offset to go on from is outside of what the topic holds, so records were "
          "deleted unread or the topic was made anew (" +
          rd_kafka_message_errstr(&message) +
          "). Lengthen its retention; to go on all "
          "the same, set the offsets of group " +
          stage_.group + " (kafka-consumer-groups --reset-offsets)");
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      throw Failure(kafka::missing(stage_.input_topic));
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
      spdlog::warn("{}: more than max.poll.interval.ms between two polls: {}", stage_.id,
                   rd_kafka_message_errstr(&message));
      return false;
    default:
      refuse_if_consumer_is_dead();
      if (kafka::passes(message.err)) return false;
      throw Failure("reading topic " + stage_.input_topic + ": " + text(message.err) + ": " +
                    rd_kafka_message_errstr(&message));
  }
}

Poll KafkaBroker::poll(const BatchLimits& limits) {
  CHECK(!in_transaction_);
  refuse_if_consumer_is_dead();
  rd_kafka_poll(producer_.get(), 0);
  Poll result;
  std::size_t bytes = 0;
  auto until = Clock::now() + limits.wait;
  while (result.records.size() < limits.records && bytes < limits.bytes) {
    const kafka::Message message(news_ ? nullptr
                                       : rd_kafka_consumer_poll(consumer_.get(), left(until)));
    // Before the message is looked at: it, and all before it, is of the older assignment.
    if (news_) {
      result.records.clear();
      result.assignment = std::exchange(news_, std::nullopt);
      assigned_ = result.assignment->partitions;
      positions_.clear();
      return result;
    }
    if (!message) {
      if (left(until) == 0) break;
      continue;
    }
    if (!take(*message, result)) {
      if (left(until) == 0) break;
      continue;
    }
    bytes += message->len + message->key_len;
    if (result.records.size() == 1) until = Clock::now() + limits.linger;
  }
  return result;
}

void KafkaBroker::resume(std::span<const PartitionOffset> from) {
  // Overtaken while the tasks were restored: poll tells.
  if (news_) return;
  CHECK(from.size() == assigned_.size());
  const kafka::List list(rd_kafka_topic_partition_list_new(static_cast<int>(from.size())));
  positions_.clear();
  for (const PartitionOffset& start : from) {
    CHECK(std::binary_search(assigned_.begin(), assigned_.end(), start.partition));
    rd_kafka_topic_partition_list_add(list.get(), stage_.input_topic.c_str(), start.partition)
        ->offset = start.next_offset;
    positions_[start.partition] = start.next_offset;
  }
  if (from.empty()) return;
  if (const auto code = rd_kafka_assign(consumer_.get(), list.get())) {
    throw Failure("assigning partitions of " + stage_.input_topic + ": " + text(code));
  }
}

kafka::Membership KafkaBroker::membership() {
  kafka::Membership metadata(rd_kafka_consumer_group_metadata(consumer_.get()));
  void* bytes = nullptr;
  std::size_t size = 0;
  std::optional<kafka::Member> member;
  if (metadata) {
    if (const kafka::Error error(
            rd_kafka_consumer_group_metadata_write(metadata.get(), &bytes, &size));
        !error) {
      member = kafka::parse_group_metadata({static_cast<const char*>(bytes), size});
      rd_kafka_mem_free(nullptr, bytes);
    }
  }
  if (!member || !member->alive()) {
    throw Failure("commit refused: " + stage_.id + " is no member of group " + stage_.group +
                  " now, and the broker would not fence its offsets");
  }
  return metadata;
}

std::unique_ptr<Broker> make_kafka_broker(const KafkaClient& client, const KafkaStage& stage) {
  return std::make_unique<KafkaBroker>(client, stage);
}

}  // namespace gyre::pipeline
