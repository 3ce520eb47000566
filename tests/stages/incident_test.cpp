// SPDX-License-Identifier: Apache-2.0
// Findings of one entity that belong together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/stages/container_task.h"

namespace gyre::stages {
namespace {

using Lines = std::vector<std::string>;
using schemas::Outcome;
using schemas::Priority;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class IncidentTest : public ContainerTask {
 protected:
  Lines incidents() const {
    Lines lines;
    for (const std::string& line : said())
      if (line.starts_with("incident")) lines.push_back(line);
    return lines;
  }
  schemas::Report newest() const {
    for (auto report = reports_.rbegin(); report != reports_.rend(); ++report)
      if (report->kind == "incident") return *report;
    return {};
  }
};

Given of(Second at, std::int64_t id, const std::string& rule, const std::string& tag) {
  return {.at = at, .id = id, .rule = rule, .tag = tag};
}

// What keeps a finding going: one every ten minutes.
std::vector<Given> going_on(std::int64_t count) {
  std::vector<Given> given;
  for (std::int64_t i = 0; i < count; ++i)
    given.push_back(of(600 * (i + 1), 100 + i, "Rule A", "mitre_execution"));
  return given;
}

TEST_F(IncidentTest, TwoRulesOfOneTacticAreNone) {
  feed({of(0, 1, "Rule A", "mitre_execution"), of(1, 2, "Rule B", "mitre_execution")}, 5000);
  EXPECT_THAT(incidents(), IsEmpty());
}

TEST_F(IncidentTest, OneRuleOfTwoTacticsIsNone) {
  feed({of(0, 1, "Rule A", "mitre_execution"), of(1, 2, "Rule A", "mitre_persistence")}, 5000);
  EXPECT_THAT(incidents(), IsEmpty());
}

TEST_F(IncidentTest, ASuccessfulCriticalIsOneAlone) {
  feed({{.at = 0, .id = 1, .priority = Priority::kCritical, .outcome = Outcome::kSucceeded}}, 10);
  EXPECT_EQ(incidents(), (Lines{"incident opened @0"}));
}

TEST_F(IncidentTest, ATestRecognisedByItsImageOpensNoneAndIsListedAsContext) {
  const std::vector<std::pair<std::string, std::string>> generator = {
      {"container.image.repository", "falcosecurity/event-generator"},
      {"proc.cmdline", "event-generator run syscall"}};
  Given test = of(0, 1, "Rule A", "mitre_execution");
  test.fields = generator;
  Given more = of(1, 2, "Rule B", "mitre_persistence");
  more.fields = generator;
  feed({test, more}, 20);
  EXPECT_THAT(incidents(), IsEmpty());
  feed({of(21, 3, "Rule C", "mitre_discovery"), of(22, 4, "Rule D", "mitre_collection")}, 40);
  EXPECT_EQ(incidents(), (Lines{"incident opened @27"}));
  test.at = 50;
  test.id = 5;
  test.shape = "another";
  feed({test}, 8000);
  EXPECT_THAT(newest().json, HasSubstr("\"context\":[\""));
}

TEST_F(IncidentTest, ANewTacticIsSaid) {
  feed({of(0, 1, "Rule A", "mitre_execution"), of(1, 2, "Rule B", "mitre_persistence")}, 20);
  feed({of(30, 3, "Rule C", "mitre_impact")}, 40);
  EXPECT_EQ(incidents(), (Lines{"incident opened @6", "incident tactic @35"}));
  EXPECT_EQ(value_of(newest(), "class"), "suspicious") << "three tactics in the matrix's order";
  const std::string& json = newest().json;
  EXPECT_LT(json.find("TA0002"), json.find("TA0003"));
  EXPECT_LT(json.find("TA0003"), json.find("TA0040"));
}

TEST_F(IncidentTest, ThreeTacticsAtOneMomentFollowNoOrder) {
  Given all = of(0, 1, "Rule A", "mitre_execution");
  Given second = of(0, 2, "Rule B", "mitre_persistence");
  Given third = of(0, 3, "Rule C", "mitre_impact");
  feed({all, second, third}, 20);
  EXPECT_EQ(value_of(newest(), "class"), "undetermined");
}

TEST_F(IncidentTest, ClosesAfterItsQuietAndTheNextOneNamesIt) {
  feed({of(0, 1, "Rule A", "mitre_execution"), of(1, 2, "Rule B", "mitre_persistence")}, 9000);
  EXPECT_EQ(incidents(), (Lines{"incident opened @6", "incident closed @3727"}));
  const std::string before = newest().id;
  EXPECT_EQ(value_of(newest(), "closed_because"), "quiet");
  feed({of(9001, 3, "Rule A", "mitre_execution"), of(9002, 4, "Rule B", "mitre_persistence")},
       20'000);
  EXPECT_NE(newest().id, before);
  EXPECT_EQ(value_of(newest(), "previous_id"), before);
}

TEST_F(IncidentTest, IsNotQuietSinceItsFindingsAreForgotten) {
  config_.keep_closed = 10;
  feed({of(0, 1, "Rule A", "mitre_execution"), of(1, 2, "Rule B", "mitre_persistence")}, 20);
  feed({of(600, 3, "Rule A", "mitre_execution")}, 9000);
  EXPECT_EQ(incidents(), (Lines{"incident opened @6", "incident closed @4321"}));
}

TEST_F(IncidentTest, OneOfFullAgeIsNotQuietWhileLateAlertsMayCome) {
  config_.incident_max_age = 3650;
  feed({of(0, 1, "Rule A", "mitre_execution"), of(1, 2, "Rule B", "mitre_persistence")}, 9000);
  EXPECT_EQ(incidents(), (Lines{"incident opened @6", "incident closed @3656"}));
  EXPECT_EQ(value_of(newest(), "closed_because"), "max_age");
}

// An archive read into a live topic must not join the incident of today.
TEST_F(IncidentTest, WhatComesLateJoinsOnlyWithinTheGapBeforeIt) {
  const Second opened = 100'000;
  const Second border = opened + 6 - config_.lateness - config_.incident_gap;
  feed({of(opened, 1, "Rule A", "mitre_execution"),
        of(opened + 1, 2, "Rule B", "mitre_persistence")},
       opened + 20);
  ASSERT_EQ(incidents(), (Lines{"incident opened @100006"}));
  feed({of(border - 1, 3, "Rule C", "mitre_impact"), of(0, 4, "Rule D", "mitre_discovery")},
       opened + 200);
  EXPECT_EQ(incidents(), (Lines{"incident opened @100006"})) << "of another time";
  feed({of(border, 5, "Rule E", "mitre_collection")}, opened + 400);
  EXPECT_EQ(incidents().size(), 2U);
  feed({}, opened + 9000);
  EXPECT_EQ(value_of(newest(), "first_seen"), format_rfc3339((kStart + border) * kNanosPerSecond));
  int members = 0;
  for (const auto& [id, report] : last())
    members += report.kind == "finding" && !value_of(report, "incident_id").empty();
  EXPECT_EQ(members, 3);
}

// What goes on has not been said by the incident yet, and keeps it open all the same.
TEST_F(IncidentTest, WhatJoinsLongAfterItsLastRevisionNamesIt) {
  feed({of(0, 1, "Rule A", "mitre_execution"), of(1, 2, "Rule B", "mitre_persistence")}, 20);
  feed(going_on(12), 7300);
  ASSERT_EQ(incidents(), (Lines{"incident opened @6"}));
  feed({of(-1800, 3, "Rule C", "mitre_execution")}, 7400);
  ASSERT_EQ(value_of(reports_.back(), "kind"), "finding");
  EXPECT_EQ(value_of(reports_.back(), "incident_id"), newest().id);
}

TEST_F(IncidentTest, AFindingThatGoesOnKeepsItOpen) {
  feed({of(0, 1, "Rule A", "mitre_execution"), of(1, 2, "Rule B", "mitre_persistence")}, 20);
  feed(going_on(10), 6100);
  EXPECT_EQ(incidents(), (Lines{"incident opened @6"}));
}

TEST_F(IncidentTest, ItsTermsAddUpToItsRisk) {
  std::vector<Given> given;
  for (std::int64_t i = 0; i < 20; ++i)
    given.push_back({.at = i,
                     .id = i,
                     .rule = "Rule " + std::to_string(i),
                     .priority = Priority::kCritical,
                     .outcome = Outcome::kSucceeded});
  feed(given, 60);
  const std::string json = newest().json;
  const std::size_t from = json.find("\"risk\":");
  std::string risk = json.substr(from, json.find("\"attack\"") - from);
  const int score = std::stoi(risk.substr(risk.find("\"score\":") + 8));
  int sum = 0;
  for (std::size_t at = risk.find("\"points\":"); at != std::string::npos;
       at = risk.find("\"points\":", at + 1))
    sum += std::stoi(risk.substr(at + 9));
  EXPECT_EQ(sum, score);
  EXPECT_EQ(score, 100);
}

// Of two tactics, a shape each, within 15 seconds.
std::vector<Given> five_rules(std::int64_t count) {
  std::vector<Given> given;
  for (std::int64_t i = 0; i < count; ++i)
    given.push_back({.at = i / 10,
                     .id = i,
                     .rule = "Rule " + std::to_string(i % 5),
                     .tag = i % 2 == 0 ? "mitre_execution" : "mitre_persistence",
                     .shape = "s" + std::to_string(i)});
  return given;
}

TEST_F(IncidentTest, MoreFindingsThanItListsAreCountedExactly) {
  const std::vector<Given> given = five_rules(150);
  std::vector<Given> again = given;
  for (Given& more : again) {
    more.at += 100;
    more.id += 1000;
  }
  feed(given, 80);
  feed(again, 200);
  feed({}, 20'000);
  const schemas::Report incident = newest();
  EXPECT_EQ(value_of(incident, "state"), "closed");
  EXPECT_EQ(number_of(incident, "alerts"), 300U);
  EXPECT_EQ(number_of(incident, "findings_left_out"), 50U);
  EXPECT_LE(incident.json.size(), 60U << 10);
}

// Who joins may take the place of one that is told in the same second.
TEST_F(IncidentTest, AFindingThatLosesItsPlaceAsItIsToldIsCountedOnce) {
  std::vector<Given> given = five_rules(120);
  feed(given, 60);
  for (Given& more : given) {
    more.at = 600;
    more.id += 1000;
    more.fields = {{"user.name", "root"}};  // a new actor is told at once
  }
  for (std::int64_t i = 0; i < 20; ++i)
    given.push_back({.at = 600,
                     .id = 5000 + i,
                     .rule = "Rule C",
                     .priority = Priority::kCritical,
                     .shape = "x" + std::to_string(i),
                     .outcome = Outcome::kSucceeded});
  feed(given, 700);
  feed({}, 20'000);
  EXPECT_EQ(number_of(newest(), "alerts"), 260U);
  EXPECT_EQ(number_of(newest(), "findings_left_out"), 40U);
}

TEST_F(IncidentTest, AFindingThatItDoesNotListIsListedOnceItIsAmongTheGravest) {
  const std::vector<Given> given = five_rules(120);
  feed(given, 60);
  std::string missing;
  for (const schemas::Report& report : reports_)
    if (report.kind == "finding" && newest().json.find(report.id) == std::string::npos)
      missing = report.id;
  ASSERT_NE(missing, "");
  Given worse = given[0];
  for (const schemas::Report& report : reports_)
    if (report.id == missing)
      worse.shape = value_of(report, "shape"), worse.rule = value_of(report, "rule");
  worse.at = 100;
  worse.id = 5000;
  worse.priority = Priority::kCritical;
  worse.tag = "mitre_exfiltration";
  worse.outcome = Outcome::kSucceeded;
  feed({worse}, 200);
  EXPECT_THAT(newest().json, AllOf(HasSubstr(missing), HasSubstr("TA0010")));
  EXPECT_EQ(value_of(newest(), "severity"), "critical");
  EXPECT_EQ(number_of(newest(), "alerts"), 121U);
  EXPECT_EQ(number_of(newest(), "findings_left_out"), 20U);
  feed({}, 20'000);
  EXPECT_EQ(number_of(newest(), "alerts"), 121U);
}

TEST_F(IncidentTest, CopiesOfAClosedFindingThatItDoesNotListAreCountedAsWell) {
  const std::vector<Given> given = five_rules(150);
  feed(given, 1200);
  ASSERT_EQ(counters().findings_open(), 0);
  std::vector<Given> copies = given;
  for (Given& copy : copies) copy.behind = copy.at - 1210;
  feed(copies, 1220);
  for (Second at = 1500; at < 6000; at += 600) {
    Given going_on = given[0];
    going_on.at = at;
    going_on.id = 10'000 + at;
    feed({going_on}, at + 10);
  }
  feed({}, 20'000);
  EXPECT_EQ(value_of(newest(), "state"), "closed");
  EXPECT_EQ(number_of(newest(), "duplicates"), 150U);
}

// Neither its severity nor its risk is above what it was before: the success alone is new.
TEST_F(IncidentTest, ItsFirstSuccessIsSaidThoughItsRiskFellBefore) {
  Given gravest = of(0, 1, "Rule A", "mitre_execution");
  gravest.priority = Priority::kCritical;
  feed({gravest, of(1, 2, "Rule B", "mitre_persistence"), of(2, 3, "Rule C", "mitre_discovery")},
       60);
  const std::size_t before = incidents().size();
  ASSERT_GT(before, 0U);
  gravest.at = 100;
  gravest.id = 4;
  gravest.fields = {{"container.image.repository", "falcosecurity/event-generator"},
                    {"proc.cmdline", "event-generator run syscall"}};
  Given success = of(100, 5, "Rule B", "mitre_persistence");
  success.outcome = Outcome::kSucceeded;
  feed({gravest, success}, 110);
  ASSERT_EQ(incidents().size(), before + 1);
  EXPECT_EQ(value_of(newest(), "reason"), "verdict");
}

TEST_F(IncidentTest, SaysThatItClosesAtItsLongestAgeThoughAlertsCome) {
  feed({of(0, 1, "Rule A", "mitre_execution"), of(1, 2, "Rule B", "mitre_persistence")}, 60);
  for (Second at = 600; at < 24 * 3600; at += 600)
    feed({of(at, 10 + at, "Rule A", "mitre_execution"),
          of(at + 1, 11 + at, at < 23 * 3600 + 1800 ? "Rule B" : "Rule C", "mitre_discovery")},
         at + 20);
  const schemas::Report incident = newest();
  EXPECT_EQ(value_of(incident, "closes_after"), "2027-01-16T08:00:06Z");
}

// Two rules of one tactic, so that they are no incident yet; a shape each.
std::vector<Given> crowd(Second at, std::int64_t count) {
  std::vector<Given> given;
  for (std::int64_t i = 0; i < count; ++i)
    given.push_back({.at = at + i / 10,
                     .id = i,
                     .rule = i % 2 == 0 ? "Rule A" : "Rule B",
                     .priority = Priority::kNotice,
                     .shape = "s" + std::to_string(i)});
  return given;
}

TEST_F(IncidentTest, FindingsThatFoundNoPlaceBeforeItAreCountedInItExactly) {
  feed(crowd(0, 120), 60);
  ASSERT_THAT(incidents(), IsEmpty());
  feed({{.at = 100, .id = 1000, .priority = Priority::kCritical, .outcome = Outcome::kSucceeded}},
       110);
  ASSERT_EQ(incidents(), (Lines{"incident opened @100"}));
  EXPECT_EQ(number_of(newest(), "alerts"), 121U);
  EXPECT_EQ(number_of(newest(), "findings_left_out"), 21U);
  feed({}, 20'000);
  EXPECT_EQ(value_of(newest(), "state"), "closed");
  EXPECT_EQ(number_of(newest(), "alerts"), 121U);
  for (const auto& [id, report] : last())
    if (report.kind == "finding") {
      EXPECT_EQ(value_of(report, "incident_id"), newest().id);
    }
}

TEST_F(IncidentTest, ATacticStaysWhenTheFindingThatShowedItIsListedNoMore) {
  feed(crowd(0, 99), 15);
  Given last = of(20, 1000, "Rule C", "mitre_persistence");
  last.priority = Priority::kNotice;
  feed({last}, 60);
  ASSERT_EQ(incidents(), (Lines{"incident opened @50"}));
  Given worse = of(100, 1001, "Rule A", "mitre_execution");
  worse.shape = "worse";
  feed({worse}, 20'000);
  EXPECT_EQ(value_of(newest(), "state"), "closed");
  EXPECT_EQ(number_of(newest(), "findings_left_out"), 1U);
  EXPECT_THAT(newest().json, Not(HasSubstr("begins Persistence")));
  EXPECT_THAT(newest().json, HasSubstr("\"tactic\":\"TA0003\""));
}

// They would be too old to open one, and still stand where a hundred are watched.
TEST_F(IncidentTest, WhoIsTooOldToOpenItTakesNoPlaceFromWhoIsNew) {
  feed(crowd(0, 120), 60);
  Given again = crowd(3605, 1).front();
  again.id = 999;
  feed({again}, 3640);
  // Seen while those may still open one, told when they may not.
  Given execution = of(3705, 1000, "Rule C", "mitre_execution");
  Given discovery = of(3900, 1001, "Rule D", "mitre_discovery");
  execution.priority = discovery.priority = Priority::kNotice;
  feed({execution}, 3740);
  feed({discovery}, 3940);
  EXPECT_EQ(incidents(), (Lines{"incident opened @3930"}));
}

TEST_F(IncidentTest, WhatIsOlderThanTheGapWhenItOpensIsNotCountedInIt) {
  feed(crowd(0, 120), 60);
  std::vector<Given> again = crowd(5000, 3);
  for (Given& one : again) one.id += 500;
  feed(again, 5060);
  feed({{.at = 5100, .id = 1000, .priority = Priority::kCritical, .outcome = Outcome::kSucceeded}},
       5110);
  EXPECT_EQ(number_of(newest(), "alerts"), 4U);
  EXPECT_THAT(newest().json, Not(HasSubstr("findings_left_out")));
}

TEST_F(IncidentTest, AFindingThatItDoesNotListKeepsItOpenLikeOneThatItLists) {
  feed({{.at = 0, .id = 1000, .priority = Priority::kCritical, .outcome = Outcome::kSucceeded}}, 5);
  feed(crowd(10, 110), 60);
  const Given unlisted = crowd(10, 110).back();
  ASSERT_THAT(newest().json, Not(HasSubstr("\"closed\"")));
  std::vector<Given> more;
  for (std::int64_t i = 1; i <= 60; ++i) {  // so many that its next revision is six hours away
    more.push_back(unlisted);
    more.back().at = 300 * i;
    more.back().id = 2000 + i;
  }
  feed(more, 18'000 + 3600);
  EXPECT_EQ(value_of(newest(), "state"), "open");
  feed({}, 18'000 + 3600 + 121);
  EXPECT_EQ(incidents().back(), "incident closed @21721");
  EXPECT_EQ(number_of(newest(), "alerts"), 171U);
  EXPECT_EQ(number_of(newest(), "findings_left_out"), 11U);
}

TEST_F(IncidentTest, HostileRuleNamesStayWithinTheSizeOfAReport) {
  std::vector<Given> given;
  for (std::int64_t i = 0; i < 120; ++i)
    given.push_back({.at = 0,
                     .id = i,
                     .rule = std::string(500, '"') + std::to_string(i),
                     .tag = i % 2 == 0 ? "mitre_execution" : "mitre_persistence"});
  feed(given, 5000);
  for (const schemas::Report& report : reports_) EXPECT_LE(report.json.size(), 60U << 10);
  store_.scan("e", "f", [&](std::string_view, std::string_view value) {
    EXPECT_LT(value.size(), 256U << 10);
    return true;
  });
}

}  // namespace
}  // namespace gyre::stages
