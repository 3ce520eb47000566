// SPDX-License-Identifier: Apache-2.0
#include "pipeline/redeliver.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "pipeline/dead_letter.h"
#include "pipeline/memory_broker.h"
#include "stages/intake/intake.h"

namespace gyre::pipeline {
namespace {

using testing::ElementsAre;
using testing::Pair;

constexpr Nanos kNow = 1'900'000'000 * kNanosPerSecond;
constexpr Nanos kWeek = Nanos{7} * 24 * 3600 * kNanosPerSecond;

// Letters lie on a dead-letter topic of two partitions, the input has three.
class RedeliverTest : public testing::Test {
 protected:
  RedeliverTest() {
    cluster_.create_topic(config_.input.topic, 3);
    cluster_.create_topic(config_.input.dead_letter_topic, 2);
  }

  static stages::DeadLetter letter(const std::string& error, const std::string& value,
                                   Headers headers = {}) {
    return {.partition = 2,
            .offset = 7,
            .record_time = kNoTime,
            .error = error,
            .detail = "why",
            .element = {},
            .value = value,
            .key = std::nullopt,
            .headers = std::move(headers)};
  }

  void put(stages::DeadLetter dead, std::int32_t partition = 0, Nanos stamp = kNoTime) {
    OutRecord record = to_dead_letter(config_, std::move(dead));
    cluster_.append(record.topic, partition, *record.value, stamp, record.headers, record.key);
  }

  RedeliveryCounts run(const std::string& error, bool dry_run = false) {
    const auto broker = cluster_.connect(redelivery_group(config_, error),
                                         config_.input.dead_letter_topic, "gyre-redeliver");
    return redeliver_letters(*broker, config_, error, kNow, dry_run);
  }

  std::vector<std::string> input() const {
    std::vector<std::string> values;
    for (std::int32_t partition = 0; partition < 3; ++partition)
      for (const Record& record : cluster_.read(config_.input.topic, partition))
        values.push_back(*record.value);
    return values;
  }

