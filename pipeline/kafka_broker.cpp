// SPDX-License-Identifier: Apache-2.0
#include "pipeline/kafka_broker.h"

#include <set>

#include "base/check.h"
#include "base/hash.h"
#include "pipeline/kafka_handles.h"

namespace gyre::pipeline {
namespace {

using kafka::Clock;
using kafka::left;
using kafka::text;

constexpr std::chrono::seconds kStable{40};     // transaction.timeout + the broker's sweep + margin
constexpr std::chrono::seconds kUndecided{60};  // of a commit that keeps timing out
constexpr std::chrono::seconds kTransaction{10};
constexpr std::chrono::seconds kPingPong{30};
constexpr std::size_t kLargestRecord = 1'000'000;

const kafka::Properties& tuning() {
  static const kafka::Properties properties = {
      {"socket.nagle.disable", "true"},
      {"session.timeout.ms", "10000"},
      {"heartbeat.interval.ms", "1000"},
      {"max.poll.interval.ms", "300000"},
      // Totals of the consumer: one that reaches them sleeps up to a second.
      {"queued.min.messages", "1000000"},
      {"queued.max.messages.kbytes", "65536"},
      {"check.crcs", "true"},
      {"linger.ms", "5"},
      {"compression.codec", "lz4"},
      {"queue.buffering.max.messages", "200000"},
      {"queue.buffering.max.kbytes", "131072"},
  };
  return properties;
}

kafka::Properties reader_properties(const std::string& isolation) {
  return {{"isolation.level", isolation},        {"enable.auto.commit", "false"},
          {"enable.auto.offset.store", "false"}, {"auto.offset.reset", "error"},
          {"enable.partition.eof", "true"},      {"allow.auto.create.topics", "false"}};
}

kafka::Handle make_reader(const KafkaClient& client, const std::string& isolation) {
  return kafka::make_handle(RD_KAFKA_CONSUMER,
                            kafka::make_conf(client, tuning(), reader_properties(isolation)));
}

/// Legacy consumer of some partitions of one topic: no group, hence no rights on one, no
/// membership.
class Reader {
 public:
  Reader(rd_kafka_t* handle, const std::string& name)
      : topic_(kafka::make_topic(handle, name)), queue_(rd_kafka_queue_new(handle)) {}
  ~Reader() {
    for (const std::int32_t partition : started_) rd_kafka_consume_stop(topic_.get(), partition);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  rd_kafka_topic_t* topic() const { return topic_.get(); }
  void start(std::int32_t partition, std::int64_t offset) {
    if (rd_kafka_consume_start_queue(topic_.get(), partition, offset, queue_.get()) != 0) {
      throw Failure(name() + ": reading cannot start: " + text(rd_kafka_last_error()));
    }
    started_.push_back(partition);
  }
  /// Null after `wait`. Only records and partition ends come out.
  kafka::Message next(std::chrono::milliseconds wait) {
    kafka::Message message(rd_kafka_consume_queue(queue_.get(), static_cast<int>(wait.count())));
    if (!message || message->err == RD_KAFKA_RESP_ERR_NO_ERROR ||
        message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      return message;
    }
    if (kafka::passes(message->err)) return nullptr;
    const std::string where = name() + " [" + std::to_string(message->partition) + "]";
    if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
      throw Refusal(where +
                    ": the offset to read from is outside of what the topic holds. Records " +
                    "were deleted or the topic was made anew. Remove this partition's state " +
                    "directory to rebuild it from the topic, and keep retention.ms=-1 on it");
    }
    throw Failure(where + ": " + text(message->err) + ": " +
                  rd_kafka_message_errstr(message.get()));
  }

 private:
  std::string name() const { return std::string("topic ") + rd_kafka_topic_name(topic_.get()); }

  kafka::Topic topic_;
  kafka::Queue queue_;
  std::vector<std::int32_t> started_;
};

class KafkaBroker final : public Broker {
 public:
  KafkaBroker(KafkaClient client, KafkaStage stage)
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
  Clock::time_point producer_made_;
  Clock::time_point begun_;
  std::map<std::pair<rd_kafka_topic_t*, std::int32_t>, std::int64_t> delivered_;

