// SPDX-License-Identifier: Apache-2.0
// Whoever pastes what a report advises destroys no evidence, breaks no machine and no cluster; and
// nobody is accused by what no alert says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include "tests/report/story.h"

namespace gyre::stages {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string markdown_of(const Story& story) {
  simdjson::dom::parser parser;
  const std::string json = story.json();
  return std::string(std::string_view(parser.parse(json)["markdown"]));
}

Story on_host(const std::string& rule) {
  Story story(rule, 3);
  story.series.mutable_entity()->set_kind(records::Entity::HOST);
  story.series.mutable_entity()->set_id("");
  return story.outcome(1, 0, 0);
}

TEST(Harm, NoEvidenceIsReadFromADevice) {
  Story disk = on_host("Create files below dev");
  disk.field("fd.name", "/dev/vdb").field("proc.exepath", "/usr/bin/dd");
  EXPECT_THAT(markdown_of(disk), AllOf(HasSubstr("stat '/dev/vdb'"), Not(HasSubstr("cat '/dev")),
                                       Not(HasSubstr("sum '/dev"))));
  Story file = on_host("Write below etc");
  file.field("fd.name", "/etc/issue");
  EXPECT_THAT(markdown_of(file), HasSubstr("test -f '/etc/issue' && cat '/etc/issue' >"))
      << "a pipe would wait for ever";
}

TEST(Harm, AStepWithoutItsCommandsIsNotAdvised) {
  Story story = on_host("Write below etc");
  story.field("fd.name", "/etc/" + std::string(400, 'x'));
  EXPECT_THAT(markdown_of(story), Not(HasSubstr("Keep the file's state and a copy")));
}

TEST(Harm, AHostIsNotCutOffFromItself) {
  const auto refusal_of = [](const char* peer) {
    Story story = on_host("Netcat/Socat Remote Code Execution on Host");
    story.field("fd.rip", peer).field("fd.sip", peer).field("proc.pid", "77");
    return markdown_of(story);
  };
  for (const char* peer : {"127.0.0.1", "0.0.0.0", "169.254.169.254", "::1"})
    EXPECT_THAT(refusal_of(peer), Not(HasSubstr("Refuse the host's connections"))) << peer;
  EXPECT_THAT(refusal_of("2001:db8::9"), AllOf(HasSubstr("\nip6tables -I OUTPUT -d 2001:db8::9"),
                                               Not(HasSubstr("\niptables -I"))));
}

TEST(Harm, TheClustersOwnNamespacesKeepTheirRights) {
  const auto of = [](const char* space) {
    Story story("Mount Launched in Privileged Container");
    story.card("k8s.ns.name", space).card("k8s.pod.name", "agent-0").outcome(1, 0, 0);
    Story audit("Create Privileged Pod");
    audit.series.set_source("k8s_audit");
    audit.series.mutable_entity()->set_kind(records::Entity::K8S_OBJECT);
    audit.field("ka.target.namespace", space).outcome(1, 0, 0);
    return markdown_of(story) + markdown_of(audit);
  };
  EXPECT_THAT(of("shop"), HasSubstr("pod-security.kubernetes.io/enforce"));
  for (const char* space : {"kube-system", "kube-public", "calico-system", "openshift-dns"})
    EXPECT_THAT(of(space), AllOf(Not(HasSubstr("pod-security.kubernetes.io/enforce")),
                                 Not(HasSubstr("default-deny"))))
        << space;
}

Story login(const std::string& rule, const std::string& user) {
  Story story(rule);
  story.series.set_source("aws_cloudtrail");
  story.series.mutable_entity()->set_kind(records::Entity::CLOUD);
  story.series.mutable_entity()->set_id("aws_cloudtrail//" + user);
  return story.field("ct.user", user).outcome(1, 0, 0);
}

TEST(Harm, TheRootUserIsNotTakenForAUserOfItsAliasesName) {
  const auto is_root = AllOf(HasSubstr("Take the root user back"), Not(HasSubstr("--user-name")));
  EXPECT_THAT(markdown_of(login("Console Root Login Without MFA", "northwind-prod")), is_root);
  Story typed = login("Console Login Without MFA", "northwind-prod");
  EXPECT_THAT(markdown_of(typed), HasSubstr("delete-login-profile --user-name 'northwind-prod'"));
  typed.field("ct.user.identitytype", "Root");
  EXPECT_THAT(markdown_of(typed), is_root);
  Story user = login("Console Login Without MFA", "ina");
  user.field("ct.user.identitytype", "IAMUser");
  EXPECT_THAT(markdown_of(user),
              AllOf(HasSubstr("--user-name 'ina'"), Not(HasSubstr("Take the root user back"))));
}

TEST(Harm, WhereItIsNotKnownTheHostIsLookedAtAndNothingIsDoneToIt) {
  Story story = on_host("Clear Log Activities");
  story.series.mutable_entity()->set_container_unknown(true);
  story.series.mutable_entity()->set_id("?");
  story.field("fd.name", "/var/log/secure").field("proc.pid", "8");
  const std::string markdown = markdown_of(story);
  EXPECT_THAT(markdown, AllOf(HasSubstr("last -Faiwx"), Not(HasSubstr("kill -STOP")),
                              Not(HasSubstr("the cluster's audit log"))));
}

std::string first_screen(const Story& story) {
  const std::string markdown = markdown_of(story);
  return markdown.substr(0, markdown.find("## Detailed Analysis"));
}

TEST(Truth, ARuleThatNobodyDescribedIsToldByItsEventAlone) {
  Story story("A rule of our own");
  story.tag("T1059.006").tag("mitre_execution").field("evt.type", "connect");
  story.field("proc.name", "python3").field("evt.res", "SUCCESS").outcome(1, 0, 0);
  EXPECT_THAT(first_screen(story), Not(HasSubstr("was started.")));
}

TEST(FirstScreen, SaysWhoGotARight) {
  Story bound("Attach to cluster-admin Role");
  bound.series.set_source("k8s_audit");
  bound.series.mutable_entity()->set_kind(records::Entity::K8S_OBJECT);
  bound.field("ka.user.name", "ina");
  bound.field("ka.req.binding.subjects", R"([{"kind":"User","name":"otto"}])");
  EXPECT_THAT(first_screen(bound), HasSubstr("otto"));
}

}  // namespace
}  // namespace gyre::stages
