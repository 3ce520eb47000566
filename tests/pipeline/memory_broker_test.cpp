// SPDX-License-Identifier: Apache-2.0
#include "pipeline/memory_broker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace gyre::pipeline {
namespace {

using Offsets = std::vector<PartitionOffset>;
using Partitions = std::vector<std::int32_t>;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::ThrowsMessage;

constexpr char kIn[] = "alerts";
constexpr char kOut[] = "sightings";
constexpr char kLog[] = "changelog";
constexpr char kGroup[] = "gyre.intake";

std::vector<std::string> values(const std::vector<Record>& records) {
  std::vector<std::string> all;
  for (const Record& record : records) all.push_back(record.value.value_or("(tombstone)"));
  return all;
}

bool at_end(Broker& broker, std::int32_t partition) {
  const Unread unread = broker.unread(partition);
  return unread.known && unread.records == 0;
}

OutRecord out(const std::string& topic, const std::string& value, std::int32_t partition = 0) {
  return {.topic = topic, .partition = partition, .key = "key", .value = value, .headers = {}};
}

class MemoryBrokerTest : public ::testing::Test {
 protected:
  MemoryBrokerTest() {
    cluster_.create_topic(kIn, 4);
    cluster_.create_topic(kOut, 1);
    cluster_.create_topic(kLog, 2);
  }

  std::unique_ptr<Broker> connect(const std::string& id) {
    return cluster_.connect(kGroup, kIn, id);
  }

  // What poll says of the assignment; nullopt if it is the old one.
  static std::optional<Partitions> assigned(Broker& broker) {
    const auto assignment = broker.poll({}).assignment;
    return assignment ? std::optional(assignment->partitions) : std::nullopt;
  }

  static std::unique_ptr<Broker> polled(std::unique_ptr<Broker> broker) {
    broker->poll({});
    return broker;
  }

  static auto commit(Broker& broker, std::int64_t next, std::int32_t partition = 0) {
    return broker.commit(Offsets{{partition, next}});
  }

  void delay_commits() {
    cluster_.on_commit([](const std::string&) { return CommitFault::kDelayed; });
  }

  static void start(Broker& broker, OutRecord record) {
    broker.begin();
    broker.send(std::move(record));
  }

  static void transact(Broker& broker, OutRecord record, std::int64_t next) {
    start(broker, std::move(record));
    commit(broker, next);
  }

  std::vector<std::string> seen(const std::string& topic) {
    return values(cluster_.read(topic, 0));
  }

