// SPDX-License-Identifier: Apache-2.0
// Reports say what the alerts prove and no more, name what decided, and do not contradict
// themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>

#include "schemas/alert.h"
#include "stages/report/incident.h"
#include "tests/report/story.h"

namespace gyre::stages {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string text_of(const std::string& json, const char* pointer) {
  simdjson::dom::parser parser;
  return std::string(std::string_view(parser.parse(json).at_pointer(pointer)));
}

std::string markdown_of(const std::string& json) { return text_of(json, "/markdown"); }

std::string line_with(const std::string& text, const std::string& word) {
  const std::size_t at = text.find(word);
  if (at == std::string::npos) return {};
  const std::size_t from = text.rfind('\n', at) + 1;
  return text.substr(from, text.find('\n', at) - from);
}

Story of_cloud(const std::string& rule, const std::string& source, const std::string& object) {
  Story story(rule);
  story.series.set_source(source);
  records::Entity& entity = *story.series.mutable_entity();
  entity.set_kind(records::Entity::CLOUD);
  entity.set_id(object);
  entity.clear_hostname();
  return story;
}

Story refused_login() {
  Story story = of_cloud("Console Login Without MFA", "aws_cloudtrail", "aws_cloudtrail//root");
  story.field("ct.user", "root").field("ct.srcip", "198.51.100.7").field("ct.region", "us-east-1");
  story.field("ct.error", "Failed authentication").field("ct.name", "ConsoleLogin");
  story.outcome(0, 2, 0);
  return story;
}

Story session(const std::string& code) {
  Story story("Attach/Exec Pod", 5);
  story.series.set_source("k8s_audit");
  story.series.mutable_entity()->set_kind(records::Entity::K8S_OBJECT);
  story.series.mutable_entity()->set_id("shop/pods/web-0");
  story.field("ka.user.name", "alice").field("ka.verb", "create").field("ka.target.name", "web-0");
  story.field("ka.target.namespace", "shop").field("ka.target.resource", "pods");
  story.field("ka.target.subresource", "exec").field("ka.response.code", code);
  story.field("ka.uri", "/api/v1/namespaces/shop/pods/web-0/exec?command=sh");
  code.starts_with('4') ? story.outcome(0, 2, 0) : story.outcome(2, 0, 0);
  return story;
}

Story from_dev_shm(const std::string& result) {
  Story story("Execution from /dev/shm");
  story.field("proc.cmdline", "sh -c /dev/shm/x").field("proc.exepath", "/bin/busybox");
  story.field("evt.res", result).field("evt.type", "execve");
  return story;
}

TEST(Truth, DetailsShowWhatDecidesOfPluginsToo) {
  const std::string login = refused_login().json();
  for (const char* field : {"ct.user", "ct.srcip", "ct.region", "ct.error", "ct.name"})
    EXPECT_THAT(line_with(markdown_of(login), std::string("- `") + field), Not(IsEmpty())) << field;
  EXPECT_EQ(text_of(login, "/observables/users/0"), "root");
  EXPECT_EQ(text_of(login, "/observables/ips/0"), "198.51.100.7");
  const std::string exec = markdown_of(session("403").json());
  for (const char* field : {"ka.target.namespace", "ka.target.subresource", "ka.uri"})
    EXPECT_THAT(line_with(exec, std::string("- `") + field), Not(IsEmpty())) << field;
}

TEST(Truth, ARefusalIsNamedByTheFieldThatSaysSo) {
  EXPECT_EQ(text_of(refused_login().json(), "/impact/0/field"), "ct.error");
  EXPECT_EQ(text_of(session("403").json(), "/impact/0/field"), "ka.response.code");
  EXPECT_EQ(text_of(from_dev_shm("EACCES").outcome(0, 2, 0).json(), "/impact/0/field"), "evt.res");
}

TEST(Truth, ARefusedRequestIsNotToldAsDone) {
  const std::string login = markdown_of(refused_login().json());
  EXPECT_THAT(login, Not(HasSubstr("logged in to the AWS console")));
  EXPECT_THAT(login, Not(HasSubstr("delete-login-profile"))) << "root is no IAM user";
  const std::string refused = markdown_of(session("403").json());
  EXPECT_THAT(refused, AllOf(Not(HasSubstr("was entered")), Not(HasSubstr("Take away the right"))));
  EXPECT_THAT(markdown_of(session("101").json()), HasSubstr("Take away the right"));
  Story accepted = refused_login();
  accepted.fields.erase("ct.error");
  accepted.field("ct.user", "root").outcome(2, 0, 0);
  EXPECT_THAT(markdown_of(accepted.json()), HasSubstr("Take the root user back"));
}

TEST(Truth, ObjectsAreNamedAsPeopleNameThem) {
  EXPECT_EQ(text_of(refused_login().json(), "/title"),
            "Console Login Without MFA — root (aws_cloudtrail)");
  EXPECT_EQ(text_of(session("403").json(), "/title"),
            "Attach/Exec Pod — pods/web-0 in namespace shop");
  Story trail = of_cloud("CloudTrail Logging Disabled", "aws_cloudtrail",
                         "aws_cloudtrail/111122223333/main%2Feu");
  EXPECT_EQ(text_of(trail.json(), "/title"),
            "CloudTrail Logging Disabled — main%2Feu in 111122223333 (aws_cloudtrail)");
  Story hub = of_cloud("Create Repository", "github", "github/acme/https://github.com/acme/shop");
  EXPECT_EQ(text_of(hub.json(), "/title"), "Create Repository — acme/shop (github)");
}

TEST(Truth, WhatNobodyRefusedIsNotCalledBlocked) {
  Story story = from_dev_shm("ENOENT").outcome(0, 1, 0);
  records::Sample& sample = *story.episode.mutable_summary()->add_samples();
  sample.set_time(story.episode.summary().first());
  sample.set_output("something was seen");
  sample.set_outcome(static_cast<std::uint32_t>(schemas::Outcome::kBlocked));
  const std::string markdown = markdown_of(story.json());
  EXPECT_THAT(markdown, AllOf(HasSubstr("nobody refused it"), Not(HasSubstr("blocked"))));
}

TEST(Truth, AResultThatIsNamedIsNotSaidToBeMissing) {
  Story story("Network Connection outside Local Subnet");
  story.field("evt.res", "EINPROGRESS").field("evt.type", "connect").outcome(0, 0, 2);
  EXPECT_THAT(markdown_of(story.json()),
              AllOf(HasSubstr("begun, its end is not known"),
                    Not(HasSubstr("do not name the result")), Not(HasSubstr("not named"))));
}

TEST(Truth, TheSuccessOfACallIsNotThatOfTheRule) {
  const std::string shell = markdown_of(from_dev_shm("SUCCESS").outcome(1, 0, 0).json());
  EXPECT_THAT(shell, AllOf(HasSubstr("Results of the call: 1 succeeded"),
                           HasSubstr("does not show that the file ran")));
}

TEST(Truth, ARuleThatFiresOnSuccessProvesItEverywhere) {
  Story story("Detect release_agent File Container Escapes", 2);
  story.field("fd.name", "/tmp/x/release_agent").outcome(0, 0, 1);
  records::Sample& sample = *story.episode.mutable_summary()->add_samples();
  sample.set_time(story.episode.summary().first());
  sample.set_output("something was seen");
  const std::string json = story.json();
  EXPECT_EQ(text_of(json, "/evidence/samples/0/outcome"), "succeeded");
  EXPECT_THAT(markdown_of(json), Not(HasSubstr("outcome unknown")));
}

TEST(Truth, WhereItHappenedIsSaidOnlyAsFarAsItIsKnown) {
  Story unknown("Read sensitive file untrusted");
  records::Entity& entity = *unknown.series.mutable_entity();
  entity.set_kind(records::Entity::HOST);
  entity.set_id("?");
  entity.set_container_unknown(true);
  EXPECT_EQ(text_of(unknown.json(), "/title"),
            "Read sensitive file untrusted — node-7, in a container or not: the alerts do not say");
  entity.set_container_unknown(false);
  entity.set_id("");
  const std::string host = markdown_of(unknown.json());
  for (const char* word : {"image digest", "container's image", "the pod", "Container", "fired in"})
    EXPECT_THAT(host, Not(HasSubstr(word)));
}

TEST(Truth, EachReasonAndEachMissingFieldIsSaidOnceAndWhy) {
  Story story = from_dev_shm("EACCES");
  story.field("proc.cmdline",
              "sh -c /dev/shm/falco-event-generator-syscall-ExecutionFromDevShm-a1B2c3.sh");
  story.field("proc.pcmdline", "event-generator run syscall --loop");
  story.field("container.image.repository", "registry.example.com/shop/web").outcome(0, 1, 0);
  const Judgement judged = story.judged();
  for (const Because& because : judged.because)
    EXPECT_EQ(std::count_if(judged.because.begin(), judged.because.end(),
                            [&](const Because& other) { return other.text == because.text; }),
              1)
        << because.text;
  Story bare("Execution from /dev/shm");
  bare.field("proc.cmdline", "sh -c /dev/shm/x").outcome(0, 0, 1);
  simdjson::dom::parser parser;
  const std::string json = bare.json();
  for (const auto missing : simdjson::dom::array(parser.parse(json)["missing"]))
    EXPECT_EQ(missing["why"].error(), simdjson::SUCCESS) << std::string_view(missing["field"]);
}

std::string first_screen(const Story& story) {
  const std::string markdown = markdown_of(story.json());
  return markdown.substr(0, markdown.find("## Detailed Analysis"));
}

TEST(FirstScreen, SaysWhereAndWhatWasSeenBeforeWhatTheRuleIsFor) {
  Story story = from_dev_shm("EACCES").outcome(0, 3, 0);
  story.field("k8s.ns.name", "shop").field("k8s.pod.name", "web-0");
  story.field("container.image.repository", "registry.example.com/web");
  story.field("container.image.tag", "4.2").field("container.privileged", "true");
  const std::string screen = first_screen(story);
  std::size_t from = 0;
  for (const char* part : {"Where: namespace `shop` · pod `web-0` · image "
                           "`registry.example.com/web:4.2` · cluster `lab`",
                           "Seen: ", "Results: 3 failed. ", "The rule: ", "It did not get through",
                           "What raises the risk: the container is privileged", "First: "}) {
    const std::size_t at = screen.find(part, from);
    EXPECT_NE(at, std::string::npos) << part << " in\n" << screen;
    if (at != std::string::npos) from = at;
  }
  Story host = from_dev_shm("EACCES").outcome(0, 3, 0);
  host.series.mutable_entity()->set_kind(records::Entity::HOST);
  host.series.mutable_entity()->set_cluster("default");
  EXPECT_THAT(first_screen(host), Not(HasSubstr("Where:")));
}

TEST(FirstScreen, SaysOfWhatIsUndecidedWhetherItHappened) {
  Story ran = from_dev_shm("SUCCESS").outcome(1, 0, 0);
  EXPECT_THAT(first_screen(ran), HasSubstr("Nothing in these alerts tells"));
  ran.fields.erase("proc.exepath");
  ran.field("proc.exepath", "/dev/shm/x");
  EXPECT_THAT(first_screen(ran), HasSubstr("It happened; nothing in these alerts says whether"));
}

TEST(Truth, WhatOneFactProvesIsSaidOnce) {
  Story story("Detect release_agent File Container Escapes", 2);
  story.field("container.privileged", "true").outcome(1, 0, 0);
  const std::string markdown = markdown_of(story.json());
  EXPECT_THAT(markdown, HasSubstr("and with it every workload on it. `container.privileged`"));
  EXPECT_THAT(markdown, Not(HasSubstr("The container is privileged: its node is within reach.")));
}

TEST(Truth, APriorityThatFalcoDoesNotKnowIsNotPassedOffAsTheRules) {
  Story story("Read sensitive file untrusted");
  story.outcome(0, 0, 1);
  EXPECT_EQ(story.judged().terms[0].because.text, "the rule's priority");
  story.episode.mutable_summary()->set_flags(schemas::kPriorityUnknown);
  EXPECT_THAT(story.judged().terms[0].because.text, HasSubstr("counts as Warning"));
}

TEST(Truth, AnEndOfLineInAValueIsShown) {
  Story story = from_dev_shm("EACCES").outcome(0, 1, 0);
  story.field("proc.pcmdline", "sh -c true\nrm x");
  EXPECT_THAT(markdown_of(story.json()), HasSubstr("sh -c true␤rm x"));
}

TEST(FirstScreen, SaysOfMixedOutcomesHowManyWereRefused) {
  Story mixed = session("101");
  mixed.field("ka.response.code", "403").outcome(1, 1, 0);
  EXPECT_THAT(first_screen(mixed),
              AllOf(HasSubstr("1 of 2 was refused. The rest: The API server accepted"),
                    Not(HasSubstr("no session was opened"))));
}

TEST(FirstScreen, SaysWhatASessionRan) {
  Story exec = session("101");
  exec.field("ka.uri.param[command]", "cat /run/keys/db");
  EXPECT_THAT(first_screen(exec), AllOf(HasSubstr("command `cat /run/keys/db`"),
                                        Not(HasSubstr("What was typed is not part"))));
  EXPECT_THAT(markdown_of(exec.json()), HasSubstr("- `ka.uri.param[command]`"));
}

Story sensor(std::uint64_t dropped, std::uint64_t events) {
  Story story("Sensor health");
  story.series.set_source("internal");
  story.series.mutable_entity()->set_kind(records::Entity::HOST);
  story.series.mutable_entity()->set_id("");
  story.field("rule", "Falco internal: syscall event drop");
  records::Loss& loss = *story.episode.mutable_summary()->mutable_loss();
  loss.set_time(story.episode.summary().first());
  loss.set_dropped(dropped);
  loss.set_events(events);
  return story;
}

TEST(Truth, ALossOfEventsWeighsByItsShareAndHasACure) {
  EXPECT_EQ(sensor(1000, 5000).judged().severity, Severity::kHigh);
  EXPECT_EQ(sensor(100, 5000).judged().severity, Severity::kMedium);
  EXPECT_EQ(sensor(1, 5000).judged().severity, Severity::kInformational);
  const std::string markdown = markdown_of(sensor(1000, 5000).json());
  EXPECT_THAT(markdown, AllOf(HasSubstr("incomplete"), HasSubstr("buf_size_preset"),
                              HasSubstr("20.0 %"), Not(HasSubstr("outcome unknown"))));
  Story test = sensor(0, 0);
  test.fields.clear();
  test.field("rule", "Test rule");
  test.episode.mutable_summary()->clear_loss();
  EXPECT_EQ(test.judged().severity, Severity::kInformational);
  EXPECT_THAT(markdown_of(test.json()), HasSubstr("Nothing to do"));
}

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

TEST(Incident, AdvisesOnItsEntityOnceItHoldsMoreThanOneFinding) {
  const auto one = member("a", Severity::kCritical, true, 1);
  EXPECT_THAT(incident_text(incident_of({one})), Not(HasSubstr("crictl inspect")));
  const std::string two = incident_text(incident_of({one, member("b", Severity::kHigh, true, 2)}));
  EXPECT_THAT(two, AllOf(HasSubstr("crictl inspect 0a1b2c3d4e5f"), HasSubstr("### Contain"),
                         Not(HasSubstr("### Harden"))));
}

TEST(Risk, RisesWithWhatWeighsWhateverTheRule) {
  Story plain("A rule of our own");
  plain.field("fd.name", "/srv/x").outcome(0, 0, 1);
  Story weighs("A rule of our own");
  weighs.field("fd.name", "/bin/x").outcome(0, 0, 1);
  EXPECT_EQ(weighs.judged().risk, plain.judged().risk + 20);
  EXPECT_EQ(weighs.judged().terms.back().because.field, "fd.name");
  EXPECT_EQ(weighs.judged().terms.back().because.value, "/bin/x");
  EXPECT_EQ(weighs.judged().verdict, plain.judged().verdict);
  Story tool("A rule of our own");
  tool.field("proc.cmdline", "kubectl get pods").outcome(0, 0, 1);
  const int in_container = tool.judged().risk;
  tool.series.mutable_entity()->set_kind(records::Entity::HOST);
  EXPECT_EQ(tool.judged().risk, in_container - 15) << "on a host it is where it belongs";
}

TEST(Effect, OfADroppedProgramIsThatItRuns) {
  Story dropped("Drop and execute new binary in container", 2);
  dropped.field("proc.exepath", "/tmp/x").field("evt.res", "SUCCESS").outcome(1, 0, 0);
  EXPECT_TRUE(dropped.judged().effect_observed) << "the rule itself looks where the program lies";
  Story flagged("Drop and execute new binary in container", 2);
  flagged.field("evt.arg.flags", "EXE_WRITABLE|EXE_UPPER_LAYER").outcome(0, 0, 1);
  EXPECT_TRUE(flagged.judged().effect_observed);
  Story refused("Drop and execute new binary in container", 2);
  refused.field("evt.res", "EACCES").outcome(0, 1, 0);
  EXPECT_FALSE(refused.judged().effect_observed);
}

TEST(OnePage, TheLedgerSaysWhichFindingATermIsOf) {
  const auto judged = judge_incident(
      incident_of({member("a", Severity::kHigh, true, 1), member("b", Severity::kHigh, true, 2),
                   member("c", Severity::kHigh, true, 3)}));
  EXPECT_EQ(judged.terms[0].because.text, "the riskiest finding");
  EXPECT_THAT(judged.terms[1].because.text, HasSubstr("another rule's riskiest finding"));
}

TEST(Truth, WhatNobodySeesIsNamedAndNeverUsed) {
  Story story("Write below etc");
  story.series.mutable_entity()->set_kind(records::Entity::HOST);
  story.series.mutable_entity()->set_id("");
  story.field("fd.name", "/etc/hosts\xe2\x80\x8b").field("proc.exepath", "/usr/bin/tee\xc2\xad");
  story.field("proc.cmdline", "tee\x1b[2J").outcome(1, 0, 0);
  const std::string json = story.json();
  for (const char* path : {"/evidence/fields/fd.name/0", "/observables/files/0"})
    EXPECT_EQ(text_of(json, path), "/etc/hosts<U+200B>") << path;
  EXPECT_THAT(markdown_of(json),
              AllOf(HasSubstr("`/etc/hosts<U+200B>`"), HasSubstr("`/usr/bin/tee<U+00AD>`"),
                    HasSubstr("tee<U+001B>[2J"), Not(HasSubstr("'/etc/hosts")),
                    Not(HasSubstr("Except exactly this"))));
}

}  // namespace
}  // namespace gyre::stages
