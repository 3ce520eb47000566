// SPDX-License-Identifier: Apache-2.0
// What reports say of requests to an API: who asked, from where, for what, and whether it was
// meant.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/report/story.h"

namespace gyre::stages {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string first_screen(const std::string& json) {
  const std::string markdown = markdown_of(json);
  return markdown.substr(0, markdown.find("## Detailed Analysis"));
}

Story request(const std::string& rule, const std::string& resource, const std::string& uri) {
  Story story(rule, 5);
  story.series.set_source("k8s_audit");
  story.series.mutable_entity()->set_kind(records::Entity::K8S_OBJECT);
  story.series.mutable_entity()->set_id("shop/" + resource + "/web");
  story.field("ka.user.name", "alice").field("ka.verb", "create").field("ka.target.name", "web");
  story.field("ka.target.namespace", "shop").field("ka.target.resource", resource);
  story.field("ka.response.code", "201").field("ka.uri", uri).outcome(2, 0, 0);
  return story;
}

Story session(const std::string& query) {
  Story story =
      request("Attach/Exec Pod", "pods", "/api/v1/namespaces/shop/pods/web/exec?" + query);
  return story.field("ka.target.subresource", "exec").field("ka.uri.param[command]", "sh");
}

std::string exception_in(const std::string& json) {
  return json.find("exceptions: append") == std::string::npos ? "" : "made";
}

TEST(FirstScreen, SaysAllThatASessionRan) {
  const std::string json = session("command=sh&command=-c&command=cat+%2Frun%2Fdb").json();
  EXPECT_THAT(first_screen(json), AllOf(HasSubstr("command `sh -c cat /run/db`"),
                                        Not(HasSubstr("What was typed is not part"))));
  EXPECT_THAT(markdown_of(json), HasSubstr("- `ka.uri.param[command]`: `sh` — first word of"));
}

TEST(FalcoException, HoldsNoSessionByTheFirstWordOfItsCommand) {
  EXPECT_EQ(exception_in(session("command=sh").json()), "") << "a shell runs anything";
  EXPECT_EQ(exception_in(session("command=cat&command=%2Frun%2Fdb").json()), "");
  Story status = session("command=uptime");
  status.fields["ka.uri.param[command]"] = {"uptime"};
  EXPECT_EQ(exception_in(status.field("x", "y").json()), "made");
}

// All but the last can be written by whoever sends the request.
TEST(FirstScreen, SaysWhichAddressTheApiServerSawItself) {
  Story story = request("K8s Secret Get Successfully", "secrets", "/api/v1/secrets");
  story.field("ka.sourceips", "8.8.8.8, 203.0.113.9");
  const std::string json = story.json();
  EXPECT_THAT(first_screen(json), HasSubstr("from `203.0.113.9` · forwarded for `8.8.8.8`"));
  EXPECT_THAT(json, HasSubstr(R"("ips":["203.0.113.9","8.8.8.8"])"));
}

TEST(FirstScreen, SaysAsWhomItWasAsked) {
  Story story = request("K8s Secret Get Successfully", "secrets", "/api/v1/secrets");
  story.field("ka.impuser.name", "system:admin");
  const std::string json = story.json();
  EXPECT_THAT(first_screen(json), HasSubstr("by `alice` · as `system:admin`"));
  EXPECT_THAT(markdown_of(json), HasSubstr("- `ka.impuser.name`: `system:admin` — as whom"));
  EXPECT_THAT(json, HasSubstr(R"("users":["alice","system:admin"])"));
}

TEST(Truth, ADryRunChangedNothing) {
  for (const char* rule : {"K8s Role Created", "K8s ClusterRole Created",
                           "K8s ClusterRoleBinding Created", "Attach to cluster-admin Role"}) {
    Story story = request(rule, "roles", "/apis/rbac.authorization.k8s.io/v1/roles?dryRun=All");
    EXPECT_FALSE(story.judged().effect_observed) << rule;
    const std::string markdown = markdown_of(story.json());
    EXPECT_THAT(markdown, AllOf(HasSubstr("Dry run (dryRun in ka.uri)"),
                                Not(HasSubstr("was created.")), Not(HasSubstr("was made."))))
        << rule;
    EXPECT_THAT(markdown, Not(HasSubstr("kubectl delete"))) << rule;
  }
  Story real = request("K8s Role Created", "roles", "/apis/rbac.authorization.k8s.io/v1/roles");
  EXPECT_TRUE(real.judged().effect_observed);
}

TEST(FirstScreen, NamesTheObjectThatOnlyTheRequestNames) {
  Story story("GCP logging sink deleted", 5);
  story.series.set_source("gcp_auditlog");
  story.series.mutable_entity()->set_kind(records::Entity::CLOUD);
  story.series.mutable_entity()->set_id("gcp_auditlog/prod/");
  story.field("gcp.user", "bob@example.com");
  story.field("gcp.request", R"({"@type":"x","sinkName":"projects/prod/sinks/audit"})");
  EXPECT_THAT(first_screen(story.json()), HasSubstr("named `projects/prod/sinks/audit`"));
  story.field("gcp.resourceName", "projects/prod/sinks/other");
  EXPECT_THAT(first_screen(story.json()), HasSubstr("on `projects/prod/sinks/other`"));
}

Story redirected(const std::string& process, const std::string& peer) {
  Story story("Redirect STDOUT/STDIN to Network Connection in Container", 5);
  story.field("proc.name", process).field("proc.cmdline", process + " -i");
  story.field("fd.name", "10.0.0.5:40000->" + peer + ":4444").field("fd.sip", peer);
  return story.outcome(0, 0, 2);
}

TEST(Attention, AsksForSomebodyWhereAShellTakesItsInputFromAPublicAddress) {
  EXPECT_GE(redirected("bash", "203.0.113.5").judged().attention, Attention::kTicket);
  EXPECT_EQ(redirected("bash", "203.0.113.5").judged().verdict, Verdict::kSuspicious);
  EXPECT_EQ(redirected("bash", "10.1.2.3").judged().attention, Attention::kRecord);
  EXPECT_EQ(redirected("nginx", "203.0.113.5").judged().attention, Attention::kRecord);
}

TEST(Missing, NamesTheParentThatAPatternCallsARuntime) {
  Story story("Any rule of ours");
  story.series.set_shape("exec proc=sh cmdline=sh parent=<runtime> root=no");
  story.field("proc.name", "sh").field("evt.type", "execve");
  EXPECT_THAT(story.judged().missing, testing::Contains("proc.pname"));
  EXPECT_THAT(markdown_of(story.json()), HasSubstr("`proc.pname` — what started it; the pattern"));
  story.field("proc.pname", "systemd");
  EXPECT_THAT(story.judged().missing, Not(testing::Contains("proc.pname")));
  EXPECT_THAT(
      markdown_of(story.json()),
      HasSubstr("- `proc.pname`: `systemd` — name of the parent process; the pattern says"));
}

}  // namespace
}  // namespace gyre::stages
