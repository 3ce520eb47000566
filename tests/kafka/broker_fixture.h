// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "pipeline/kafka_admin.h"
#include "pipeline/kafka_broker.h"
#include "pipeline/kafka_handles.h"

/// What the tests against a real broker share.
namespace gyre::pipeline {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

inline constexpr BatchLimits kQuick{.wait = milliseconds(50), .linger = milliseconds(5)};

inline KafkaClient client() {
  const char* brokers = std::getenv("GYRE_KAFKA");
  return {brokers == nullptr ? "" : brokers, {}};
}

/// A transactional producer of somebody else, to leave transactions open or aborted at will.
class Foreign {
 public:
  explicit Foreign(const std::string& id)
      : handle_(kafka::make_handle(RD_KAFKA_PRODUCER,
                                   kafka::make_conf(client(), {}, {{"transactional.id", id}}))) {
    succeed(rd_kafka_init_transactions(handle_.get(), 20'000));
  }
  void begin() { succeed(rd_kafka_begin_transaction(handle_.get())); }
  void commit() { succeed(rd_kafka_commit_transaction(handle_.get(), -1)); }
  void abort() { succeed(rd_kafka_abort_transaction(handle_.get(), -1)); }
  /// Returns when the record lies in the log.
  void write(const std::string& name, std::string value) {
    const kafka::Topic topic = kafka::make_topic(handle_.get(), name);
    ASSERT_EQ(rd_kafka_produce(topic.get(), 0, RD_KAFKA_MSG_F_COPY, value.data(), value.size(),
                               nullptr, 0, nullptr),
              0);
    ASSERT_EQ(rd_kafka_flush(handle_.get(), 20'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  void offset(const std::string& group, const std::string& topic, std::int64_t next) {
    const kafka::List offsets(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(offsets.get(), topic.c_str(), 0)->offset = next;
    // Generation -1 and no member: the commit that nobody fences.
    const kafka::Membership anybody(rd_kafka_consumer_group_metadata_new(group.c_str()));
    succeed(rd_kafka_send_offsets_to_transaction(handle_.get(), offsets.get(), anybody.get(), -1));
  }

 private:
  static void succeed(rd_kafka_error_t* raw) {
    const kafka::Error error(raw);
    ASSERT_FALSE(error) << kafka::text(error);
  }

  kafka::Handle handle_;
};

inline bool at_end(Broker& broker, std::int32_t partition) {
  const Unread unread = broker.unread(partition);
  return unread.known && unread.records == 0;
}

template <typename Thrown, typename Call>
std::string message_of(Call&& call) {
  try {
    call();
  } catch (const Thrown& thrown) {
    return thrown.what();
  }
  ADD_FAILURE() << "not thrown";
  return "";
}

class KafkaBrokerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (client().brokers.empty()) GTEST_SKIP() << "GYRE_KAFKA is not set: run tools/with_kafka";
    static int run = 0;
    prefix_ = std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + "." +
              std::to_string(getpid()) + "." + std::to_string(++run);
  }

  std::string name(const std::string& what) const { return prefix_ + "." + what; }

  void create(const std::string& what, std::int32_t partitions,
              std::map<std::string, std::string> config = {}) const {
    ensure_topics(client(), {{name(what), partitions, true, 1, std::move(config), true}});
  }
  void fill(const std::string& what, std::int32_t partition, int count) const {
    KafkaWriter writer(client(), name(what));
    for (int i = 0; i < count; ++i) writer.send(partition, "v" + std::to_string(i));
    writer.flush();
  }
  /// Records stamped by their producer, in seconds.
  void fill_stamped(const std::string& what, std::int32_t partition, int first, int last) const {
    const kafka::Handle handle =
        kafka::make_handle(RD_KAFKA_PRODUCER, kafka::make_conf(client(), {}, {{"linger.ms", "5"}}));
    const kafka::Topic topic = kafka::make_topic(handle.get(), name(what));
    for (int second = first; second < last; ++second) {
      std::string value = std::to_string(second);
      ASSERT_EQ(rd_kafka_producev(handle.get(), RD_KAFKA_V_RKT(topic.get()),
                                  RD_KAFKA_V_PARTITION(partition),
                                  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                  RD_KAFKA_V_VALUE(value.data(), value.size()),
                                  RD_KAFKA_V_TIMESTAMP(kStamps + second * 1000), RD_KAFKA_V_END),
                RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    ASSERT_EQ(rd_kafka_flush(handle.get(), 20'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  static Nanos stamp(int second) { return kStamps * 1'000'000 + second * kNanosPerSecond; }
  KafkaStage stage(const std::string& id = "worker-0") const {
    return {name("in"), name("group"), name(id), {{name("out")}}};
  }
  std::vector<std::string> values(const std::string& what) const {
    std::vector<std::string> result;
    read_topic(
        client(), name(what), false,
        [&](const Record& record) {
          result.push_back(record.value.value_or("(none)"));
          return true;
        },
        [] {});
    return result;
  }

  /// Polls until the member has an assignment of `partitions` partitions, and returns it.
  static Assignment join(Broker& broker, std::size_t partitions) {
    const auto until = kafka::Clock::now() + std::chrono::seconds(40);
    while (kafka::left(until) > 0) {
      const Poll poll = broker.poll(kQuick);
      if (poll.assignment && poll.assignment->partitions.size() == partitions) {
        return *poll.assignment;
      }
    }
    throw Failure("no assignment");
  }
  static void start(Broker& broker, std::int32_t partitions, std::int64_t offset = 0) {
    std::vector<PartitionOffset> from;
    for (const std::int32_t partition :
         join(broker, static_cast<std::size_t>(partitions)).partitions) {
      from.push_back({partition, offset});
    }
    broker.resume(from);
  }
  static std::vector<Record> read(Broker& broker, std::size_t count) {
    std::vector<Record> records;
    const auto until = kafka::Clock::now() + std::chrono::seconds(20);
    while (records.size() < count && kafka::left(until) > 0) {
      for (Record& record : broker.poll(kQuick).records) records.push_back(std::move(record));
    }
    EXPECT_EQ(records.size(), count);
    return records;
  }

  static constexpr std::int64_t kStamps = 1'700'000'000'000;  // milliseconds
  std::string prefix_;
};

}  // namespace gyre::pipeline
