// SPDX-License-Identifier: Apache-2.0
// Where a task reads on after a restart, and what it refuses: on the embedded broker.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "pipeline/commands.h"
#include "pipeline/input_start.h"
#include "pipeline/kafka_admin.h"
#include "pipeline/memory_broker.h"
#include "pipeline/worker.h"

namespace gyre::pipeline {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr Nanos kHour = 3600 * kNanosPerSecond;
constexpr Nanos kNow = 1'900'000'000 * kNanosPerSecond;

template <typename Call>
std::string refusal(Call&& call) {
  try {
    call();
  } catch (const Refusal& refusal) {
    return refusal.what();
  }
  return "(not refused)";
}

class RecoveryTest : public testing::Test {
 protected:
  RecoveryTest() {
    config_.inner.partitions = 2;
    config_.state.directory =
        (std::filesystem::temp_directory_path() / fmt::format("gyre-recovery-{}", getpid()))
            .string();
    std::filesystem::remove_all(config_.state.directory);
    cluster_.create_topic(config_.input.topic, 1);
    for (const std::string& topic : {config_.by_container_topic(), config_.intake_changelog(),
                                     config_.by_container_changelog(), config_.by_container_ids()})
      cluster_.create_topic(topic, config_.inner.partitions);
    cluster_.create_topic(config_.outputs.front().topic, 1);
    cluster_.create_topic(config_.input.dead_letter_topic, 1, kLargestDeadLetter);
  }
  ~RecoveryTest() override { std::filesystem::remove_all(config_.state.directory); }

  /// One process with the stage intake, from its start until it has nothing more to do.
  struct Intake {
    Intake(RecoveryTest& test)
        : broker(test.cluster_.connect(test.config_.group("intake"), test.config_.input.topic,
                                       "intake")),
          tasks(make_intake_tasks({.config = test.config_,
                                   .memory = memory,
                                   .telemetry = telemetry,
                                   .clock = [&test] { return test.clock_; },
                                   .client_id = "intake"})),
          worker({"intake"}, *broker, *tasks, telemetry, {}) {}
    records::Counters run() {
      while (worker.run_once()) continue;
      return tasks->counters();
    }

    state::StoreMemory memory{8 << 20};
    Telemetry telemetry;
    std::unique_ptr<Broker> broker;
    std::unique_ptr<StageTasks> tasks;
    Worker worker;
  };

  records::Counters run() { return Intake(*this).run(); }
  void append(int count, std::int32_t partition = 0, Nanos stamp = kNow - kHour) {
    for (int i = 0; i < count; ++i)
      cluster_.append(config_.input.topic, partition, fmt::format("record {}", ++written_), stamp);
  }
  records::Checkpoint checkpoint(std::int32_t partition) const {
    records::Checkpoint last;
    for (const Record& record :
         cluster_.read(config_.intake_changelog(), partition % config_.inner.partitions))
      if (record.key == std::to_string(partition)) last = state::decode_checkpoint(*record.value);
    return last;
  }

