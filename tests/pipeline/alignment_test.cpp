// SPDX-License-Identifier: Apache-2.0
// Time across source partitions (DESIGN 6): whatever their order of arrival, no window closes early
// and none hangs.
#include "pipeline/alignment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "tests/pipeline/house.h"

namespace gyre::pipeline {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr Nanos kSecond = kNanosPerSecond;
constexpr Nanos kMinute = 60 * kSecond;

Alignment from(std::map<std::int32_t, Nanos> reached) { return {.reached = std::move(reached)}; }

TEST(Alignment, TakesTheLowestStampAndTurnsAmongEquals) {
  const std::vector<SourceView> sources = {
      {0, 7 * kSecond}, {1, 3 * kSecond}, {2, 3 * kSecond}, {3, std::nullopt, true}};
  EXPECT_EQ(next_source(sources, 0, Alignment{}), 1U);
  EXPECT_EQ(next_source(sources, 2, Alignment{}), 2U);
  EXPECT_EQ(next_source(sources, 3, Alignment{}), 1U);
}

TEST(Alignment, WaitsForAnUnfinishedSourceWhenTenSecondsAhead) {
  const auto next = [](Nanos stamp, const Alignment& alignment) {
    const std::vector<SourceView> sources = {{0, stamp}, {1, std::nullopt, false}};
    return next_source(sources, 0, alignment).has_value();
  };
  EXPECT_TRUE(next(15 * kSecond, from({{1, 5 * kSecond}})));
  EXPECT_FALSE(next(15 * kSecond + 1, from({{1, 5 * kSecond}})));
  EXPECT_FALSE(next(0, from({}))) << "nothing is known of it";
  EXPECT_TRUE(next(kNoTime, from({}))) << "what has no stamp waits for nobody";
  EXPECT_TRUE(next(kMinute, {.reached = {{1, 5 * kSecond}}, .stopped = {1}}));
}

TEST(Alignment, KeepsTheHorizonButNotForAClockThatIsAhead) {
  const std::vector<SourceView> sources = {{0, 90 * kSecond}};
  EXPECT_FALSE(next_source(sources, 0, Alignment{.horizon = 80 * kSecond}));
  EXPECT_TRUE(next_source(sources, 0, Alignment{.horizon = 90 * kSecond}));
  EXPECT_TRUE(next_source(sources, 0, Alignment{.now = 70 * kSecond, .horizon = 80 * kSecond}))
      << "stamped by a producer whose clock is ahead of ours";
}

TEST(Alignment, WithoutOneAnyRecordWillDo) {
  const std::vector<SourceView> sources = {{0, std::nullopt}, {1, 9 * kSecond}, {2, 1 * kSecond}};
  EXPECT_EQ(next_source(sources, 0, std::nullopt), 1U);
  EXPECT_EQ(next_source(sources, 2, std::nullopt), 2U);
  EXPECT_EQ(next_source({}, 4, std::nullopt), std::nullopt);
}

// Several source partitions, virtual time.
class AlignedReadingTest : public testing::Test {
 protected:
  static constexpr std::int32_t kSources = 3;

  AlignedReadingTest() {
    config_.inner.partitions = 2;
    config_.findings.close_all = true;
    config_.input.cluster = "lab";
    create_topics(cluster_, config_, kSources);
  }

  Process& start(const std::string& id) {
    processes_.push_back(std::make_unique<Process>(cluster_, config_, playbooks_, id, clock_,
                                                   make_disk(), BatchLimits{.records = 5}));
    return *processes_.back();
  }

  // No two are copies of each other.
  void append(std::int32_t source, Nanos time, Nanos stamp, int container = 0) {
    cluster_.append(config_.input.topic, source, alert(time + ++appended_, container), stamp);
  }

