// SPDX-License-Identifier: Apache-2.0
//
// What Gyre is held against on a real Kafka: reading a topic only, and copying it in transactions
// that are cut as Gyre cuts its batches. And a probe: Critical alerts at even intervals, and how
// long after its interval each stands in a committed report. All print one JSON object.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <iostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/time.h"
#include "bench/command.h"
#include "pipeline/clock.h"
#include "pipeline/kafka_broker.h"
#include "pipeline/kafka_handles.h"
#include "pipeline/kafka_reader.h"
#include "tests/cpu_time.h"

namespace gyre::pipeline {
namespace {

constexpr std::string_view kUsage =
    "usage: bench_kafka consume BROKERS TOPIC\n"
    "       bench_kafka copy BROKERS TOPIC TO\n"
    "       bench_kafka probe BROKERS TOPIC REPORTS ALERTS_PER_SECOND SECONDS\n";
// The defaults of `batch`.
constexpr std::size_t kBatchRecords = 10'000;
constexpr std::size_t kBatchBytes = 8'000'000;
constexpr std::chrono::milliseconds kLinger{20};
constexpr int kWaitMs = 1000;
constexpr std::chrono::seconds kPatience{60};  ///< for the last reports

/// With queues that are never the limit: what costs the library least.
kafka::Properties roomy() {
  return {{"queued.min.messages", "1000000"},
          {"queued.max.messages.kbytes", "262144"},
          {"linger.ms", "5"},
          {"compression.codec", "lz4"},
          {"queue.buffering.max.messages", "200000"}};
}

/// From the first record on: clients find their brokers before.
class Cost {
 public:
  void count(const rd_kafka_message_t& message) {
    if (records_++ == 0) {
      began_ = kafka::Clock::now();
      cpu_ = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
    }
    bytes_ += message.len + message.key_len;
  }
  void print() const {
    const std::chrono::duration<double> time = kafka::Clock::now() - began_;
    std::cout << fmt::format(R"({{"records":{},"bytes":{},"cpu_seconds":{:.3f},"seconds":{:.3f}}})"
                             "\n",
                             records_, bytes_, cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_,
                             time.count());
  }