  Config config_;
  MemoryCluster cluster_;
};

TEST_F(RedeliverTest, GivesTheRecordBackAsItWas) {
  stages::DeadLetter dead =
      letter("no_time", std::string("\x00\xff{", 3), {{"gyre-tenant", "blue"}, {"h", "\xfe"}});
  dead.key = "k";
  put(dead);
  EXPECT_EQ(run("no_time").redelivered, 1U);
  const auto records = cluster_.read(config_.input.topic, 2);
  ASSERT_EQ(records.size(), 1U) << "in the partition it came from";
  EXPECT_EQ(records[0].value, std::string("\x00\xff{", 3));
  EXPECT_EQ(records[0].key, "k");
  EXPECT_THAT(records[0].headers, ElementsAre(Pair("gyre-tenant", "blue"), Pair("h", "\xfe"),
                                              Pair("gyre-redelivered", "1")));
}

TEST_F(RedeliverTest, ARecordWithoutAKeyHasNoneAgain) {
  put(letter("no_time", "x"));
  run("no_time");
  EXPECT_EQ(cluster_.read(config_.input.topic, 2).at(0).key, std::nullopt);
}

TEST_F(RedeliverTest, EachLetterOnce) {
  for (int i = 0; i < 10; ++i) put(letter("no_time", std::to_string(i)), i % 2);
  EXPECT_EQ(run("no_time").redelivered, 10U);
  EXPECT_EQ(run("no_time").redelivered, 0U);
  put(letter("no_time", "new"));
  EXPECT_EQ(run("no_time").redelivered, 1U);
  EXPECT_EQ(input().size(), 11U);
}

// Kafka forgets the offsets of a group that nobody used for a week; letters may lie longer.
TEST_F(RedeliverTest, ALetterThatMayHaveBeenFedBackBeforeIsRefusedWithTheWayOn) {
  put(letter("no_time", "old"), 1, kNow - kWeek);
  put(letter("no_time", "new"), 1, kNow - kWeek / 7);
  const std::string group = redelivery_group(config_, "no_time");
  try {
    run("no_time");
    FAIL() << "not refused";
  } catch (const Refusal& refusal) {
    EXPECT_THAT(refusal.what(), testing::HasSubstr("--group " + group + " --topic " +
                                                   config_.input.dead_letter_topic +
                                                   ":1 --reset-offsets --to-offset 0 --execute"));
  }
  EXPECT_THAT(input(), ElementsAre());
  EXPECT_EQ(run("no_time", true).redelivered, 2U);
  cluster_.reset_offset(group, 1, 0);  // as the command does
  EXPECT_EQ(run("no_time").redelivered, 2U);
  cluster_.reset_offset(group, 1, std::nullopt);
  EXPECT_THROW(run("no_time"), Refusal);
  EXPECT_EQ(input().size(), 2U);
}

TEST_F(RedeliverTest, LettersPassedOverByTheFilterAreThereLater) {
  put(letter("not_json", "a"));
  put(letter("no_time", "b"));
  EXPECT_EQ(run("no_time").redelivered, 1U);
  EXPECT_THAT(input(), ElementsAre("b"));
  EXPECT_EQ(run("not_json").redelivered, 1U);
  EXPECT_THAT(input(), ElementsAre("b", "a"));
}

TEST_F(RedeliverTest, ADryRunCountsAndChangesNothing) {
  put(letter("no_time", "a"));
  EXPECT_EQ(run("no_time", true).redelivered, 1U);
  EXPECT_THAT(input(), ElementsAre());
  EXPECT_EQ(run("no_time", true).redelivered, 1U);
  EXPECT_EQ(run("no_time").redelivered, 1U);
}

TEST_F(RedeliverTest, WhatDiesEachTimeIsGivenUp) {
  put(letter("not_json", "broken"));
  for (std::uint32_t time = 1; time <= kMostRedeliveries; ++time) {
    EXPECT_EQ(run("not_json").redelivered, 1U);
    const Record died = cluster_.read(config_.input.topic, 2).back();
    EXPECT_THAT(died.headers, ElementsAre(Pair("gyre-redelivered", std::to_string(time))));
    put(letter("not_json", *died.value, died.headers));
  }
  const RedeliveryCounts last = run("not_json");
  EXPECT_EQ(last.redelivered, 0U);
  EXPECT_EQ(last.given_up, 1U);
  EXPECT_EQ(input().size(), kMostRedeliveries);
}

TEST_F(RedeliverTest, WhatDiesWhileItRunsIsLeftForTheNextRun) {
  config_.batch.records = 1;
  put(letter("not_json", "a"));
  put(letter("not_json", "b"));
  cluster_.on_commit([&](const std::string&) {
    put(letter("not_json", "again"));
    return CommitFault::kNone;
  });
  EXPECT_EQ(run("not_json").redelivered, 2U);
  cluster_.on_commit({});
  EXPECT_EQ(run("not_json").redelivered, 2U);
  EXPECT_THAT(input(), ElementsAre("a", "b", "again", "again"));
}

TEST_F(RedeliverTest, ARunThatFailedIsContinuedWithoutACopyOrALoss) {
  for (const CommitFault fault : {CommitFault::kDelayed, CommitFault::kReplyLost}) {
    MemoryCluster fresh;
    cluster_ = std::move(fresh);
    cluster_.create_topic(config_.input.topic, 3);
    cluster_.create_topic(config_.input.dead_letter_topic, 2);
    config_.batch.records = 2;
    for (int i = 0; i < 6; ++i) put(letter("no_time", std::to_string(i)));
    int commits = 0;
    cluster_.on_commit(
        [&](const std::string&) { return ++commits == 2 ? fault : CommitFault::kNone; });
    cluster_.on_wait([&] { cluster_.deliver_delayed(); });
    EXPECT_THROW(run("no_time"), Failure);
    run("no_time");
    EXPECT_THAT(input(), ElementsAre("0", "1", "2", "3", "4", "5"));
  }
}

TEST_F(RedeliverTest, NobodyElsesLettersAndNothingThatIsNotWhole) {
  stages::DeadLetter rest = letter("no_time", "[...]");
  rest.element = "rest";
  put(rest);
  put(letter("no_time", std::string(kLargestDeadLetter + 1, 'x')));
  Config other_input = config_;
  other_input.input.topic = "other.alerts";
  Config other_name = config_;
  other_name.name = "trial";
  for (const Config& other : {other_input, other_name}) {
    const OutRecord foreign = to_dead_letter(other, letter("no_time", "x"));
    cluster_.append(config_.input.dead_letter_topic, 0, *foreign.value, kNoTime, foreign.headers);
  }
  cluster_.append(config_.input.dead_letter_topic, 0, "no headers", kNoTime);
  const RedeliveryCounts counts = run("no_time");
  EXPECT_EQ(counts.redelivered, 0U);
  EXPECT_EQ(counts.cut, 2U);
  EXPECT_THAT(input(), ElementsAre());
}

TEST(DeadLetter, OfTheLargestRecordCanBeWritten) {
  stages::DeadLetter dead;
  dead.value.assign(kLargestDeadLetter, 'x');
  dead.key = std::string(300'000, 'k');
  dead.headers = {{"h", std::string(300'000, 'h')}};
  const OutRecord record = to_dead_letter(Config(), std::move(dead));
  EXPECT_LE(size_of(record), kLargestDeadLetter);
}

TEST(DeadLetter, NobodyCanForgeItsHeaders) {
  stages::DeadLetter dead;
  dead.error = "not_json";
  dead.headers = {{"gyre-error", "forged"}, {"gyre-source-partition", "9"}, {"kept", "x"}};
  const OutRecord record = to_dead_letter(Config(), std::move(dead));
  int errors = 0;
  for (const auto& [name, value] : record.headers) {
    EXPECT_NE(value, "forged");
    EXPECT_NE(value, "9");
    errors += name == "gyre-error" ? 1 : 0;
  }
  EXPECT_EQ(errors, 1);
  EXPECT_EQ(record.headers.back().first, "kept");
}

// An array of three alerts, the second broken: redelivered, the two that were counted aren't again.
TEST(DeadLetter, OfOneAlertAmongOthersBringsBackThatOneOnly) {
  const std::string alert =
      R"({"rule":"r","time":"2026-01-02T03:04:05Z","priority":"Notice","output_fields":{"proc.name":"a"}})";
  const std::string broken = R"({"rule":"r","priority":"Notice"})";
  stages::Intake intake({}, "default", "default", 1);
  std::map<std::int32_t, stages::SourceState> sources;
  const auto add = [&](const std::string& value, const Headers& headers) {
    intake.add({.value = value, .headers = headers}, sources[0]);
    return intake.finish(sources, 1, "test");
  };
  const std::string value = "[" + alert + "," + broken + "," + alert + "]";
  auto output = add(value, {});
  ASSERT_EQ(output.dead_letters.size(), 1U);
  EXPECT_EQ(sources[0].counters.in(), 3U);
  EXPECT_EQ(output.dead_letters[0].element, "1");
  const OutRecord letter = to_dead_letter(Config(), std::move(output.dead_letters[0]));
  const OutRecord again = to_redelivered(
      {.partition = 0, .offset = 0, .value = letter.value, .headers = letter.headers}, "alerts");
  output = add(*again.value, again.headers);
  EXPECT_EQ(sources[0].counters.in(), 4U);
  ASSERT_EQ(output.dead_letters.size(), 1U);
  EXPECT_EQ(output.dead_letters[0].element, "1");
  EXPECT_EQ(add("no json", {}).dead_letters.at(0).element, "");
}

// What could not be unpacked was one element, whatever is in it.
TEST(DeadLetter, OfAPackOfAlertsBringsBackAllOfThemOnceItCanBeUnpacked) {
  const auto alert = [](int pid) {
    return fmt::format(
        R"({{"rule":"r","time":"2026-01-02T03:04:05Z","priority":"Notice","output_fields":{{"proc.pid":{}}}}})",
        pid);
  };
  const std::string packed = fmt::format(
      R"({{"specversion":"1.0","id":"1","source":"s","type":"t","datacontenttype":"application/json","data":[{},{},{}]}})",
      alert(2), alert(3), alert(4));
  const std::string value = fmt::format("[{},{},{}]", alert(1), packed, alert(5));
  std::map<std::int32_t, stages::SourceState> sources;
  const auto add = [&](std::size_t limit, const std::string& element) {
    stages::Intake intake({.record_bytes = limit}, "default", "default", 1);
    const Headers headers = {{"gyre-element", element}};
    intake.add({.value = value, .headers = element.empty() ? Headers() : headers}, sources[0]);
    return intake.finish(sources, 1, "test");
  };
  const auto counted = [&](std::size_t limit, const std::string& element) {
    sources.clear();
    std::vector<std::string> dead;
    for (const stages::DeadLetter& letter : add(limit, element).dead_letters)
      dead.push_back(letter.element + " " + letter.error);
    const records::Counters& counters = sources[0].counters;
    EXPECT_EQ(counters.in(), counters.sent() + counters.dead());
    return std::pair(counters.sent(), dead);
  };
  using Dead = std::vector<std::string>;
  EXPECT_EQ(counted(64 << 10, ""), std::pair(5UL, Dead()));
  EXPECT_EQ(counted(64 << 10, "1"), std::pair(3UL, Dead()));
  EXPECT_EQ(counted(64 << 10, "1.2"), std::pair(1UL, Dead()));
  EXPECT_EQ(counted(64 << 10, "2"), std::pair(1UL, Dead()));
  EXPECT_EQ(counted(16, "1.2"), std::pair(0UL, Dead({"1.2 too_large"})));
  EXPECT_EQ(counted(64 << 10, "99"), std::pair(0UL, Dead({"99 not_an_alert"})))
      << "whoever named it: the record is accounted for";
}

}  // namespace
}  // namespace gyre::pipeline