  Config config_;
  MemoryCluster cluster_;
  Nanos clock_ = kNoTime;
  int written_ = 0;
};

TEST_F(RecoveryTest, WhatRetentionDeletedUnreadIsRefusedWithTheWayOnAndThenCounted) {
  append(5);
  EXPECT_EQ(run().in(), 5U);
  append(10);
  cluster_.delete_records(config_.input.topic, 0, 12);

  const std::string why = refusal([&] { run(); });
  EXPECT_THAT(why, AllOf(HasSubstr("offsets 5 to 11 were deleted before they were read"),
                         HasSubstr("--group gyre.intake --topic falco.alerts:0 --reset-offsets "
                                   "--execute --to-earliest")));

  // As that command does; and before the next start more has gone.
  cluster_.reset_offset("gyre.intake", 0, 12);
  cluster_.delete_records(config_.input.topic, 0, 13);
  {
    Intake next(*this);
    EXPECT_EQ(next.run().in(), 7U);
    EXPECT_THAT(next.telemetry.metrics(), HasSubstr("gyre_input_records_lost_total 8"));
  }
  EXPECT_EQ(checkpoint(0).counters().lost(), 8U);
  EXPECT_EQ(checkpoint(0).next_offset(), 15);
  EXPECT_EQ(run().in(), 7U) << "and then it goes on as ever";
}

TEST_F(RecoveryTest, AnAcceptedLossIsWrittenEvenWhereNothingIsLeft) {
  append(5);
  run();
  append(5);
  cluster_.delete_records(config_.input.topic, 0, 10);
  cluster_.reset_offset("gyre.intake", 0, 10);
  run();
  EXPECT_EQ(checkpoint(0).next_offset(), 10);
  EXPECT_EQ(checkpoint(0).counters().lost(), 5U);
  append(1);
  EXPECT_EQ(run().in(), 6U);
}

TEST_F(RecoveryTest, OffsetsSetPastRecordsThatAreThereAreRefused) {
  append(5);
  run();
  append(5);
  cluster_.reset_offset("gyre.intake", 0, 8);
  EXPECT_THAT(refusal([&] { run(); }),
              AllOf(HasSubstr("--group gyre.intake --topic falco.alerts:0 --reset-offsets"),
                    HasSubstr("--to-offset 5. Else")));
}

TEST_F(RecoveryTest, AnotherInputTopicUnderOneNameIsRefused) {
  append(5);
  run();
  config_.input.topic = "other.alerts";
  cluster_.create_topic(config_.input.topic, 1);
  // The group is the same, the topic is not: a client of the other topic.
  const auto broker = cluster_.connect("gyre.intake.other", config_.input.topic, "intake");
  const auto because = [&] {
    state::StoreMemory memory(8 << 20);
    Telemetry telemetry;
    const auto tasks = make_intake_tasks({.config = config_,
                                          .memory = memory,
                                          .telemetry = telemetry,
                                          .clock = [] { return kNoTime; },
                                          .client_id = "intake"});
    const std::vector<std::int32_t> partitions = {0};
    tasks->assign(partitions, *broker);
  };
  EXPECT_THAT(refusal(because), AllOf(HasSubstr("has read the topic falco.alerts so far"),
                                      HasSubstr("read other.alerts under another `name`")));
}

TEST_F(RecoveryTest, ATopicMadeAnewIsRefused) {
  append(5);
  run();
  cluster_.recreate_topic(config_.input.topic);
  EXPECT_THAT(refusal([&] { run(); }), HasSubstr("the topic was made anew")) << "still shorter";
  append(9);
  EXPECT_THAT(refusal([&] { run(); }), HasSubstr("the topic was made anew")) << "longer by now";
}

TEST_F(RecoveryTest, OtherInnerPartitionsThanTheStateWasMadeWithAreRefused) {
  append(5);
  run();
  config_.inner.partitions = 4;
  for (const std::string& topic : {config_.by_container_topic(), config_.intake_changelog()})
    cluster_.add_partitions(topic, 4);
  EXPECT_THAT(refusal([&] { run(); }),
              AllOf(HasSubstr("was made with 2 inner partitions, and there are 4 now"),
                    HasSubstr("Restore the inner topics with 2 partitions")));
  config_.inner.partitions = 2;
  append(1);
  EXPECT_EQ(run().in(), 6U);
}

// Made anew it would be empty, and what the state holds of it the last there is.
TEST_F(RecoveryTest, NoTopicOfAStateIsCreatedOnceMore) {
  const auto created = [&] {
    return std::ranges::count_if(topics_to_run(config_),
                                 [](const TopicSpec& spec) { return spec.create; });
  };
  const auto at_first = created();
  run();
  EXPECT_EQ(created(), at_first - 6) << "those of outputs and dead letters hold no state";
}

TEST_F(RecoveryTest, AForgottenOffsetBeforeWhichNothingWasReadMustBeConfirmed) {
  config_.input.start = "latest";
  append(5);
  run();
  cluster_.reset_offset("gyre.intake", 0, std::nullopt);
  append(2);
  EXPECT_THAT(refusal([&] { run(); }), HasSubstr("--to-offset 5"));
  cluster_.reset_offset("gyre.intake", 0, 5);
  EXPECT_EQ(run().in(), 2U);
}

TEST_F(RecoveryTest, AForgottenOffsetOfTheSameTopicIsFound) {
  append(5);
  run();
  cluster_.reset_offset("gyre.intake", 0, std::nullopt);
  append(2);
  EXPECT_EQ(run().in(), 7U);
}

TEST_F(RecoveryTest, APartitionWithoutALeaderHoldsUpNoneOfTheOthers) {
  cluster_.add_partitions(config_.input.topic, 2);
  clock_ = kNow;
  append(5, 0);
  append(5, 1);
  EXPECT_EQ(run().in(), 10U);
  cluster_.set_reachable(config_.input.topic, 1, false);
  append(3, 0);
  append(3, 1);
  clock_ += kHour;
  EXPECT_EQ(run().in(), 13U);
  EXPECT_GT(checkpoint(0).progress(), kNow);
  EXPECT_LT(checkpoint(1).progress(), kNow);
  cluster_.set_reachable(config_.input.topic, 1, true);
  EXPECT_EQ(run().in(), 16U);
}

TEST_F(RecoveryTest, LatestBelongsToTheFirstStartAlone) {
  config_.input.start = "latest";
  append(5);
  EXPECT_EQ(run().in(), 0U);
  append(3);
  EXPECT_EQ(run().in(), 3U) << "the place is kept, though nothing was read at first";
  cluster_.add_partitions(config_.input.topic, 2);
  append(4, 1);
  EXPECT_EQ(run().in(), 7U) << "a partition added later has no alerts from before";
}

TEST_F(RecoveryTest, ARecordWithoutAUsableStampIsClampedToTheClock) {
  clock_ = kNow;
  const auto alert = [](Nanos time) {
    return fmt::format(R"({{"rule":"R","time":"{}","hostname":"h","priority":"Error"}})",
                       format_rfc3339(time));
  };
  cluster_.append(config_.input.topic, 0, alert(kNow + 1000 * kHour), kNoTime);
  cluster_.append(config_.input.topic, 0, alert(kNow + 2000 * kHour), kNow + 3000 * kHour);
  run();
  EXPECT_LE(checkpoint(0).progress(), kNow);
}

TEST_F(RecoveryTest, AnIdleInputMovesTimeNoFurtherThanTheBrokersSay) {
  append(1);
  clock_ = kNow + 1000 * kHour;
  cluster_.set_time(kNow);
  run();
  EXPECT_LE(checkpoint(0).progress(), kNow);
  EXPECT_GT(checkpoint(0).progress(), kNow - kHour);
}

TEST_F(RecoveryTest, WithoutTheBrokersTimeAnIdleInputAsksForItFirst) {
  clock_ = kNow;
  cluster_.set_time(kNoTime);
  Intake intake(*this);
  intake.run();
  clock_ += 2 * kNanosPerSecond;
  intake.run();
  EXPECT_EQ(checkpoint(0).progress(), kNoTime);
  clock_ += 2 * kNanosPerSecond;
  cluster_.set_time(clock_);
  intake.run();
  EXPECT_GT(checkpoint(0).progress(), kNow - kHour);
}

TEST_F(RecoveryTest, AStoredTimeFarAheadOfTheClockIsRefused) {
  clock_ = kNow;
  append(1);
  run();
  clock_ = kNow - 24 * kHour;
  EXPECT_THAT(refusal([&] { run(); }), HasSubstr("Set the clock right"));
  clock_ = kNow + kHour;
  EXPECT_EQ(run().in(), 1U);
}

class ChangelogTest : public testing::Test {
 protected:
  ChangelogTest() {
    cluster_.create_topic("in", 1);
    cluster_.create_topic("log", 1);
    cluster_.create_topic("ids", 1);
    broker_ = cluster_.connect("group", "in", "worker");
  }

