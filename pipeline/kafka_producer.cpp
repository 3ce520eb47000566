// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "pipeline/crash_point.h"
#include "pipeline/kafka_impl.h"

namespace gyre::pipeline {

using kafka::Clock;
using kafka::left;
using kafka::text;

namespace {

constexpr std::chrono::seconds kUndecided{60};  // of a commit that keeps timing out
constexpr std::chrono::seconds kPingPong{30};
constexpr int kProbeMs = 10'000;
constexpr std::chrono::milliseconds kLongestLook{500};

}  // namespace

// On a thread of the library's. It sends an EndTxn again when its connection breaks, and tells
// nobody that there are two of them: the first could arrive within the next transaction (rule T4).
// Errors don't tell of each break: of equal ones within 30 s only the first is handed out (decision
// 0021).
int KafkaBroker::on_close(int socket, void* self) noexcept {
  ++static_cast<KafkaBroker*>(self)->closed_;
  return close(socket);
}

void KafkaBroker::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* self) noexcept {
  auto& broker = *static_cast<KafkaBroker*>(self);
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    auto& last =
        broker.delivered_.try_emplace({message->rkt, message->partition}, -1).first->second;
    last = std::max(last, message->offset);
    rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    const std::int64_t ms = rd_kafka_message_timestamp(message, &type);
    if (type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME) {
      broker.stamped_ = ms * 1'000'000;
      broker.stamped_at_ = Clock::now();
    }
    return;
  }
  // Purged by our own abort.
  if (message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
      message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) {
    return;
  }
  // The next transaction of this producer would fail with skipped sequence numbers.
  broker.replace_producer_ = true;
  if (message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
    broker.too_large_ = rd_kafka_topic_name(message->rkt);
  }
  if (broker.failed_delivery_.empty()) {
    broker.failed_delivery_ = std::string(rd_kafka_topic_name(message->rkt)) + " [" +
                              std::to_string(message->partition) + "]: " + text(message->err);
  }
}

void KafkaBroker::drop_producer() {
  outputs_.clear();
  producer_.reset();
}

void KafkaBroker::create_producer() {
  drop_producer();
  kafka::Properties defaults = kafka::tuning();
  // A new transaction waits for the markers of the one before in steps of this.
  defaults.insert({"retry.backoff.ms", "10"});
  kafka::Conf conf = observed_conf(std::move(defaults), kafka::producer_properties(stage_));
  rd_kafka_conf_set_dr_msg_cb(conf.get(), on_delivery);
  rd_kafka_conf_set_closesocket_cb(conf.get(), on_close);
  producer_ = kafka::make_handle(RD_KAFKA_PRODUCER, std::move(conf));
}

// What a killed process left open is aborted within milliseconds of the first request, and until it
// is, the coordinator answers that it is busy. librdkafka tells of that answer when its time is up
// and asks again after half a second; a new handle asks at once.
void KafkaBroker::start_producer() {
  std::chrono::milliseconds look{10};
  std::chrono::milliseconds patience{100};
  const auto until = Clock::now() + kafka::kReachable;
  auto asked = Clock::now();
  asked_twice_ = false;
  for (;;) {
    const Waiting waiting(stage_);
    const kafka::Error error(rd_kafka_init_transactions(
        producer_.get(), std::clamp(left(until), 1, static_cast<int>(look.count()))));
    if (!error) break;
    if (rd_kafka_error_is_retriable(error.get()) == 0) fail("init_transactions", error);
    if (left(until) == 0) {
      throw Failure(kafka::unreachable(client_, "init_transactions: " + text(error)));
    }
    const bool busy = rd_kafka_error_code(error.get()) == RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS;
    if (!busy && Clock::now() - asked < patience) continue;
    create_producer();
    asked = Clock::now();
    asked_twice_ = true;
    look = std::min(look * 2, kLongestLook);
    patience *= 4;
  }
  producer_made_ = Clock::now();
  replace_producer_ = false;
  fenced_ = given_up_ = false;
}

void KafkaBroker::warm_outputs() {
  for (const OutputTopic& topic : stage_.output_topics) output(topic.name);
}

void KafkaBroker::make_producer() {
  create_producer();
  start_producer();
  warm_outputs();
}

