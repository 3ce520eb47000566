// SPDX-License-Identifier: Apache-2.0
// Reports say what the alerts prove and no more, name what decided, and do not contradict
// themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>

#include "schemas/alert.h"
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
  EXPECT_THAT(
      first_screen(mixed),
      AllOf(HasSubstr("1 of 2 was refused. The one that succeeded: The API server accepted"),
            Not(HasSubstr("no session was opened")),
            Not(HasSubstr("Several users are in these alerts"))));
}

// zoe read it, alice could not.
Story two_users() {
  Story story("Read sensitive file untrusted");
  for (const char* value : {"zoe", "alice"}) story.field("user.name", value);
  for (const char* value : {"1000", "1001"}) story.field("user.uid", value);
  for (const char* value : {"SUCCESS", "EACCES"}) story.field("evt.res", value);
  story.field("proc.name", "cat").field("fd.name", "/etc/shadow").outcome(1, 1, 0);
  std::int64_t at = story.episode.summary().first();
  for (const auto& [text, outcome] : {std::pair("zoe read", schemas::Outcome::kSucceeded),
                                      std::pair("alice read", schemas::Outcome::kBlocked),
                                      std::pair("zoe again", schemas::Outcome::kSucceeded)}) {
    records::Sample& sample = *story.episode.mutable_summary()->add_samples();
    sample.set_time(at++);
    sample.set_output(text);
    sample.set_outcome(static_cast<std::uint32_t>(outcome));
  }
  return story;
}

TEST(Truth, ValuesOfSeveralAlertsNeverReadAsOneEvent) {
  const std::string json = two_users().json();
  const std::string markdown = markdown_of(json);
  const std::size_t differs = markdown.find("### What differs between these alerts");
  ASSERT_NE(differs, std::string::npos) << markdown;
  for (const char* line : {"- `user.name`, 2 values: `alice`, `zoe`",
                           "- `user.uid`, 2 values: `1000`, `1001`", "- `evt.res`, 2 values: "}) {
    EXPECT_EQ(markdown.find(line), markdown.rfind(line));
    EXPECT_GT(markdown.find(line), differs) << line;
  }
  EXPECT_LT(markdown.find("- `proc.name`: `cat`"), differs) << "they agree";
  EXPECT_THAT(markdown, AllOf(HasSubstr("Z`, outcome succeeded: `zoe read`"),
                              HasSubstr("Z`, outcome failed: `alice read`"),
                              HasSubstr("`zoe again`"), Not(HasSubstr("### User and group"))))
      << "alert by alert";
  EXPECT_THAT(json, HasSubstr(R"("value":"2 values: alice · zoe")"));
}

TEST(FirstScreen, SaysWhereStandsWhoDidWhichOfMixedOutcomes) {
  EXPECT_THAT(first_screen(two_users()),
              AllOf(HasSubstr("1 of 2 was refused. The one that succeeded: "),
                    HasSubstr("Several users are in these alerts: the single ones below say")));
}

TEST(FirstScreen, NamesNobodyBesideWhatAnotherDid) {
  Story story = two_users();
  EXPECT_THAT(first_screen(story), HasSubstr("user `alice` or `zoe`")) << "one failed";
  story.fields["evt.res"] = {"SUCCESS"};
  story.field("proc.pname", "bash");
  EXPECT_THAT(first_screen(story), HasSubstr("user `alice` and `zoe`")) << "nothing else differs";
  story.field("fd.name", "/etc/gshadow");
  EXPECT_THAT(first_screen(story), AllOf(HasSubstr("user `alice` or `zoe`"),
                                         HasSubstr("on `/etc/gshadow` or `/etc/shadow`")));
}

TEST(FirstScreen, SaysOfAnObjectWithoutANameThatItHasNone) {
  Story story("Attach to cluster-admin Role");
  story.series.set_source("k8s_audit");
  story.series.mutable_entity()->set_kind(records::Entity::K8S_OBJECT);
  story.series.mutable_entity()->set_hostname("");
  story.series.mutable_entity()->set_id("k8s_audit");
  EXPECT_THAT(first_screen(story),
              HasSubstr("fired about an object that the alerts do not name (`k8s_audit`)"));
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

TEST(Truth, WhatFailsAfterwardsTakesNothingBack) {
  Story story("Execution from /dev/shm");
  story.field("proc.cmdline", "sh /dev/shm/x.sh").field("proc.exepath", "/bin/dash");
  story.field("evt.res", "SUCCESS").outcome(1, 0, 0);
  const Judgement before = story.judged();
  story.field("evt.res", "ENOENT").outcome(1, 5, 0);
  const Judgement after = story.judged();
  EXPECT_EQ(after.severity, before.severity);
  EXPECT_EQ(after.attention, before.attention);
  EXPECT_THAT(markdown_of(story.json()), Not(HasSubstr("None seen")));
  story.outcome(0, 5, 0);
  EXPECT_LT(story.judged().severity, before.severity);
}

TEST(Truth, AnImpactIsNotPutTogetherFromDifferentAlerts) {
  const char* hashes = "The password hashes";
  const char* as_root = "It ran as root";
  Story story("Read sensitive file untrusted");
  story.field("fd.name", "/etc/shadow").field("user.uid", "0").outcome(1, 1, 0);
  EXPECT_THAT(markdown_of(story.json()), AllOf(HasSubstr(hashes), HasSubstr(as_root)));
  story.field("fd.name", "/etc/pam.conf").field("user.uid", "1000");
  EXPECT_THAT(markdown_of(story.json()), AllOf(Not(HasSubstr(hashes)), Not(HasSubstr(as_root))))
      << "which of them was refused?";
  const int mixed = story.judged().risk;
  story.outcome(2, 0, 0);
  EXPECT_THAT(markdown_of(story.json()), AllOf(HasSubstr(hashes), HasSubstr(as_root)));
  EXPECT_GE(story.judged().risk, mixed);
}

}  // namespace
}  // namespace gyre::stages