  void write(const std::string& id, std::optional<std::string> value, Nanos stamp = kNoTime) {
    if (value) {
      cluster_.append("log", 0, state::kValueVersion + *value, stamp, {}, id);
      return;
    }
    broker_->begin();
    broker_->send(
        {.topic = "log", .partition = 0, .key = id, .value = std::nullopt, .headers = {}});
    broker_->recover();  // an aborted one, to have an offset between
    const auto other = cluster_.connect("other", "in", "other");
    other->poll({});
    other->begin();
    other->send({.topic = "log", .partition = 0, .key = id, .value = std::nullopt, .headers = {}});
    other->commit({});
  }
  std::string_view restore(Nanos now) {
    const auto same = [](const std::string& key) { return std::optional(key); };
    const Following task{
        .partition = 0,
        .store = &store_,
        .changelogs = {{"log", 0, state::kChangelog, same}, {"ids", 0, state::kIds, same}}};
    Telemetry telemetry(true);
    return restore_tasks(*broker_, "test", std::span(&task, 1), now, telemetry)->front().wiped;
  }

  MemoryCluster cluster_;
  state::StoreMemory memory_{8 << 20};
  state::Store store_{"", memory_};
  std::unique_ptr<Broker> broker_;
};

// Keys of a kind that arms no timer.
const std::string kErased = state::pending_key(1, 7, "finding of 16 b.", 1);
const std::string kKept = state::pending_key(2, 7, "finding of 16 b.", 2);

TEST_F(ChangelogTest, AStateThatWasAwayForTooLongBringsNothingErasedBack) {
  write(kErased, "value");
  write(kKept, "value");
  EXPECT_EQ(restore(kNow), "");
  ASSERT_TRUE(store_.get(kErased));

  write(kErased, std::nullopt);  // by another instance
  cluster_.compact("log", 0);    // and nothing tells of it any more
  EXPECT_EQ(restore(kNow + 20 * kHour), "it followed its changelog too long ago");
  EXPECT_FALSE(store_.get(kErased));
  EXPECT_TRUE(store_.get(kKept));
}

// Their topic expires by the broker's clock, while events stand still.
TEST_F(ChangelogTest, TheIdsOfAStateThatWasAwayForLongAreKept) {
  const std::string block = state::id_block_key(7, "entity of 16 b..", "");
  cluster_.append("ids", 0, state::kValueVersion + std::string("ids"), kNoTime, {}, block);
  write(kErased, "value");
  EXPECT_EQ(restore(kNow), "");
  write(kErased, std::nullopt);
  cluster_.compact("log", 0);
  cluster_.delete_records("ids", 0, 1);
  EXPECT_NE(restore(kNow + 20 * kHour), "");
  EXPECT_TRUE(store_.get(block));
  EXPECT_EQ(state::restored_offset(store_, state::kIds), 1);
  EXPECT_FALSE(store_.get(kErased));
}

TEST_F(ChangelogTest, OneThatWasCutIsRefusedByWhoNeedsWhatIsGone) {
  write(kKept, "value");
  write(kErased, "value");
  cluster_.delete_records("log", 0, 1);
  EXPECT_THAT(refusal([&] { restore(kNow); }),
              HasSubstr("log [0]: the changelog begins at offset 1"));
}

TEST_F(ChangelogTest, AStateThatHasWhatItsTopicHasLostIsLeftAsItIs) {
  write(kKept, "value");
  write(kKept, "another");
  EXPECT_EQ(restore(kNow), "");
  cluster_.recreate_topic("log");
  write(kErased, "value");
  for (int start = 0; start < 2; ++start)
    EXPECT_THAT(refusal([&] { restore(kNow); }),
                AllOf(HasSubstr("log [0] ends at offset 1"), HasSubstr("made of it up to 2"),
                      HasSubstr("was left as it is")));
  EXPECT_TRUE(store_.get(kKept));
  EXPECT_FALSE(store_.get(kErased));
}

TEST_F(ChangelogTest, WhoseIdsAreLostIsToldHowToGoOnWithoutThem) {
  cluster_.append("ids", 0, state::kValueVersion + std::string("ids"), kNoTime, {},
                  state::id_block_key(7, "entity of 16 b..", ""));
  write(kKept, "value");
  EXPECT_EQ(restore(kNow), "");
  cluster_.recreate_topic("ids");
  EXPECT_THAT(refusal([&] { restore(kNow); }),
              AllOf(HasSubstr("ids [0] ends at offset 0"),
                    HasSubstr("to go on without, move by_container/0 out of state.directory")));
}

TEST_F(ChangelogTest, AStateOfLatelyReadsOnWhereItWas) {
  write(kKept, "value");
  EXPECT_EQ(restore(kNow), "");
  cluster_.delete_records("log", 0, 1);  // a restore from the start would miss it
  EXPECT_EQ(restore(kNow + 2 * kHour), "");
  EXPECT_TRUE(store_.get(kKept));
}

TEST_F(ChangelogTest, AClockThatWentBackDoesNotHideHowLongAStateWasAway) {
  write(kErased, "value");
  EXPECT_EQ(restore(kNow), "");
  write(kErased, std::nullopt);
  cluster_.compact("log", 0);
  EXPECT_NE(restore(kNow - kHour), "");
  EXPECT_FALSE(store_.get(kErased));
}

TEST_F(ChangelogTest, TheBrokersStampsTellHowLongAStateWasAway) {
  write(kErased, "value", kNow);
  EXPECT_EQ(restore(kNow), "");
  write(kErased, std::nullopt);
  cluster_.compact("log", 0);
  write(kKept, "value", kNow + 30 * kHour);
  EXPECT_NE(restore(kNow + kHour), "") << "the clock is a day behind";
  EXPECT_FALSE(store_.get(kErased));
}

TEST_F(ChangelogTest, AnotherClusterBehindTheSameAddressIsRefusedAndTheStateKept) {
  cluster_.set_id("one");
  write(kKept, "value");
  EXPECT_EQ(restore(kNow), "");
  cluster_.set_id("two");
  EXPECT_THAT(refusal([&] { restore(kNow); }),
              AllOf(HasSubstr("belongs to the Kafka cluster one"), HasSubstr("the cluster two")));
  EXPECT_TRUE(store_.get(kKept));
  cluster_.set_id("one");
  EXPECT_EQ(restore(kNow), "");
}

TEST_F(ChangelogTest, EveryCommitSaysThatTheStateFollows) {
  state::Transaction transaction(store_);
  transaction.put(records::Checkpoint());
  transaction.commit(1, std::nullopt, kNow);
  EXPECT_EQ(state::followed_at(store_), kNow);
  EXPECT_EQ(follow_time(kNow, kNow + kHour), kNow);
  EXPECT_EQ(follow_time(kEndOfTime, kNow), kNow);
}

}  // namespace
}  // namespace gyre::pipeline