KafkaBroker::Output& KafkaBroker::output(const std::string& name) {
  const auto found = outputs_.find(name);
  if (found != outputs_.end()) return found->second;
  // Kept and asked about before its first record: else that one waits up to a second.
  const Waiting waiting(stage_);
  Output output{.topic = kafka::make_topic(producer_.get(), name)};
  output.partitions =
      kafka::partition_count(client_, producer_.get(), output.topic.get(), kafka::kPropagation);
  for (const OutputTopic& known : stage_.output_topics)
    if (known.name == name) output.largest_record = known.largest_record;
  return outputs_.emplace(name, std::move(output)).first->second;
}

void KafkaBroker::fail(const std::string& doing, const kafka::Error& error) {
  const auto code = rd_kafka_error_code(error.get());
  const auto fatal = rd_kafka_fatal_error(producer_.get(), nullptr, 0);
  // An outcome that is not known may still arrive at the broker: a new epoch shuts it out.
  if (rd_kafka_error_txn_requires_abort(error.get()) == 0 || fatal != RD_KAFKA_RESP_ERR_NO_ERROR) {
    replace_producer_ = true;
  }
  if (kafka::is_fenced(code) || kafka::is_fenced(fatal)) {
    fenced_ = true;
    const auto now = Clock::now();
    // The coordinator fences the producer of a transaction that lasts too long.
    given_up_ = now - begun_ >= kafka::kTransaction;
    // The first of two requests of ours may have come last.
    if (!asked_twice_ && !given_up_ && now - producer_made_ < kPingPong) {
      refuse_twin(doing + ": fenced soon after start");
    }
  }
  if (!too_large_.empty()) {
    throw Refusal("topic " + too_large_ +
                  " takes no record as large as gyre writes; tried again, it would be refused " +
                  "again. `gyre topics` says which max.message.bytes it needs");
  }
  std::string message = doing + " (" + stage_.id + "): " + text(error);
  if (!failed_delivery_.empty()) message += "; first failed delivery: " + failed_delivery_;
  throw Failure(message);
}

Nanos KafkaBroker::time() {
  if (stamped_ == kNoTime) return kNoTime;
  const std::chrono::nanoseconds since = Clock::now() - stamped_at_;
  return stamped_ + since.count();
}

void KafkaBroker::begin() {
  CHECK(!in_transaction_);
  if (replace_producer_) make_producer();
  delivered_.clear();
  failed_delivery_.clear();
  too_large_.clear();
  begun_ = Clock::now();
  if (const kafka::Error error(rd_kafka_begin_transaction(producer_.get())); error) {
    fail("begin_transaction", error);
  }
  in_transaction_ = true;
  GYRE_CRASH_POINT("begun");
}

void KafkaBroker::send(OutRecord record) {
  CHECK(in_transaction_);
  Output& output = this->output(record.topic);
  refuse_larger(record, output.largest_record);
  if (record.partition < 0) {
    CHECK(record.key);
    record.partition = static_cast<std::int32_t>((murmur2(*record.key) & 0x7fffffffU) %
                                                 static_cast<std::uint32_t>(output.partitions));
  }
  kafka::HeaderList headers(rd_kafka_headers_new(record.headers.size()));
  for (const auto& [name, value] : record.headers) {
    rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
  }
  std::array<rd_kafka_vu_t, 6> parts{};
  parts[0].vtype = RD_KAFKA_VTYPE_RKT;
  parts[0].u.rkt = output.topic.get();
  parts[1].vtype = RD_KAFKA_VTYPE_PARTITION;
  parts[1].u.i32 = record.partition;
  parts[2].vtype = RD_KAFKA_VTYPE_KEY;
  if (record.key) parts[2].u.mem = {record.key->data(), record.key->size()};
  parts[3].vtype = RD_KAFKA_VTYPE_VALUE;
  if (record.value) parts[3].u.mem = {record.value->data(), record.value->size()};
  parts[4].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  parts[4].u.i = RD_KAFKA_MSG_F_COPY;
  parts[5].vtype = RD_KAFKA_VTYPE_HEADERS;
  parts[5].u.headers = headers.get();
  const auto until = Clock::now() + kafka::kReachable;
  for (;;) {
    const kafka::Error error(rd_kafka_produceva(producer_.get(), parts.data(), parts.size()));
    if (!error) break;
    if (rd_kafka_error_code(error.get()) != RD_KAFKA_RESP_ERR__QUEUE_FULL || left(until) == 0) {
      fail("producing to " + record.topic, error);
    }
    rd_kafka_poll(producer_.get(), 10);
  }
  static_cast<void>(headers.release());  // the record owns them now
  GYRE_CRASH_POINT("sending");
}

