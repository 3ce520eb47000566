// SPDX-License-Identifier: Apache-2.0
// What topics must be, and what is said where they are not.
#include "tests/kafka/broker_fixture.h"

namespace gyre::pipeline {
namespace {

class KafkaTopicsTest : public KafkaBrokerTest {};

TEST_F(KafkaTopicsTest, CreatesAndVerifiesTopics) {
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

TEST_F(KafkaTopicsTest, NamesEveryProblemOfTheTopicsWithItsCure) {
  create("inner", 3, {{"cleanup.policy", "delete"}});
  const TopicSpec wrong{name("inner"), 4, true, 1, {{"cleanup.policy", "compact"}}, true};
  const TopicSpec missing{name("input"), 1, false, 3, {}, false};
  const TopicSpec lost{name("lost"), 1, true, 1, {}, false, "it was deleted"};
  const TopicSpec replicas{name("many"), 1, true, 3, {}, true};
  const auto text = message_of<Refusal>([&] {
    ensure_topics(client(), {wrong, missing, lost, replicas});
  });
  EXPECT_THAT(text, HasSubstr("has 3 partitions, but 4 are configured"));
  EXPECT_THAT(text, HasSubstr("made with 3, set inner.partitions to that"));
  EXPECT_THAT(text, HasSubstr("--add-config cleanup.policy=[compact]"));
  EXPECT_THAT(text, HasSubstr("--create --topic " + name("input")));
  EXPECT_THAT(text, HasSubstr("topic " + name("lost") + " does not exist: it was deleted"));
  EXPECT_THAT(text, HasSubstr("--replication-factor 1"));
  EXPECT_THAT(text, HasSubstr("inner.replication_factor is 3, but 1 broker answers: Kafka creates "
                              "none of " +
                              name("many") + ". Cure: set inner.replication_factor to 1"));
}

TEST_F(KafkaTopicsTest, TooFewBrokersForAllTopicsAreOneProblem) {
  const TopicSpec one{name("one"), 1, true, 3, {}, true};
  const TopicSpec two{name("two"), 1, true, 3, {}, true};
  EXPECT_THAT(message_of<Refusal>([&] {
                ensure_topics(client(), {one, two});
              }),
              HasSubstr("must be:\n  inner.replication_factor is 3, but 1 broker answers: Kafka "
                        "creates none of " +
                        name("one") + ", " + name("two") + ". Cure:"));
}

TEST_F(KafkaTopicsTest, ShowsWhatItCouldNotCreateAndCreatesNothing) {
  const TopicSpec fine{name("fine"), 1, true, 1, {}, true};
  const TopicSpec replicas{name("many"), 1, true, 3, {}, true};
  for (int time = 0; time < 2; ++time) {
    const TopicsShown shown = show_topics(client(), {fine, replicas});
    EXPECT_THAT(shown.lines,
                ElementsAre("missing " + name("fine") + ": gyre run and gyre topics create it"));
    EXPECT_THAT(shown.missing, ElementsAre(name("fine"), name("many")));
    EXPECT_THAT(shown.problems, ElementsAre(HasSubstr("inner.replication_factor is 3, but 1")));
  }
}

TEST_F(KafkaTopicsTest, AdvisesOnTheInputsTimestamps) {
  create("input", 1, {});
  const TopicSpec input{
      .name = name("input"),
      .create = false,
      .advised = {{"message.timestamp.type", {"LogAppendTime", "a sender's clock counts"}}}};
  EXPECT_THAT(
      show_topics(client(), {input}, true).lines,
      ElementsAre(HasSubstr("ok"), HasSubstr("has message.timestamp.type=CreateTime, better "
                                             "is LogAppendTime: a sender's clock counts")));
}

TEST_F(KafkaTopicsTest, RefusesMoreInsyncReplicasThanThereAre) {
  EXPECT_THAT(message_of<Refusal>([&] {
                create("inner", 1, {{"min.insync.replicas", "2"}});
              }),
              HasSubstr("min.insync.replicas=2 but only 1 replicas"));
}

}  // namespace
}  // namespace gyre::pipeline