  // Handles last: their callbacks write to what stands above until they are gone.
  kafka::Handle restorer_;
  kafka::Handle uncommitted_;
  kafka::Handle producer_;
  std::map<std::string, Output> outputs_;
  kafka::Handle consumer_;
  kafka::Topic input_;
};

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

void KafkaBroker::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* self) noexcept {
  auto& broker = *static_cast<KafkaBroker*>(self);
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    auto& last =
        broker.delivered_.try_emplace({message->rkt, message->partition}, -1).first->second;
    last = std::max(last, message->offset);
    return;
  }
  // Purged by our own abort.
  if (message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
      message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) {
    return;
  }
  // The next transaction of this producer would fail with skipped sequence numbers.
  broker.replace_producer_ = true;
  if (broker.failed_delivery_.empty()) {
    broker.failed_delivery_ = std::string(rd_kafka_topic_name(message->rkt)) + " [" +
                              std::to_string(message->partition) + "]: " + text(message->err);
  }
}

void KafkaBroker::make_consumer() {
  kafka::Properties own = reader_properties("read_committed");
  own.insert({{"group.id", stage_.group},
              {"group.instance.id", stage_.id},
              {"client.id", stage_.id},
              {"partition.assignment.strategy", "range"}});
  kafka::Conf conf = kafka::make_conf(client_, tuning(), own);
  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_rebalance_cb(conf.get(), on_rebalance);
  consumer_ = kafka::make_handle(RD_KAFKA_CONSUMER, std::move(conf));
  rd_kafka_poll_set_consumer(consumer_.get());
  input_ = kafka::make_topic(consumer_.get(), stage_.input_topic);
  input_partitions();
}

void KafkaBroker::drop_producer() {
  outputs_.clear();
  producer_.reset();
}

