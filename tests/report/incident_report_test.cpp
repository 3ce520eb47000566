// SPDX-License-Identifier: Apache-2.0
// What the report of an incident says, and whom it calls.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stages/report/incident.h"
#include "tests/report/story.h"

namespace gyre::stages {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

records::Member member(const std::string& id, Severity severity, bool effect, std::int64_t second) {
  records::Member made;
  made.set_id(id);
  made.set_rule("rule of " + id);
  made.set_severity(static_cast<std::uint32_t>(severity));
  made.set_effect_observed(effect);
  made.set_risk(70);
  made.set_first(second * 1'000'000'000);
  made.set_last(made.first());
  made.mutable_counts()->set_alerts(1);
  return made;
}

records::Incident incident_of(const std::vector<records::Member>& members) {
  records::Incident incident;
  incident.set_id("00112233445566778899aabbccddeeff");
  for (const auto& one : members) *incident.add_members() = one;
  incident.set_last(members.back().last());
  return incident;
}

std::string incident_text(const records::Incident& incident) {
  const records::EntityState entity = Story("x").entity;
  return markdown_of(write_incident(entity, incident, judge_incident(incident), Story::playbooks(),
                                    {1, "opened", 5, 3605}, {"0.1", "c0ffee"})
                         .json);
}

TEST(OnePage, AnIncidentDoesNotPageForWhatItsFindingPagesFor) {
  const auto paging = member("a", Severity::kCritical, true, 1);
  EXPECT_EQ(judge_incident(incident_of({paging})).attention, Attention::kRecord);
  EXPECT_EQ(
      judge_incident(incident_of({paging, member("b", Severity::kMedium, true, 2)})).attention,
      Attention::kTicket);
}

TEST(OnePage, AnIncidentPagesWhereNoneOfItsFindingsDoes) {
  const auto ticket = [](const char* id, std::int64_t at) {
    auto one = member(id, Severity::kHigh, true, at);
    one.set_verdict(static_cast<std::uint32_t>(Verdict::kUndetermined));
    return one;
  };
  EXPECT_EQ(judge_incident(incident_of({ticket("a", 1), ticket("b", 2)})).attention,
            Attention::kPage);
  auto known = ticket("c", 3);
  known.set_verdict(static_cast<std::uint32_t>(Verdict::kTest));
  known.set_confidence(static_cast<std::uint32_t>(Confidence::kHigh));
  EXPECT_EQ(judge_incident(incident_of({ticket("a", 1), known})).attention, Attention::kTicket)
      << "what is known makes no second one";
  EXPECT_EQ(judge_incident(incident_of({ticket("a", 1)})).attention, Attention::kRecord);
}

TEST(OnePage, AnIncidentPagesForWhatOnlyItSees) {
  std::vector<records::Member> members;
  for (const char* tactic : {"TA0002", "TA0004", "TA0005"}) {
    members.push_back(
        member(tactic, Severity::kMedium, true, static_cast<std::int64_t>(members.size() + 1)));
    members.back().add_tactics(tactic);
  }
  auto incident = incident_of(members);
  EXPECT_EQ(judge_incident(incident).attention, Attention::kPage);
  *incident.add_members() = member("late", Severity::kCritical, true, 9);
  EXPECT_EQ(judge_incident(incident).attention, Attention::kTicket);
  incident.set_peak_attention(static_cast<std::uint32_t>(Attention::kPage));
  EXPECT_EQ(judge_incident(incident).attention, Attention::kPage) << "it has paged: it goes on";
}

TEST(OnePage, WhatWasRefusedPagesNobodyBesideSomethingHarmless) {
  std::vector<records::Member> members;
  for (const char* tactic : {"TA0002", "TA0004", "TA0005"}) {
    members.push_back(
        member(tactic, Severity::kHigh, false, static_cast<std::int64_t>(members.size() + 1)));
    members.back().add_tactics(tactic);
    members.back().mutable_counts()->mutable_outcome()->set_blocked(1);
  }
  members.push_back(member("harmless", Severity::kLow, true, 9));
  const Judgement judged = judge_incident(incident_of(members));
  EXPECT_EQ(judged.verdict, Verdict::kSuspicious) << "it was tried all the same";
  EXPECT_EQ(judged.attention, Attention::kTicket);
  for (auto& each : members) each.set_effect_observed(true);
  EXPECT_EQ(judge_incident(incident_of(members)).attention, Attention::kPage);
}

TEST(Incident, ARuleThatFiresAgainIsNoFurtherStep) {
  const auto step = [](const char* id, const char* rule, std::vector<std::string> tactics,
                       std::int64_t at) {
    auto one = member(id, Severity::kMedium, true, at);
    one.set_rule(rule);
    for (const std::string& tactic : tactics) one.add_tactics(tactic);
    return one;
  };
  auto incident = incident_of({step("a", "Package", {"TA0002", "TA0011"}, 1),
                               step("b", "Unshare", {"TA0004"}, 2),
                               step("c", "Package", {"TA0002", "TA0011"}, 3)});
  EXPECT_EQ(judge_incident(incident).verdict, Verdict::kUndetermined);
  *incident.add_members() = step("d", "Beacon", {"TA0011"}, 4);
  const Judgement judged = judge_incident(incident);
  EXPECT_EQ(judged.verdict, Verdict::kSuspicious);
  EXPECT_THAT(judged.because.at(0).text,
              HasSubstr("Execution, then Privilege Escalation, then Command and Control"));
}

TEST(OnePage, AnIncidentOfOneFindingSaysSo) {
  auto one = member("a", Severity::kCritical, true, 1);
  one.set_verdict(static_cast<std::uint32_t>(Verdict::kSuspicious));
  one.set_confidence(static_cast<std::uint32_t>(Confidence::kHigh));
  const auto incident = incident_of({one});
  EXPECT_EQ(judge_incident(incident).confidence, Confidence::kHigh) << "as its finding";
  EXPECT_THAT(incident_text(incident),
              AllOf(Not(HasSubstr("Several")), Not(HasSubstr("belong together")),
                    HasSubstr("1 alert, at 1970-01-01T00:00:01Z"), Not(HasSubstr("(playbook)"))));
  one.set_verdict(0);
  EXPECT_THAT(incident_text(incident_of({one})), Not(HasSubstr("Several findings")));
}

TEST(FirstScreen, OfAnIncidentSaysWhoDidWhatInItsGravestFindings) {
  std::vector<records::Member> members;
  for (const char* id : {"a", "b", "c", "d"}) {
    members.push_back(member(id, Severity::kHigh, true, 1));
    members.back().set_risk(static_cast<std::uint32_t>(60 + members.size()));
    for (const std::string& word : {std::string("command line"), std::string("run `me` ") + id,
                                    std::string("user"), std::string("root")})
      members.back().add_seen(word);
  }
  const std::string text = incident_text(incident_of(members));
  const std::string screen = text.substr(0, text.find("## Detailed Analysis"));
  EXPECT_THAT(screen, HasSubstr("Seen, the highest risk first:\n\n- rule of d: command line ``run "
                                "`me` d`` · user `root`\n- rule of c"));
  EXPECT_THAT(screen, Not(HasSubstr("`me` a"))) << "three are enough";
  EXPECT_THAT(text.substr(screen.size()), HasSubstr("command line ``run `me` a``"));
}

TEST(Incident, AdvisesOnItsEntityOnceItHoldsMoreThanOneFinding) {
  const auto one = member("a", Severity::kCritical, true, 1);
  EXPECT_THAT(incident_text(incident_of({one})), Not(HasSubstr("crictl inspect")));
  const std::string two = incident_text(incident_of({one, member("b", Severity::kHigh, true, 2)}));
  EXPECT_THAT(two, AllOf(HasSubstr("crictl inspect 0a1b2c3d4e5f"), HasSubstr("### Contain"),
                         Not(HasSubstr("### Harden"))));
}

TEST(OnePage, TheLedgerSaysWhichFindingATermIsOf) {
  const auto judged = judge_incident(
      incident_of({member("a", Severity::kHigh, true, 1), member("b", Severity::kHigh, true, 2),
                   member("c", Severity::kHigh, true, 3)}));
  EXPECT_EQ(judged.terms[0].because.text, "the riskiest finding");
  EXPECT_THAT(judged.terms[1].because.text, HasSubstr("another rule's riskiest finding"));
}

}  // namespace
}  // namespace gyre::stages
