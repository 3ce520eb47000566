// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <map>
#include <set>

#include "schemas/alert.h"
#include "schemas/sighting.h"
#include "stages/report/incident.h"
#include "stages/report/judge.h"
#include "stages/report/markdown.h"
#include "stages/report/write.h"
#include "tests/report/story.h"

namespace gyre::stages {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kShm = "Execution from /dev/shm";
constexpr const char* kShell = "Detect Shell in Container";
constexpr const char* kGeneratorCommand =
    "sh -c /dev/shm/falco-event-generator-syscall-ExecutionFromDevShm-q7Zt2K.sh";
constexpr const char* kLsmod = R"(bash -c /usr/sbin/lsmod | cut -d' ' -f1 | grep -qx "falco")";

Story refused_test() {
  Story story(kShm);
  story.field("proc.cmdline", kGeneratorCommand).field("proc.exepath", "/bin/busybox");
  story.field("evt.res", "EACCES").field("user.name", "root").outcome(0, 2, 0);
  return story;
}

std::vector<std::string> keys_of(const std::string& json) {
  simdjson::dom::parser parser;
  std::vector<std::string> keys;
  for (const auto field : simdjson::dom::object(parser.parse(json))) keys.emplace_back(field.key);
  return keys;
}

TEST(Verdict, OfNamesAloneIsALabelThatLowersNothing) {
  const Judgement named = refused_test().judged();
  EXPECT_EQ(named.verdict, Verdict::kTest);
  EXPECT_EQ(named.confidence, Confidence::kLow);
  EXPECT_TRUE(named.counts_for_incidents);
  EXPECT_THAT(named.missing, testing::Contains("container.image.repository"));

  Story other(kShm);
  other.field("proc.cmdline", "sh -c /dev/shm/x.sh").field("proc.exepath", "/bin/busybox");
  other.field("evt.res", "EACCES").field("user.name", "root").outcome(0, 2, 0);
  EXPECT_EQ(other.judged().verdict, Verdict::kUndetermined);
  EXPECT_EQ(other.judged().severity, named.severity);
  EXPECT_EQ(other.judged().risk, named.risk);
  EXPECT_EQ(other.judged().attention, named.attention);
}

TEST(Verdict, OfAnExactImageIsMediumAndOfAnotherImageExcluded) {
  for (const char* image :
       {"falcosecurity/event-generator", "docker.io/falcosecurity/event-generator"}) {
    Story story = refused_test();
    story.card("container.image.repository", image);
    EXPECT_EQ(story.judged().verdict, Verdict::kTest);
    EXPECT_EQ(story.judged().confidence, Confidence::kMedium);
    EXPECT_EQ(story.judged().severity, Severity::kInformational);
    EXPECT_FALSE(story.judged().counts_for_incidents);
  }
  for (const char* image :
       {"evil.example/falcosecurity/event-generator", "falcosecurity/event-generator2"}) {
    Story story = refused_test();
    story.field("container.image.repository", image);
    EXPECT_EQ(story.judged().verdict, Verdict::kUndetermined) << image;
    EXPECT_THAT(story.judged().because.back().value, image);
  }
}

TEST(Verdict, OfTheDriverLoaderNeedsImageAndParent) {
  Story story(kShell);
  story.field("proc.cmdline", kLsmod).outcome(0, 0, 2);
  EXPECT_EQ(story.judged().verdict, Verdict::kUndetermined);
  EXPECT_THAT(story.judged().missing,
              testing::IsSupersetOf({"container.image.repository", "proc.pname"}));
  story.field("container.image.repository", "docker.io/falcosecurity/falco-driver-loader");
  EXPECT_EQ(story.judged().verdict, Verdict::kUndetermined);
  story.field("proc.pname", "falcoctl");
  EXPECT_EQ(story.judged().verdict, Verdict::kLikelyBenign);
  EXPECT_EQ(story.judged().confidence, Confidence::kMedium);

  Story foreign(kShell);
  foreign.field("proc.cmdline", kLsmod).field("proc.pname", "falcoctl").outcome(0, 0, 2);
  foreign.field("container.image.repository", "quay.example/falcosecurity/falco-driver-loader");
  EXPECT_EQ(foreign.judged().verdict, Verdict::kUndetermined);
  Story more(kShell);
  more.field("proc.cmdline", std::string(kLsmod) + "; rmmod falco").field("proc.pname", "falcoctl");
  more.field("container.image.repository", "falcosecurity/falco-driver-loader");
  EXPECT_EQ(more.judged().verdict, Verdict::kUndetermined);
}

TEST(Effect, OfAShellThatStartedIsNotThatTheFileRan) {
  Story shell = refused_test();
  shell.field("evt.res", "SUCCESS").outcome(1, 1, 0);
  EXPECT_FALSE(shell.judged().effect_observed);
  EXPECT_EQ(shell.judged().severity, Severity::kMedium) << "what it started is not known";
  EXPECT_THAT(shell.json(), Not(HasSubstr("every attempt failed")));
  EXPECT_THAT(markdown_of(shell.json()), HasSubstr("does not show that the file ran"));
  Story binary(kShm);
  binary.field("proc.exepath", "/dev/shm/miner").field("evt.res", "SUCCESS").outcome(2, 0, 0);
  EXPECT_TRUE(binary.judged().effect_observed);
}

TEST(Missing, NamesOnlyFieldsThatTheAlertsCouldHold) {
  const auto missing = [](Story& story) { return story.judged().missing; };
  Story audit("A rule of our own");
  audit.series.set_source("k8s_audit");
  audit.series.mutable_entity()->set_kind(records::Entity::K8S_OBJECT);
  audit.field("ka.target.resource", "clusterroles").tag("T1059.004");
  for (const std::string& field : missing(audit)) EXPECT_TRUE(field.starts_with("ka.")) << field;
  EXPECT_THAT(missing(audit), testing::Contains("ka.user.name"));
  EXPECT_THAT(missing(audit), Not(testing::Contains("ka.target.namespace")))
      << "a cluster role is in none";

  Story calls("A rule of our own");
  calls.tag("k8s");
  EXPECT_THAT(missing(calls), testing::Each(Not(testing::StartsWith("ka."))));

  Story cloud("A rule of our own");
  cloud.series.set_source("aws_cloudtrail");
  cloud.series.mutable_entity()->set_kind(records::Entity::CLOUD);
  EXPECT_THAT(missing(cloud), Not(testing::Contains("ct.error"))) << "absent where none was";
}

TEST(Missing, NamesNoArgumentOfAnotherCall) {
  Story by_path("Set Setuid or Setgid bit");
  by_path.field("evt.type", "fchmodat").field("evt.arg.mode", "S_ISUID");
  EXPECT_THAT(by_path.judged().missing, testing::Contains("evt.arg.filename"));
  Story by_descriptor("Set Setuid or Setgid bit");
  by_descriptor.field("evt.type", "fchmod").field("evt.arg.fd", "<f>/opt/tool");
  EXPECT_THAT(by_descriptor.judged().missing, Not(testing::Contains("evt.arg.filename")));
  Story removed("Delete or rename shell history");
  removed.field("evt.arg.name", "/root/.bash_history");
  EXPECT_THAT(removed.judged().missing, testing::Each(Not(testing::StartsWith("evt.arg."))))
      << "which call it was is not said, one path is enough";
}

TEST(Details, ShowEveryFieldThatDecides) {
  Story story("Set Setuid or Setgid bit");
  story.field("evt.type", "fchmodat").field("evt.arg.mode", "S_ISUID");
  simdjson::dom::parser parser;
  const std::string json = story.json();
  bool shown = false;
  for (const auto detail : simdjson::dom::array(parser.parse(json)["details"]["event"]))
    shown = shown || std::string_view(detail["field"]) == "evt.arg.mode";
  EXPECT_TRUE(shown) << json;
}

TEST(Details, ShowAFieldOnceAlsoWhereAPlaybookReadsItOtherwise) {
  Story story("CloudTrail Logging Disabled");
  story.series.set_source("aws_cloudtrail");
  story.series.mutable_entity()->set_kind(records::Entity::CLOUD);
  const std::string markdown = markdown_of(story.field("ct.request.name", "main").json());
  const std::string line = "\n- `ct.request.name`: `main`";
  EXPECT_THAT(markdown, HasSubstr(line + " — what it was asked of (look for: which trail"));
  EXPECT_EQ(markdown.find(line), markdown.rfind(line));
}

TEST(Attention, PagesOnlyForWhatHappened) {
  Story critical("Some critical rule", 2);
  critical.outcome(0, 0, 2);
  EXPECT_EQ(critical.judged().attention, Attention::kTicket);
  critical.outcome(1, 0, 0);
  EXPECT_EQ(critical.judged().attention, Attention::kPage);
  EXPECT_EQ(critical.judged().verdict, Verdict::kSuspicious);
  EXPECT_EQ(critical.judged().severity, Severity::kCritical);
}

TEST(Attention, PagesForNoPriorityAloneWhereNothingTellsItFromOrdinaryWork) {
  Story error("K8s Secret Get Successfully", 3);
  error.outcome(1, 0, 0);
  EXPECT_EQ(error.judged().verdict, Verdict::kUndetermined);
  EXPECT_EQ(error.judged().severity, Severity::kHigh);
  EXPECT_EQ(error.judged().attention, Attention::kTicket);
  EXPECT_EQ(error.judged().attention_because,
            "severity high, and nothing tells it from ordinary work");
  EXPECT_EQ(attention_of(Severity::kHigh, true, true), Attention::kPage);
}

TEST(Attack, LeavesOutATechniqueUnderAForeignTactic) {
  Story story("Some rule");
  story.tag("T1565").tag("mitre_discovery");
  const auto attack = story.judged().attack;
  ASSERT_EQ(attack.size(), 1U);
  EXPECT_EQ(attack[0].tactic, "TA0007");
  EXPECT_EQ(attack[0].technique, "");
}

TEST(Attack, IsThatOfTheFileAndOfATechniqueThatNamesItsOnlyTactic) {
  const auto of = [](const std::string& file) {
    std::string text;
    for (const Technique& one :
         Story("Write below monitored dir").field("fd.name", file).judged().attack)
      text += one.tactic + "/" + one.technique + " ";
    return text;
  };
  EXPECT_EQ(of("/usr/lib/libqq.so"), "TA0003/ ");
  EXPECT_EQ(of("/home/ina/.ssh/authorized_keys"), "TA0003/T1098.004 ");
  Story tagged("A rule of our own");
  tagged.tag("T1059.001").tag("T1078");
  const auto attack = tagged.judged().attack;
  ASSERT_EQ(attack.size(), 1U) << "T1078 has several tactics, and no tag says which";
  EXPECT_EQ(attack[0].tactic, "TA0002");
  EXPECT_EQ(attack[0].technique, "T1059.001");
}

TEST(Report, HasItsKeysInOrderAndNoNull) {
  const std::string json = refused_test().json();
  EXPECT_THAT(keys_of(json),
              testing::ElementsAre(
                  "schema_version", "kind", "id", "revision", "series", "time", "attention",
                  "state", "closes_after", "reason", "title", "tenant", "shape_key", "rule",
                  "priority", "severity", "entity", "shape", "first_seen", "last_seen", "counts",
                  "outcome", "verdict", "risk", "attack", "details", "impact", "observables",
                  "evidence", "timeline", "produced_by", "advice", "missing", "markdown"));
  EXPECT_THAT(json, Not(HasSubstr(":null")));
  const std::string markdown = markdown_of(json);
  std::size_t at = 0;
  for (const char* heading : {"\n## Summary\n", "\n## Detailed Analysis\n",
                              "\n## Mitigation Strategies\n", "\n## Conclusion\n"}) {
    ASSERT_NE(markdown.find(heading, at), std::string::npos) << heading;
    at = markdown.find(heading, at);
  }
  EXPECT_THAT(markdown, HasSubstr("noexec"));
}

TEST(Report, OfTheSensorHasNoVerdictRiskPriorityOrOutcome) {
  Story story("Sensor health");
  story.series.set_source("internal");
  const auto keys = keys_of(story.json());
  for (const char* key : {"verdict", "risk", "priority", "outcome"}) {
    EXPECT_THAT(keys, Not(testing::Contains(key)));
  }
  EXPECT_THAT(story.json(), HasSubstr("\"kind\":\"sensor_health\""));
  EXPECT_THAT(markdown_of(story.json()), HasSubstr("\n## Mitigation Strategies\n"));
}

TEST(Report, KeepsHostileStringsOutOfCommandsAndMarkup) {
  const std::string hostile = "a`` b\n## Owned\n<script>x</script>[l](http://h);$(reboot)|rm -rf /";
  Story story(kShm);
  for (const char* name : {"proc.cmdline", "proc.name", "container.name", "k8s.ns.name",
                           "k8s.pod.name", "evt.res", "user.name"}) {
    story.field(name, hostile);
  }
  story.series.mutable_entity()->set_id("$(reboot)");
  story.outcome(0, 2, 0);
  const std::string json = story.json();
  const std::string markdown = markdown_of(json);
  EXPECT_THAT(markdown, Not(HasSubstr("\n## Owned")));
  // In code the two backticks are fenced by three; in text nothing of it is left bare.
  for (std::size_t at = markdown.find("<script>"); at != std::string::npos;
       at = markdown.find("<script>", at + 1)) {
    const std::string line =
        markdown.substr(markdown.rfind('\n', at) + 1, at - markdown.rfind('\n', at));
    EXPECT_THAT(line, HasSubstr("```"));
  }
  simdjson::dom::parser parser;
  for (const auto group : simdjson::dom::object(parser.parse(json)["advice"])) {
    for (const auto advice : simdjson::dom::array(group.value)) {
      simdjson::dom::array commands;
      if (advice["commands"].get(commands) != simdjson::SUCCESS) continue;
      for (const auto command : commands) {
        EXPECT_THAT(std::string(std::string_view(command)), Not(HasSubstr("reboot")));
      }
    }
  }
}

TEST(Report, FillsSafeValuesIntoCommands) {
  Story story = refused_test();
  story.card("k8s.ns.name", "shop").card("k8s.pod.name", "web-5d9c7b-x2x4z");
  EXPECT_THAT(story.json(), HasSubstr("kubectl -n shop get pod web-5d9c7b-x2x4z -o yaml"));
  EXPECT_THAT(story.json(), HasSubstr("crictl inspect 0a1b2c3d4e5f"));
  story.series.mutable_entity()->set_kind(records::Entity::HOST);
  EXPECT_THAT(story.json(), Not(HasSubstr("crictl inspect")));
}

TEST(Report, StaysBelowItsLimitWhateverTheAlertsHold) {
  Story story = refused_test();
  for (int field = 0; field < 30; ++field) {
    for (int value = 0; value < 8; ++value) {
      story.field("custom." + std::to_string(field), std::string(250, '"') + std::to_string(value));
    }
  }
  for (const char* name : {"proc.cmdline", "proc.pcmdline", "fd.name"}) {
    for (int value = 0; value < 8; ++value)
      story.field(name, std::string(250, '\\') + std::to_string(value));
  }
  EXPECT_LE(story.json().size(), 64U * 1024U);
}

TEST(Incident, SumsItsMembersInTheOrderOfTheMatrix) {
  records::EntityState entity = Story(kShm).entity;
  records::Incident incident;
  incident.set_id("ab");
  const std::pair<const char*, const char*> members[] = {{"a", "TA0002"}, {"b", "TA0007"}};
  for (const auto& [rule, tactic] : members) {
    records::Member& member = *incident.add_members();
    member.set_id(std::string("id-") + rule);
    member.set_rule(rule);
    member.add_tactics(tactic);
    member.set_risk(rule[0] == 'a' ? 50 : 30);
    member.set_first(rule[0] == 'a' ? 1'000'000'000 : 2'000'000'000);
    member.set_last(3'000'000'000);
    member.mutable_counts()->set_alerts(3);
  }
  const Judgement judgement = judge_incident(incident);
  EXPECT_EQ(judgement.risk, 60) << "50, and 30 weighted with 0.354";
  ASSERT_EQ(judgement.terms.size(), 2U);
  EXPECT_EQ(judgement.terms[0].points + judgement.terms[1].points, 60);
  const std::string json = write_incident(entity, incident, judgement, Story::playbooks(),
                                          {1, "opened", 5, 3605}, {"0.1", "c0ffee"})
                               .json;
  EXPECT_THAT(json, HasSubstr(R"("findings":["id-a","id-b"])"));
  EXPECT_THAT(json, HasSubstr(R"("alerts":6)"));
  EXPECT_LT(json.find("TA0002"), json.find("TA0007"));
  EXPECT_EQ(keys_of(json).back(), "markdown");
}

TEST(Markdown, KeepsTextInItsSpan) {
  EXPECT_EQ(markdown_code("a`b"), "``a`b``");
  EXPECT_EQ(markdown_code("`"), "`` ` ``");
  EXPECT_EQ(markdown_code("a\nb"), "`a b`");
  EXPECT_EQ(markdown_text("<b>*x*\n# y"), "&lt;b&gt;\\*x\\* \\# y");
  EXPECT_EQ(markdown_text("1. x"), "1\\. x");
  EXPECT_EQ(markdown_text("- x"), "\\- x");
  EXPECT_EQ(markdown_block("```", "sh"), "````sh\n```\n````\n");
}

}  // namespace
}  // namespace gyre::stages
