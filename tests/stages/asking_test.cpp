// SPDX-License-Identifier: Apache-2.0
// No ticket for what another report asks for already; a ticket for everything else
// (docs/decisions/0027-one-ticket.md).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/stages/container_task.h"

namespace gyre::stages {
namespace {

using schemas::Outcome;
using schemas::Priority;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Lines = std::vector<std::string>;

constexpr Second kDay = 24 * 3600;

class AskingTest : public ContainerTask {
 protected:
  // An incident is open from second 6 on.
  void open_incident() {
    feed({{.at = 0, .id = 1, .rule = "Rule A", .tag = "mitre_execution"},
          {.at = 1, .id = 2, .rule = "Rule B", .tag = "mitre_persistence"}},
         20);
    ASSERT_EQ(asked("incident"), (Lines{"incident opened ticket @6"}));
    from_ = reports_.size();
  }
  // Kind, reason, attention and second of every revision of that kind so far.
  Lines asked(std::string_view kind) const {
    Lines lines;
    for (std::size_t i = from_; i < reports_.size(); ++i)
      if (const schemas::Report& report = reports_[i]; report.kind == kind)
        lines.push_back(report.kind + " " + value_of(report, "reason") + " " +
                        value_of(report, "level") + " @" + std::to_string(report.time - kStart));
    return lines;
  }
  std::size_t tickets() const {
    std::set<std::string> ids;
    for (std::size_t i = from_; i < reports_.size(); ++i)
      if (reports_[i].kind == "finding" && value_of(reports_[i], "level") == "ticket")
        ids.insert(reports_[i].id);
    return ids.size();
  }

  // Feeds what a user did; the last that is said of findings then.
  std::string told_of_user(Given given, const std::string& field, const std::string& user) {
    given.fields.emplace_back(field, user);
    feed({given}, given.at + 10);
    return asked("finding").back();
  }