std::map<TopicPartition, std::int64_t> KafkaBroker::commit(
    std::span<const PartitionOffset> next_offsets) {
  CHECK(in_transaction_);
  refuse_if_consumer_is_dead();
  const kafka::Membership member = membership();
  const kafka::List list(rd_kafka_topic_partition_list_new(static_cast<int>(next_offsets.size())));
  for (const PartitionOffset& next : next_offsets) {
    rd_kafka_topic_partition_list_add(list.get(), stage_.input_topic.c_str(), next.partition)
        ->offset = next.next_offset;
  }
  const auto until = Clock::now() + kUndecided;
  for (const bool offsets : {true, false}) {
    GYRE_CRASH_POINT(offsets ? "sent" : "offsets_sent");
    const std::string doing = offsets ? "send_offsets_to_transaction" : "commit_transaction";
    const std::uint64_t closed_before = closed_;
    for (;;) {
      const Waiting waiting(stage_);
      const kafka::Error error(offsets ? rd_kafka_send_offsets_to_transaction(
                                             producer_.get(), list.get(), member.get(), -1)
                                       : rd_kafka_commit_transaction(producer_.get(), -1));
      if (!error) break;
      if (rd_kafka_error_is_retriable(error.get()) == 0) fail(doing, error);
      // An EndTxn without an answer may yet arrive, within the next transaction.
      replace_producer_ = true;
      if (left(until) == 0) fail(doing, error);
      rd_kafka_poll(producer_.get(), 50);
    }
    if (closed_ != closed_before) replace_producer_ = true;
  }
  rd_kafka_poll(producer_.get(), 0);
  in_transaction_ = false;
  std::map<TopicPartition, std::int64_t> result;
  for (const auto& [where, offset] : delivered_) {
    auto& last =
        result.try_emplace({rd_kafka_topic_name(where.first), where.second}, offset).first->second;
    last = std::max(last, offset);
  }
  return result;
}

/// Whether another process has taken the id, of which the group has put out this member. Offsets
/// tell it, which are never committed: the coordinator of the transaction looks at the producer
/// first. A producer that can be asked nothing more leaves it to the group, which takes longer.
bool KafkaBroker::has_twin() {
  if (fenced_ && !given_up_ && !asked_twice_) return true;
  if (replace_producer_) return group_has_twin();
  replace_producer_ = true;
  if (kafka::Error(rd_kafka_begin_transaction(producer_.get()))) return group_has_twin();
  const kafka::List list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), stage_.input_topic.c_str(), 0)->offset = 0;
  const kafka::Membership member(rd_kafka_consumer_group_metadata(consumer_.get()));
  if (!member) return group_has_twin();
  const kafka::Error error(
      rd_kafka_send_offsets_to_transaction(producer_.get(), list.get(), member.get(), kProbeMs));
  const auto code = error ? rd_kafka_error_code(error.get()) : RD_KAFKA_RESP_ERR_NO_ERROR;
  if (kafka::is_fenced(code) || kafka::is_fenced(rd_kafka_fatal_error(producer_.get(), nullptr, 0)))
    return true;
  switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
      return false;  // the group has said so, whom the coordinator asks second
    default:
      return group_has_twin();
  }
}

void KafkaBroker::recover() {
  if (in_transaction_) {
    const std::uint64_t closed_before = closed_;
    const auto until = Clock::now() + kafka::kReachable;
    for (;;) {
      const Waiting waiting(stage_);
      const kafka::Error error(rd_kafka_abort_transaction(producer_.get(), -1));
      if (!error) break;
      // Undone or not: the init of a new producer with the same id aborts what is left.
      replace_producer_ = true;
      if (rd_kafka_error_is_retriable(error.get()) == 0 || left(until) == 0) break;
      rd_kafka_poll(producer_.get(), 50);
    }
    if (closed_ != closed_before) replace_producer_ = true;
    in_transaction_ = false;
  }
  // A twin that took the id is in the group, too, and the next heartbeats tell; a new producer
  // would put it out for nothing.
  if (fenced_) {
    const auto until = Clock::now() + std::chrono::seconds(3);
    while (left(until) > 0 && !consumer_is_fenced()) rd_kafka_poll(producer_.get(), 100);
  }
  if (consumer_is_fenced()) {
    // A twin takes the producer's id before it joins the group. If nobody has, the group has put
    // out this member for its own request to join: the answer was lost, and the library sent it
    // again.
    if (has_twin()) refuse_twin("the group fenced this member");
    make_producer();  // before the group, as at the start
    replace_consumer();
  }
  if (replace_producer_) make_producer();
  drop_sources();  // nothing is handed out before `resume`
}

}  // namespace gyre::pipeline
