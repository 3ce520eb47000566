// SPDX-License-Identifier: Apache-2.0
// The flash: a Critical finding is said before its second is decided (ruling 18).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/stages/container_task.h"

namespace gyre::stages {
namespace {

using Lines = std::vector<std::string>;
using schemas::Priority;
using testing::IsEmpty;

class FlashTest : public ContainerTask {
 protected:
  FlashTest() { config_.flash = true; }

  static Given critical(Second at, std::int64_t id) {
    return {.at = at, .id = id, .priority = Priority::kCritical};
  }
};

TEST_F(FlashTest, ACriticalFindingIsSaidBeforeItsSecondIsDecidedAndSettledWithIt) {
  feed({}, 100);
  feed({critical(102, 1)}, 100);
  EXPECT_EQ(said(), (Lines{"finding opened @102"}));
  EXPECT_EQ(number_of(reports_[0], "alerts"), 1U);
  feed({critical(102, 2)}, 101);
  EXPECT_EQ(said().size(), 1U) << "once";
  feed({}, 102);
  EXPECT_EQ(said(), (Lines{"finding opened @102", "finding settled @102"}));
  EXPECT_EQ(reports_[1].id, reports_[0].id);
  EXPECT_EQ(number_of(reports_[1], "alerts"), 2U);
  EXPECT_EQ(counters().findings_open(), 1);
}

TEST_F(FlashTest, IsSettledEvenIfNothingChanged) {
  feed({}, 100);
  feed({critical(102, 1)}, 100);
  feed({}, 5000);
  EXPECT_EQ(said(), (Lines{"finding opened @102", "finding settled @102", "finding closed @1123"}));
  EXPECT_EQ(counters().findings_open(), 0);
}

TEST_F(FlashTest, IsForCriticalAndAboveOnly) {
  feed({}, 100);
  Given error = critical(102, 1);
  error.priority = Priority::kError;
  feed({error}, 100);
  EXPECT_THAT(said(), IsEmpty());
}

TEST_F(FlashTest, ACopyFlashesNothing) {
  feed({}, 100);
  feed({critical(102, 1), critical(102, 1)}, 103);
  EXPECT_EQ(said(), (Lines{"finding opened @102", "finding settled @102"}));
  EXPECT_EQ(number_of(reports_[1], "duplicates"), 1U);
}

TEST_F(FlashTest, WaitsWhereItsIdCouldStillBecomeAnother) {
  feed({}, 898);  // 899 is undecided, and of another unit of the gap than 901
  feed({critical(901, 1)}, 898);
  EXPECT_THAT(said(), IsEmpty());
  feed({}, 901);
  EXPECT_EQ(said(), (Lines{"finding opened @901"}));
}

TEST_F(FlashTest, WaitsWhereItCouldStillJoinAnotherEpisode) {
  feed({critical(100, 1)}, 999);
  const std::size_t before = said().size();
  feed({critical(1001, 2)}, 999);
  EXPECT_EQ(said().size(), before) << "what comes for second 1000 could bridge the gap";
  feed({}, 1001);
  EXPECT_EQ(said().back(), "finding opened @1001");
}

TEST_F(FlashTest, AnAlertOfAnEarlierSecondThatComesAfterwardsIsInTheSettledRevision) {
  feed({}, 100);
  feed({critical(103, 2)}, 100);
  feed({critical(102, 1)}, 100);
  EXPECT_EQ(said(), (Lines{"finding opened @103"}));
  feed({}, 102);
  EXPECT_EQ(said().size(), 1U) << "time never falls over revisions";
  EXPECT_EQ(counters().findings_open(), 1);
  feed({}, 103);
  EXPECT_EQ(said(), (Lines{"finding opened @103", "finding settled @103"}));
  EXPECT_EQ(number_of(reports_[1], "alerts"), 2U);
}

TEST_F(FlashTest, AnIncidentOpensWithTheSecondAsWithoutAFlash) {
  std::vector<std::string> incidents;
  for (const bool flash : {true, false}) {
    config_.flash = flash;
    store_.wipe();
    reports_.clear();
    position_ = {};
    feed({}, 100);
    Given later = critical(103, 2);
    later.outcome = schemas::Outcome::kSucceeded;
    feed({later}, 100);
    Given earlier = critical(102, 1);
    earlier.outcome = schemas::Outcome::kSucceeded;
    feed({earlier}, 100);
    feed({}, 10'000);
    for (const schemas::Report& report : reports_)
      if (report.kind == "incident") incidents.push_back(report.json);
  }
  ASSERT_FALSE(incidents.empty());
  ASSERT_EQ(incidents.size() % 2, 0U);
  const std::size_t half = incidents.size() / 2;
  for (std::size_t i = 0; i < half; ++i) EXPECT_EQ(incidents[i], incidents[half + i]);
}

TEST_F(FlashTest, SaysWhatWaitsForEarlierSecondsToo) {
  feed({}, 100);
  Given notice = critical(101, 1);
  notice.priority = Priority::kNotice;
  feed({notice}, 100);
  feed({critical(103, 2)}, 100);
  EXPECT_EQ(said(), (Lines{"finding opened @103"}));
  EXPECT_EQ(number_of(reports_[0], "alerts"), 2U);
  feed({}, 110);
  EXPECT_EQ(said(), (Lines{"finding opened @103", "finding settled @103"}));
  EXPECT_EQ(number_of(reports_[1], "alerts"), 2U);
}

TEST_F(FlashTest, CountsNoCopiesThatItsSecondMayCountElsewhere) {
  feed({critical(100, 1)}, 1300);
  const std::size_t before = said().size();
  Given copy = critical(100, 1);
  copy.behind = -1201;
  feed({copy, critical(1303, 2)}, 1300);
  ASSERT_EQ(said().size(), before + 1);
  EXPECT_EQ(said().back(), "finding opened @1303");
  EXPECT_EQ(number_of(reports_.back(), "duplicates"), 0U) << "it is the episode's before";
  feed({}, 1303);
  EXPECT_EQ(said().back(), "finding settled @1303");
  EXPECT_EQ(number_of(reports_.back(), "duplicates"), 0U);
}

TEST_F(FlashTest, IsNotForInputThatLagsBehind) {
  feed({}, 100);
  feed({critical(200, 1)}, 101);
  EXPECT_THAT(said(), IsEmpty());
}

}  // namespace
}  // namespace gyre::stages
