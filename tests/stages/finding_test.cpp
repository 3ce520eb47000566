// SPDX-License-Identifier: Apache-2.0
// The life of a finding: when it is said, why, and when it is over (DESIGN 7).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "tests/stages/container_task.h"

namespace gyre::stages {
namespace {

using Lines = std::vector<std::string>;
using schemas::Outcome;
using schemas::Priority;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class FindingTest : public ContainerTask {
 protected:
  std::size_t findings() const {
    std::size_t count = 0;
    for (const auto& [id, report] : last()) count += report.kind == "finding" ? 1 : 0;
    return count;
  }
  const schemas::Report& newest() const { return reports_.back(); }
};

constexpr Nanos kHalf = 500'000'000;

TEST_F(FindingTest, SettlesByItsPriority) {
  const std::pair<Priority, Second> expected[] = {
      {Priority::kEmergency, 0}, {Priority::kCritical, 0}, {Priority::kError, 2},
      {Priority::kWarning, 5},   {Priority::kNotice, 30},  {Priority::kDebug, 30}};
  std::int64_t id = 0;
  std::vector<Given> given;
  for (const auto& [priority, wait] : expected)
    given.push_back({.at = 10,
                     .id = ++id,
                     .rule = "Rule " + std::to_string(id),
                     .priority = priority,
                     .container = "c" + std::to_string(id)});
  feed(given, 100);
  std::map<std::string, Second> opened;
  for (const schemas::Report& report : reports_)
    if (report.kind == "finding") opened[value_of(report, "rule")] = report.time - kStart;
  id = 0;
  for (const auto& [priority, wait] : expected)
    EXPECT_EQ(opened["Rule " + std::to_string(++id)], 10 + wait) << schemas::to_string(priority);
}

TEST_F(FindingTest, AMorePressingAlertEndsTheSettling) {
  feed({{.at = 10, .id = 1, .priority = Priority::kNotice},
        {.at = 12, .id = 2, .priority = Priority::kCritical}},
       20);
  EXPECT_EQ(said().front(), "finding opened @12");
}

TEST_F(FindingTest, TheGapIsExactToTheNanosecond) {
  feed({{.at = 0, .id = 1, .nanos = kHalf}, {.at = 900, .id = 2, .nanos = kHalf}}, 5000);
  EXPECT_EQ(findings(), 1U);
  feed({{.at = 10'000, .id = 3, .nanos = kHalf}, {.at = 10'900, .id = 4, .nanos = kHalf + 1}},
       20'000);
  EXPECT_EQ(findings(), 3U);
}

TEST_F(FindingTest, TheLongestAgeIsExactToTheNanosecond) {
  const Second day = 24 * 3600;
  const auto a_day = [&](std::int64_t id, const std::string& container, Nanos last) {
    std::vector<Given> given;
    for (Second at = 0; at < day; at += 600)
      given.push_back({.at = at, .id = id++, .container = container, .nanos = kHalf});
    given.push_back({.at = day, .id = id, .container = container, .nanos = last});
    return given;
  };
  std::vector<Given> given = a_day(0, "younger", kHalf - 1);
  for (const Given& more : a_day(1000, "older", kHalf)) given.push_back(more);
  std::stable_sort(given.begin(), given.end(),
                   [](const auto& a, const auto& b) { return a.at < b.at; });
  feed(given, 2 * day);
  std::map<std::string, std::vector<schemas::Report>> closed;
  for (const auto& [id, report] : last())
    if (report.kind == "finding") closed[value_of(report, "container_id")].push_back(report);
  EXPECT_EQ(closed["younger"].size(), 1U);
  ASSERT_EQ(closed["older"].size(), 2U) << "continued by the next episode";
  const bool first = value_of(closed["older"][0], "previous_id").empty();
  const schemas::Report& before = closed["older"][first ? 0 : 1];
  const schemas::Report& after = closed["older"][first ? 1 : 0];
  EXPECT_EQ(value_of(after, "previous_id"), before.id);
  EXPECT_EQ(value_of(after, "series"), value_of(before, "series"));
  EXPECT_EQ(value_of(before, "closed_because"), "max_age");
  EXPECT_EQ(value_of(after, "closed_because"), "quiet");
}

TEST_F(FindingTest, UpdatesBackOffWhileAlertsCome) {
  config_.backoff_attention = config_.backoff_record = {10, 40};
  std::vector<Given> given;
  for (std::int64_t i = 0; i < 9; ++i) given.push_back({.at = i * 20, .id = i});
  feed(given, 170);
  EXPECT_EQ(said(), (Lines{"finding opened @5", "finding periodic @20", "finding periodic @60",
                           "finding periodic @100", "finding periodic @140"}));
}

TEST_F(FindingTest, PassingAPowerOfTenIsSaidAtOnce) {
  std::vector<Given> given;
  for (std::int64_t i = 0; i < 120; ++i) given.push_back({.at = i < 9 ? 0 : 10, .id = i});
  feed(given, 40);
  EXPECT_EQ(said(), (Lines{"finding opened @5", "finding volume @10"}));
}

TEST_F(FindingTest, TheFirstSuccessAfterFailuresBreaksThrough) {
  feed({{.at = 0, .id = 1, .outcome = Outcome::kBlocked}}, 20);
  feed({{.at = 21, .id = 2, .outcome = Outcome::kSucceeded}}, 21);
  EXPECT_EQ(said(), (Lines{"finding opened @5", "finding success @21"}));
}

TEST_F(FindingTest, ARisenSeverityBreaksThrough) {
  feed({{.at = 0, .id = 1, .priority = Priority::kNotice}}, 40);
  feed({{.at = 41, .id = 2, .priority = Priority::kError}}, 41);
  EXPECT_THAT(said(), Contains("finding severity @41"));
}

TEST_F(FindingTest, ANewActorBreaksThrough) {
  feed({{.at = 0, .id = 1, .fields = {{"user.name", "www"}}}}, 20);
  feed({{.at = 21, .id = 2, .fields = {{"user.name", "root"}}}}, 21);
  EXPECT_THAT(said(), Contains("finding new_actor @21"));
}

TEST_F(FindingTest, TheSameAlertAgainChangesNothing) {
  feed({{.at = 0, .id = 1}}, 20);
  const Lines before = said();
  feed({{.at = 0, .id = 1}}, 700);
  EXPECT_EQ(said(), before);
}

TEST_F(FindingTest, ARecordThatSaidAllIsNotClosedByARevision) {
  config_.close_all = false;
  feed({{.at = 0, .id = 1, .priority = Priority::kInformational}}, 3000);
  EXPECT_EQ(said(), (Lines{"finding opened @30"}));
  EXPECT_THAT(newest().json, HasSubstr("closes_after"));
  feed({{.at = 3001, .id = 2, .priority = Priority::kInformational},
        {.at = 3100, .id = 3, .priority = Priority::kInformational},
        {.at = 3700, .id = 4, .priority = Priority::kInformational}},
       6000);
  EXPECT_EQ(said(), (Lines{"finding opened @30", "finding opened @3031", "finding periodic @3631",
                           "finding closed @4721"}))
      << "it had not said the third alert";
}

TEST_F(FindingTest, WhatAskedForAttentionIsClosedByARevision) {
  config_.close_all = false;
  feed({{.at = 0, .id = 1, .priority = Priority::kError}}, 3000);
  EXPECT_EQ(said(), (Lines{"finding opened @2", "finding closed @1021"}));
}

TEST_F(FindingTest, ALateAlertJoinsTheClosedFindingThatItTouches) {
  feed({{.at = 0, .id = 1}}, 1200);
  feed({{.at = 100, .id = 2}}, 1201);
  feed({}, 1400);
  EXPECT_EQ(said(),
            (Lines{"finding opened @5", "finding closed @1021", "finding late_data @1201"}));
  EXPECT_EQ(number_of(newest(), "alerts"), 2U);
  EXPECT_EQ(number_of(newest(), "late"), 1U);
  EXPECT_EQ(findings(), 1U);
}

TEST_F(FindingTest, ALateAlertOpensTheClosedFindingToNothingThatIsInTime) {
  feed({{.at = 0, .id = 1}}, 1050);
  feed({{.at = 899, .id = 2}}, 1050);
  std::vector<Given> live;
  for (std::int64_t i = 0; i < 20; ++i) live.push_back({.at = 1052 + i * 60, .id = 10 + i});
  for (const Given& one : live) feed({one}, one.at);
  feed({}, 10'000);
  std::map<std::string, std::uint64_t> alerts;
  for (const auto& [id, report] : last())
    if (report.kind == "finding")
      alerts[value_of(report, "first_seen")] = number_of(report, "alerts");
  EXPECT_EQ(alerts.size(), 2U);
  EXPECT_EQ(alerts["2027-01-15T08:00:00.000000000Z"], 2U);
  EXPECT_EQ(alerts["2027-01-15T08:17:32.000000000Z"], 20U) << "what is in time is not late_data";
}

TEST_F(FindingTest, SaysWhatCameLateAndMayRepeat) {
  feed({{.at = 0, .id = 1}}, 1200);
  feed({{.at = 100, .id = 2}}, 1300);
  EXPECT_THAT(newest().json,
              AllOf(HasSubstr(" 1 of them came late."), Not(HasSubstr("may repeat"))));
  feed({{.at = 10'000, .id = 3}}, 10'010);
  feed({{.at = 5000, .id = 4}}, 10'020);
  feed({}, 12'000);
  EXPECT_THAT(reports_, Contains(testing::Field(&schemas::Report::json,
                                                HasSubstr("may repeat alerts already counted"))));
}

TEST_F(FindingTest, OutbreaksKnowOfAllAlertsThatCameBeforeItIsForgotten) {
  feed({{.at = 0, .id = 1}}, 4500);
  feed({{.at = 100, .id = 2}}, 4550);
  feed({{.at = 100, .id = 3}}, 4600);
  feed({}, 5000);
  EXPECT_EQ(number_of(newest(), "alerts"), 3U);
  std::uint64_t told = 0;
  for (const records::Contribution& each : contributions_) told += each.added().alerts();
  EXPECT_EQ(told, 3U);
}

TEST_F(FindingTest, ALateAlertThatTouchesNothingIsAFindingOfItsOwn) {
  feed({{.at = 5000, .id = 1}}, 5010);
  feed({{.at = 100, .id = 2}}, 5011);
  feed({}, 12'000);
  EXPECT_EQ(findings(), 2U);
  for (const auto& [id, report] : last())
    EXPECT_EQ(value_of(report, "previous_id"), "") << "the older one came later";
}

TEST_F(FindingTest, OfTwoThatALateAlertTouchesItJoinsTheEarlier) {
  feed({{.at = 0, .id = 1}, {.at = 1500, .id = 2}}, 1600);
  feed({{.at = 800, .id = 3}}, 1601);
  feed({}, 10'000);
  std::map<std::string, std::uint64_t> alerts;
  for (const auto& [id, report] : last())
    alerts[value_of(report, "first_seen")] = number_of(report, "alerts");
  EXPECT_EQ(alerts["2027-01-15T08:00:00.000000000Z"], 2U);
  EXPECT_EQ(alerts.size(), 2U) << "published findings stay apart";
}

TEST_F(FindingTest, WhatIsLearnedOfTheContainerUpdatesItsOtherFindings) {
  feed({{.at = 0, .id = 1, .fields = {{"proc.name", "sh"}}}}, 20);
  EXPECT_THAT(newest().json, Not(HasSubstr("\"pod\"")));
  feed({{.at = 21,
         .id = 2,
         .rule = "Rule B",
         .fields = {{"proc.name", "sh"}, {"k8s.pod.name", "web-1"}}}},
       21);
  feed({}, 200);
  bool told = false;
  for (const schemas::Report& report : reports_)
    if (value_of(report, "rule") == "Rule A" && report.revision == 2) {
      told = true;
      EXPECT_EQ(value_of(report, "reason"), "periodic");
      EXPECT_THAT(report.json, HasSubstr(R"("pod":"web-1")"));
      EXPECT_EQ(number_of(report, "alerts"), 1U);
    }
  EXPECT_TRUE(told);
}

TEST_F(FindingTest, WhatNoReportSaysOfTheContainerIsNoNews) {
  feed({{.at = 0, .id = 1, .fields = {{"proc.name", "sh"}}}}, 20);
  feed({{.at = 70,
         .id = 2,
         .rule = "Rule B",
         .fields = {{"container.start_ts", "1800000000000000000"},
                    {"k8s.deployment.name", "web"},
                    {"k8s.rs.name", "web-5d7f8c9b44"},
                    {"proc.name", "sh"}}}},
       200);
  for (const schemas::Report& report : reports_)
    if (value_of(report, "rule") == "Rule A") {
      EXPECT_EQ(report.revision, 1U) << report.json;
    }
}

// One every ten minutes, from its newest down, stretches a finding over more than its longest age.
TEST_F(FindingTest, OneThatBeginsWithinAnotherHasAnIdOfItsOwn) {
  const Second newest = 200'000;
  feed({{.at = newest + 5000, .id = 1, .rule = "Rule B"}}, newest + 5000);
  Second now = newest + 5000;
  for (std::int64_t i = 0; i <= 150; ++i)
    feed({{.at = newest - 600 * i, .id = 10 + i, .priority = Priority::kCritical}}, ++now);
  feed({{.at = newest, .id = 1000, .priority = Priority::kCritical}}, ++now);
  feed({}, now + 100'000);
  std::set<std::string> ids;
  for (const auto& [id, report] : last())
    if (value_of(report, "rule") == "Rule A") {
      ids.insert(id);
      EXPECT_NE(value_of(report, "previous_id"), id);
    }
  EXPECT_EQ(ids.size(), 2U);
}

TEST_F(FindingTest, NamesThatDisagreeAreAllSaid) {
  feed({{.at = 0, .id = 1, .fields = {{"container.name", "web"}}},
        {.at = 1, .id = 2, .fields = {{"container.name", "shop"}}}},
       20);
  EXPECT_EQ(value_of(newest(), "container_name"), "");
  EXPECT_THAT(newest().json,
              HasSubstr(R"("disagreeing":[{"field":"container.name","values":["shop","web"]}])"));
}

TEST_F(FindingTest, AnImageThatProvesATestChangesTheVerdictOfAnOpenFinding) {
  const std::string command = "event-generator run syscall";
  feed({{.at = 0, .id = 1, .fields = {{"proc.cmdline", command}}}}, 20);
  const std::string before = value_of(newest(), "severity");
  feed({{.at = 21,
         .id = 2,
         .rule = "Rule B",
         .fields = {{"container.image.repository", "falcosecurity/event-generator"},
                    {"proc.cmdline", command}}}},
       21);
  EXPECT_THAT(said(), Contains("finding verdict @21"));
  EXPECT_NE(value_of(newest(), "severity"), before);
}

TEST_F(FindingTest, AChangedConfigurationAppliesFromTheFirstSecondDecidedWithIt) {
  feed({{.at = 10, .id = 1}}, 100);
  const std::string id = newest().id;
  config_.gap = 1200;
  config_.settle_warning = 1;
  feed({{.at = 1100, .id = 2}}, 1150);
  EXPECT_EQ(last().size(), 1U) << "what is open goes on under its id, with the new gap";
  EXPECT_EQ(newest().id, id);
  EXPECT_EQ(number_of(newest(), "alerts"), 2U);
  feed({{.at = 1200, .id = 3, .shape = "other"}}, 1210);
  EXPECT_EQ(said().back(), "finding opened @1201");
  feed({}, 1100 + 1200 + 120);
  EXPECT_EQ(value_of(last().at(id), "state"), "open");
  feed({}, 1100 + 1200 + 121);
  EXPECT_EQ(value_of(last().at(id), "state"), "closed");
}

TEST_F(FindingTest, ANewerNormaliserEndsWhatIsOpenAndGoesOnUnderAnotherId) {
  const std::uint32_t older = schemas::kShapeVersion - 1;
  feed({{.at = 10, .id = 1, .shape_version = older}}, 20);
  feed({{.at = 30, .id = 2}, {.at = 31, .id = 3}}, 40);
  EXPECT_EQ(said(), (Lines{"finding opened @15", "finding closed @30", "finding opened @35"}));
  EXPECT_EQ(value_of(reports_[1], "closed_because"), "upgrade");
  EXPECT_NE(reports_[2].id, reports_[0].id);
  EXPECT_EQ(value_of(reports_[2], "previous_id"), reports_[0].id);
  EXPECT_EQ(number_of(reports_[0], "shape_version"), older);
  EXPECT_EQ(number_of(reports_[2], "shape_version"), schemas::kShapeVersion);
  // An intake that is not upgraded yet ends nothing.
  feed({{.at = 50, .id = 4, .shape_version = older}}, 20'000);
  EXPECT_EQ(last().size(), 2U);
  std::uint64_t alerts = 0;
  for (const auto& [id, report] : last()) alerts += number_of(report, "alerts");
  EXPECT_EQ(alerts, 4U);
  EXPECT_EQ(counters().findings_open(), 0);
}

TEST_F(FindingTest, SightingsOfOneSecondAreOfTheirNewestNormaliser) {
  const std::uint32_t older = schemas::kShapeVersion - 1;
  feed({{.at = 10, .id = 1}, {.at = 10, .id = 2, .shape_version = older}}, 20'000);
  EXPECT_EQ(last().size(), 1U);
  EXPECT_EQ(number_of(newest(), "shape_version"), schemas::kShapeVersion);
}

TEST_F(FindingTest, WhatAnUnknownNormaliserMadeIsRefused) {
  EXPECT_THROW(feed({{.at = 10, .id = 1, .shape_version = schemas::kShapeVersion + 1}}, 20),
               Refusal);
}

TEST_F(FindingTest, ARuleAndATenantMayHaveAGapOfTheirOwn) {
  FindingConfig other = config_;
  other.gap = 60;
  config_.elsewhere.add("", "Rule B", other);
  other.gap = 30;
  config_.elsewhere.add("blue", "", other);
  other.gap = 120;
  config_.elsewhere.add("blue", "Rule B", other);
  std::vector<Given> given;
  std::int64_t id = 0;
  for (const Second at : {0, 50, 130, 300})
    for (const char* rule : {"Rule A", "Rule B"})
      for (const char* tenant : {"default", "blue"})
        given.push_back({.at = at, .id = ++id, .rule = rule, .tenant = tenant});
  feed(given, 5000);
  std::map<std::string, int> episodes;
  for (const auto& [key, report] : last())
    if (report.kind == "finding")
      ++episodes[value_of(report, "tenant") + " " + value_of(report, "rule")];
  EXPECT_EQ(episodes, (std::map<std::string, int>{{"default Rule A", 1},  // 900 s
                                                  {"default Rule B", 3},  // 60 s
                                                  {"blue Rule A", 4},     // 30 s
                                                  {"blue Rule B", 2}}));  // 120 s
}

TEST_F(FindingTest, ATenantMayOpenItsIncidentsAtARiskOfItsOwn) {
  FindingConfig other = config_;
  other.incident_risk = 1;
  config_.elsewhere.add("blue", "", other);
  feed({{.at = 0, .id = 1}, {.at = 0, .id = 2, .tenant = "blue"}}, 100);
  std::vector<std::string> incidents;
  for (const schemas::Report& report : reports_)
    if (report.kind == "incident" && report.revision == 1)
      incidents.push_back(value_of(report, "tenant"));
  EXPECT_THAT(incidents, testing::ElementsAre("blue"));
}

TEST_F(FindingTest, AChangedConfigCountsFromTheFirstSecondDecidedWithIt) {
  feed({{.at = 0, .id = 1}, {.at = 0, .id = 2, .rule = "Rule B"}}, 100);
  const auto ids_before = last();
  config_.gap = 60;  // as after a restart
  config_.keep_closed = 7200;
  config_.settle_warning = 20;  // what is published is not settled again
  // Rule A: further from its first alert than the new gap, not than the old one. Rule B: within.
  feed({{.at = 101, .id = 3}, {.at = 102, .id = 4, .rule = "Rule C"}}, 200);
  EXPECT_THAT(said(), testing::IsSupersetOf(
                          {"finding opened @5", "finding opened @121", "finding opened @122"}));
  feed({}, 3000);
  std::map<std::string, std::set<std::string>> ids;
  for (const auto& [id, report] : last())
    if (report.kind == "finding") ids[value_of(report, "rule")].insert(id);
  EXPECT_EQ(ids["Rule A"].size(), 2U);
  EXPECT_EQ(ids["Rule B"].size(), 1U);
  for (const auto& [id, report] : ids_before) EXPECT_TRUE(last().contains(id)) << "an id changed";
  EXPECT_EQ(counters().findings_open(), 0);
}

}  // namespace
}  // namespace gyre::stages