  std::size_t from_ = 0;  ///< of `reports_`: what came before is another story
};

// Of the rule of the incident's first finding, another pattern.
Given joining(Second at, std::int64_t id) {
  return {.at = at, .id = id, .rule = "Rule B", .tag = "mitre_persistence", .shape = "another"};
}

TEST_F(AskingTest, AFindingThatJoinsAnOpenIncidentIsARecordAndTheIncidentAsksForIt) {
  open_incident();
  feed({joining(30, 3)}, 40);
  EXPECT_EQ(asked("finding"), (Lines{"finding opened record @35"}));
  EXPECT_EQ(asked("incident"), (Lines{"incident members ticket @35"}));
  EXPECT_EQ(value_of(reports_[from_], "incident_id"), reports_.back().id) << "from the first on";
  EXPECT_THAT(reports_[from_].json, HasSubstr("Part of incident `" + reports_.back().id + "`."));
  const schemas::Report& finding = reports_[from_];
  const schemas::Report& incident = reports_.back();
  EXPECT_THAT(finding.json, HasSubstr("incident " + incident.id + " asks for it"));
  EXPECT_THAT(incident.json, HasSubstr("\"" + finding.id + "\""));
}

TEST_F(AskingTest, AnotherUserWithoutANameAsksByItself) {
  open_incident();
  EXPECT_EQ(told_of_user(joining(30, 3), "user.uid", "1000"), "finding opened record @35");
  EXPECT_EQ(told_of_user(joining(50, 4), "user.uid", "0"), "finding severity ticket @50");
}

TEST_F(AskingTest, MoreUsersThanAreKeptAskThoughNoneOfThemCanBeToldFromTheOthers) {
  constexpr std::int64_t kKept = 8;
  open_incident();
  std::vector<Given> users;
  for (std::int64_t i = 0; i < kKept; ++i) {
    users.push_back(joining(30, 10 + i));
    users.back().fields.emplace_back("user.name", fmt::format("user-{}", i));
  }
  feed(users, 40);
  EXPECT_EQ(asked("finding").back(), "finding opened record @35");
  told_of_user(joining(50, 3), "user.name", "zeno");
  feed({}, 20'000);
  EXPECT_EQ(tickets(), 3U) << "it, and two that asked before there was an incident";
}

TEST_F(AskingTest, NothingIsLeftToAnIncidentOfAHost) {
  const auto of_host = [](Given given) {
    given.container = "";
    return given;
  };
  feed({of_host({.at = 0, .id = 1, .rule = "Rule A", .tag = "mitre_execution"}),
        of_host({.at = 1, .id = 2, .rule = "Rule B", .tag = "mitre_persistence"})},
       20);
  EXPECT_EQ(asked("incident"), (Lines{"incident opened ticket @6"}));
  feed({of_host(joining(30, 3))}, 40);
  EXPECT_EQ(asked("finding").back(), "finding opened ticket @35");
}

TEST_F(AskingTest, WhatAsksForNobodyBringsTheIncidentNoRevision) {
  open_incident();
  Given notice = joining(30, 3);
  notice.priority = Priority::kNotice;
  feed({notice}, 70);
  EXPECT_EQ(asked("finding"), (Lines{"finding opened record @60"}));
  EXPECT_THAT(asked("incident"), IsEmpty());
}

TEST_F(AskingTest, WhatIsNewInItAsksByItself) {
  open_incident();
  Given blocked = joining(30, 3);
  blocked.outcome = Outcome::kBlocked;
  Given unknown = joining(30, 4);
  unknown.shape = "a third";
  feed({blocked, unknown}, 40);
  EXPECT_EQ(tickets(), 0U);
  Given success = joining(50, 5);
  success.shape = "a third";
  success.outcome = Outcome::kSucceeded;
  feed({success}, 60);
  EXPECT_EQ(asked("finding").back(), "finding success ticket @50") << "nothing of it was blocked";
  const auto shaped = [](Given given, const std::string& shape) {
    given.shape = shape;
    return given;
  };
  EXPECT_EQ(told_of_user(shaped(joining(70, 6), "a fourth"), "user.name", "www"),
            "finding opened record @75");
  EXPECT_EQ(told_of_user(shaped(joining(90, 7), "a fourth"), "user.name", "root"),
            "finding severity ticket @90");
  EXPECT_EQ(told_of_user(shaped(joining(110, 8), "a fifth"), "user.name", "root"),
            "finding opened record @115");
  Given severe = shaped(joining(130, 9), "a fifth");
  severe.priority = Priority::kError;
  EXPECT_EQ(told_of_user(severe, "user.name", "root"), "finding severity ticket @130");
}

TEST_F(AskingTest, WhatAsksByItselfGoesOnToTheEnd) {
  open_incident();
  Given actor = joining(30, 3);
  actor.fields.emplace_back("user.name", "www");
  feed({actor}, 40);
  actor.at = 50;
  actor.id = 4;
  actor.fields.back().second = "root";
  feed({actor}, 60);
  from_ = reports_.size();
  std::vector<Given> more;
  for (std::int64_t i = 0; i < 12; ++i) {
    more.push_back(actor);
    more.back().at = 100 + 60 * i;
    more.back().id = 100 + i;
  }
  feed(more, 20'000);
  EXPECT_EQ(tickets(), 3U) << "it, and two that asked before there was an incident";
  EXPECT_THAT(asked("finding"), Each(Not(HasSubstr("verdict"))));
}

TEST_F(AskingTest, ACriticalFindingAsksByItselfThoughNothingShowsThatItHappened) {
  open_incident();
  Given critical = joining(30, 3);
  critical.priority = Priority::kCritical;
  feed({critical}, 40);
  EXPECT_EQ(asked("finding"), (Lines{"finding opened ticket @30"}));
}

TEST_F(AskingTest, WhetherAnIncidentAsksDoesNotDependOnAFlash) {
  std::vector<Lines> said;
  for (const bool flash : {true, false}) {
    config_.flash = flash;
    store_.wipe();
    reports_.clear();
    position_ = {};
    from_ = 0;
    open_incident();
    Given critical = joining(33, 4);
    critical.priority = Priority::kCritical;
    feed({joining(26, 3)}, 25);
    feed({critical}, 25);
    EXPECT_EQ(asked("finding").size(), flash ? 1U : 0U) << "it is said at once";
    feed({}, 60);
    EXPECT_EQ(tickets(), 1U);
    said.push_back(asked("incident"));
  }
  EXPECT_EQ(said[0], said[1]);
  EXPECT_EQ(said[0].front(), "incident members ticket @31");
}

TEST_F(AskingTest, AFindingOfAnotherContainerAsksByItself) {
  open_incident();
  Given other = joining(30, 3);
  other.container = "c0ffee000002";
  feed({other}, 40);
  EXPECT_EQ(asked("finding"), (Lines{"finding opened ticket @35"}));
}

TEST_F(AskingTest, BeyondWhatAnIncidentListsEveryFindingAsksByItself) {
  config_.shapes = 200;
  open_incident();
  std::vector<Given> given;
  for (std::int64_t i = 0; i < 150; ++i) {
    given.push_back(joining(30, 10 + i));
    given.back().shape = "s" + std::to_string(i);
  }
  feed(given, 60);
  EXPECT_EQ(tickets(), 52U) << "98 are listed beside the two that opened it";
}

TEST_F(AskingTest, TheEndOfAnIncidentAsksForNobodyAndWhatGoesOnAsksByItself) {
  config_.incident_max_age = 400;
  open_incident();
  feed({joining(30, 3), joining(300, 4)}, 390);
  EXPECT_EQ(tickets(), 0U);
  Given last = joining(401, 5);
  last.shape = "in the incident's last second";
  feed({last}, 410);
  EXPECT_EQ(asked("incident").back(), "incident closed ticket @406");
  EXPECT_EQ(asked("finding").back(), "finding opened ticket @406");
  feed({}, 640);
  EXPECT_EQ(asked("finding").back(), "finding severity ticket @635");
}

TEST_F(AskingTest, AnIncidentThatHasEndedAsksForNothing) {
  open_incident();
  feed({}, 5000);
  feed({joining(5010, 3)}, 5020);
  EXPECT_EQ(asked("finding").back(), "finding opened ticket @5015");
}

// Recognised by an image that whoever starts a container chooses, though it happened.
Given by_image(Second at, std::int64_t id) {
  return {.at = at,
          .id = id,
          .priority = Priority::kCritical,
          .outcome = Outcome::kSucceeded,
          .fields = {{"container.image.repository", "falcosecurity/event-generator"},
                     {"proc.cmdline", "event-generator run syscall"},
                     {"user.name", "root"}}};
}

class AskingOnceTest : public AskingTest, public testing::WithParamInterface<bool> {
 protected:
  AskingOnceTest() { config_.flash = GetParam(); }
  // What the newest finding asked for when it was opened, and at its end.
  Lines levels() const {
    std::string id;
    for (const schemas::Report& report : reports_)
      if (report.kind == "finding") id = report.id;
    std::vector<std::string> all;
    for (const schemas::Report& report : reports_)
      if (report.id == id) all.push_back(value_of(report, "level"));
    return {all.front(), all.back()};
  }
  void play(const Given& given) {
    feed({}, given.at - 3);
    feed({given}, given.at - 3);
    feed({}, given.at + 20);
  }
};

TEST_P(AskingOnceTest, AnImageAloneAsksForItsProofOnceADay) {
  play(by_image(10, 1));
  EXPECT_EQ(levels(), (Lines{"ticket", "ticket"}));
  EXPECT_EQ(reports_.size(), GetParam() ? 2U : 1U) << "the flash is settled";
  const std::string first = reports_.front().id;
  feed({}, 7000);
  EXPECT_EQ(asked("finding").back(), "finding closed ticket @1031") << "and is over";
  for (Second hour = 2; hour < 24; hour += 4) {
    play(by_image(hour * 3600 + 10, hour * 100));
    EXPECT_EQ(levels(), (Lines{"record", "record"})) << hour;
    EXPECT_THAT(reports_.back().json, HasSubstr("report " + first + " asked for the same"));
  }
  play(by_image(kDay + 10, 9000));
  EXPECT_EQ(levels(), (Lines{"ticket", "ticket"}));
}

TEST_P(AskingOnceTest, TheDayIsWholeWhenTheContainerIsSeenByNothingElse) {
  Given other = by_image(10, 1);
  other.rule = "Another rule";
  other.shape = "another";
  play(other);
  play(by_image(3480, 2));
  EXPECT_EQ(levels(), (Lines{"ticket", "ticket"}));
  play(by_image(3480 + kDay - 300, 3));
  EXPECT_EQ(levels(), (Lines{"record", "record"}));
}

TEST_P(AskingOnceTest, AnEpisodeThatClosesDoesNotBeginToAsk) {
  play(by_image(10, 1));
  play(by_image(kDay - 600, 2));
  Given last = by_image(kDay - 100, 3);
  play(last);
  feed({}, kDay + 2000);
  EXPECT_EQ(asked("finding").back(), "finding closed record @87321");
}

TEST_P(AskingOnceTest, AnotherPatternRuleContainerOrUserAsksByItself) {
  play(by_image(10, 1));
  Given other = by_image(3610, 2);
  other.shape = "another";
  play(other);
  EXPECT_EQ(levels(), (Lines{"ticket", "ticket"}));
  other = by_image(7210, 3);
  other.rule = "Rule B";
  play(other);
  EXPECT_EQ(levels(), (Lines{"ticket", "ticket"}));
  other = by_image(10'810, 4);
  other.container = "c0ffee000002";
  play(other);
  EXPECT_EQ(levels(), (Lines{"ticket", "ticket"}));
  other = by_image(14'410, 5);
  other.fields.back().second = "www";
  play(other);
  EXPECT_EQ(levels(), (Lines{"ticket", "ticket"}));
  other.at = 18'010;
  other.id = 6;
  play(other);
  EXPECT_EQ(levels(), (Lines{"record", "record"})) << "that one is known now";
}

TEST_P(AskingOnceTest, AnotherUserWhileItGoesOnAsksByItself) {
  play(by_image(10, 1));
  play(by_image(3610, 2));
  EXPECT_EQ(levels(), (Lines{"record", "record"}));
  Given other = by_image(3710, 3);
  other.fields.back().second = "www";
  play(other);
  EXPECT_EQ(asked("finding").back(), "finding severity ticket @3710");
}

TEST_P(AskingOnceTest, WhatOutgrowsTheNamesOfTheImageAsksByItself) {
  play(by_image(10, 1));
  Given other = by_image(3610, 2);
  other.fields.front().second = "registry.example/shop";
  play(other);
  EXPECT_EQ(levels(), (Lines{"page", "page"}));
}

TEST_P(AskingOnceTest, OneThatLastsADayDoesNotAskForTheNextDay) {
  std::vector<Given> given;
  for (Second at = 10; at < kDay + 1200; at += 600) given.push_back(by_image(at, at));
  for (const Given& one : given) feed({one}, one.at);
  feed({}, kDay + 5000);
  EXPECT_EQ(tickets(), 2U) << "each of the two findings that follow each other";
}

INSTANTIATE_TEST_SUITE_P(Flash, AskingOnceTest, testing::Bool(),
                         [](const auto& flash) { return flash.param ? "at_once" : "settled"; });

}  // namespace
}  // namespace gyre::stages
