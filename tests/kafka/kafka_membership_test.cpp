// SPDX-License-Identifier: Apache-2.0
// Who may work on a partition, and who is put out.
#include <future>

#include "tests/kafka/broker_fixture.h"

namespace gyre::pipeline {
namespace {

constexpr std::chrono::seconds kPatience{40};

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

class KafkaGhostTest : public KafkaBrokerTest {
 protected:
  /// The group puts out who was there.
  kafka::Handle take_the_place_of_worker_0() const {
    kafka::Handle ghost = kafka::make_handle(
        RD_KAFKA_CONSUMER,
        kafka::make_conf(client(), kafka::tuning(), kafka::consumer_properties(stage())));
    rd_kafka_poll_set_consumer(ghost.get());
    const kafka::List topics(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(topics.get(), name("in").c_str(), RD_KAFKA_PARTITION_UA);
    EXPECT_EQ(rd_kafka_subscribe(ghost.get(), topics.get()), RD_KAFKA_RESP_ERR_NO_ERROR);
    const auto until = kafka::Clock::now() + kPatience;
    const auto has_partitions = [&] {
      rd_kafka_topic_partition_list_t* partitions = nullptr;
      EXPECT_EQ(rd_kafka_assignment(ghost.get(), &partitions), RD_KAFKA_RESP_ERR_NO_ERROR);
      return kafka::List(partitions)->cnt > 0;
    };
    while (!has_partitions() && kafka::left(until) > 0)
      const kafka::Message message(rd_kafka_consumer_poll(ghost.get(), 10));
    EXPECT_GT(kafka::left(until), 0);
    return ghost;
  }

  /// With a transaction that the coordinator gives up.
  void be_too_slow(Broker& broker) const {
    broker.begin();
    broker.send({name("out"), 0, "k", "too late", {}});
    KafkaStage of_another = stage("another");
    of_another.group = name("another");
    const auto another = make_kafka_broker(client(), of_another);
    start(*another, 1);
    // What is committed can be read on when the transaction before it has ended.
    const std::vector<LogPart> sent{{{name("out"), 0}, 0, 1}};
    EXPECT_TRUE(another->restore(sent, [](std::size_t, const Record&) { FAIL(); }));
    EXPECT_THAT(message_of<Failure>([&] { broker.commit({}); }), HasSubstr("FENCED"));
  }
};

TEST_F(KafkaGhostTest, JoinsAnewWhenTheGroupHasPutItOutThoughNobodyTookItsPlace) {
  create("in", 1);
  create("out", 1);
  fill("in", 0, 1);
  const auto broker = make_kafka_broker(client(), stage());
  start(*broker, 1);
  // What a request to join does that was sent twice: the group knows the second only.
  take_the_place_of_worker_0().reset();
  EXPECT_THAT(message_of<Failure>([&] {
                const auto until = kafka::Clock::now() + kPatience;
                while (kafka::left(until) > 0) broker->poll(kQuick);
              }),
              HasSubstr("has put out the member " + name("worker-0")));
  broker->recover();
  EXPECT_THAT(join(*broker, 0).partitions, IsEmpty());
  start(*broker, 1);
  EXPECT_EQ(*read(*broker, 1)[0].value, "v0");
  broker->begin();
  broker->send({name("out"), 0, "k", "kept", {}});
  const std::vector<PartitionOffset> next{{0, 1}};
  broker->commit(next);
  EXPECT_EQ(broker->committed(0), 1);
  EXPECT_THAT(values("out"), ElementsAre("kept"));
}

TEST_F(KafkaGhostTest, JoinsAnewWhenItsTransactionExpiredAndWhoTookItsPlaceIsSilent) {
  create("in", 1);
  create("out", 1);
  const auto broker = make_kafka_broker(client(), stage());
  start(*broker, 1);
  be_too_slow(*broker);
  take_the_place_of_worker_0().reset();
  broker->recover();
  start(*broker, 1);
  broker->begin();
  broker->send({name("out"), 0, "k", "kept", {}});
  broker->commit({});
  EXPECT_THAT(values("out"), ElementsAre("kept"));
}

TEST_F(KafkaGhostTest, LeavesItsPlaceToALivingTwinWhenItsTransactionExpired) {
  create("in", 1);
  create("out", 1);
  const auto broker = make_kafka_broker(client(), stage());
  start(*broker, 1);
  be_too_slow(*broker);
  const kafka::Handle twin = take_the_place_of_worker_0();
  EXPECT_THAT(message_of<Refusal>([&] { broker->recover(); }),
              HasSubstr("another process runs with the id " + name("worker-0")));
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
    try {
      older->begin();
      older->send({name("out"), 0, "k", "of the older", {}});
      const std::vector<PartitionOffset> next{{0, 1}};
      older->commit(next);
    } catch (const Failure&) {
      older->recover();
    }
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
  // While it is not asked it hears of nobody who wants to join, and the group waits for it.
  const auto first = make_kafka_broker(client(), stage("worker-0"));
  start(*first, 1);
  const auto broker = make_kafka_broker(client(), stage("worker-1"));
  broker->begin();
  broker->send({name("out"), 0, "k", "v", {}});
  EXPECT_THAT(message_of<Failure>([&] { broker->commit({}); }), HasSubstr("no member of group"));
  broker->recover();
  EXPECT_THAT(values("out"), IsEmpty());
}

TEST_F(KafkaBrokerTest, TakesNothingFromAnotherBeforeItMayBegin) {
  create("in", 1);
  create("out", 1);
  fill("in", 0, 1);
  const auto broker = make_kafka_broker(client(), stage());
  start(*broker, 1);
  read(*broker, 1);
  KafkaStage forbidden = stage();
  forbidden.may_begin = [] { throw Refusal("the topics are not as they must be"); };
  EXPECT_THROW(make_kafka_broker(client(), forbidden), Refusal);
  broker->begin();
  broker->send({name("out"), 0, "k", "v"});
  broker->commit(std::vector<PartitionOffset>{{0, 1}});
  EXPECT_THAT(values("out"), ElementsAre("v"));
}

}  // namespace
}  // namespace gyre::pipeline
