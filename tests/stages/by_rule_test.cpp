// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include "base/error.h"
#include "tests/stages/rule_task.h"

namespace gyre::stages {
namespace {

using ByRuleTest = RuleTask;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST_F(ByRuleTest, OneImageStartedTogetherOnFiveNodesIsARollout) {
  std::vector<Given> given;
  for (int node = 0; node < 5; ++node)
    given.push_back({.at = 10 + node,
                     .container = fmt::format("c{}", node),
                     .host = fmt::format("node-{}", node),
                     .owner = "agent",
                     .started = -20 + node});
  feed(given, 20'000);
  EXPECT_THAT(said(), ElementsAre("opened rollout 3 @12", "closed rollout 5 @5714"));
  EXPECT_EQ(last()["members"]["hosts"].get_uint64().value(), 5U);
  EXPECT_EQ(last()["members"]["workloads"].get_uint64().value(), 1U);
  EXPECT_EQ(last()["counts"]["alerts"].get_uint64().value(), 5U);
  EXPECT_EQ(last()["closed_because"].get_string().value(), "quiet");
  EXPECT_EQ(counters().outbreaks_open(), 0);
}

TEST_F(ByRuleTest, TheSameOnFourHostsOfDifferentAgeIsASpread) {
  std::vector<Given> given;
  for (int node = 0; node < 4; ++node)
    given.push_back({.at = 10 + 600 * node,
                     .container = fmt::format("c{}", node),
                     .host = fmt::format("node-{}", node),
                     .started = -20 - 86'400 * node});
  feed(given, 2000);
  EXPECT_THAT(said(), ElementsAre("opened spread 3 @1210"));
}

TEST_F(ByRuleTest, WithoutStartTimesNobodyCanTell) {
  std::vector<Given> given;
  for (int node = 0; node < 3; ++node)
    given.push_back({.at = 10, .host = fmt::format("node-{}", node), .started = 0});
  feed(given, 100);
  EXPECT_THAT(said(), ElementsAre("opened unknown 3 @10"));
  EXPECT_EQ(last()["missing"].at(0)["field"].get_string().value(), "container.start_ts");
}

TEST_F(ByRuleTest, HostsFurtherApartThanTheWindowAreNone) {
  feed({{.at = 10, .host = "node-1"},
        {.at = 1000, .host = "node-2"},
        {.at = 1811, .host = "node-3"}},
       20'000);
  EXPECT_THAT(said(), IsEmpty());
  feed({{.at = 30'000, .host = "node-1"},
        {.at = 31'000, .host = "node-2"},
        {.at = 31'800, .host = "node-3"}},
       32'000);
  EXPECT_THAT(said(), ElementsAre("opened rollout 3 @31800")) << "30 minutes to the nanosecond";
}

// Findings that are published an hour after they were opened.
TEST_F(ByRuleTest, WhatIsToldLateIsJudgedByWhenItWasSeen) {
  config_.staleness = 3720;
  const auto nodes = [](Second at, Second pace) {
    std::vector<Given> given;
    for (int node = 0; node < 3; ++node)
      given.push_back({.at = at + node * pace, .old = 3600, .host = fmt::format("node-{}", node)});
    return given;
  };
  feed(nodes(4000, 901), 10'000);
  EXPECT_THAT(said(), IsEmpty()) << "30 minutes and 2 seconds from the first to the last";
  feed(nodes(20'000, 900), 22'000);
  EXPECT_THAT(said(), ElementsAre("opened rollout 3 @21800"));
  feed({}, 40'000);
  EXPECT_EQ(said().back(), fmt::format("closed rollout 3 @{}", 21'800 + 3600 + 3721));
}

TEST_F(ByRuleTest, FiveWorkloadsOfTwoHostsAreASpread) {
  std::vector<Given> given;
  for (int each = 0; each < 5; ++each)
    given.push_back({.at = 10 + each,
                     .container = fmt::format("c{}", each),
                     .host = fmt::format("node-{}", each % 2),
                     .image = fmt::format("registry.example/app-{}:1", each)});
  feed(given, 100);
  EXPECT_THAT(said(), ElementsAre("opened spread 5 @14"));
}

TEST_F(ByRuleTest, ManyObjectsOfOnePatternAreOnePage) {
  std::vector<Given> given;
  for (int each = 0; each < 30; ++each)
    given.push_back({.at = 10 + each,
                     .container = fmt::format("shop/secrets/key-{}", each),
                     .severity = Severity::kHigh,
                     .attention = Attention::kTicket,
                     .effect = true,
                     .object = true});
  feed({given.begin(), given.begin() + 4}, 13);
  EXPECT_THAT(said(), IsEmpty());
  feed({given.begin() + 4, given.end()}, 100);
  EXPECT_THAT(said(), ElementsAre("opened spread 5 @14", "members spread 10 @19"));
  EXPECT_EQ(last()["attention"]["level"].get_string().value(), "page");
  EXPECT_EQ(last()["title"].get_string().value(), "Rule A — 10 objects");
  EXPECT_THAT(std::string(last()["markdown"].get_string().value()),
              AllOf(HasSubstr("act on the account"), Not(HasSubstr("host"))));
}

TEST_F(ByRuleTest, WhatBeginsToSucceedInSeveralPlacesIsToldAtOnce) {
  std::vector<Given> given;
  for (int each = 0; each < 5; ++each)
    given.push_back({.at = 10,
                     .container = fmt::format("shop/secrets/key-{}", each),
                     .severity = Severity::kHigh,
                     .attention = Attention::kTicket,
                     .object = true});
  given.push_back(given.back());
  given.back().at = 50;
  given.back().effect = true;
  feed(given, 100);
  EXPECT_THAT(said(), ElementsAre("opened spread 5 @10", "severity spread 5 @50"));
  EXPECT_EQ(last()["attention"]["level"].get_string().value(), "page");
}

TEST_F(ByRuleTest, ManyContainersOfOneHostAndImageAreOneRecurringOutbreakAndNoneByHosts) {
  std::vector<Given> given;
  for (int each = 0; each < 200; ++each)
    given.push_back({.at = 10 + each, .container = fmt::format("c{}", each)});
  feed(given, 300);
  EXPECT_THAT(said(), ElementsAre("opened recurring 3 @12", "members recurring 10 @19",
                                  "members recurring 100 @109"));
}

TEST_F(ByRuleTest, WhoIsNoTestAmongTestsAsksAgain) {
  const auto all = [](Second at, bool counting, std::uint64_t alerts) {
    std::vector<Given> given;
    for (int host = 1; host <= 3; ++host)
      given.push_back({.at = at,
                       .old = counting ? 0 : at - 10,
                       .host = fmt::format("node-{}", host),
                       .started = 0,
                       .counting = counting,
                       .severity = Severity::kInformational,
                       .alerts = alerts});
    return given;
  };
  feed(all(10, true, 1), 50);
  feed(all(60, false, 0), 60);
  ASSERT_EQ(last()["attention"]["level"].get_string().value(), "record");
  feed({{.at = 70, .host = "node-4", .started = 0, .severity = Severity::kInformational}}, 70);
  EXPECT_EQ(said().back(), "severity unknown 4 @70");
  EXPECT_EQ(last()["attention"]["level"].get_string().value(), "ticket");
}

// Of a pattern that spreads, the wider one tells what comes.
TEST_F(ByRuleTest, OneOfAWorkloadPagesForNoFindingThatItDoesNotTell) {
  std::vector<Given> pods;
  for (int pod = 1; pod <= 3; ++pod)
    pods.push_back({.at = 10 * pod, .container = fmt::format("pod-{}", pod)});
  feed(pods, 50);
  ASSERT_THAT(said(), ElementsAre("opened recurring 3 @30"));
  feed({{.at = 1000, .host = "node-2"}, {.at = 1001, .host = "node-3"}}, 1010);
  ASSERT_EQ(said().back(), "opened rollout 5 @1001");
  feed({{.at = 2000,
         .container = "pod-1",
         .severity = Severity::kHigh,
         .attention = Attention::kPage}},
       2100);
  EXPECT_EQ(said().back(), "severity rollout 5 @2000");
  EXPECT_EQ(reports_.size(), 3U) << "the workload's says nothing of it";
}

TEST_F(ByRuleTest, SaysThatItIsOverEvenWhenAllTurnedOutAsTests) {
  feed({{.at = 10, .host = "node-1"}, {.at = 11, .host = "node-2"}, {.at = 12, .host = "node-3"}},
       50);
  std::vector<Given> tests;
  for (int host = 1; host <= 3; ++host)
    tests.push_back({.at = 60,
                     .old = 50 - host + 1,
                     .host = fmt::format("node-{}", host),
                     .counting = false,
                     .alerts = 0});
  feed(tests, 60);
  ASSERT_EQ(said().back(), "verdict unknown 3 @60");
  EXPECT_EQ(last()["attention"]["level"].get_string().value(), "record");
  EXPECT_THAT(last()["members"]["pattern_because"].get_string().value(),
              HasSubstr("Fewer than two"));
  feed({}, 20'000);
  EXPECT_EQ(last()["state"].get_string().value(), "closed");
}

// Its report and its time belong together.
TEST_F(ByRuleTest, TheEarliestSightingNamesItsOwnFinding) {
  const records::Contribution first = contribution({.at = 10, .host = "node-1"});
  feed({{.at = 10, .host = "node-1"},
        {.at = 900, .host = "node-1"},
        {.at = 901, .host = "node-2"},
        {.at = 902, .host = "node-3"}},
       1000);
  EXPECT_EQ(last()["members"]["entities"].at(0)["finding"].get_string().value(),
            first.finding_id());
}

TEST_F(ByRuleTest, TechniquesOfFindingsBeforeItsOpeningAreTold) {
  feed({{.at = 10, .host = "node-1", .tactics = {"TA0006"}},
        {.at = 900, .host = "node-1"},
        {.at = 901, .host = "node-2"},
        {.at = 902, .host = "node-3"}},
       1000);
  ASSERT_THAT(said(), ElementsAre("opened rollout 3 @902"));
  EXPECT_THAT(reports_.back().json, HasSubstr("TA0006"));
}

// That nothing came with it does not make it untrue.
TEST_F(ByRuleTest, AnEarlierFindingThatIsJudgedAnewRaisesItsOutbreak) {
  feed({{.at = 10, .host = "node-1"},
        {.at = 900, .host = "node-1"},
        {.at = 901, .host = "node-2"},
        {.at = 902, .host = "node-3"}},
       1000);
  records::Bundle bundle = next_bundle(1, (kStart + 1011) * kNanosPerSecond, position_);
  records::Contribution& again = *bundle.add_contributions();
  again = contribution({.at = 10, .host = "node-1", .severity = Severity::kHigh, .alerts = 0});
  again.set_second(kStart + 1010);
  feed(bundle);
  EXPECT_EQ(said().back(), "severity rollout 3 @1010");
}

// A finding's newest sighting is not what a late alert of it adds.
TEST_F(ByRuleTest, ALateAlertIsASightingOfItsOwnTime) {
  feed({{.at = 10, .host = "node-1"}, {.at = 11, .host = "node-2"}, {.at = 12, .host = "node-3"}},
       50);
  feed({}, 20'000);
  ASSERT_EQ(last()["state"].get_string().value(), "closed");
  const std::size_t before = reports_.size();
  std::vector<Given> late;
  for (int host = 1; host <= 3; ++host)
    late.push_back({.at = 20'001, .host = fmt::format("node-{}", host), .late = 30'000});
  feed(late, 20'100);
  EXPECT_EQ(reports_.size(), before);
}

TEST_F(ByRuleTest, ACronJobOfADayIsOneRecurringOutbreakInFewRevisions) {
  std::vector<Given> given;
  for (int minute = 0; minute < 1440; ++minute)
    given.push_back({.at = 60 * minute,
                     .container = fmt::format("c{}", minute),
                     .host = fmt::format("node-{}", minute % 7),
                     .owner = "nightly",
                     .started = 60 * minute - 2,
                     .scheduled = true});
  feed(given, 86'390);
  EXPECT_THAT(said(), ElementsAre("opened recurring 3 @120", "members recurring 10 @540",
                                  "members recurring 100 @5940", "members recurring 1000 @59940"));
  EXPECT_EQ(last()["members"]["workload"].get_string().value(), "prod/shop/nightly/main");
  EXPECT_EQ(last()["attention"]["level"].get_string().value(), "ticket");
  feed({}, 300'000);
  EXPECT_THAT(said().back(), "closed recurring 1440 @86520");
  EXPECT_EQ(last()["closed_because"].get_string().value(), "max_age");
}

TEST_F(ByRuleTest, ANewClusterANewNamespaceAndPowersOfTenAreTold) {
  std::vector<Given> given;
  for (int each = 0; each < 10; ++each)
    given.push_back({.at = 10 * each,
                     .host = fmt::format("node-{}", each),
                     .owner = fmt::format("app-{}", each),
                     .cluster = each < 4 ? "prod" : "stage",
                     .space = each < 6 ? "shop" : "bank"});
  feed(given, 200);
  EXPECT_THAT(said(), ElementsAre("opened rollout 3 @20", "members rollout 5 @40",
                                  "members rollout 7 @60", "members rollout 10 @90"));
}

TEST_F(ByRuleTest, WhatIsKnownAsTestCountsNotAndWhoTurnsOutAsTestStaysListed) {
  std::vector<Given> given;
  for (int each = 0; each < 3; ++each)
    given.push_back({.at = 10,
                     .host = fmt::format("node-{}", each),
                     .counting = false,
                     .finding_goes_on = true});
  feed(given, 100);
  EXPECT_THAT(said(), IsEmpty());
  for (Given& one : given) {
    one.at = 110;
    one.counting = true;
  }
  feed(given, 200);
  ASSERT_THAT(said(), ElementsAre("opened rollout 3 @110"));
  for (Given& one : given) {
    one.at = 210;
    one.counting = false;
    one.alerts = 7;
  }
  feed(given, 300);
  ASSERT_EQ(said().back(), "verdict unknown 3 @210");
  EXPECT_EQ(last()["severity"].get_string().value(), "informational");
  EXPECT_EQ(last()["attention"]["level"].get_string().value(), "record");
  EXPECT_EQ(last()["counts"]["alerts"].get_uint64().value(), 3U + 3U + 21U);
}

TEST_F(ByRuleTest, ARisingSeverityIsToldAtOnce) {
  std::vector<Given> given;
  for (int each = 0; each < 3; ++each)
    given.push_back({.at = 10, .host = fmt::format("node-{}", each)});
  given.push_back({.at = 50, .host = "node-1", .severity = Severity::kCritical});
  feed(given, 100);
  EXPECT_THAT(said(), ElementsAre("opened rollout 3 @10", "severity rollout 3 @50"));
}

TEST_F(ByRuleTest, WhatRisesWithTheTenthMemberIsARiseAndWhatFallsBesideARiseAFall) {
  std::vector<Given> given;
  for (int each = 0; each < 10; ++each)
    given.push_back({.at = each < 9 ? 10 : 50,
                     .host = fmt::format("node-{}", each),
                     .started = each < 9 ? -60 : -86'400,
                     .severity = each < 9 ? Severity::kHigh : Severity::kLow,
                     .attention = Attention::kTicket,
                     .effect = each < 9,
                     .finding_goes_on = true});
  feed(given, 60);
  ASSERT_THAT(said(), ElementsAre("opened rollout 9 @10", "severity spread 10 @50"));
  EXPECT_EQ(last()["attention"]["level"].get_string().value(), "page");
  for (Given& one : given) {
    one.at = 400;
    one.severity = Severity::kCritical;
    one.risk = 10;
  }
  feed(given, 500);
  EXPECT_EQ(said().back(), "verdict spread 10 @400");
  EXPECT_EQ(last()["severity"].get_string().value(), "critical");
}

TEST_F(ByRuleTest, TenantsAndRulesAreApart) {
  std::vector<Given> given;
  for (int each = 0; each < 6; ++each)
    given.push_back({.at = 10,
                     .host = fmt::format("node-{}", each),
                     .rule = each % 2 == 0 ? "Rule A" : "Rule B",
                     .tenant = each < 3 ? "red" : "blue"});
  feed(given, 100);
  EXPECT_THAT(said(), IsEmpty());
}

TEST_F(ByRuleTest, MembersBeyondTheCapLoseNoCount) {
  config_.members = 50;
  std::vector<Given> given;
  for (int each = 0; each < 80; ++each)
    given.push_back({.at = 10, .host = fmt::format("node-{}", each), .alerts = 2});
  for (int each = 0; each < 80; ++each)
    given.push_back({.at = 400, .host = fmt::format("node-{}", each), .alerts = 5});
  feed(given, 20'000);
  EXPECT_EQ(last()["members"]["total"].get_uint64().value(), 50U);
  EXPECT_TRUE(last()["members"]["capped"].get_bool().value());
  EXPECT_THAT(reports_.back().json, testing::HasSubstr("50 members or more"));
  // The outbreak opened within the second that brought all of them; those left out before count
  // from then on.
  EXPECT_EQ(last()["counts"]["alerts"].get_uint64().value(), 50U * 7U + 30U * 5U);
}

TEST_F(ByRuleTest, HostileNamesStayTextAndReportsStaySmall) {
  std::vector<Given> given;
  for (int each = 0; each < 300; ++each)
    given.push_back({.at = 10 + each,
                     .host = fmt::format("node-{}-{}", each, std::string(240, '`')),
                     .owner = fmt::format("<script>{}", each),
                     .cluster = fmt::format("{}\n# {}", each, std::string(200, '*')),
                     .space = fmt::format("[x](http://evil.example){}", each)});
  feed(given, 1000);
  for (const schemas::Report& report : reports_) {
    EXPECT_LT(report.json.size(), 60U * 1024);
    const std::string markdown(parser_.parse(report.json)["markdown"].get_string().value());
    EXPECT_EQ(markdown.find("\n# *"), std::string::npos);
  }
  EXPECT_LT(reports_.size(), 80U) << "names cannot make revisions without end";
}

TEST_F(ByRuleTest, NothingIsKeptOfWhatIsOver) {
  std::vector<Given> given;
  for (int each = 0; each < 300; ++each)
    given.push_back({.at = 10 * each,
                     .container = fmt::format("c{}", each),
                     .host = fmt::format("node-{}", each % 5),
                     .image = fmt::format("image-{}", each % 11)});
  feed(given, 400'000);
  EXPECT_EQ(counters().outbreaks_open(), 0);
  int left = 0;
  store_.scan("g", "u", [&](std::string_view, std::string_view) {
    ++left;
    return true;
  });
  EXPECT_EQ(left, 1) << "the offset of the changelog";
}

TEST_F(ByRuleTest, ASecondIsDecidedWhenEveryPartitionHasDecidedIt) {
  records::Bundle bundle;
  bundle.set_sources(2);
  bundle.set_parts(1);
  auto& range = *bundle.add_ranges();
  range.set_next(1);
  range.set_arrivals(3);
  range.set_sent(3);
  range.set_progress((kStart + 100) * kNanosPerSecond);
  for (int each = 0; each < 3; ++each)
    *bundle.add_contributions() = contribution({.at = 10, .host = fmt::format("node-{}", each)});
  feed(bundle);
  EXPECT_THAT(said(), IsEmpty());
  records::Bundle other;
  other.set_sources(2);
  other.set_parts(1);
  auto& tick = *other.add_ranges();
  tick.set_partition(1);
  tick.set_next(1);
  tick.set_progress((kStart + 10) * kNanosPerSecond);
  feed(other);
  EXPECT_THAT(said(), IsEmpty()) << "second 10 is not over there";
  tick.set_first(1);
  tick.set_next(2);
  tick.set_progress((kStart + 11) * kNanosPerSecond);
  feed(other);
  EXPECT_THAT(said(), ElementsAre("opened rollout 3 @10"));
}

TEST_F(ByRuleTest, AReplayedBundleIsDroppedAndCountedAndAPartialOneStopsTheTask) {
  records::Bundle bundle;
  bundle.set_sources(1);
  bundle.set_parts(1);
  auto& range = *bundle.add_ranges();
  range.set_next(1);
  range.set_arrivals(1);
  range.set_sent(1);
  *bundle.add_contributions() = contribution({.at = 10});
  feed(bundle);
  feed(bundle);
  EXPECT_EQ(counters().replays_dropped(), 1U);
  EXPECT_EQ(counters().contributions(), 1U);
  bundle.mutable_ranges(0)->set_next(2);
  EXPECT_THROW(feed(bundle), Refusal);
}

TEST_F(ByRuleTest, ALostBundleShowsInTheCounters) {
  feed({{.at = 10}}, 20);
  ++position_.sent;
  EXPECT_THROW(feed({{.at = 21}}, 30), Refusal);
}

TEST_F(ByRuleTest, ATenantAndARuleMayHaveThresholdsOfTheirOwn) {
  OutbreakConfig other = config_;
  other.hosts = 2;
  config_.elsewhere.add("home", "", other);
  other.hosts = 4;
  config_.elsewhere.add("", "Rule B", other);
  config_.elsewhere.add("home", "Rule B", other);
  std::vector<Given> given;
  for (const char* tenant : {"default", "home"})
    for (const char* rule : {"Rule A", "Rule B"})
      for (int node = 0; node < 3; ++node)
        given.push_back({.at = 10 + node,
                         .container = fmt::format("c{}", node),
                         .host = fmt::format("node-{}", node),
                         .rule = rule,
                         .tenant = tenant});
  feed(given, 20);
  EXPECT_THAT(said(), ElementsAre("opened rollout 2 @11", "opened rollout 3 @12"));
  simdjson::dom::parser parser;
  EXPECT_EQ(parser.parse(reports_[0].json)["tenant"].get_string().value(), "home");
  EXPECT_EQ(parser.parse(reports_[1].json)["tenant"].get_string().value(), "default");
  EXPECT_EQ(parser.parse(reports_[1].json)["rule"].get_string().value(), "Rule A");
}

}  // namespace
}  // namespace gyre::stages
