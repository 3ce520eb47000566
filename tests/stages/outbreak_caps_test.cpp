// SPDX-License-Identifier: Apache-2.0
// As caps_test.cpp, of outbreaks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/stages/rule_task.h"

namespace gyre::stages {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class OutbreakCapsTest : public RuleTask {
 protected:
  void tell(int count, const std::function<void(int, records::Contribution&)>& change) {
    records::Bundle bundle =
        next_bundle(static_cast<std::size_t>(count), (kStart + 100) * kNanosPerSecond, position_);
    for (int i = 0; i < count; ++i) {
      records::Contribution& made = *bundle.add_contributions();
      made = contribution({.at = 10 + i % 5,
                           .container = fmt::format("c{}", i),
                           .host = fmt::format("node-{}", i)});
      change(i, made);
    }
    RuleTask::feed(bundle);
    feed({}, 20'000);
  }

  // Containers of a workload each, one at a time on one host: no reason for an outbreak.
  static std::vector<Given> crowd(int count, Second from, Second pace, bool counting = true) {
    std::vector<Given> all;
    for (int i = 0; i < count; ++i)
      all.push_back({.at = from + i * pace,
                     .container = fmt::format("old-{}", i),
                     .host = "node-0",
                     .image = fmt::format("image-{}", i),
                     .counting = counting});
    return all;
  }

  void feed_crowd(const std::vector<Given>& all) { feed(all, all.back().at); }

  void feed_hosts(int count, Second at) {
    std::vector<Given> given;
    for (int i = 1; i <= count; ++i)
      given.push_back(
          {.at = at + i, .host = fmt::format("node-{}", i), .severity = Severity::kHigh});
    feed(given, at + count);
  }

  bool is_capped() {
    bool capped = false;
    return last()["members"]["capped"].get(capped) == simdjson::SUCCESS && capped;
  }

  std::set<std::string> caps() const {
    std::set<std::string> all;
    for (const schemas::Report& report : reports_)
      for (const std::string_view cap : report.caps) {
        EXPECT_NE(report.json.find("{\"what\":\"" + std::string(cap) + '"'), std::string::npos);
        all.insert(std::string(cap));
      }
    return all;
  }
};

TEST_F(OutbreakCapsTest, AnOrdinaryOneReachesNone) {
  tell(5, [](int, records::Contribution&) {});
  EXPECT_FALSE(reports_.empty());
  EXPECT_THAT(caps(), IsEmpty());
}

TEST_F(OutbreakCapsTest, MoreMembersThanAreKept) {
  config_.members = 5;
  tell(8, [](int, records::Contribution&) {});
  EXPECT_EQ(caps(), std::set<std::string>{"members"});
}

TEST_F(OutbreakCapsTest, WhoIsNewTakesThePlaceOfWhoWasSeenLongAgo) {
  config_.members = 16;
  feed_crowd(crowd(16, 10, 500));
  feed_hosts(3, 12'000);
  ASSERT_THAT(said(), ElementsAre("opened rollout 3 @12003"));
  EXPECT_EQ(last()["severity"].get_string().value(), "high");
  EXPECT_FALSE(is_capped()) << "nobody of whom it tells was forgotten";
}

TEST_F(OutbreakCapsTest, WhereOneWasForgottenWhoWasSeenSinceItsBeginningNumbersAreLowerBounds) {
  config_.members = 16;
  config_.workloads = 100;
  feed_crowd(crowd(16, 7700, 100));
  feed_hosts(3, 9200);
  ASSERT_THAT(said(), ElementsAre("opened spread 16 @9202"));
  EXPECT_TRUE(is_capped());
}

TEST_F(OutbreakCapsTest, WhoCountsNotTakesNoPlaceOfWhoCounts) {
  config_.members = 16;
  feed_hosts(2, 10);
  feed_crowd(crowd(40, 20, 1, false));
  // And none that was made for who counts.
  std::vector<Given> given = crowd(80, 100, 0, false);
  given.push_back({.at = 100, .host = "node-3"});
  feed(given, 100);
  ASSERT_THAT(said(), ElementsAre("opened rollout 3 @100"));
  EXPECT_FALSE(is_capped());
}

TEST_F(OutbreakCapsTest, WhoFoundNoRoomAndIsNoTestIsStillAskedFor) {
  config_.members = 3;
  feed_hosts(4, 10);
  ASSERT_EQ(said().back(), "opened rollout 3 @13");
  std::vector<Given> tests;
  for (int host = 1; host <= 3; ++host)
    tests.push_back({.at = 100,
                     .old = 90 - host,
                     .host = fmt::format("node-{}", host),
                     .counting = false,
                     .alerts = 0});
  feed(tests, 100);
  EXPECT_EQ(last()["attention"]["level"].get_string().value(), "ticket");
}

TEST_F(OutbreakCapsTest, ThatAFindingClosesTellsNothingOfWhomThereWasNoRoomFor) {
  config_.members = 3;
  feed_hosts(3, 10);
  ASSERT_EQ(said().back(), "opened rollout 3 @13");
  std::vector<Given> closes = crowd(5, 100, 0);
  for (Given& each : closes) each.alerts = 0;
  feed(closes, 20'000);
  EXPECT_EQ(said().back(), "closed rollout 3 @5713");
  EXPECT_FALSE(is_capped());
}

// A second's second contribution of a key may be the one that needs room.
TEST_F(OutbreakCapsTest, WhoNeedsRoomHasItWhateverItSaysFirst) {
  config_.members = 3;
  feed_crowd(crowd(3, 10, 0));
  Given closes{.at = 9000, .old = 9000, .host = "node-9", .alerts = 0};
  Given seen{.at = 9000, .host = "node-9"};
  feed({closes, seen, {.at = 9000, .host = "node-8"}, {.at = 9000, .host = "node-7"}}, 9000);
  ASSERT_THAT(said(), ElementsAre("opened rollout 3 @9000"));
  EXPECT_FALSE(is_capped());
}

// A hundred thousand jobs that ran once must not be remembered for a day.
TEST_F(OutbreakCapsTest, WorkloadsAreForgottenWithTheirContainers) {
  config_.members = 16;
  config_.workloads = 1000;  // an outbreak over workloads would leave none to those of each
  const auto groups = [this] {
    std::size_t count = 0;
    store_.scan("g", "h", [&](std::string_view key, std::string_view) {
      count += key.size() == 1 + 2 * sizeof(Id128);
      return true;
    });
    return count;
  };
  for (int job = 0; job < 200; ++job)
    feed({{.at = job,
           .container = fmt::format("c{}", job),
           .host = "node-1",
           .owner = fmt::format("job-{}", job),
           .started = job}},
         job);
  EXPECT_LE(groups(), 16U);
}

TEST_F(OutbreakCapsTest, AnOpenOutbreakForgetsNoMember) {
  config_.members = 16;
  feed_hosts(10, 10);
  ASSERT_EQ(said().back(), "members rollout 10 @20");
  feed_crowd(crowd(40, 30, 1));
  feed({}, 20'000);
  EXPECT_EQ(said().back(), "closed spread 16 @5768");
  EXPECT_TRUE(is_capped());
  EXPECT_EQ(last()["counts"]["alerts"].get_uint64().value(), 50U);
}

TEST_F(OutbreakCapsTest, AnOutbreakThatKnowsNobodyIsNotTold) {
  config_.members = 4;
  std::vector<Given> pods;
  for (int i = 0; i < 4; ++i)
    pods.push_back({.at = 10 + i, .container = fmt::format("pod-{}", i), .owner = "app"});
  feed(pods, 20);
  feed_hosts(3, 4000);
  EXPECT_THAT(said(), ElementsAre("opened recurring 3 @12"));
}

TEST_F(OutbreakCapsTest, MoreMembersThanAreListed) {
  tell(60, [](int, records::Contribution&) {});
  EXPECT_EQ(caps(), std::set<std::string>{"entities"});
}

TEST_F(OutbreakCapsTest, MoreClustersThanAreListed) {
  tell(40, [](int i, records::Contribution& made) {
    made.mutable_entity()->set_cluster(fmt::format("cluster-{}", i));
  });
  EXPECT_EQ(caps(), std::set<std::string>{"names"});
}

TEST_F(OutbreakCapsTest, MoreTechniquesThanAreListed) {
  tell(40, [](int i, records::Contribution& made) {
    records::Technique& technique = *made.add_attack();
    technique.set_tactic("TA0002");
    technique.set_technique(fmt::format("T{}", 1000 + i));
    technique.set_name("a technique");
    technique.set_source("rule_tag");
  });
  EXPECT_EQ(caps(), std::set<std::string>{"techniques"});
}

}  // namespace
}  // namespace gyre::stages