void KafkaBroker::make_producer() {
  drop_producer();
  kafka::Properties defaults = tuning();
  // A new transaction waits for the markers of the one before in steps of this.
  defaults.insert({"retry.backoff.ms", "10"});
  kafka::Conf conf = kafka::make_conf(
      client_, std::move(defaults),
      {{"transactional.id", stage_.id},
       {"client.id", stage_.id},
       {"transaction.timeout.ms", std::to_string(std::chrono::milliseconds(kTransaction).count())},
       {"message.max.bytes", std::to_string(kLargestRecord + 10'000)},
       {"delivery.report.only.error", "false"},
       {"allow.auto.create.topics", "false"}});
  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_dr_msg_cb(conf.get(), on_delivery);
  producer_ = kafka::make_handle(RD_KAFKA_PRODUCER, std::move(conf));
  const auto until = Clock::now() + kafka::kReachable;
  for (;;) {
    const kafka::Error error(rd_kafka_init_transactions(producer_.get(), std::max(1, left(until))));
    if (!error) break;
    if (rd_kafka_error_is_retriable(error.get()) == 0) fail("init_transactions", error);
    if (left(until) == 0) {
      throw Failure(kafka::unreachable(client_, "init_transactions: " + text(error)));
    }
  }
  producer_made_ = Clock::now();
  for (const std::string& topic : stage_.output_topics) output(topic);
  replace_producer_ = false;
  fenced_ = false;
}

KafkaBroker::Output& KafkaBroker::output(const std::string& name) {
  const auto found = outputs_.find(name);
  if (found != outputs_.end()) return found->second;
  // Kept and asked about before its first record: else that one waits up to a second.
  Output output{kafka::make_topic(producer_.get(), name), 0};
  output.partitions = kafka::partition_count(client_, producer_.get(), output.topic.get());
  return outputs_.emplace(name, std::move(output)).first->second;
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

void KafkaBroker::fail(const std::string& doing, const kafka::Error& error) {
  const auto code = rd_kafka_error_code(error.get());
  const auto fatal = rd_kafka_fatal_error(producer_.get(), nullptr, 0);
  if (code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) refuse_twin(doing);
  // An outcome that is not known may still arrive at the broker: a new epoch shuts it out.
  if (rd_kafka_error_txn_requires_abort(error.get()) == 0 || fatal != RD_KAFKA_RESP_ERR_NO_ERROR) {
    replace_producer_ = true;
  }
  if (kafka::is_fenced(code) || kafka::is_fenced(fatal)) {
    fenced_ = true;
    const auto now = Clock::now();
    // Later, it may be the coordinator that gave up on a slow transaction.
    if (now - producer_made_ < kPingPong && now - begun_ < kTransaction) {
      refuse_twin(doing + ": fenced soon after start");
    }
  }
  std::string message = doing + " (" + stage_.id + "): " + text(error);
  if (!failed_delivery_.empty()) message += "; first failed delivery: " + failed_delivery_;
  throw Failure(message);
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

void KafkaBroker::begin() {
  CHECK(!in_transaction_);
  if (replace_producer_) make_producer();
  delivered_.clear();
  failed_delivery_.clear();
  begun_ = Clock::now();
  if (const kafka::Error error(rd_kafka_begin_transaction(producer_.get())); error) {
    fail("begin_transaction", error);
  }
  in_transaction_ = true;
}

void KafkaBroker::send(OutRecord record) {
  CHECK(in_transaction_);
  std::size_t size = record.key.size() + (record.value ? record.value->size() : 0);
  for (const auto& [name, value] : record.headers) size += name.size() + value.size();
  if (size > kLargestRecord) {
    throw Failure("a record of " + std::to_string(size) + " bytes for topic " + record.topic +
                  " is larger than a Kafka record may be (1,000,000)");
  }
  Output& output = this->output(record.topic);
  if (record.partition < 0) {
    record.partition = static_cast<std::int32_t>((murmur2(record.key) & 0x7fffffffU) %
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
  parts[2].u.mem = {record.key.data(), record.key.size()};
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
    const std::string doing = offsets ? "send_offsets_to_transaction" : "commit_transaction";
    for (;;) {
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
  }
  in_transaction_ = false;
  std::map<TopicPartition, std::int64_t> result;
  for (const auto& [where, offset] : delivered_) {
    auto& last =
        result.try_emplace({rd_kafka_topic_name(where.first), where.second}, offset).first->second;
    last = std::max(last, offset);
  }
  return result;
}

void KafkaBroker::recover() {
  if (in_transaction_) {
    const auto until = Clock::now() + kafka::kReachable;
    for (;;) {
      const kafka::Error error(rd_kafka_abort_transaction(producer_.get(), -1));
      if (!error) break;
      // Undone or not: the init of a new producer with the same id aborts what is left.
      replace_producer_ = true;
      if (rd_kafka_error_is_retriable(error.get()) == 0 || left(until) == 0) break;
      rd_kafka_poll(producer_.get(), 50);
    }
    in_transaction_ = false;
  }
  // A twin that took the id is in the group, too, and the next heartbeats tell; a new producer
  // would put it out for nothing.
  if (fenced_) {
    for (const auto until = Clock::now() + std::chrono::seconds(3); left(until) > 0;) {
      refuse_if_consumer_is_dead();
      rd_kafka_poll(producer_.get(), 100);
    }
  }
  if (replace_producer_) make_producer();
}

std::optional<std::int64_t> KafkaBroker::committed(std::int32_t partition) {
  const auto until = Clock::now() + kStable;
  for (;;) {
    const kafka::List list(rd_kafka_topic_partition_list_new(1));
    auto* entry =
        rd_kafka_topic_partition_list_add(list.get(), stage_.input_topic.c_str(), partition);
    auto code = rd_kafka_committed(consumer_.get(), list.get(), std::clamp(left(until), 1, 5'000));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = entry->err;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      return entry->offset < 0 ? std::nullopt : std::optional(entry->offset);
    }
    refuse_if_consumer_is_dead();
    if (!kafka::passes(code) || left(until) == 0) {
      throw Failure("committed offset of group " + stage_.group + " on " + input_name(partition) +
                    ": " + text(code) + "; a transaction may be pending on it, or no broker of " +
                    client_.brokers + " answers");
    }
  }
}

rd_kafka_t* KafkaBroker::uncommitted() {
  if (!uncommitted_) uncommitted_ = make_reader(client_, "read_uncommitted");
  return uncommitted_.get();
}

rd_kafka_t* KafkaBroker::committed_reader() {
  if (!restorer_) restorer_ = make_reader(client_, "read_committed");
  return restorer_.get();
}

std::pair<std::int64_t, std::int64_t> KafkaBroker::watermarks(rd_kafka_t* handle,
                                                              const std::string& topic,
                                                              std::int32_t partition) {
  const auto until = Clock::now() + kafka::kReachable;
  for (;;) {
    std::int64_t low = 0;
    std::int64_t high = 0;
    const auto code = rd_kafka_query_watermark_offsets(handle, topic.c_str(), partition, &low,
                                                       &high, std::max(1, left(until)));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {low, high};
    if (!kafka::passes(code) || left(until) == 0) {
      throw Failure("offsets of topic " + topic + " [" + std::to_string(partition) + "] at " +
                    client_.brokers + ": " + text(code));
    }
    rd_kafka_poll(handle, 50);
  }
}

std::int64_t KafkaBroker::restore(const std::string& topic, std::int32_t partition,
                                  std::int64_t from,
                                  const std::function<void(const Record&)>& apply) {
  const std::int64_t end = high_watermark(topic, partition);
  if (from >= end) return from;
  Reader reader(committed_reader(), topic);
  reader.start(partition, from);
  std::int64_t position = from;
  auto alive = Clock::now();
  auto progress = alive;
  while (position < end) {
    const kafka::Message message = reader.next(std::chrono::milliseconds(100));
    const auto now = Clock::now();
    if (message && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      apply(kafka::to_record(*message));
      position = message->offset + 1;
      progress = now;
    } else if (message && message->offset > position) {
      position = message->offset;
      progress = now;
    }
    if (now - progress > kStable) {
      throw Failure("restoring topic " + topic + " [" + std::to_string(partition) +
                    "]: stuck at offset " + std::to_string(position) + " of " +
                    std::to_string(end) + ": an open transaction, or the broker does not answer");
    }
    // A long restore must not cost the membership; what is read here, `resume` reads again.
    if (now - alive > std::chrono::seconds(1)) {
      alive = now;
      const kafka::Message unused(rd_kafka_consumer_poll(consumer_.get(), 0));
      refuse_if_consumer_is_dead();
    }
  }
  return position;
}

std::int64_t KafkaBroker::offset_at(std::int32_t partition, Nanos time) {
  const auto until = Clock::now() + kafka::kReachable;
  for (;;) {
    const kafka::List list(rd_kafka_topic_partition_list_new(1));
    auto* entry =
        rd_kafka_topic_partition_list_add(list.get(), stage_.input_topic.c_str(), partition);
    entry->offset = std::max<std::int64_t>(0, time / 1'000'000 + (time % 1'000'000 > 0 ? 1 : 0));
    auto code = rd_kafka_offsets_for_times(consumer_.get(), list.get(), std::max(1, left(until)));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = entry->err;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (entry->offset >= 0) return entry->offset;
      return watermarks(consumer_.get(), stage_.input_topic, partition).second;
    }
    if (!kafka::passes(code) || left(until) == 0) {
      throw Failure("offset by time on " + input_name(partition) + ": " + text(code));
    }
  }
}

bool KafkaBroker::at_end(std::int32_t partition) {
  const auto position = positions_.find(partition);
  if (position == positions_.end()) return false;
  // Not through the consumer: its connection answers in order, and a waiting fetch holds half a
  // second.
  return position->second >= watermarks(committed_reader(), stage_.input_topic, partition).second;
}

}  // namespace

std::unique_ptr<Broker> make_kafka_broker(const KafkaClient& client, const KafkaStage& stage) {
  return std::make_unique<KafkaBroker>(client, stage);
}

const std::map<std::string, std::string>& owned_properties() {
  static const std::string kOffsets = "offsets are committed in the transaction only";
  static const std::string kIds = "derived from name, instance and stage, stable over restarts";
  static const std::string kTransactions = "set by the transactional producer";
  static const std::map<std::string, std::string> properties = {
      {"bootstrap.servers", "set kafka.brokers"},
      {"metadata.broker.list", "set kafka.brokers"},
      {"client.id", kIds},
      {"group.id", kIds},
      {"group.instance.id", kIds},
      {"transactional.id", kIds},
      {"enable.auto.commit", kOffsets},
      {"enable.auto.offset.store", kOffsets},
      {"auto.commit.enable", kOffsets},
      {"auto.commit.interval.ms", kOffsets},
      {"isolation.level", "aborted records must never be seen"},
      {"auto.offset.reset", "a lost position must stop the engine, not replay or skip the topic"},
      {"partition.assignment.strategy", "static members with range see no rebalance on a restart"},
      {"enable.partition.eof", "restores end by it"},
      {"allow.auto.create.topics", "a mistyped topic must not come into being"},
      {"transaction.timeout.ms", "how long a dead process may hold up readers"},
      {"enable.idempotence", kTransactions},
      {"acks", kTransactions},
      {"request.required.acks", kTransactions},
      {"retries", kTransactions},
      {"message.send.max.retries", kTransactions},
      {"max.in.flight", kTransactions},
      {"max.in.flight.requests.per.connection", kTransactions},
      {"message.timeout.ms", kTransactions},
      {"delivery.timeout.ms", kTransactions},
      {"queuing.strategy", kTransactions},
      {"message.max.bytes", "larger records are refused before they can abort a transaction"},
      {"delivery.report.only.error", "checkpoints are made of the offsets delivered"},
      {"partitioner", "keys are placed by murmur2, as Java clients do"},
  };
  return properties;
}

void read_topic(const KafkaClient& client, const std::string& topic, bool follow,
                const std::function<bool(const Record&)>& each) {
  const kafka::Handle handle = make_reader(client, "read_committed");
  Reader reader(handle.get(), topic);
  const std::int32_t partitions = kafka::partition_count(client, handle.get(), reader.topic());
  for (std::int32_t partition = 0; partition < partitions; ++partition) {
    reader.start(partition, RD_KAFKA_OFFSET_BEGINNING);
  }
  std::set<std::int32_t> ended;
  auto progress = Clock::now();
  while (follow || static_cast<std::int32_t>(ended.size()) < partitions) {
    const kafka::Message message = reader.next(std::chrono::milliseconds(100));
    if (!message) {
      if (!follow && Clock::now() - progress > kafka::kReachable) {
        throw Failure(kafka::unreachable(client, "reading topic " + topic));
      }
      continue;
    }
    progress = Clock::now();
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      ended.insert(message->partition);
    } else if (!each(kafka::to_record(*message))) {
      return;
    }
  }
}

struct KafkaWriter::Impl {
  static void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* self) noexcept {
    auto& first = static_cast<Impl*>(self)->failed;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && first.empty()) first = text(message->err);
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
  kafka::Conf conf = kafka::make_conf(client, tuning(), own);
  rd_kafka_conf_set_opaque(conf.get(), impl_.get());
  rd_kafka_conf_set_dr_msg_cb(conf.get(), Impl::on_delivery);
  impl_->handle = kafka::make_handle(RD_KAFKA_PRODUCER, std::move(conf));
  impl_->topic = kafka::make_topic(impl_->handle.get(), impl_->name);
  impl_->partitions = kafka::partition_count(client, impl_->handle.get(), impl_->topic.get());
}

KafkaWriter::~KafkaWriter() = default;

void KafkaWriter::send(std::int32_t partition, std::string_view value) {
  if (partition < 0) partition = impl_->next++ % impl_->partitions;
  const auto until = Clock::now() + kafka::kReachable;
  // The library does not write to it: F_COPY.
  auto* payload = const_cast<char*>(value.data());
  while (rd_kafka_produce(impl_->topic.get(), partition, RD_KAFKA_MSG_F_COPY, payload, value.size(),
                          nullptr, 0, nullptr) != 0) {
    const auto code = rd_kafka_last_error();
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL || left(until) == 0) {
      throw Failure("writing to topic " + impl_->name + " at " + impl_->brokers + ": " +
                    text(code));
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
    throw Failure("writing to topic " + impl_->name + " at " + impl_->brokers + ": " + text(code));
  }
}

}  // namespace gyre::pipeline
