// SPDX-License-Identifier: Apache-2.0
#include "pipeline/kafka_reader.h"

#include <set>

#include "base/error.h"
#include "pipeline/kafka_broker.h"

namespace gyre::pipeline {

namespace kafka {

Reader::~Reader() {
  for (const auto& [topic, partition] : started_) rd_kafka_consume_stop(topic, partition);
}

rd_kafka_topic_t* Reader::topic(const std::string& name) {
  Topic& topic = topics_[name];
  if (!topic) topic = make_topic(handle_, name);
  return topic.get();
}

void Reader::start(const std::string& topic, std::int32_t partition, std::int64_t offset) {
  rd_kafka_topic_t* const from = this->topic(topic);
  if (rd_kafka_consume_start_queue(from, partition, offset, queue_.get()) != 0) {
    throw Failure("topic " + topic + ": reading cannot start: " + text(rd_kafka_last_error()));
  }
  started_.emplace_back(from, partition);
}

Message Reader::next(std::chrono::milliseconds wait) {
  Message message(rd_kafka_consume_queue(queue_.get(), static_cast<int>(wait.count())));
  if (!message || message->err == RD_KAFKA_RESP_ERR_NO_ERROR ||
      message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    return message;
  }
  if (passes(message->err)) return nullptr;
  const std::string where = message->rkt == nullptr
                                ? std::string("reading")
                                : std::string("topic ") + rd_kafka_topic_name(message->rkt) + " [" +
                                      std::to_string(message->partition) + "]";
  throw Failure(where + ": " + text(message->err) + ": " + rd_kafka_message_errstr(message.get()));
}

}  // namespace kafka

void read_topic(const KafkaClient& client, const std::string& topic, bool follow,
                const std::function<bool(const Record&)>& each,
                const std::function<void()>& caught_up) {
  const kafka::Handle handle = kafka::make_reader(client, "read_committed");
  kafka::Reader reader(handle.get());
  const std::int32_t partitions = kafka::partition_count(client, handle.get(), reader.topic(topic));
  for (std::int32_t partition = 0; partition < partitions; ++partition) {
    reader.start(topic, partition, RD_KAFKA_OFFSET_BEGINNING);
  }
  std::set<std::int32_t> ended;
  auto progress = kafka::Clock::now();
  for (bool behind = true; behind || follow;) {
    const kafka::Message message = reader.next(std::chrono::milliseconds(100));
    if (!message) {
      if (behind && kafka::Clock::now() - progress > kafka::kReachable) {
        throw Failure(kafka::unreachable(client, "reading topic " + topic));
      }
      continue;
    }
    progress = kafka::Clock::now();
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      ended.insert(message->partition);
      if (!behind || static_cast<std::int32_t>(ended.size()) < partitions) continue;
      behind = false;
      caught_up();
    } else if (!each(kafka::to_record(*message))) {
      return;
    }
  }
}

}  // namespace gyre::pipeline
