// SPDX-License-Identifier: Apache-2.0
#include "stages/report/exception.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stages/report/playbook_falco_rules.h"
#include "tests/report/story.h"

namespace gyre::stages {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Playbook with_fields(const std::vector<std::string>& fields) {
  Playbook playbook;
  for (const std::string& field : fields) playbook.mutable_exception()->add_fields(field);
  return playbook;
}

std::string exception_of(const Playbook& playbook, const Story& story) {
  const Facts facts(story.episode.summary(), story.entity);
  return falco_exception(playbook, story.series, facts).value_or("");
}

Story health_check() {
  Story story("Run shell untrusted");
  story.field("container.image.repository", "registry.example.com/shop/web");
  story.field("proc.pname", "nginx").field("proc.cmdline", "sh -c /usr/local/bin/healthcheck");
  return story;
}

TEST(FalcoException, HoldsImageAndEvidenceTogether) {
  const std::string yaml =
      exception_of(with_fields({"proc.pname", "proc.cmdline"}), health_check());
  EXPECT_THAT(yaml, HasSubstr("- rule: 'Run shell untrusted'"));
  EXPECT_THAT(yaml, HasSubstr("fields: [container.image.repository, proc.pname, proc.cmdline]"));
  EXPECT_THAT(yaml, HasSubstr("comps: [\"in\", \"=\", \"=\"]"));
  EXPECT_THAT(yaml, HasSubstr("- [['registry.example.com/shop/web'], 'nginx', "
                              "'\"sh -c /usr/local/bin/healthcheck\"']"));
  EXPECT_THAT(yaml, HasSubstr("    exceptions: append"));
  EXPECT_THAT(wrong_in_falco_rules(yaml), IsEmpty());
}

TEST(FalcoException, AddsValuesToOneThatTheRuleHas) {
  Playbook playbook = with_fields({"container.image.repository", "proc.pname"});
  playbook.mutable_exception()->set_known("ours");
  const std::string yaml = exception_of(playbook, health_check());
  EXPECT_THAT(yaml, HasSubstr("- name: 'ours'"));
  EXPECT_THAT(yaml, HasSubstr("- ['registry.example.com/shop/web', 'nginx']"));
  EXPECT_THAT(yaml, Not(HasSubstr("fields:")));
  EXPECT_THAT(wrong_in_falco_rules(yaml), IsEmpty());
}

TEST(FalcoException, TakesBothSpellingsOfAHubImage) {
  Story story("Some rule");
  story.field("container.image.repository", "falcosecurity/event-generator");
  story.field("proc.cmdline", "sh x");
  EXPECT_THAT(exception_of(with_fields({"proc.cmdline"}), story),
              HasSubstr("['docker.io/falcosecurity/event-generator', "
                        "'falcosecurity/event-generator']"));
}

TEST(FalcoException, TakesTheCommonFrontOfManyValues) {
  Story story("Some rule");
  story.field("container.image.repository", "registry.example.com/a");
  for (const char* end : {"aaaaaa", "bbbbbb", "cccccc", "dddddd", "eeeeee"})
    story.field("proc.exepath", std::string("/opt/vendor/tool/run-checks-") + end);
  EXPECT_THAT(exception_of(with_fields({"proc.exepath"}), story),
              HasSubstr("comps: [\"in\", \"startswith\"]"));
}

Story on_a_host() {
  Story story("Read sensitive file untrusted");
  story.series.mutable_entity()->set_kind(records::Entity::HOST);
  story.series.mutable_entity()->set_id("");
  story.field("proc.exepath", "/opt/scan").field("proc.cmdline", "scan /etc/shadow");
  return story;
}

TEST(FalcoException, HoldsInOnePlaceOnly) {
  Story pod = health_check();
  pod.card("k8s.ns.name", "shop");
  EXPECT_THAT(exception_of(with_fields({"proc.cmdline"}), pod),
              HasSubstr("fields: [container.image.repository, k8s.ns.name, proc.cmdline]"));
  Story system = health_check();
  system.card("k8s.ns.name", "kube-system");
  EXPECT_EQ(exception_of(with_fields({"proc.cmdline"}), system), "");

  const Playbook playbook = with_fields({"proc.exepath", "proc.cmdline"});
  EXPECT_THAT(exception_of(playbook, on_a_host()),
              HasSubstr("fields: [evt.hostname, proc.exepath, proc.cmdline]"));
  EXPECT_EQ(exception_of(with_fields({"proc.exepath"}), on_a_host()), "")
      << "every use of a program is more than was seen";
  Story somewhere = on_a_host();
  somewhere.series.mutable_entity()->set_container_unknown(true);
  EXPECT_EQ(exception_of(playbook, somewhere), "") << "in which container is not known";
}

// A value with a random part comes once: exactly so it would except nothing.
TEST(FalcoException, TakesWhatComesAgainOfAValueThatIsDrawn) {
  const auto for_pod = [](const char* name) {
    Story story("Attach/Exec Pod");
    story.series.set_source("k8s_audit");
    story.series.mutable_entity()->set_kind(records::Entity::K8S_OBJECT);
    story.field("ka.user.name", "alice").field("ka.target.namespace", "shop");
    story.field("ka.target.name", name);
    return exception_of(with_fields({"ka.user.name", "ka.target.namespace", "ka.target.name"}),
                        story);
  };
  EXPECT_THAT(for_pod("web-5d9c7b6f48-x2x4z"), HasSubstr("- ['alice', 'shop', 'web-']"));
  EXPECT_THAT(for_pod("web-5d9c7b6f48-x2x4z"), HasSubstr(R"(comps: ["=", "=", "startswith"])"));
  EXPECT_THAT(for_pod("agent-b7x2q"), HasSubstr("- ['alice', 'shop', 'agent-']"));
  EXPECT_THAT(for_pod("backup-28412345-b7x2q"), HasSubstr("- ['alice', 'shop', 'backup-']"));
  EXPECT_THAT(for_pod("builder-0"), HasSubstr("- ['alice', 'shop', 'builder-0']"));
  EXPECT_EQ(for_pod("x-b7x2q"), "") << "too short to narrow";

  Story drawn = health_check();
  drawn.field("proc.exepath", "/opt/vendor/tool/run-checks-and-more-q7Zt2K9x");
  EXPECT_THAT(exception_of(with_fields({"proc.exepath"}), drawn),
              HasSubstr("'/opt/vendor/tool/run-checks-and-more-'"));
  Story connection = health_check();
  connection.field("fd.name", "10.0.0.1:40000->203.0.113.9:443");
  EXPECT_EQ(exception_of(with_fields({"fd.name"}), connection), "");
}

TEST(FalcoException, IsNotMadeWhereItWouldBlindTheRule) {
  Story no_image("Some rule");
  no_image.field("proc.pname", "nginx").field("proc.cmdline", "sh x");
  EXPECT_EQ(exception_of(with_fields({"proc.pname", "proc.cmdline"}), no_image), "");
  Story image_only("Some rule");
  image_only.field("container.image.repository", "a/b");
  EXPECT_EQ(exception_of(with_fields({"proc.cmdline"}), image_only), "");
  Story host("Some rule");
  host.series.mutable_entity()->set_kind(records::Entity::HOST);
  host.field("proc.name", "sh").field("user.name", "root");
  EXPECT_EQ(exception_of(with_fields({"proc.name", "user.name"}), host), "");
  Playbook never = with_fields({"proc.cmdline"});
  never.mutable_exception()->add_never("healthcheck");
  EXPECT_EQ(exception_of(never, health_check()), "");
}

// `bash` is whatever is typed into it: a program's name narrows nothing.
TEST(FalcoException, NeedsMoreThanAProgramsName) {
  for (const char* cmdline : {"bash", "bash -l", "bash -i --norc"}) {
    Story story("Terminal shell in container");
    story.field("container.image.repository", "registry.example.com/shop/web");
    story.card("k8s.ns.name", "shop").field("proc.name", "bash").field("proc.cmdline", cmdline);
    EXPECT_EQ(exception_of(with_fields({"proc.name", "proc.cmdline"}), story), "") << cmdline;
  }
}

// Stock alerts lack what would bind the exception to one peer, one victim or one object.
TEST(FalcoException, IsNotMadeWithoutAFieldThatTheAlertsCouldHold) {
  Story reset("removing all MFA factor from user in OKTA");
  reset.series.set_source("okta");
  reset.series.mutable_entity()->set_kind(records::Entity::CLOUD);
  reset.field("okta.actor.name", "helpdesk").field("okta.client.ip", "198.51.100.7");
  const auto offered = [](const Story& story) {
    return story.json().find("Except exactly this in Falco") != std::string::npos;
  };
  EXPECT_FALSE(offered(reset));
  EXPECT_THAT(reset.json(), AllOf(HasSubstr("Let Falco print what an exception needs"),
                                  HasSubstr("without okta.target.user.name it would except")));
  EXPECT_TRUE(offered(reset.field("okta.target.user.name", "ann")));
  Story role("K8s ClusterRole Created");
  role.series.set_source("k8s_audit");
  role.series.mutable_entity()->set_kind(records::Entity::K8S_OBJECT);
  role.field("ka.user.name", "ina").field("ka.target.name", "view");
  EXPECT_FALSE(offered(role));
  EXPECT_TRUE(offered(role.field("ka.target.resource", "clusterroles")))
      << "of a cluster's role no alert names a namespace";
}

// Falco refuses a file that compares a list by `=`, and with it every exception in there.
TEST(FalcoException, ComparesListsAsLists) {
  Story bound("Attach to cluster-admin Role");
  bound.series.set_source("k8s_audit");
  bound.series.mutable_entity()->set_kind(records::Entity::K8S_OBJECT);
  bound.field("ka.user.name", "ina").field("ka.req.binding.subjects", "otto");
  const Playbook playbook = with_fields({"ka.user.name", "ka.req.binding.subjects"});
  EXPECT_THAT(exception_of(playbook, bound), HasSubstr(R"(comps: ["=", "in"])"));
  EXPECT_EQ(exception_of(playbook, bound.field("ka.req.binding.subjects", "(eve)")), "");
}

// Whoever writes a value decides whether it can be said: what cannot must not just fall away.
TEST(FalcoException, IsNotMadeWithoutAFieldThatTheAlertsHold) {
  const Playbook playbook = with_fields({"proc.name", "proc.cmdline"});
  const auto with = [&](const std::string& cmdline) {
    Story story("Terminal shell in container");
    story.field("container.image.repository", "registry.example.com/shop/web");
    return exception_of(playbook, story.field("proc.name", "zsh").field("proc.cmdline", cmdline));
  };
  EXPECT_THAT(with("zsh -c /opt/check"), HasSubstr(R"('"zsh -c /opt/check"')"));
  for (const std::string& cmdline :
       {std::string("zsh -c \"id\""), std::string("zsh -c tok=<redacted>"),
        "zsh -c : " + std::string(220, 'A'), std::string("zsh\xe2\x80\xae -l"),
        std::string("zsh -c /opt/vendor/tool/run-checks-and-more-q7Zt2K9x.sh")})
    EXPECT_EQ(with(cmdline), "") << cmdline;
  Story two_spaces("Terminal shell in container");
  two_spaces.field("container.image.repository", "registry.example.com/shop/web");
  two_spaces.field("proc.name", "zsh").card("k8s.ns.name", "shop").card("k8s.ns.name", "lab");
  EXPECT_EQ(exception_of(playbook, two_spaces), "");
}

// An address or an ARN looks drawn and is not: it is said whole.
TEST(FalcoException, HoldsThePeerAndTheObjectWhole) {
  Story out("Outbound Connection to C2 Servers");
  out.series.mutable_entity()->set_kind(records::Entity::HOST);
  out.field("proc.exepath", "/usr/bin/wget").field("proc.name", "wget");
  out.field("fd.sip", "198.51.100.23").field("fd.sport", "443");
  const Playbook& peer = Story::playbooks().of(out.series, out.episode.summary());
  EXPECT_THAT(exception_of(peer, out), HasSubstr("'198.51.100.23', '443'"));
  Story trail("CloudTrail Logging Disabled");
  trail.series.set_source("aws_cloudtrail");
  trail.series.mutable_entity()->set_kind(records::Entity::CLOUD);
  trail.field("ct.user", "builder").field("ct.srcip", "198.51.100.9");
  trail.field("ct.request.name", "arn:aws:cloudtrail:eu-west-1:210987654321:trail/audit");
  const Playbook& stop = Story::playbooks().of(trail.series, trail.episode.summary());
  EXPECT_THAT(exception_of(stop, trail),
              HasSubstr("'arn:aws:cloudtrail:eu-west-1:210987654321:trail/audit'"));
}

// Falco joins strings into a condition: a value must not become a part of it.
TEST(FalcoException, TakesNoValueThatIsMoreThanAValue) {
  for (const char* value :
       {"x\" or evt.num>=0 or proc.name=\"", "ends with a backslash\\", "shell_binaries",
        "sh shell_binaries", "proc.pname", "<NA>", "line\nbreak", "tok=<redacted>"}) {
    Story story = health_check();
    story.fields.clear();
    story.field("container.image.repository", "a/b").field("proc.cmdline", value);
    EXPECT_EQ(exception_of(with_fields({"proc.cmdline"}), story), "") << value;
  }
  Story story = health_check();
  story.fields.clear();
  story.field("container.image.repository", "a/b").field("proc.cmdline", "sh x)or(evt.num>=0");
  EXPECT_THAT(exception_of(with_fields({"proc.cmdline"}), story),
              HasSubstr("'\"sh x)or(evt.num>=0\"'"));
  story.field("proc.cmdline", "sh it's");
  EXPECT_THAT(exception_of(with_fields({"proc.cmdline"}), story), HasSubstr("'\"sh it''s\"'"));
}

// The names of a test are free to choose: for what happened and alarms they excuse nothing, for
// what was refused all the way they may.
TEST(FalcoException, IsOfferedForAStrongRuleOnlyWhereMoreThanNamesExplainItOrNothingHappened) {
  const auto offered = [](const Story& story) {
    return story.json().find("Except exactly this in Falco") != std::string::npos;
  };
  const auto told = [](const char* result) {
    Story story("Drop and execute new binary in container", 2);
    story.field("proc.cmdline", "event-generator run syscall");
    story.field("proc.exepath", "/bin/event-generator").field("evt.res", result);
    story.field("proc.pname", "event-generator");
    return story;
  };
  Story happened = told("SUCCESS");
  happened.outcome(2, 0, 0);
  happened.field("container.image.repository", "falcosecurity/event-generator");
  EXPECT_TRUE(offered(happened)) << "the image is no name";
  Story named = told("SUCCESS");
  named.outcome(2, 0, 0);
  EXPECT_EQ(named.judged().verdict, Verdict::kSuspicious);
  EXPECT_FALSE(offered(named));
  Story other = told("EACCES");
  other.outcome(0, 2, 0).field("proc.cmdline", "/tmp/x");
  EXPECT_EQ(other.judged().verdict, Verdict::kSuspicious);
  EXPECT_FALSE(offered(other));
}

TEST(FalcoRules, WhatTheLoaderRefusesIsFound) {
  for (const char* yaml :
       {"rules:\n  - rule: a\n", "- name: a\n", "- rule: a\n  pattern: b\n",
        "- rule: a\n  exceptions:\n    - name: e\n      values: [[x]]\n",
        "- rule: a\n  enabled: false\n", "- rule: a\n  override:\n    condition: append\n",
        "- rule: a\n  condition: x\n  override:\n    condition: append\n    desc: append\n",
        "- rule: a\n  priority: Warning\n  override:\n    priority: replace\n",
        "- rule: a\n  exceptions:\n    - name: e\n      fields: [proc.exepath, fd.name]\n      "
        "values: [[x]]\n  override:\n    exceptions: append\n",
        "- rule: a\n  exceptions:\n    - name: e\n      fields: [proc.name]\n      "
        "values: [[x]]\n  override:\n    exceptions: append\n",
        "- rule: a\n  exceptions:\n    - name: e\n      fields: [proc.exepath]\n      "
        "comps: [exists]\n      values: [[x]]\n  override:\n    exceptions: append\n",
        "- rule: a\n  exceptions:\n    - name: e\n      fields: [ka.user.name, "
        "ka.req.binding.subjects]\n      comps: [\"=\", \"=\"]\n      values: [[x, y]]\n  "
        "override:\n    exceptions: append\n",
        "- rule: a\n  exceptions: []\n  override:\n    exceptions: replace\n", "a: [", "- 7\n"})
    EXPECT_THAT(wrong_in_falco_rules(yaml), Not(IsEmpty())) << yaml;
}

}  // namespace
}  // namespace gyre::stages
