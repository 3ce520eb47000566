// SPDX-License-Identifier: Apache-2.0
// Outbreaks over time: what one after the other tells, and of members that change.
#include "tests/stages/rule_task.h"

namespace gyre::stages {
namespace {

using RuleSequenceTest = RuleTask;
using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(RuleSequenceTest, ItClosesAnHourAfterLessThanHalfIsLeftAndTheNextOneNamesIt) {
  std::vector<Given> given;
  for (int each = 0; each < 3; ++each)
    given.push_back({.at = 10, .host = fmt::format("node-{}", each)});
  // Two hosts are half of three: they hold it open.
  for (Second at = 300; at <= 6000; at += 300)
    for (const char* host : {"node-1", "node-2"}) given.push_back({.at = at, .host = host});
  // One is not.
  for (Second at = 6300; at <= 12'000; at += 300) given.push_back({.at = at, .host = "node-1"});
  feed(given, 20'000);
  ASSERT_THAT(said(),
              ElementsAre("opened rollout 3 @10",
                          fmt::format("closed rollout 3 @{}", 6000 + 1800 + 3600 + 300 + 1)));
  for (int each = 0; each < 3; ++each)
    feed({{.at = 30'000, .host = fmt::format("node-{}", each)}}, 30'000 - (each < 2 ? 1 : 0));
  ASSERT_EQ(said().size(), 3U);
  EXPECT_EQ(last()["previous_id"].get_string().value(), reports_[0].id);
  EXPECT_NE(reports_[2].id, reports_[0].id);
  simdjson::dom::parser parser;
  EXPECT_EQ(last()["series"].get_string().value(),
            parser.parse(reports_[0].json)["series"].get_string().value());
}

// Three containers, seen three times, eight hours apart: with pods whose owners are known they may
// matter for a day, without for half an hour. Neither is an outbreak's own business.
TEST_F(RuleSequenceTest, AnOutbreakCountsNothingThatOneBeforeItTold) {
  for (const bool named : {false, true}) {
    const std::size_t before = reports_.size();
    for (int round = 0; round < 3; ++round)
      for (int node = 0; node < 3; ++node)
        feed({{.at = (named ? 200'000 : 0) + 28'800 * round + node,
               .host = fmt::format("node-{}", node),
               .owner = named ? fmt::format("app-{}", node) : "",
               .rule = named ? "Rule A" : "Rule B",
               .alerts = 2,
               .priority = round == 0 ? 2U : 4U}},
             (named ? 200'000 : 0) + 28'800 * round + node + (node == 2 ? 20'000 : 0));
    ASSERT_EQ(reports_.size(), before + 6) << "three open, three close";
    for (std::size_t i = before; i < reports_.size(); ++i) {
      const simdjson::dom::element json = parser_.parse(reports_[i].json);
      const auto round = static_cast<int>(i - before) / 2;
      EXPECT_EQ(json["counts"]["alerts"].get_uint64().value(), 6U);
      EXPECT_EQ(
          json["first_seen"].get_string().value(),
          format_rfc3339((kStart + (named ? 200'000 : 0) + 28'800 * round) * kNanosPerSecond));
      EXPECT_EQ(json["priority"].get_string().value(), round == 0 ? "Critical" : "Warning");
    }
  }
}

TEST_F(RuleSequenceTest, WhatGoesOnForDaysIsCountedOnce) {
  std::uint64_t alerts = 0;
  std::vector<Given> given;
  for (Second at = 0; at < 200'000; at += 600)
    for (int node = 0; node < 3; ++node, ++alerts)
      given.push_back({.at = at + node,
                       .host = fmt::format("node-{}", node),
                       .owner = "agent",
                       .finding_goes_on = true});
  feed(given, 300'000);
  std::uint64_t told = 0;
  std::string end;
  for (const schemas::Report& report : reports_) {
    const simdjson::dom::element json = parser_.parse(report.json);
    const std::string_view first = json["first_seen"].get_string().value();
    EXPECT_GT(first, end) << "an outbreak begins after the one before it ended";
    if (json["state"].get_string().value() != "closed") continue;
    end = json["last_seen"].get_string().value();
    told += json["counts"]["alerts"].get_uint64().value();
  }
  EXPECT_EQ(told, alerts);
  EXPECT_EQ(reports_.size(), 6U);
}

TEST_F(RuleSequenceTest, WhatAnOutbreakOverHostsToldIsNoReasonForARecurringOne) {
  for (const bool scheduled : {false, true}) {
    reports_.clear();
    const Second begin = scheduled ? 200'000 : 0;
    const auto pod = [&](int number, Second at) {
      return Given{.at = begin + at,
                   .container = fmt::format("c{}", number),
                   .host = fmt::format("node-{}", number),
                   .owner = scheduled ? fmt::format("job-{}", number % 5) : "agent",
                   .scheduled = scheduled};
    };
    std::vector<Given> given;
    for (int each = 0; each < 10; ++each) given.push_back(pod(each, 40 * each));
    feed(given, begin + 400);
    ASSERT_EQ(said().front(), scheduled ? "opened rollout 5 @200160" : "opened rollout 3 @80");
    feed({pod(10, 36'000), pod(15, 36'600)}, begin + 40'000);
    EXPECT_EQ(last()["state"].get_string().value(), "closed");
    EXPECT_EQ(last()["counts"]["alerts"].get_uint64().value(), 10U);
    feed({pod(20, 43'200)}, begin + 44'000);
    EXPECT_EQ(said().back(), fmt::format("opened recurring 3 @{}", begin + 43'200));
    EXPECT_EQ(last()["counts"]["alerts"].get_uint64().value(), 3U);
    feed({}, begin + 190'000);
  }
}

// A workload's outbreak is open. Its pods are a reason for the one over hosts, which has what comes
// from then on.
TEST_F(RuleSequenceTest, AnAlertIsCountedInOneOutbreak) {
  const auto pod = [](int node, Second at, const std::string& owner) {
    return Given{.at = at,
                 .container = fmt::format("c{}", node),
                 .host = fmt::format("node-{}", node),
                 .owner = owner};
  };
  feed({pod(1, 10, "app"), pod(2, 3610, "app"), pod(3, 7210, "app")}, 7211);
  ASSERT_THAT(said(), ElementsAre("opened recurring 3 @7210"));
  feed({pod(4, 7270, "x"), pod(5, 7330, "y"), pod(3, 7390, "app"), pod(6, 7391, "app")}, 20'000);
  ASSERT_THAT(said(), testing::Contains("opened rollout 3 @7330"));
  EXPECT_THAT(reports_.at(1).json,
              testing::HasSubstr("all alerts of 1 member are counted in the outbreaks"));
  EXPECT_EQ(said().back(), "closed rollout 4 @13091");
  EXPECT_EQ(last()["counts"]["alerts"].get_uint64().value(), 4U) << "not node-3's first";
  EXPECT_EQ(last()["first_seen"].get_string().value(),
            format_rfc3339((kStart + 7210) * kNanosPerSecond));
  feed({pod(7, 21'000, "app")}, 100'000);
  EXPECT_EQ(said().back(), "closed recurring 4 @93610");
  EXPECT_EQ(last()["counts"]["alerts"].get_uint64().value(), 4U);
}

TEST_F(RuleSequenceTest, CopiesCountWithTheirAlertsAndAreNoReason) {
  const auto tell = [this](Second at, Second old, std::uint64_t alerts, Second decided) {
    std::vector<Given> given;
    for (int node = 0; node < 3; ++node)
      given.push_back({.at = at,
                       .old = old,
                       .host = fmt::format("node-{}", node),
                       .alerts = alerts,
                       .copies = 2});
    feed(given, decided);
  };
  tell(10, 0, 1, 20);
  tell(4000, 3990, 0, 20'000);
  EXPECT_THAT(said(), ElementsAre("opened rollout 3 @10", "closed rollout 3 @5711"));
  EXPECT_EQ(last()["counts"]["duplicates"].get_uint64().value(), 12U);
  tell(20'100, 0, 0, 40'000);
  EXPECT_EQ(said().size(), 2U);
  // Before an outbreak tells of the alerts.
  feed({{.at = 50'000, .host = "node-1"}}, 50'000);
  feed({{.at = 50'010, .old = 10, .host = "node-1", .alerts = 0, .copies = 5}}, 50'010);
  feed({{.at = 50'020, .host = "node-2"}, {.at = 50'020, .host = "node-3"}}, 50'020);
  EXPECT_EQ(said().back(), "opened rollout 3 @50020");
  EXPECT_EQ(last()["counts"]["duplicates"].get_uint64().value(), 5U);
}

TEST_F(RuleSequenceTest, AnOutbreakBeginsWithTheFirstAlertThatItCounts) {
  std::vector<Given> given;
  for (const Second at : {Second{0}, Second{50'000}})
    for (int node = 0; node < 3; ++node)
      given.push_back({.at = at + 290,
                       .host = fmt::format("node-{}", node),
                       .finding_goes_on = true,
                       .lasted = 100 * node});
  feed(given, 60'000);
  ASSERT_EQ(reports_.size(), 4U);
  EXPECT_EQ(last()["first_seen"].get_string().value(),
            format_rfc3339((kStart + 50'090) * kNanosPerSecond));
}

// A finding that closes is told of after its last sighting, maybe after the end of its outbreak.
TEST_F(RuleSequenceTest, FindingsThatOnlyCloseAreNoReasonForTheNextOne) {
  std::vector<Given> given;
  const auto tell = [&](int minute, int run, std::uint64_t alerts) {
    given.push_back({.at = 60 * minute,
                     .container = fmt::format("c{}", run),
                     .owner = "nightly",
                     .scheduled = true,
                     .alerts = alerts});
  };
  for (int minute = 0; minute < 1460; ++minute) {
    if (minute <= 1442) tell(minute, minute, 1);
    if (minute >= 17) tell(minute, minute - 17, 0);
  }
  feed(given, 300'000);
  EXPECT_EQ(said().back(), "closed recurring 1443 @86520");
  EXPECT_EQ(last()["counts"]["alerts"].get_uint64().value(), 1443U);
}

TEST_F(RuleSequenceTest, WhoTurnedOutAsATestIsNoReasonForARecurringOutbreak) {
  const auto container = [](int number, Second at, bool counting) {
    return Given{.at = at,
                 .container = fmt::format("c{}", number),
                 .owner = "generator",
                 .counting = counting};
  };
  feed({container(1, 10, true)}, 20);
  feed({container(1, 120, false)}, 130);
  feed({container(2, 160, true), container(3, 300, true)}, 400);
  EXPECT_THAT(said(), IsEmpty());
  feed({container(4, 500, true)}, 600);
  EXPECT_THAT(said(), ElementsAre("opened recurring 3 @500"));
}

TEST_F(RuleSequenceTest, WhoseOwnerIsLearnedLateIsOneWorkload) {
  std::vector<Given> given;
  for (int each = 0; each < 3; ++each)
    given.push_back({.at = 10 + each,
                     .container = fmt::format("c{}", each),
                     .image = fmt::format("registry.example/app-{}:1", each)});
  feed(given, 300);
  for (Given& one : given) {
    one.at += 400;
    one.owner = "app-" + one.container;
  }
  feed(given, 1000);
  EXPECT_THAT(said(), IsEmpty()) << "three workloads on one host, whatever they were thought to be";
}

TEST_F(RuleSequenceTest, WhoTurnsOutAsAScheduledJobHasNoHostAnyMore) {
  for (int run = 0; run < 3; ++run) {
    Given one{.at = 600 * run + 10,
              .container = fmt::format("c{}", run),
              .host = fmt::format("node-{}", run)};
    feed({one}, one.at + 1);
    one.at += 400;
    one.owner = "backup";
    one.scheduled = true;
    feed({one}, one.at + 1);
  }
  EXPECT_THAT(said(), ElementsAre("opened recurring 3 @1610"));
  EXPECT_EQ(last()["counts"]["alerts"].get_uint64().value(), 6U) << "with those from before";
}

TEST_F(RuleSequenceTest, AnOutbreakBeginsToCountWhereItsWindowBegins) {
  std::vector<Given> given;
  for (Second at = 0; at <= 36'000; at += 300)
    given.push_back({.at = at, .host = "node-0", .priority = at < 3000 ? 2U : 4U});
  for (int node = 1; node < 3; ++node)
    given.push_back({.at = 36'000, .host = fmt::format("node-{}", node)});
  feed(given, 36'001);
  ASSERT_THAT(said(), ElementsAre("opened rollout 3 @36000"));
  EXPECT_EQ(last()["counts"]["alerts"].get_uint64().value(), 7U + 2U);
  EXPECT_EQ(last()["first_seen"].get_string().value(),
            format_rfc3339((kStart + 34'200) * kNanosPerSecond));
  EXPECT_EQ(last()["priority"].get_string().value(), "Warning");
}

// Its finding has closed, and is kept for an hour.
TEST_F(RuleSequenceTest, AlertsThatComeAnHourLateAreCounted) {
  std::vector<Given> given;
  for (int node = 0; node < 3; ++node)
    given.push_back({.at = 10, .host = fmt::format("node-{}", node)});
  feed(given, 20);
  feed({{.at = 4550, .old = 4540, .host = "node-1", .alerts = 3}}, 4600);
  feed({}, 20'000);
  EXPECT_EQ(last()["state"].get_string().value(), "closed");
  EXPECT_EQ(last()["counts"]["alerts"].get_uint64().value(), 6U);
}

// Each node's finding succeeds; the next one of the same nodes fails.
TEST_F(RuleSequenceTest, WhatSucceededIsNotForgottenWhenTheNextFindingsFail) {
  const auto nodes = [](Second at, bool success) {
    std::vector<Given> given;
    for (int node = 0; node < 3; ++node)
      given.push_back({.at = at + node,
                       .host = fmt::format("node-{}", node),
                       .started = -86'400 * node,
                       .severity = success ? Severity::kHigh : Severity::kLow,
                       .effect = success,
                       .suspicious = success});
    return given;
  };
  feed(nodes(10, true), 1500);
  ASSERT_THAT(said(), ElementsAre("opened spread 3 @12"));
  ASSERT_EQ(last()["attention"]["level"].get_string().value(), "page");
  feed(nodes(1600, false), 20'000);
  EXPECT_THAT(said(), ElementsAre("opened spread 3 @12", "closed spread 3 @7302"));
  EXPECT_EQ(last()["attention"]["level"].get_string().value(), "page");
  EXPECT_EQ(last()["severity"].get_string().value(), "high");
  EXPECT_EQ(last()["verdict"]["class"].get_string().value(), "suspicious");
  feed(nodes(30'000, false), 30'010);
  EXPECT_EQ(said().back(), "opened spread 3 @30002");
  EXPECT_EQ(last()["severity"].get_string().value(), "low") << "another outbreak begins anew";
}

// Before it opened, each workload's pods succeeded, and failed later.
TEST_F(RuleSequenceTest, AnOutbreakIsJudgedByAllFindingsThatItTells) {
  const auto pod = [](int number, Second at, Severity severity) {
    return Given{
        .at = at, .container = fmt::format("c{}", number), .owner = "app", .severity = severity};
  };
  feed({pod(1, 10, Severity::kHigh), pod(1, 1500, Severity::kLow), pod(2, 5000, Severity::kLow),
        pod(3, 9000, Severity::kLow)},
       9000);
  ASSERT_THAT(said(), ElementsAre("opened recurring 3 @9000"));
  EXPECT_EQ(last()["severity"].get_string().value(), "high");
}

TEST_F(RuleSequenceTest, AFindingThatIsJudgedAnewReplacesWhatItWasJudged) {
  std::vector<Given> given;
  for (int node = 0; node < 3; ++node)
    given.push_back({.at = 10,
                     .host = fmt::format("node-{}", node),
                     .severity = Severity::kHigh,
                     .finding_goes_on = true,
                     .tactics = {"TA0002", "TA0003"}});
  feed(given, 20);
  for (Given& one : given) {
    one.at = 400;
    one.severity = Severity::kLow;
    one.tactics = {"TA0002"};
  }
  feed(given, 500);
  EXPECT_THAT(said(), ElementsAre("opened rollout 3 @10", "verdict rollout 3 @400"));
  EXPECT_EQ(last()["severity"].get_string().value(), "low");
  EXPECT_EQ(last()["attack"].get_array().value().size(), 2U) << "tactics never fall";
}

// A second may be decided in slices, and late contributions of several seconds wait for one.
TEST_F(RuleSequenceTest, TwoContributionsOfAFindingToOneSecondAreAddedUp) {
  std::vector<Given> given;
  for (int each = 0; each < 3; ++each)
    given.push_back({.at = 10, .host = fmt::format("node-{}", each), .alerts = 1});
  given.push_back({.at = 10, .host = "node-1", .severity = Severity::kHigh, .alerts = 3});
  feed(given, 20);
  ASSERT_THAT(said(), ElementsAre("opened rollout 3 @10"));
  EXPECT_EQ(last()["counts"]["alerts"].get_uint64().value(), 6U);
  EXPECT_EQ(last()["severity"].get_string().value(), "high") << "as the newer one says";
  EXPECT_EQ(counters().contributions(), 4U);
}

}  // namespace
}  // namespace gyre::stages