 private:
  kafka::Clock::time_point began_;
  double cpu_ = 0;
  std::uint64_t records_ = 0;
  std::uint64_t bytes_ = 0;
};

/// What is there of the queue, at most `most`, waiting for the first.
std::vector<kafka::Message> take(rd_kafka_queue_t* queue, std::size_t most, int wait_ms) {
  std::vector<rd_kafka_message_t*> raw(most);
  const auto count = rd_kafka_consume_batch_queue(queue, wait_ms, raw.data(), most);
  if (count < 0) throw Failure("reading: " + kafka::text(rd_kafka_last_error()));
  return {raw.begin(), raw.begin() + count};
}

/// Whether it is a record; else it must be the end of a partition, which is counted.
bool is_record(const rd_kafka_message_t& message, std::int32_t& ended) {
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
  if (message.err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
    throw Failure("reading: " + kafka::text(message.err));
  ++ended;
  return false;
}

void consume(const KafkaClient& client, const std::string& from) {
  const kafka::Handle reader = kafka::make_reader(client, "read_committed", roomy());
  const kafka::Topic topic = kafka::make_topic(reader.get(), from);
  const std::int32_t partitions = kafka::partition_count(client, reader.get(), topic.get());
  const kafka::Queue queue(rd_kafka_queue_new(reader.get()));
  for (std::int32_t partition = 0; partition < partitions; ++partition)
    CHECK(rd_kafka_consume_start_queue(topic.get(), partition, RD_KAFKA_OFFSET_BEGINNING,
                                       queue.get()) == 0);
  Cost cost;
  for (std::int32_t ended = 0; ended < partitions;)
    for (const kafka::Message& message : take(queue.get(), kBatchRecords, kWaitMs))
      if (is_record(*message, ended)) cost.count(*message);
  cost.print();
  for (std::int32_t partition = 0; partition < partitions; ++partition)
    rd_kafka_consume_stop(topic.get(), partition);
}

void check(const std::string& doing, const kafka::Error& error) {
  if (error) throw Failure(doing + ": " + kafka::text(error));
}

/// Each record to the partition of its own number.
class Copy {
 public:
  Copy(const KafkaClient& client, const std::string& from, const std::string& to) : from_(from) {
    kafka::Properties own = kafka::reader_properties("read_committed");
    own["auto.offset.reset"] = "earliest";
    own["group.id"] = to + ".copy";
    consumer_ = kafka::make_handle(RD_KAFKA_CONSUMER, kafka::make_conf(client, roomy(), own));
    rd_kafka_poll_set_consumer(consumer_.get());
    own = {{"transactional.id", to + ".copy"}, {"retry.backoff.ms", "10"}};
    producer_ = kafka::make_handle(RD_KAFKA_PRODUCER, kafka::make_conf(client, roomy(), own));
    check("init_transactions",
          kafka::Error(rd_kafka_init_transactions(producer_.get(), 30 * kWaitMs)));
    to_ = kafka::make_topic(producer_.get(), to);
    partitions_ = kafka::partition_count(client, producer_.get(), to_.get());
    const kafka::List topics(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(topics.get(), from.c_str(), RD_KAFKA_PARTITION_UA);
    if (const auto code = rd_kafka_subscribe(consumer_.get(), topics.get()))
      throw Failure("subscribing: " + kafka::text(code));
    queue_.reset(rd_kafka_queue_get_consumer(consumer_.get()));
  }

  void run() {
    while (ended_ < partitions_)
      if (const std::vector<kafka::Message> batch = next_batch(); !batch.empty()) copy(batch);
    cost_.print();
    rd_kafka_consumer_close(consumer_.get());
  }

 private:
  std::vector<kafka::Message> next_batch() {
    std::vector<kafka::Message> batch;
    std::size_t bytes = 0;
    auto until = kafka::Clock::now() + std::chrono::milliseconds(kWaitMs);
    while (batch.size() < kBatchRecords && bytes < kBatchBytes && ended_ < partitions_) {
      // By hundreds, so that bytes are seen in time; a call returns when it has all or time is up.
      auto taken = take(queue_.get(), std::min<std::size_t>(100, kBatchRecords - batch.size()),
                        kafka::left(until));
      for (kafka::Message& message : taken) {
        if (!is_record(*message, ended_)) continue;
        if (batch.empty()) until = kafka::Clock::now() + kLinger;
        cost_.count(*message);
        bytes += message->len + message->key_len;
        batch.push_back(std::move(message));
      }
      if (kafka::left(until) == 0) break;
    }
    return batch;
  }

  void copy(const std::vector<kafka::Message>& batch) {
    check("begin", kafka::Error(rd_kafka_begin_transaction(producer_.get())));
    std::map<std::int32_t, std::int64_t> next;
    for (const kafka::Message& message : batch) {
      while (rd_kafka_produce(to_.get(), message->partition, RD_KAFKA_MSG_F_COPY, message->payload,
                              message->len, message->key, message->key_len, nullptr) != 0) {
        CHECK(rd_kafka_last_error() == RD_KAFKA_RESP_ERR__QUEUE_FULL);
        rd_kafka_poll(producer_.get(), 10);
      }
      next[message->partition] = message->offset + 1;
    }
    const kafka::List offsets(rd_kafka_topic_partition_list_new(static_cast<int>(next.size())));
    for (const auto& [partition, offset] : next)
      rd_kafka_topic_partition_list_add(offsets.get(), from_.c_str(), partition)->offset = offset;
    const kafka::Membership member(rd_kafka_consumer_group_metadata(consumer_.get()));
    check("send_offsets", kafka::Error(rd_kafka_send_offsets_to_transaction(
                              producer_.get(), offsets.get(), member.get(), -1)));
    check("commit", kafka::Error(rd_kafka_commit_transaction(producer_.get(), -1)));
  }

  std::string from_;
  kafka::Handle consumer_;
  kafka::Queue queue_;
  kafka::Handle producer_;
  kafka::Topic to_;
  std::int32_t partitions_ = 0;
  std::int32_t ended_ = 0;
  Cost cost_;
};

constexpr std::string_view kMark = "gyre-probe-";
constexpr std::size_t kDigits = 8;

/// Of a container that nothing was heard of before.
std::string probe_alert(std::uint64_t number, Nanos time) {
  const std::string when = format_rfc3339(time);
  const std::string name = fmt::format("{}{:0{}}", kMark, number, kDigits);
  return fmt::format(
      R"({{"hostname":"probe-{}","priority":"Critical","rule":"Fileless execution via memfd_create",)"
      R"("source":"syscall","time":"{}","output":"{}: Critical Fileless execution | container_name={}",)"
      R"("output_fields":{{"container.id":"{:012x}","container.name":"{}",)"
      R"("container.image.repository":"registry.example/probe","container.image.tag":"1",)"
      R"("evt.type":"execve","evt.res":"SUCCESS","evt.time":{},"proc.cmdline":"x -a","proc.exepath":"memfd:x",)"
      R"("proc.name":"x","proc.pname":"sh","user.name":"root","user.uid":0}},"tags":["T1620","container","host"]}})",
      number % 50, when, when, name, number, name, time);
}

double share_of(const std::vector<double>& sorted, double share) {
  const auto at = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
  return sorted[std::min(at, sorted.size() - 1)];
}

/// An open loop: alerts go out by the clock, however long reports take.
void probe(const KafkaClient& client, const std::string& input, const std::string& reports,
           double rate, double seconds) {
  const kafka::Handle handle = kafka::make_reader(client, "read_committed", kafka::tuning());
  const kafka::Topic topic = kafka::make_topic(handle.get(), reports);
  const std::int32_t partitions = kafka::partition_count(client, handle.get(), topic.get());
  kafka::Reader reader(handle.get());
  for (std::int32_t partition = 0; partition < partitions; ++partition)
    reader.start(reports, partition, RD_KAFKA_OFFSET_END);
  // Each says once that it stands at the end: from there on nothing is missed.
  for (std::int32_t ended = 0; ended < partitions;) {
    const kafka::Message message = reader.next(std::chrono::milliseconds(kWaitMs));
    if (message && message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) ++ended;
  }

  KafkaWriter writer(client, input);
  const auto count = static_cast<std::size_t>(rate * seconds);
  const auto began = kafka::Clock::now();
  const auto due = [&](std::size_t number) {
    return began + std::chrono::duration_cast<kafka::Clock::duration>(
                       std::chrono::duration<double>(static_cast<double>(number) / rate));
  };
  std::atomic<std::size_t> sent = 0;
  std::string failed;
  std::thread sending([&] {
    try {
      for (std::size_t number = 0; number < count; ++number) {
        std::this_thread::sleep_until(due(number));
        writer.send(-1, probe_alert(number, wall_clock()));
        sent = number + 1;
      }
      writer.flush();
    } catch (const Failure& failure) {
      failed = failure.what();
      sent = count;
    }
  });
  std::vector<double> delays;
  std::vector<bool> seen(count);
  for (const auto until = due(count) + kPatience;
       delays.size() < count && (sent < count || kafka::left(until) > 0) && failed.empty();) {
    const kafka::Message message = reader.next(std::chrono::milliseconds(100));
    if (!message || message->err != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    const std::string_view text(static_cast<const char*>(message->payload), message->len);
    const std::size_t at = text.find(kMark);
    if (at == std::string_view::npos) continue;
    std::size_t number = count;
    const char* digits = text.data() + at + kMark.size();
    std::from_chars(digits, digits + kDigits, number);
    if (number >= count || seen[number]) continue;
    seen[number] = true;
    delays.push_back(
        std::chrono::duration<double, std::milli>(kafka::Clock::now() - due(number)).count());
  }
  sending.join();
  if (!failed.empty()) throw Failure(failed);
  if (delays.empty()) throw Failure("no report of a probe came");
  std::sort(delays.begin(), delays.end());
  std::cout << fmt::format(
      R"({{"sent":{},"reported":{},"p50_ms":{:.0f},"p99_ms":{:.0f},"p999_ms":{:.0f},"most_ms":{:.0f}}})"
      "\n",
      count, delays.size(), share_of(delays, 0.5), share_of(delays, 0.99), share_of(delays, 0.999),
      delays.back());
}

int run(const std::vector<std::string>& arguments) {
  const auto is = [&](std::string_view command, std::size_t count) {
    return arguments.size() == count && arguments[0] == command;
  };
  const KafkaClient client{.brokers = arguments.size() > 1 ? arguments[1] : "", .properties = {}};
  if (is("consume", 3))
    consume(client, arguments[2]);
  else if (is("copy", 4))
    Copy(client, arguments[2], arguments[3]).run();
  else if (is("probe", 6))
    probe(client, arguments[2], arguments[3], std::stod(arguments[4]), std::stod(arguments[5]));
  else {
    std::cerr << kUsage;
    return 64;
  }
  return 0;
}

}  // namespace
}  // namespace gyre::pipeline

int main(int argc, char** argv) { return gyre::command(argc, argv, gyre::pipeline::run); }
