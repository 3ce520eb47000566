// SPDX-License-Identifier: Apache-2.0
#include <future>

#include "tests/kafka/broker_fixture.h"

namespace gyre::pipeline {
namespace {

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
  EXPECT_EQ(broker->range(name("out"), 1).high, 4);
  EXPECT_EQ(broker->range(name("out"), 1).low, 0);

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
  // Two records kept, two aborted, a marker after each; the last may come after its abort's answer.
  const auto until = kafka::Clock::now() + std::chrono::seconds(20);
  while (broker->range(name("out"), 0).high < 8 && kafka::left(until) > 0) continue;
  EXPECT_EQ(broker->range(name("out"), 0).high, 8);
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
  EXPECT_EQ(broker->range(name("out"), 0).high, 1);
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

// An open transaction hides all that others write behind it: time must not pass over that.
TEST_F(KafkaBrokerTest, WhatIsNotDecidedYetIsUnread) {
  create("in", 1);
  create("out", 1);
  const auto broker = make_kafka_broker(client(), stage());
  start(*broker, 1);
  EXPECT_TRUE(at_end(*broker, 0));
  Foreign other(name("other"));
  other.begin();
  other.write(name("in"), "undecided");
  fill("in", 0, 2);
  EXPECT_EQ(broker->unread(0).records, 3);
  other.abort();
  read(*broker, 2);
  const auto until = kafka::Clock::now() + std::chrono::seconds(20);
  while (!at_end(*broker, 0) && kafka::left(until) > 0) broker->poll({});
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
  while (broker->range(name("in"), 0).low < 3 && kafka::left(until) > 0) continue;
  EXPECT_EQ(broker->range(name("in"), 0).low, 3);

  const std::vector<PartitionOffset> beyond{{0, 50}};
  std::string problem = broker->delete_before(beyond);
  while (problem.empty() && kafka::left(until) > 0) problem = broker->delete_before(done);
  EXPECT_THAT(problem, HasSubstr("OFFSET_OUT_OF_RANGE"));
}

TEST_F(KafkaBrokerTest, TellsWhatItsClientsKnowOfTheirConnections) {
  create("in", 1);
  create("out", 1);
  fill("in", 0, 3);
  std::map<std::string, KafkaStatistics> told;
  KafkaStage observed = stage();
  observed.observe = [&](const KafkaStatistics& now) { told[now.client] = now; };
  const auto broker = make_kafka_broker(client(), observed);
  start(*broker, 1);
  read(*broker, 3);
  const auto until = kafka::Clock::now() + std::chrono::seconds(30);
  while (told["producer"].round_trip == 0 && kafka::left(until) > 0) {
    broker->begin();
    broker->send({name("out"), 0, "k", "v"});
    broker->commit(std::vector<PartitionOffset>{{0, 3}});
    broker->poll(kQuick);
  }
  EXPECT_GT(told["producer"].round_trip, 0);
  EXPECT_LT(told["producer"].round_trip, 30);
  EXPECT_EQ(told["consumer"].client, "consumer");
  EXPECT_NE(told["consumer"].name, told["producer"].name);
}

TEST_F(KafkaBrokerTest, FindsARecordByItsOffset) {
  create("in", 1);
  create("out", 1);
  fill("in", 0, 3);
  const auto broker = make_kafka_broker(client(), stage());
  start(*broker, 1);
  const auto ranges = broker->input_ranges(std::vector{0});
  ASSERT_EQ(ranges.size(), 1U);
  EXPECT_EQ(ranges.at(0).low, 0);
  EXPECT_EQ(ranges.at(0).high, 3);
  const auto records = broker->records_at(std::vector<PartitionOffset>{{0, 1}});
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records.at(0).value, "v1");
  EXPECT_EQ(records.at(0).timestamp, read(*broker, 3)[1].timestamp);
  EXPECT_TRUE(broker->records_at(std::vector<PartitionOffset>{{0, 3}}).empty());
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

TEST_F(KafkaBrokerTest, FailsAtAnOffsetOutOfRange) {
  create("in", 1);
  create("out", 1);
  fill("in", 0, 3);
  const auto broker = make_kafka_broker(client(), stage());
  start(*broker, 1, 50);
  EXPECT_THAT(message_of<Failure>([&] { read(*broker, 1); }),
              HasSubstr("topic " + name("in") + " [0]"));
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

}  // namespace
}  // namespace gyre::pipeline