  // Until nothing is left to do now. Bounded: whoever hangs fails.
  void settle() {
    for (int idle = 0, steps = 0; idle < 3; ++steps) {
      ASSERT_LT(steps, 20'000) << "no end in sight";
      bool worked = false;
      for (auto& process : processes_) worked |= process->step();
      idle = worked ? 0 : idle + 1;
    }
  }

  void pass(Nanos time) {
    for (const Nanos end = clock_ + time; clock_ < end;) {
      clock_ = std::min(end, clock_ + kSecond);
      settle();
    }
  }

  // The newest revision of each report.
  struct Said {
    std::string state;
    std::uint64_t revision = 0;
    std::uint64_t alerts = 0;
    std::uint64_t late = 0;
  };
  std::map<std::string, Said> findings() const {
    std::map<std::string, Said> newest;
    simdjson::dom::parser parser;
    for (const auto& [id, json] : content(cluster_, config_.outputs.front().topic)) {
      const simdjson::dom::element report = parser.parse(json);
      if (std::string_view(report["kind"].get_string().value()) != "finding") continue;
      const Said said{.state = std::string(report["state"].get_string().value()),
                      .revision = report["revision"].get_uint64().value(),
                      .alerts = report["counts"]["alerts"].get_uint64().value(),
                      .late = report["counts"]["late"].get_uint64().value()};
      if (said.revision > newest[id].revision) newest[id] = said;
    }
    return newest;
  }

  // Everything is over, closed, and counted once.
  std::map<std::string, Said> all_closed() {
    pass(40 * kMinute);
    auto all = findings();
    std::int64_t alerts = 0;
    for (const auto& [id, said] : all) {
      EXPECT_EQ(said.state, "closed") << id;
      alerts += static_cast<std::int64_t>(said.alerts);
    }
    EXPECT_EQ(alerts, appended_);
    return all;
  }

  std::int64_t read_of(Process& process, std::int32_t source) const {
    return process.intake_tasks->status(source).next_offset;
  }

  static constexpr Nanos kStart = 1'800'000'000 * kSecond;
  Config config_;
  stages::Playbooks playbooks_;
  MemoryCluster cluster_;
  Nanos clock_ = kStart;
  std::int64_t appended_ = 0;
  std::vector<std::unique_ptr<Process>> processes_;
};

TEST_F(AlignedReadingTest, ALaggingSourceIsReadFirst) {
  // Source 0 holds two hours of backlog, source 1 is live, source 2 is idle. One container's
  // alerts, ten minutes apart, lie in turn in both.
  for (int i = 0; i < 24; ++i) append(i % 2, kStart + i * 5 * kMinute, kStart + i * 5 * kMinute);
  for (int i = 0; i < 24; ++i)
    append(0, kStart + i * 5 * kMinute + kSecond, kStart + i * 5 * kMinute + kSecond, 1);
  clock_ = kStart + 2 * 60 * kMinute;
  Process& process = start("a");
  process.step();
  for (int step = 0; step < 100; ++step) {
    process.step();
    const Nanos behind = process.intake_tasks->status(0).stream_time;
    const Nanos ahead = process.intake_tasks->status(1).stream_time;
    if (behind == kNoTime || ahead == kNoTime || read_of(process, 0) == 36) continue;
    EXPECT_LE(ahead, behind + 5 * kMinute + kReadAhead);
  }
  // The second container's alerts lie behind later ones in their own partition: they are late, till
  // they reach what is live, which is the next episode.
  std::multiset<std::pair<std::uint64_t, std::uint64_t>> alerts_and_late;
  for (const auto& [id, said] : all_closed()) alerts_and_late.emplace(said.alerts, said.late);
  EXPECT_THAT(alerts_and_late, testing::ElementsAre(testing::Pair(3, 0), testing::Pair(21, 21),
                                                    testing::Pair(24, 0)))
      << "split, or closed early";
}

TEST_F(AlignedReadingTest, IdleSourcesHoldNobodyUp) {
  start("a");
  settle();
  append(1, clock_, clock_);
  pass(6 * kSecond);
  EXPECT_EQ(findings().size(), 1U);
  EXPECT_EQ(all_closed().size(), 1U);
}

TEST_F(AlignedReadingTest, AConsumerThatStoodStillForTenMinutesClosesNothingEarly) {
  Process& process = start("a");
  const auto live = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      clock_ = kStart + i * 30 * kSecond;
      append(i % kSources, clock_, clock_, i % 2);
      settle();
    }
  };
  live(0, 20);
  for (int i = 20; i < 40; ++i)
    append(i % kSources, kStart + i * 30 * kSecond, kStart + i * 30 * kSecond, i % 2);
  clock_ = kStart + 40 * 30 * kSecond;
  settle();
  live(40, 60);
  const auto all = all_closed();
  EXPECT_EQ(all.size(), 2U);
  for (const auto& [id, said] : all) EXPECT_EQ(said.late, 0U);
  EXPECT_EQ(process.container_tasks->counters().replays_dropped(), 0U);
}

TEST_F(AlignedReadingTest, AStoppedSourceHoldsTheStreamForTenMinutesAndNoLonger) {
  Process& process = start("a");
  settle();
  append(0, clock_, clock_);
  append(1, clock_, clock_);
  pass(10 * kSecond);
  EXPECT_EQ(findings().size(), 1U);

  append(1, clock_, clock_, 7);  // unread, and never seen until its broker is back
  cluster_.set_reachable(config_.input.topic, 1, false);
  append(0, clock_ + kSecond, clock_ + kSecond, 1);
  pass(9 * kMinute);
  EXPECT_EQ(findings().size(), 1U) << "decided without the source";
  EXPECT_THAT(process.telemetry.metrics(), Not(HasSubstr("gyre_source_stopped{")));
  pass(70 * kSecond);
  EXPECT_EQ(findings().size(), 2U) << "still held up";
  EXPECT_THAT(process.telemetry.metrics(), HasSubstr("gyre_source_stopped{partition=\"1\"} 1"));
  EXPECT_THAT(process.telemetry.status().json(), HasSubstr("\"stopped\":true"));

  cluster_.set_reachable(config_.input.topic, 1, true);
  pass(5 * kSecond);
  EXPECT_THAT(process.telemetry.metrics(), Not(HasSubstr("gyre_source_stopped{")));
  const auto all = all_closed();
  EXPECT_EQ(all.size(), 3U);
  std::uint64_t late = 0;
  for (const auto& [id, said] : all) late += said.late;
  EXPECT_EQ(late, 1U) << "what the source brought later";
}

