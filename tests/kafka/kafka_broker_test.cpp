// SPDX-License-Identifier: Apache-2.0
#include "pipeline/kafka_broker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <future>

#include "pipeline/kafka_admin.h"
#include "pipeline/kafka_handles.h"

namespace gyre::pipeline {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr BatchLimits kQuick{.wait = milliseconds(50), .linger = milliseconds(5)};

KafkaClient client() {
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

bool at_end(Broker& broker, std::int32_t partition) {
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

TEST_F(KafkaBrokerTest, CopiesInATransactionWithOffsets) {
  create("in", 1);
  create("out", 3);
  fill("in", 0, 3);
  const auto broker = make_kafka_broker(client(), stage());
  EXPECT_EQ(broker->input_partitions(), 1);
  EXPECT_THAT(broker->cluster_id(), testing::SizeIs(22));  // a UUID in base64
  start(*broker, 1);
  EXPECT_EQ(broker->committed(0), std::nullopt);
  const auto records = read(*broker, 3);
  EXPECT_EQ(records[2].offset, 2);
  EXPECT_EQ(*records[2].value, "v2");
  EXPECT_GT(records[0].timestamp, 1'600'000'000 * kNanosPerSecond);
  EXPECT_FALSE(records[0].log_append_time);

  broker->begin();
  for (const Record& record : records) {
    broker->send({name("out"), 1, "key", *record.value, {{"header", std::string("a\0b", 3)}}});
  }
  broker->send({name("out"), 2, "key", std::nullopt, {}});
  const std::vector<PartitionOffset> next{{0, 3}};
  const auto last = broker->commit(next);
  EXPECT_THAT(last, ElementsAre(testing::Pair(TopicPartition(name("out"), 1), 2),
                                testing::Pair(TopicPartition(name("out"), 2), 0)));
  EXPECT_EQ(broker->committed(0), 3);
  EXPECT_THAT(values("out"), UnorderedElementsAre("v0", "v1", "v2", "(none)"));
  EXPECT_EQ(broker->high_watermark(name("out"), 1), 4);
  EXPECT_EQ(broker->low_watermark(name("out"), 1), 0);

  broker->restore(name("out"), 1, 2, [&](const Record& record) {
    EXPECT_EQ(record.offset, 2);
    EXPECT_EQ(record.key, "key");
    EXPECT_THAT(record.headers, ElementsAre(testing::Pair("header", std::string("a\0b", 3))));
  });
}

TEST_F(KafkaBrokerTest, PlacesKeysLikeJavaClients) {
  create("in", 1);
  create("out", 16);
  const auto broker = make_kafka_broker(client(), stage());
  start(*broker, 1);
  broker->begin();
  broker->send({name("out"), -1, "21", "v", {}});
  const auto last = broker->commit({});
  // murmur2("21") of Kafka's own tests is -973932308.
  EXPECT_THAT(last, ElementsAre(testing::Pair(
                        TopicPartition(name("out"), (-973932308 & 0x7fffffff) % 16), 0)));
}

TEST_F(KafkaBrokerTest, HidesWhatWasAbortedAndReadsAgain) {
  create("in", 1);
  create("out", 1);
  fill("in", 0, 2);
  const auto broker = make_kafka_broker(client(), stage());
  start(*broker, 1);
  read(*broker, 2);
  broker->begin();
  broker->send({name("out"), 0, "k", "aborted", {}});
  broker->recover();
  EXPECT_EQ(broker->committed(0), std::nullopt);
  const std::vector<PartitionOffset> again{{0, 1}};
  broker->resume(again);
  EXPECT_EQ(read(*broker, 1)[0].offset, 1);

  broker->begin();
  broker->send({name("out"), 0, "k", "kept", {}});
  const std::vector<PartitionOffset> next{{0, 2}};
  broker->commit(next);
  EXPECT_THAT(values("out"), ElementsAre("kept"));
}

TEST_F(KafkaBrokerTest, RestoresPastAbortsAndMarkersUpToTheHighWatermark) {
  create("in", 1);
  create("out", 1);
  const auto broker = make_kafka_broker(client(), stage());
  start(*broker, 1);
  Foreign other(name("other"));
  for (const std::string round : {"0", "1"}) {
    broker->begin();
    broker->send({name("out"), 0, "k", round, {}});
    broker->commit({});
    other.begin();
    other.write(name("out"), "aborted");
    other.abort();
  }
  // Two records kept, two aborted, a marker after each.
  EXPECT_EQ(broker->high_watermark(name("out"), 0), 8);
  std::vector<std::string> seen;
  const auto reached = broker->restore(
      name("out"), 0, 0, [&](const Record& record) { seen.push_back(*record.value); });
  EXPECT_THAT(seen, ElementsAre("0", "1"));
  EXPECT_EQ(reached, 8);
  EXPECT_EQ(broker->restore(name("out"), 0, 8, [](const Record&) { FAIL(); }), 8);
}

TEST_F(KafkaBrokerTest, RestoreWaitsForTheTransactionBelowTheHighWatermark) {
  create("in", 1);
  create("out", 1);
  const auto broker = make_kafka_broker(client(), stage());
  Foreign other(name("other"));
  other.begin();
  other.write(name("out"), "late");
  EXPECT_EQ(broker->high_watermark(name("out"), 0), 1);
  std::vector<std::string> seen;
  auto reached = std::async(std::launch::async, [&] {
    return broker->restore(name("out"), 0, 0,
                           [&](const Record& record) { seen.push_back(*record.value); });
  });
  EXPECT_EQ(reached.wait_for(milliseconds(500)), std::future_status::timeout);
  other.commit();
  EXPECT_GE(reached.get(), 1);
  EXPECT_THAT(seen, ElementsAre("late"));
}

TEST_F(KafkaBrokerTest, KnowsWhenNothingIsUnread) {
  create("in", 1);
  create("out", 1);
  const auto broker = make_kafka_broker(client(), stage());
  start(*broker, 1);
  EXPECT_TRUE(at_end(*broker, 0));
  fill("in", 0, 1);
  EXPECT_FALSE(at_end(*broker, 0));
  read(*broker, 1);
  EXPECT_TRUE(at_end(*broker, 0));
}

TEST_F(KafkaBrokerTest, ReadsPartitionsSideBySideInTime) {
  create("in", 3);
  create("out", 1);
  fill_stamped("in", 0, 0, 2000);
  fill_stamped("in", 1, 1000, 3000);  // the third is empty
  const auto broker = make_kafka_broker(client(), stage());
  start(*broker, 3);
  BatchLimits limits = kQuick;
  limits.records = 70;
  limits.alignment.emplace().horizon = stamp(2500);
  std::vector<Nanos> seen;
  const auto read_all = [&](std::size_t count) {
    const auto until = kafka::Clock::now() + std::chrono::seconds(20);
    while (seen.size() < count && kafka::left(until) > 0)
      for (const Record& record : broker->poll(limits).records) {
        limits.alignment->reached[record.partition] = record.timestamp;
        seen.push_back(record.timestamp);
      }
  };
  read_all(3501);
  EXPECT_EQ(seen.size(), 3501U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_THAT(broker->poll(limits).records, IsEmpty()) << "beyond the horizon";
  EXPECT_EQ(broker->next_time(1), stamp(2501));
  EXPECT_EQ(broker->unread(1).records, 499);
  EXPECT_TRUE(at_end(*broker, 2));
  limits.alignment->horizon = kEndOfTime;
  read_all(4000);
  EXPECT_EQ(seen.size(), 4000U);
}

TEST_F(KafkaBrokerTest, FollowsWhatOthersCommit) {
  create("in", 2);
  create("out", 2);
  const auto broker = make_kafka_broker(client(), stage());
  Foreign other(name("other"));
  const std::string topic = name("out");
  std::vector<std::string> seen;
  const auto follow = [&] {
    broker->follow(topic, std::vector<std::int32_t>{0, 1},
                   [&](const Record& record) { seen.push_back(record.value.value_or("")); });
  };
  const auto follow_until = [&](std::size_t count) {
    const auto until = kafka::Clock::now() + std::chrono::seconds(20);
    while (seen.size() < count && kafka::left(until) > 0) follow();
  };
  other.begin();
  other.write(topic, "first");
  other.commit();
  follow_until(1);
  other.begin();
  other.write(topic, "open");
  follow();
  EXPECT_THAT(seen, ElementsAre("first")) << "it waits for nobody";
  other.abort();
  other.begin();
  other.write(topic, "second");
  other.commit();
  follow_until(2);
  EXPECT_THAT(seen, ElementsAre("first", "second"));
}

TEST_F(KafkaBrokerTest, TellsTheTimeOfTheBrokersOnceOneHasStampedARecord) {
  create("in", 1);
  create("out", 1, {{"message.timestamp.type", "LogAppendTime"}});
  const auto broker = make_kafka_broker(client(), stage());
  start(*broker, 1);
  EXPECT_EQ(broker->time(), kNoTime);
  const auto wall = [] {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  const Nanos before = wall() / 1'000'000 * 1'000'000;
  broker->begin();
  broker->send({name("out"), 0, "k", "v", {}});
  broker->commit({});
  EXPECT_GE(broker->time(), before);  // the broker of a test runs on this machine
  EXPECT_LE(broker->time(), wall());
}

TEST_F(KafkaBrokerTest, DeletesWhatWasReadAndSaysWhyItCannot) {
  create("in", 1);
  create("out", 1);
  fill("in", 0, 5);
  const auto broker = make_kafka_broker(client(), stage());
  start(*broker, 1);
  read(*broker, 5);
  const std::vector<PartitionOffset> done{{0, 3}};
  EXPECT_EQ(broker->delete_before(done), "");
  const auto until = kafka::Clock::now() + std::chrono::seconds(20);
  while (broker->low_watermark(name("in"), 0) < 3 && kafka::left(until) > 0) continue;
  EXPECT_EQ(broker->low_watermark(name("in"), 0), 3);

  const std::vector<PartitionOffset> beyond{{0, 50}};
  std::string problem = broker->delete_before(beyond);
  while (problem.empty() && kafka::left(until) > 0) problem = broker->delete_before(done);
  EXPECT_THAT(problem, HasSubstr("OFFSET_OUT_OF_RANGE"));
}

TEST_F(KafkaBrokerTest, FindsARecordByItsOffset) {
  create("in", 1);
  create("out", 1);
  fill("in", 0, 3);
  const auto broker = make_kafka_broker(client(), stage());
  start(*broker, 1);
  const auto range = broker->input_range(0);
  ASSERT_TRUE(range);
  EXPECT_EQ(range->low, 0);
  EXPECT_EQ(range->high, 3);
  const auto record = broker->record_at(0, 1);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->value, "v1");
  EXPECT_EQ(record->timestamp, read(*broker, 3)[1].timestamp);
  EXPECT_FALSE(broker->record_at(0, 3));
}

TEST_F(KafkaBrokerTest, FindsOffsetsByTime) {
  create("in", 1);
  create("out", 1);
  fill("in", 0, 2);
  const auto broker = make_kafka_broker(client(), stage());
  EXPECT_EQ(broker->offset_at(0, 0), 0);
  EXPECT_EQ(broker->offset_at(0, kEndOfTime), 2);
}

TEST_F(KafkaBrokerTest, CommittedWaitsForAPendingTransaction) {
  create("in", 1);
  create("out", 1);
  fill("in", 0, 9);
  const auto broker = make_kafka_broker(client(), stage());
  start(*broker, 1);

  Foreign other(name("other"));
  other.begin();
  other.offset(name("group"), name("in"), 7);
  auto committed = std::async(std::launch::async, [&] { return broker->committed(0); });
  EXPECT_EQ(committed.wait_for(milliseconds(500)), std::future_status::timeout);
  other.commit();
  EXPECT_EQ(committed.get(), 7);
}

TEST_F(KafkaBrokerTest, RestartWithTheSameIdAbortsWhatWasOpenAndKeepsThePartitions) {
  create("in", 2);
  create("out", 1);
  auto broker = make_kafka_broker(client(), stage());
  start(*broker, 2);
  broker->begin();
  broker->send({name("out"), 0, "k", "open", {}});
  broker.reset();
  broker = make_kafka_broker(client(), stage());
  start(*broker, 2);
  broker->begin();
  broker->send({name("out"), 0, "k", "kept", {}});
  broker->commit({});
  EXPECT_THAT(values("out"), ElementsAre("kept"));
}

TEST_F(KafkaBrokerTest, RefusesAnOffsetOutOfRange) {
  create("in", 1);
  create("out", 1);
  fill("in", 0, 3);
  const auto broker = make_kafka_broker(client(), stage());
  start(*broker, 1, 50);
  const auto text = message_of<Refusal>([&] { read(*broker, 1); });
  EXPECT_THAT(text, HasSubstr("topic " + name("in") + " [0]"));
  EXPECT_THAT(text, HasSubstr("--reset-offsets"));
}

TEST_F(KafkaBrokerTest, SharesPartitionsBetweenMembers) {
  create("in", 4);
  create("out", 1);
  const auto first = make_kafka_broker(client(), stage("worker-0"));
  start(*first, 4);
  const auto second = make_kafka_broker(client(), stage("worker-1"));
  auto others = std::async(std::launch::async, [&] { return join(*second, 2); });
  std::vector<std::int32_t> all = join(*first, 2).partitions;
  for (const std::int32_t partition : others.get().partitions) all.push_back(partition);
  EXPECT_THAT(all, UnorderedElementsAre(0, 1, 2, 3));
}

TEST_F(KafkaBrokerTest, EndsTheOlderOfTwoWithOneIdAndCommitsNothingOfIt) {
  create("in", 1);
  create("out", 1);
  fill("in", 0, 1);
  const auto older = make_kafka_broker(client(), stage());
  start(*older, 1);
  read(*older, 1);
  const auto younger = make_kafka_broker(client(), stage());
  start(*younger, 1);
  const auto text = message_of<Refusal>([&] {
    older->begin();
    older->send({name("out"), 0, "k", "of the older", {}});
    const std::vector<PartitionOffset> next{{0, 1}};
    older->commit(next);
  });
  EXPECT_THAT(text, HasSubstr("another process runs with the id " + name("worker-0")));
  EXPECT_EQ(younger->committed(0), std::nullopt);
  younger->begin();
  younger->send({name("out"), 0, "k", "of the younger", {}});
  younger->commit({});
  EXPECT_THAT(values("out"), ElementsAre("of the younger"));
}

TEST_F(KafkaBrokerTest, RefusesToCommitBeforeItIsAMember) {
  create("in", 1);
  create("out", 1);
  const auto broker = make_kafka_broker(client(), stage());
  broker->begin();
  broker->send({name("out"), 0, "k", "v", {}});
  EXPECT_THAT(message_of<Failure>([&] { broker->commit({}); }), HasSubstr("no member of group"));
  broker->recover();
  EXPECT_THAT(values("out"), IsEmpty());
}

TEST_F(KafkaBrokerTest, ARecordTooLargeForItsTopicIsRefusedAndNeverTriedAgain) {
  create("in", 1);
  create("out", 1, {{"max.message.bytes", "2000"}});
  const auto broker =
      make_kafka_broker({client().brokers, {{"compression.codec", "none"}}}, stage());
  start(*broker, 1);
  broker->begin();
  broker->send({name("out"), 0, "k", std::string(5'000, 'x'), {}});
  EXPECT_THAT(message_of<Refusal>([&] { broker->commit({}); }),
              testing::AllOf(HasSubstr(name("out")), HasSubstr("max.message.bytes")));
  broker->recover();
  broker->begin();
  broker->send({name("out"), 0, "k", "innocent", {}});
  broker->commit({});
  EXPECT_THAT(values("out"), ElementsAre("innocent"));

  broker->begin();
  EXPECT_THAT(message_of<Refusal>([&] {
                broker->send({name("out"), 0, "k", std::string(1'000'001, 'x'), {}});
              }),
              HasSubstr(name("out")));
  broker->recover();
}

TEST_F(KafkaBrokerTest, ATopicMadeForLargeRecordsTakesThem) {
  create("in", 1);
  create("out", 1, {{"max.message.bytes", "10485760"}});
  KafkaStage large = stage();
  large.output_topics = {{name("out"), kLargestDeadLetter}};
  const auto broker = make_kafka_broker({client().brokers, {{"compression.codec", "none"}}}, large);
  start(*broker, 1);
  broker->begin();
  broker->send({name("out"), 0, "k", std::string(kLargestDeadLetter - 1, 'x'), {}});
  broker->commit({});
  EXPECT_EQ(values("out").at(0).size(), kLargestDeadLetter - 1);
}

TEST_F(KafkaBrokerTest, NamesAMissingTopic) {
  create("in", 1);
  EXPECT_THAT(message_of<Failure>([&] { make_kafka_broker(client(), stage()); }),
              HasSubstr("topic " + name("out") + " does not exist"));
}

TEST_F(KafkaBrokerTest, NamesAPropertyThatDoesNotExist) {
  EXPECT_THAT(message_of<ConfigError>([&] {
                make_kafka_broker({client().brokers, {{"linger.s", "1"}}}, stage());
              }),
              HasSubstr("kafka.properties.linger.s"));
}

TEST_F(KafkaBrokerTest, CreatesAndVerifiesTopics) {
  const TopicSpec spec{name("inner"), 3, true, 1, {{"cleanup.policy", "compact"}}, true};
  EXPECT_THAT(ensure_topics(client(), {spec}),
              ElementsAre("created " + name("inner") + " (3 partitions)"));
  EXPECT_THAT(ensure_topics(client(), {spec}),
              ElementsAre("ok " + name("inner") + " (3 partitions)"));
  TopicSpec large = spec;
  large.at_least = {{"max.message.bytes", 1'000'000}};
  EXPECT_THAT(ensure_topics(client(), {large}),
              ElementsAre("ok " + name("inner") + " (3 partitions)"));
  large.at_least = {{"max.message.bytes", 10'000'000}};
  EXPECT_THAT(message_of<Refusal>([&] { ensure_topics(client(), {large}); }),
              HasSubstr("max.message.bytes=1048588, must be at least 10000000"));
}

TEST_F(KafkaBrokerTest, NamesEveryProblemOfTheTopicsWithItsCure) {
  create("inner", 3, {{"cleanup.policy", "delete"}});
  const TopicSpec wrong{name("inner"), 4, true, 1, {{"cleanup.policy", "compact"}}, true};
  const TopicSpec missing{name("input"), 1, false, 1, {}, false};
  const TopicSpec replicas{name("many"), 1, true, 3, {}, true};
  const auto text = message_of<Refusal>([&] {
    ensure_topics(client(), {wrong, missing, replicas});
  });
  EXPECT_THAT(text, HasSubstr("has 3 partitions, but 4 are configured"));
  EXPECT_THAT(text, HasSubstr("Set inner.partitions to 3"));
  EXPECT_THAT(text, HasSubstr("--add-config cleanup.policy=[compact]"));
  EXPECT_THAT(text, HasSubstr("--create --topic " + name("input")));
  EXPECT_THAT(text, HasSubstr("lower the replication factor"));
}

TEST_F(KafkaBrokerTest, RefusesMoreInsyncReplicasThanThereAre) {
  EXPECT_THAT(message_of<Refusal>([&] {
                create("inner", 1, {{"min.insync.replicas", "2"}});
              }),
              HasSubstr("min.insync.replicas=2 but only 1 replicas"));
}

}  // namespace
}  // namespace gyre::pipeline
