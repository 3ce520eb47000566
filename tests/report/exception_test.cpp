// SPDX-License-Identifier: Apache-2.0
#include "stages/report/exception.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stages/report/playbook_falco_rules.h"
#include "tests/report/story.h"

namespace gyre::stages {
namespace {

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
    story.field("proc.cmdline", std::string("sh -c /opt/tool/run-checks-") + end);
  EXPECT_THAT(exception_of(with_fields({"proc.cmdline"}), story),
              HasSubstr("comps: [\"in\", \"startswith\"]"));
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
  story.field("container.image.repository", "a/b").field("proc.cmdline", "x)or(evt.num>=0");
  EXPECT_THAT(exception_of(with_fields({"proc.cmdline"}), story),
              HasSubstr("'\"x)or(evt.num>=0\"'"));
  story.field("proc.cmdline", "it's");
  EXPECT_THAT(exception_of(with_fields({"proc.cmdline"}), story), HasSubstr("'\"it''s\"'"));
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
    return story;
  };
  Story happened = told("SUCCESS");
  happened.outcome(2, 0, 0);
  happened.field("container.image.repository", "falcosecurity/event-generator");
  EXPECT_TRUE(offered(happened)) << "the image is no name";
  Story announced = told("SUCCESS");
  announced.outcome(2, 0, 0);
  EXPECT_EQ(announced.judged().verdict, Verdict::kTest);
  EXPECT_FALSE(offered(announced));
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
        "- rule: a\n  exceptions: []\n  override:\n    exceptions: replace\n", "a: [", "- 7\n"})
    EXPECT_THAT(wrong_in_falco_rules(yaml), Not(IsEmpty())) << yaml;
}

}  // namespace
}  // namespace gyre::stages