TEST_F(AlignedReadingTest, OldDataReplayedBesideLiveOnesAreLateAndCloseNothing) {
  start("a");
  for (int i = 0; i < 40; ++i) {
    clock_ += 30 * kSecond;
    append(0, clock_, clock_);
    append(1, clock_ - 6 * 60 * kMinute, clock_, 1);  // six hours old, sent now
    settle();
  }
  const auto all = all_closed();
  std::map<std::uint64_t, int> by_alerts;
  for (const auto& [id, said] : all) by_alerts[said.alerts] += said.late == 0 ? 1 : 0;
  EXPECT_EQ(by_alerts[40], 1) << "the live finding stayed one";
}

TEST_F(AlignedReadingTest, AClockInTheFutureStopsNobody) {
  start("a");
  settle();
  append(0, clock_, clock_ + 24 * 60 * kMinute);  // CreateTime of a producer a day ahead
  append(1, clock_, clock_);
  pass(6 * kSecond);
  EXPECT_EQ(findings().size(), 1U);
  EXPECT_EQ(all_closed().size(), 1U);
}

TEST_F(AlignedReadingTest, MembersStayWithinAMinuteOfEachOther) {
  for (std::int32_t source = 0; source < kSources; ++source)
    for (int i = 0; i < 600; ++i)
      append(source, kStart + i * kSecond, kStart + i * kSecond, source);
  clock_ = kStart + 20 * kMinute;
  Process& fast = start("a");
  Process& slow = start("b");
  for (int i = 0; i < 4; ++i) {  // the groups settle
    fast.step();
    slow.step();
  }
  for (int step = 0; step < 600; ++step) {
    for (int i = 0; i < 9; ++i) fast.step();
    slow.step();
    Nanos first = kEndOfTime;
    Nanos last = kNoTime;
    for (Process* process : {&fast, &slow})
      for (const auto& task : process->telemetry.status().tasks())
        if (task.stage == "intake" && task.at && task.at->next_offset < 600) {
          first = std::min(first, task.at->stream_time);
          last = std::max(last, task.at->stream_time);
        }
    if (first != kNoTime && first < last) {
      EXPECT_LE(last, first + kReadAheadOfOthers + kSecond);
    }
  }
  settle();
  EXPECT_EQ(all_closed().size(), 3U);
}

TEST_F(AlignedReadingTest, MembersWithLongGapsDoNotWaitForEachOtherForEver) {
  for (int i = 0; i < 12; ++i)
    for (std::int32_t source = 0; source < kSources; ++source)
      append(source, kStart + i * 7 * kMinute + source * 2 * kMinute,
             kStart + i * 7 * kMinute + source * 2 * kMinute);
  clock_ = kStart + 120 * kMinute;
  start("a");
  start("b");
  pass(2 * kSecond);
  std::uint64_t in = 0;
  std::string status;
  for (const auto& process : processes_) {
    in += process->intake_tasks->counters().in();
    status += process->telemetry.status().json();
  }
  EXPECT_EQ(static_cast<std::int64_t>(in), appended_) << status;
  EXPECT_EQ(all_closed().size(), 1U);
}

TEST_F(AlignedReadingTest, AMemberThatIsGoneHoldsTheOthersForTenMinutesAtMost) {
  for (std::int32_t source = 0; source < kSources; ++source)
    for (int i = 0; i < 300; ++i) append(source, kStart + i * kSecond, kStart + i * kSecond);
  clock_ = kStart + 6 * kMinute;
  Process& lives = start("a");
  Process& hangs = start("b");
  for (int i = 0; i < 6; ++i) {
    lives.step();
    hangs.step();
  }
  const auto unread = [&] {
    return std::int64_t{300} - read_of(lives, lives.telemetry.status().tasks().front().partition);
  };
  for (int i = 0; i < 500; ++i) lives.step();
  EXPECT_GT(unread(), 0);
  clock_ += 11 * kMinute;
  for (int i = 0; i < 500; ++i) lives.step();
  EXPECT_EQ(unread(), 0);
}

}  // namespace
}  // namespace gyre::pipeline