  MemoryCluster cluster_;
};

TEST_F(MemoryBrokerTest, T1_RefusesACommitWithoutMembership) {
  auto lost = polled(connect("a"));
  start(*lost, out(kOut, "of a zombie"));
  cluster_.drop_membership(kGroup, "a");
  auto owner = polled(connect("b"));
  owner->begin();
  commit(*owner, 7);

  EXPECT_THROW(commit(*lost, 3), Failure);
  EXPECT_EQ(owner->committed(0), 7);
  lost->recover();
  EXPECT_THAT(seen(kOut), IsEmpty());
  EXPECT_EQ(assigned(*lost), (Partitions{0, 1})) << "it joins again, and then it may";
  transact(*lost, out(kOut, "of a member"), 8);
  EXPECT_EQ(owner->committed(0), 8);
}

TEST_F(MemoryBrokerTest, T2_RestoreReachesTheHighWatermarkNotTheLastStableOffset) {
  auto first = polled(connect("a"));
  transact(*first, out(kLog, "early"), 1);
  cluster_.hold_markers([](const std::string& topic, std::int32_t) { return topic == kLog; });
  transact(*first, out(kLog, "late"), 2);
  cluster_.expire(kGroup, "a");

  auto next = polled(connect("b"));
  ASSERT_EQ(next->committed(0), 2) << "the offsets are stable before the changelog is";
  const std::int64_t high = next->range(kLog, 0).high;
  ASSERT_LT(cluster_.last_stable_offset(kLog, 0), high);
  ASSERT_THAT(seen(kLog), ElementsAre("early")) << "a reader that stops here misses a record";

  cluster_.on_wait([&] { cluster_.release_markers(); });
  std::vector<Record> restored;
  const auto apply = [&](const Record& record) { restored.push_back(record); };
  EXPECT_EQ(next->restore(kLog, 0, 0, apply), high);
  EXPECT_THAT(values(restored), ElementsAre("early", "late"));
}

TEST_F(MemoryBrokerTest, T2_RestoreWaitsForATransactionAndFailsIfNobodyDecidesIt) {
  auto other = polled(connect("a"));
  start(*other, out(kLog, "given up"));
  cluster_.append(kLog, 0, "kept", kNoTime);
  auto reader = polled(connect("b"));
  std::vector<Record> restored;
  const auto apply = [&](const Record& record) { restored.push_back(record); };
  EXPECT_THROW(reader->restore(kLog, 0, 0, apply), Failure);
  cluster_.on_wait([] {});
  EXPECT_THROW(reader->restore(kLog, 0, 0, apply), Failure);
  cluster_.on_wait([&] { cluster_.time_out("a"); });
  EXPECT_EQ(reader->restore(kLog, 0, 0, apply), 2);
  EXPECT_THAT(values(restored), ElementsAre("kept"));
}

TEST_F(MemoryBrokerTest, ARestoreThatWaitsEndsWhenTheGroupGivesItsMemberOthers) {
  auto other = polled(connect("a"));
  start(*other, out(kLog, "given up"));
  auto reader = polled(connect("b"));
  cluster_.on_wait([&] { cluster_.expire(kGroup, "a"); });
  EXPECT_EQ(reader->restore(kLog, 0, 0, [](const Record&) {}), std::nullopt);
  EXPECT_TRUE(reader->poll({}).assignment);
}

TEST_F(MemoryBrokerTest, T3_CommittedWaitsForPendingOffsets) {
  auto first = polled(connect("a"));
  first->begin();
  commit(*first, 1);
  delay_commits();
  first->begin();
  EXPECT_THROW(commit(*first, 2), Failure);
  cluster_.drop_membership(kGroup, "a");

  auto next = polled(connect("b"));
  EXPECT_THROW(next->committed(0), Failure) << "neither the old offset nor the new one is safe";
  EXPECT_EQ(next->committed(1), std::nullopt) << "nothing is pending there";
  cluster_.on_wait([&] { cluster_.deliver_delayed(); });
  EXPECT_EQ(next->committed(0), 2);
}

TEST_F(MemoryBrokerTest, T3_PendingOffsetsOfAnAbortedTransactionNeverCount) {
  auto first = polled(connect("a"));
  first->begin();
  commit(*first, 1);
  delay_commits();
  first->begin();
  EXPECT_THROW(commit(*first, 2), Failure);
  auto next = polled(connect("b"));
  cluster_.on_wait([&] { cluster_.expire(kGroup, "a"); });
  EXPECT_EQ(next->committed(0), 1);
  cluster_.deliver_delayed();
  EXPECT_EQ(next->committed(0), 1);
}

TEST_F(MemoryBrokerTest, T4_ADelayedCommitCannotEndALaterTransaction) {
  auto broker = polled(connect("a"));
  delay_commits();
  start(*broker, out(kOut, "first"));
  EXPECT_THROW(commit(*broker, 1), Failure);
  broker->recover();
  cluster_.on_commit(nullptr);

  start(*broker, out(kOut, "half of the second"));
  cluster_.deliver_delayed();
  EXPECT_THAT(seen(kOut), IsEmpty());
  broker->send(out(kOut, "the other half"));
  commit(*broker, 1);
  EXPECT_THAT(seen(kOut), ElementsAre("half of the second", "the other half"));
}

TEST_F(MemoryBrokerTest, T4_ARepeatedCommitCannotEndALaterTransaction) {
  auto broker = polled(connect("a"));
  cluster_.on_commit([](const std::string&) { return CommitFault::kRepeated; });
  transact(*broker, out(kOut, "first"), 1);
  cluster_.on_commit(nullptr);
  EXPECT_THAT(seen(kOut), ElementsAre("first"));

  start(*broker, out(kOut, "half of the second"));
  cluster_.deliver_delayed();
  EXPECT_THAT(seen(kOut), ElementsAre("first"));
  broker->send(out(kOut, "the other half"));
  commit(*broker, 2);
  EXPECT_THAT(seen(kOut), ElementsAre("first", "half of the second", "the other half"));
  EXPECT_EQ(broker->committed(0), 2);
}

TEST_F(MemoryBrokerTest, ACommitWithoutAnAnswerMayHaveHappened) {
  auto broker = polled(connect("a"));
  cluster_.on_commit([](const std::string&) { return CommitFault::kReplyLost; });
  start(*broker, out(kOut, "once"));
  EXPECT_THROW(commit(*broker, 1), Failure);
  broker->recover();
  EXPECT_EQ(broker->committed(0), 1);
  cluster_.deliver_delayed();
  EXPECT_THAT(seen(kOut), ElementsAre("once"));
}

TEST_F(MemoryBrokerTest, AbortedRecordsAreNeverSeen) {
  cluster_.create_topic("one", 1);
  auto writer = polled(connect("a"));
  auto reader = polled(cluster_.connect("readers", "one", "r"));
  reader->resume(Offsets{{0, 0}});
  start(*writer, out("one", "aborted"));
  EXPECT_THAT(reader->poll({}).records, IsEmpty());
  writer->recover();
  transact(*writer, out("one", "committed"), 1);
  EXPECT_THAT(values(reader->poll({}).records), ElementsAre("committed"));
  EXPECT_THAT(values(cluster_.read("one", 0)), ElementsAre("committed"));
  EXPECT_TRUE(at_end(*reader, 0)) << "the marker behind the last record is not a record";
}

TEST_F(MemoryBrokerTest, MarkersTakeOffsets) {
  auto broker = polled(connect("a"));
  for (const char* value : {"x", "y"}) {
    start(*broker, out(kOut, value));
    broker->send(out(kOut, value));
    commit(*broker, 1);
  }
  std::vector<std::int64_t> offsets;
  for (const Record& record : cluster_.read(kOut, 0)) offsets.push_back(record.offset);
  EXPECT_THAT(offsets, ElementsAre(0, 1, 3, 4));
  EXPECT_EQ(broker->range(kOut, 0).high, 6);
}

TEST_F(MemoryBrokerTest, AnOpenTransactionHoldsTheLastStableOffset) {
  auto broker = polled(connect("a"));
  cluster_.append(kOut, 0, "before", kNoTime);
  start(*broker, out(kOut, "within"));
  cluster_.append(kOut, 0, "after", kNoTime);
  EXPECT_EQ(cluster_.last_stable_offset(kOut, 0), 1);
  EXPECT_EQ(broker->range(kOut, 0).high, 3);
  EXPECT_THAT(seen(kOut), ElementsAre("before"));
  commit(*broker, 1);
  EXPECT_EQ(cluster_.last_stable_offset(kOut, 0), 4);
  EXPECT_THAT(seen(kOut), ElementsAre("before", "within", "after"));
}

TEST_F(MemoryBrokerTest, AProducerWaitsForTheMarkersOfItsLastTransaction) {
  auto broker = polled(connect("a"));
  cluster_.hold_markers([](const std::string&, std::int32_t) { return true; });
  transact(*broker, out(kOut, "held"), 1);
  EXPECT_THROW(broker->begin(), Failure);
  cluster_.on_wait([&] { cluster_.release_markers(); });
  broker->begin();
  EXPECT_THAT(seen(kOut), ElementsAre("held"));
}

TEST_F(MemoryBrokerTest, AFencedProducerCannotCommitNorReadOn) {
  auto old = polled(connect("a"));
  start(*old, out(kOut, "of the old one"));
  auto young = polled(connect("a"));
  EXPECT_THROW(old->send(out(kOut, "more")), Failure);
  EXPECT_THROW(commit(*old, 9), Failure);
  EXPECT_THROW(old->recover(), Refusal) << "else the two would fence each other for ever";
  auto third = connect("a");
  EXPECT_THROW(young->poll({}), Failure);
}

TEST_F(MemoryBrokerTest, AStaticMemberReturnsWithoutARebalanceOfOthers) {
  auto a = connect("a");
  auto b = connect("b");
  EXPECT_EQ(assigned(*a), (Partitions{0, 1}));
  EXPECT_EQ(assigned(*b), (Partitions{2, 3}));
  b->begin();
  a = connect("a");
  commit(*b, 1, 2);
  EXPECT_EQ(assigned(*b), std::nullopt);
  EXPECT_EQ(assigned(*a), (Partitions{0, 1}));
  EXPECT_EQ(assigned(*a), std::nullopt);
}

TEST_F(MemoryBrokerTest, RangeAssignmentIsDeterministic) {
  for (const auto& order : {std::vector{"a", "b", "c"}, std::vector{"c", "a", "b"}}) {
    MemoryCluster cluster;
    cluster.create_topic("eight", 8);
    std::map<std::string, std::unique_ptr<Broker>> members;
    for (const char* id : order) members[id] = cluster.connect(kGroup, "eight", id);
    EXPECT_EQ(assigned(*members["a"]), (Partitions{0, 1, 2}));
    EXPECT_EQ(assigned(*members["b"]), (Partitions{3, 4, 5}));
    EXPECT_EQ(assigned(*members["c"]), (Partitions{6, 7}));
  }
}

TEST_F(MemoryBrokerTest, AnOldGenerationCannotCommit) {
  auto a = polled(connect("a"));
  start(*a, out(kOut, "too late"));
  auto b = polled(connect("b"));
  EXPECT_THAT([&] { commit(*a, 5, 3); }, ThrowsMessage<Failure>(HasSubstr("ILLEGAL_GENERATION")));
  a->recover();
  EXPECT_EQ(b->committed(3), std::nullopt);
  EXPECT_THAT(seen(kOut), IsEmpty());
  EXPECT_EQ(assigned(*a), (Partitions{0, 1}));
}

TEST_F(MemoryBrokerTest, AMemberWhosePartitionsStayMayCommitAcrossARebalance) {
  cluster_.create_topic("one", 1);
  auto a = polled(cluster_.connect("readers", "one", "a"));
  a->begin();
  auto b = cluster_.connect("readers", "one", "b");
  commit(*a, 1);
  EXPECT_EQ(assigned(*a), std::nullopt);
  EXPECT_EQ(assigned(*b), Partitions{});
}

TEST_F(MemoryBrokerTest, ExpireGivesPartitionsAwayAndAbortsItsTransaction) {
  auto a = polled(connect("a"));
  auto b = polled(connect("b"));
  a->poll({});
  start(*a, out(kOut, "lost"));
  cluster_.expire(kGroup, "a");
  EXPECT_EQ(assigned(*b), (Partitions{0, 1, 2, 3}));
  EXPECT_EQ(cluster_.last_stable_offset(kOut, 0), b->range(kOut, 0).high);
  EXPECT_THAT(seen(kOut), IsEmpty());

  EXPECT_THROW(commit(*a, 1), Failure);
  a->recover();
  EXPECT_EQ(assigned(*a), (Partitions{0, 1})) << "it joins again";
  EXPECT_EQ(assigned(*b), (Partitions{2, 3}));
}

TEST_F(MemoryBrokerTest, ACommitMovesOffsetsAndRecordsAtOnce) {
  auto broker = polled(connect("a"));
  start(*broker, out(kOut, "report"));
  broker->send(out(kLog, "state", 1));
  broker->send(out(kLog, "state and checkpoint", 1));
  EXPECT_EQ(broker->committed(0), std::nullopt);
  EXPECT_THAT(cluster_.read(kLog, 1), IsEmpty());
  const auto last = broker->commit(Offsets{{0, 5}, {2, 9}});
  EXPECT_EQ(broker->committed(0), 5);
  EXPECT_EQ(broker->committed(2), 9);
  EXPECT_THAT(seen(kOut), ElementsAre("report"));
  EXPECT_EQ(cluster_.read(kLog, 1).size(), 2U);
  EXPECT_EQ(last, (std::map<TopicPartition, std::int64_t>{{{kOut, 0}, 0}, {{kLog, 1}, 1}}));
}

TEST_F(MemoryBrokerTest, PollHandsOutNothingBeforeResumeAndEverythingOnceAfter) {
  auto broker = connect("a");
  for (const int partition : {0, 1, 3}) cluster_.append(kIn, partition, "v", 0);
  EXPECT_THAT(broker->poll({}).records, IsEmpty()) << "the assignment alone";
  EXPECT_THAT(broker->poll({}).records, IsEmpty());
  EXPECT_FALSE(at_end(*broker, 0));
  broker->resume(Offsets{{0, 0}, {1, 0}, {2, 0}, {3, 1}});
  EXPECT_EQ(broker->poll({}).records.size(), 2U);
  EXPECT_TRUE(at_end(*broker, 2));
  cluster_.append(kIn, 2, "new", 0);
  EXPECT_FALSE(at_end(*broker, 2));
  EXPECT_THAT(values(broker->poll({}).records), ElementsAre("new"));
  EXPECT_TRUE(at_end(*broker, 2));
  broker->recover();
  cluster_.append(kIn, 2, "newer", 0);
  EXPECT_THAT(broker->poll({}).records, IsEmpty()) << "recovered, not resumed";
}

TEST_F(MemoryBrokerTest, PollKeepsItsLimitsAndTakesPartitionsInTurn) {
  auto broker = polled(connect("a"));
  for (int i = 0; i < 3; ++i) {
    cluster_.append(kIn, 0, "a" + std::to_string(i), 0);
    cluster_.append(kIn, 1, "b" + std::to_string(i), 0);
  }
  broker->resume(Offsets{{0, 0}, {1, 0}, {2, 0}, {3, 0}});
  BatchLimits limits;
  limits.records = 3;
  EXPECT_THAT(values(broker->poll(limits).records), ElementsAre("a0", "b0", "a1"));
  limits.bytes = 4;
  EXPECT_THAT(values(broker->poll(limits).records), ElementsAre("b1", "a2"));
  limits.bytes = 1;
  EXPECT_THAT(values(broker->poll(limits).records), ElementsAre("b2"))
      << "a record over the limit comes alone";
}

TEST_F(MemoryBrokerTest, WhatLiesOutsideTheLogFails) {
  auto broker = polled(connect("a"));
  for (int i = 0; i < 4; ++i) cluster_.append(kIn, 0, "v" + std::to_string(i), 0);
  cluster_.delete_records(kIn, 0, 3);
  EXPECT_EQ(broker->range(kIn, 0).low, 3);
  EXPECT_EQ(broker->range(kIn, 0).high, 4);
  EXPECT_THROW(broker->resume(Offsets{{0, 2}}), Failure);
  EXPECT_THROW(broker->resume(Offsets{{0, 5}}), Failure);
  EXPECT_THROW(broker->restore(kIn, 0, 2, [](const Record&) {}), Failure);
  EXPECT_THROW(broker->range("nowhere", 0).high, Failure);
  EXPECT_THROW(broker->range(kIn, broker->input_partitions()).high, Failure);
  broker->resume(Offsets{{0, 3}});
  EXPECT_THAT(values(broker->poll({}).records), ElementsAre("v3"));
}

TEST_F(MemoryBrokerTest, OffsetAtFindsTheFirstRecordNotBeforeInMilliseconds) {
  auto broker = polled(connect("a"));
  for (const Nanos time : {-1, 1'999'999, 1'000'000}) cluster_.append(kIn, 0, "v", time);
  EXPECT_EQ(broker->offset_at(0, -1'000'000), 0);
  EXPECT_EQ(broker->offset_at(0, 1'000'000), 1);
  EXPECT_EQ(broker->offset_at(0, 1'000'001), 3);
}

}  // namespace
}  // namespace gyre::pipeline
