// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "pipeline/kafka_broker.h"
#include "pipeline/kafka_handles.h"

namespace gyre::pipeline {

struct KafkaWriter::Impl {
  static void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* self) noexcept {
    auto& first = static_cast<Impl*>(self)->failed;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && first.empty())
      first = kafka::text(message->err);
  }
  void refuse_failed() const {
    if (!failed.empty()) throw Failure("writing to topic " + name + ": " + failed);
  }

  std::string brokers;
  std::string name;
  std::string failed;
  std::int32_t partitions = 0;
  std::int32_t next = 0;
  kafka::Handle handle;
  kafka::Topic topic;
};

KafkaWriter::KafkaWriter(const KafkaClient& client, std::string topic)
    : impl_(std::make_unique<Impl>()) {
  impl_->brokers = client.brokers;
  impl_->name = std::move(topic);
  kafka::Properties own = {{"enable.idempotence", "true"}, {"allow.auto.create.topics", "false"}};
  kafka::Conf conf = kafka::make_conf(client, kafka::tuning(), own);
  rd_kafka_conf_set_opaque(conf.get(), impl_.get());
  rd_kafka_conf_set_dr_msg_cb(conf.get(), Impl::on_delivery);
  impl_->handle = kafka::make_handle(RD_KAFKA_PRODUCER, std::move(conf));
  impl_->topic = kafka::make_topic(impl_->handle.get(), impl_->name);
  impl_->partitions = kafka::partition_count(client, impl_->handle.get(), impl_->topic.get());
}

KafkaWriter::~KafkaWriter() = default;

void KafkaWriter::send(std::int32_t partition, std::string_view value) {
  if (partition < 0) partition = impl_->next++ % impl_->partitions;
  const auto until = kafka::Clock::now() + kafka::kReachable;
  // The library does not write to it: F_COPY.
  auto* payload = const_cast<char*>(value.data());
  while (rd_kafka_produce(impl_->topic.get(), partition, RD_KAFKA_MSG_F_COPY, payload, value.size(),
                          nullptr, 0, nullptr) != 0) {
    const auto code = rd_kafka_last_error();
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL || kafka::left(until) == 0) {
      throw Failure("writing to topic " + impl_->name + " at " + impl_->brokers + ": " +
                    kafka::text(code));
    }
    rd_kafka_poll(impl_->handle.get(), 10);
  }
  rd_kafka_poll(impl_->handle.get(), 0);
  impl_->refuse_failed();
}

void KafkaWriter::flush() {
  const auto code = rd_kafka_flush(
      impl_->handle.get(), static_cast<int>(std::chrono::milliseconds(kafka::kReachable).count()));
  impl_->refuse_failed();
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw Failure("writing to topic " + impl_->name + " at " + impl_->brokers + ": " +
                  kafka::text(code));
  }
}

}  // namespace gyre::pipeline
