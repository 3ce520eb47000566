// SPDX-License-Identifier: Apache-2.0
#include "pipeline/kafka_probe.h"

#include "pipeline/kafka_handles.h"
#include "pipeline/kafka_reader.h"

namespace gyre::pipeline {

namespace {

constexpr int kAnswerMs = 15'000;

std::string refusal(const KafkaClient& client, rd_kafka_resp_err_t code, const std::string& what) {
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  if (kafka::passes(code) || code == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT)
    throw Failure(kafka::unreachable(client, what + ": " + kafka::text(code)));
  return kafka::text(code);
}

void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* into) noexcept {
  *static_cast<rd_kafka_resp_err_t*>(into) = message->err;
}

}  // namespace

std::string why_not_read(const KafkaClient& client, const std::string& topic) {
  const kafka::Handle handle = kafka::make_reader(client, "read_committed");
  kafka::Reader reader(handle.get());
  try {
    // The first answer of a partition says it: a record, its end, or that it may not be read.
    const auto until = kafka::Clock::now() + kafka::kReachable;
    reader.start(topic, 0, RD_KAFKA_OFFSET_END);
    while (kafka::left(until) > 0)
      if (reader.next(std::chrono::milliseconds(100))) return {};
  } catch (const Failure& failure) {
    return failure.what();
  }
  throw Failure(kafka::unreachable(client, "reading topic " + topic));
}

std::string why_not_write(const KafkaClient& client, const std::string& topic) {
  rd_kafka_resp_err_t delivered = RD_KAFKA_RESP_ERR__IN_PROGRESS;
  kafka::Conf conf = kafka::make_conf(client, kafka::tuning(),
                                      {{"allow.auto.create.topics", "false"},
                                       {"request.required.acks", "2"},
                                       {"message.send.max.retries", "0"},
                                       {"message.timeout.ms", std::to_string(kAnswerMs)}});
  rd_kafka_conf_set_opaque(conf.get(), &delivered);
  rd_kafka_conf_set_dr_msg_cb(conf.get(), on_delivery);
  const kafka::Handle handle = kafka::make_handle(RD_KAFKA_PRODUCER, std::move(conf));
  const kafka::Topic destination = kafka::make_topic(handle.get(), topic);
  std::string probe = "gyre check --connect";
  if (rd_kafka_produce(destination.get(), 0, RD_KAFKA_MSG_F_COPY, probe.data(), probe.size(),
                       probe.data(), probe.size(), nullptr) != 0)
    return refusal(client, rd_kafka_last_error(), "writing to topic " + topic);
  rd_kafka_flush(handle.get(), kAnswerMs + 5'000);
  if (delivered == RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS) return {};
  return refusal(client, delivered, "writing to topic " + topic);
}

std::string why_not_join(const KafkaClient& client, const std::string& group,
                         const std::string& topic) {
  kafka::Properties own = kafka::reader_properties("read_committed");
  own["group.id"] = group;
  const kafka::Handle handle =
      kafka::make_handle(RD_KAFKA_CONSUMER, kafka::make_conf(client, kafka::tuning(), own));
  const kafka::List list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), 0);
  const auto code = rd_kafka_committed(handle.get(), list.get(), kAnswerMs);
  // A coordinator that may not be asked for looks like one that does not answer; why, stands aside.
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    if (const kafka::Message said(rd_kafka_consumer_poll(handle.get(), 0));
        said && said->err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
      return kafka::text(said->err);
  return refusal(client, code, "asking for the offsets of group " + group);
}

std::string why_not_transact(const KafkaClient& client, const std::string& id) {
  const kafka::Handle handle = kafka::make_handle(
      RD_KAFKA_PRODUCER,
      kafka::make_conf(client, kafka::tuning(),
                       {{"transactional.id", id}, {"allow.auto.create.topics", "false"}}));
  const kafka::Error error(rd_kafka_init_transactions(handle.get(), kAnswerMs));
  if (!error) return {};
  return refusal(client, rd_kafka_error_code(error.get()), "transactional id " + id);
}

}  // namespace gyre::pipeline
