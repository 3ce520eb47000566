// SPDX-License-Identifier: Apache-2.0
// Who sends a request names the object in it. What reports advise breaks nobody else's, looks at
// the right one, and writes over no evidence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <set>

#include "tests/report/every_playbook.h"
#include "tests/report/story.h"

namespace gyre::stages {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Fields = std::map<std::string, std::string>;

Story of_log(const std::string& rule, const std::string& source, records::Entity::Kind kind,
             const Fields& fields) {
  Story story(rule);
  story.series.set_source(source);
  story.series.mutable_entity()->set_kind(kind);
  story.series.mutable_entity()->set_id(source + "//one");
  for (const auto& [name, value] : fields) story.field(name, value);
  return story;
}

Story audit(const std::string& rule, const Fields& fields) {
  return of_log(rule, "k8s_audit", records::Entity::K8S_OBJECT, fields)
      .field("ka.user.name", "ina");
}

Story aws(const std::string& rule, const Fields& fields) {
  return of_log(rule, "aws_cloudtrail", records::Entity::CLOUD, fields)
      .field("ct.region", "eu-west-1");
}

std::string report_of(const Story& story) { return markdown_of(story.json()); }

TEST(Bystander, IsNotTouchedBecauseARefusedRequestNamedIt) {
  struct Case {
    Story story;
    const char* command;
  };
  const std::vector<Case> cases = {
      {audit("Attach to cluster-admin Role", {{"ka.target.name", "cluster-admin"}}),
       "delete clusterrolebinding"},
      {audit("Create Disallowed Namespace", {{"ka.target.name", "prod"}}), "create quota"},
      {audit("Create Privileged Pod", {{"ka.target.namespace", "shop"}, {"ka.resp.name", "web-0"}}),
       "delete pod"},
      {audit("K8s ClusterRoleBinding Created",
             {{"ka.target.name", "cluster-admin"}, {"ka.target.resource", "clusterrolebindings"}}),
       "delete clusterrolebinding"},
      {aws("Update Lambda Function Code", {{"ct.request.functionname", "pay"}}),
       "put-function-concurrency"},
      {aws("Create AWS user", {{"ct.request.username", "otto"}}),
       "--user-name 'otto' --policy-arn"},
      {aws("ECS Service Created",
           {{"ct.request.cluster", "prod"}, {"ct.request.servicename", "web"}}),
       "--desired-count 0"},
      {of_log("GCP Bucket configured to be public", "gcp_auditlog", records::Entity::CLOUD,
              {{"gcp.storage.bucket", "site"}}),
       "--public-access-prevention"},
      {of_log("Private Repository Becoming Public", "github", records::Entity::CLOUD,
              {{"github.repo.name", "acme/shop"}}),
       "-X PATCH"},
  };
  for (const Case& one : cases) {
    Story story = one.story;
    EXPECT_THAT(report_of(story.outcome(0, 1, 0)), Not(HasSubstr(one.command)));
    EXPECT_THAT(report_of(story.outcome(1, 0, 0)), HasSubstr(one.command));
  }
}

TEST(Bystander, IsProtectedByACheckWhereTheAnswerIsNotKnown) {
  Story bound = audit("Attach to cluster-admin Role", {{"ka.target.name", "cluster-admin"}});
  EXPECT_THAT(report_of(bound.outcome(0, 0, 1)),
              AllOf(HasSubstr("delete clusterrolebinding"), HasSubstr("with a code of 2xx")));
}

TEST(Bystander, MayBeOneOfSeveralWhereSomeRequestsWereRefused) {
  Story story = aws("Update Lambda Function Code", {{"ct.request.functionname", "pay"}});
  story.field("ct.request.functionname", "mine");
  EXPECT_THAT(report_of(story.outcome(1, 1, 0)), Not(HasSubstr("put-function-concurrency")));
  EXPECT_THAT(report_of(story.outcome(2, 0, 0)), HasSubstr("put-function-concurrency"));
}

TEST(Deletion, IsAnsweredByPuttingBack) {
  for (const auto& [rule, resource] :
       std::map<std::string, std::string>{{"K8s ClusterRoleBinding Deleted", "clusterrolebindings"},
                                          {"K8s RoleBinding Deleted", "rolebindings"}}) {
    Story story = audit(rule, {{"ka.target.name", "admins"},
                               {"ka.target.namespace", "shop"},
                               {"ka.target.resource", resource}});
    EXPECT_THAT(report_of(story.outcome(1, 0, 0)),
                AllOf(HasSubstr("Put back what was deleted"), Not(HasSubstr("Delete the new"))));
  }
}

Story by_actor(const std::string& user, const std::string& type) {
  Story story = aws("Delete Bucket Public Access Block", {{"ct.user", user}, {"s3.bucket", "b"}});
  if (!type.empty()) story.field("ct.user.identitytype", type);
  return story.outcome(1, 0, 0);
}

TEST(Actor, IsDeniedByWhatBindsItsKind) {
  const char* user = "attach-user-policy";
  const char* role = "attach-role-policy";
  EXPECT_THAT(report_of(by_actor("ina", "IAMUser")), AllOf(HasSubstr(user), Not(HasSubstr(role))));
  EXPECT_THAT(report_of(by_actor("build", "AssumedRole")),
              AllOf(HasSubstr(role), Not(HasSubstr(user))));
  EXPECT_THAT(report_of(by_actor("ina", "")), AllOf(HasSubstr(role), HasSubstr(user)));
  EXPECT_THAT(
      report_of(by_actor("root", "Root")),
      AllOf(HasSubstr("Take the root user back"), Not(HasSubstr(role)), Not(HasSubstr(user))));
  EXPECT_THAT(report_of(by_actor("root", "")), AllOf(Not(HasSubstr(role)), Not(HasSubstr(user))));
  EXPECT_THAT(report_of(by_actor("AWSReservedSSO_Admins_0123456789abcdef", "AssumedRole")),
              AllOf(HasSubstr("IAM Identity Center"), Not(HasSubstr(role))));
}

TEST(Actor, IsNotSwitchedOffWhereItIsGooglesOwnServiceAgent) {
  const auto by = [](const char* account) {
    return report_of(of_log("GCP VM modified", "gcp_auditlog", records::Entity::CLOUD,
                            {{"gcp.user", account}, {"gcp.projectId", "shop-1234"}})
                         .outcome(0, 0, 1));
  };
  for (const char* account : {"service-123@gcp-sa-logging.iam.gserviceaccount.com",
                              "123@cloudservices.gserviceaccount.com",
                              "service-123@container-engine-robot.iam.gserviceaccount.com"})
    EXPECT_THAT(by(account), Not(HasSubstr("service-accounts disable"))) << account;
  for (const char* account :
       {"robot@shop-1234.iam.gserviceaccount.com", "123-compute@developer.gserviceaccount.com",
        "shop-1234@appspot.gserviceaccount.com",
        "robot@shop-1234.example.com.iam.gserviceaccount.com"})
    EXPECT_THAT(by(account), HasSubstr("service-accounts disable")) << account;
}

TEST(Evidence, OfOneValueIsNotWrittenOverThatOfAnotherOrOfAnotherReport) {
  Story story("Schedule Cron Jobs");
  story.series.mutable_entity()->set_kind(records::Entity::HOST);
  story.series.mutable_entity()->set_id("");
  story.field("fd.name", "/etc/cron.d/one").field("fd.name", "/etc/cron.d/two").outcome(2, 0, 0);
  std::set<std::string> files;
  std::size_t written = 0;
  const auto gather = [&](const Story& told) {
    for (const std::string& command : commands_of(told.json()).all) {
      const std::size_t at = command.find("> file-");
      if (at == std::string::npos) continue;
      EXPECT_THAT(command, HasSubstr("-" + told.episode.id().substr(0, 8) + "-"));
      files.insert(command.substr(at));
      ++written;
    }
  };
  gather(story);
  EXPECT_EQ(written, 6U);
  story.episode.set_id("ffeeddccbbaa99887766554433221100");
  gather(story);
  EXPECT_EQ(files.size(), written);
  story.field("fd.name", "/etc/cron.d/a");  // sorts first
  const std::size_t before = files.size();
  gather(story);
  EXPECT_EQ(files.size(), before + 3) << "a new value moved the others' files";
}

TEST(Check, LooksAtTheRoleOfTheNamespaceWhereItIsOne) {
  Story role = audit("ClusterRole With Wildcard Created", {{"ka.target.name", "view"},
                                                           {"ka.target.resource", "roles"},
                                                           {"ka.target.namespace", "shop"}});
  EXPECT_THAT(
      report_of(role.outcome(1, 0, 0)),
      AllOf(HasSubstr("kubectl -n shop get role 'view'"), Not(HasSubstr("get clusterrole 'view'")),
            HasSubstr("kubectl -n shop auth can-i --list --as='ina'")));
}

TEST(Setgid, IsUndoneByTheSavedModeAndNeverThroughALink) {
  Story story("Set Setuid or Setgid bit");
  story.series.mutable_entity()->set_kind(records::Entity::HOST);
  story.series.mutable_entity()->set_id("");
  story.field("evt.arg.mode", "S_ISGID|S_IXUSR").field("evt.arg.filename", "/tmp/x");
  EXPECT_THAT(report_of(story.outcome(1, 0, 0)),
              AllOf(Not(HasSubstr("chmod u+s")), HasSubstr("test ! -L '/tmp/x' && chmod u-s,g-s"),
                    HasSubstr("-perm /6000")));
}

}  // namespace
}  // namespace gyre::stages
