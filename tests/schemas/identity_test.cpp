// SPDX-License-Identifier: Apache-2.0
#include "schemas/identity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <unordered_set>

namespace gyre::schemas {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

Alert alert_with(Fields fields, std::string source = "syscall") {
  Alert alert;
  alert.rule = "r";
  alert.time = 1;
  alert.hostname = "node-1";
  alert.source = std::move(source);
  std::sort(fields.begin(), fields.end());
  alert.fields = std::move(fields);
  return alert;
}

records::Entity entity(const Alert& alert, const Origin& origin = {}) {
  records::Entity out;
  entity_of(alert, origin, out);
  return out;
}

std::string key(Fields fields, std::string source = "syscall") {
  return entity_key(entity(alert_with(std::move(fields), std::move(source))));
}

TEST(Entity, ContainerHostAndUnknownAreThree) {
  EXPECT_EQ(key({{"container.id", "0123456789ab"}}),
            "container/default/default/node-1/0123456789ab");
  EXPECT_EQ(key({{"container.id", "host"}}), "host/default/default/node-1");
  EXPECT_EQ(key({}), "host/default/default/node-1/?");
  EXPECT_NE(entity_hash(entity(alert_with({}))),
            entity_hash(entity(alert_with({{"container.id", "host"}}))));
}

TEST(Entity, OnlyWholeHashesAreCut) {
  const std::string full(64, 'a');
  EXPECT_EQ(entity(alert_with({{"container.id", full}})).id(), std::string(12, 'a'));
  EXPECT_EQ(entity(alert_with({{"container.id", full.substr(32)}})).id(), std::string(12, 'a'));
  EXPECT_EQ(entity(alert_with({{"container.id", "lxc-production-7"}})).id(), "lxc-production-7");
  const std::string name(200, 'x');
  EXPECT_EQ(entity(alert_with({{"container.id", name}})).id().size(), 128U);
  EXPECT_NE(entity(alert_with({{"container.id", name + "1"}})).id(),
            entity(alert_with({{"container.id", name + "2"}})).id());
}

TEST(Entity, TenantAndClusterByPrecedence) {
  const Alert alert = alert_with({{"cluster", "field"}, {"tenant", "blue"}});
  const auto from_header = entity(alert, {"t", "c\xFF"});
  EXPECT_EQ(from_header.tenant(), "t");
  EXPECT_TRUE(from_header.cluster().starts_with("c?#")) << from_header.cluster();
  EXPECT_EQ(entity(alert).cluster(), "field");
  EXPECT_EQ(entity(alert).tenant(), "blue");
  EXPECT_EQ(entity(alert_with({}), {"", "", "default", "prod"}).cluster(), "prod");
}

struct Native {
  std::string source;
  Fields fields;
  std::string key;
};

// The fields that the upstream rules of each source print, and the object that they name.
TEST(Entity, PluginSourcesHaveTheirNativeObject) {
  const std::string head = "cloud/default/default/";
  const std::vector<Native> natives = {
      {"aws_cloudtrail",
       {{"ct.user.accountid", "1234"}, {"ct.user", "eve"}, {"s3.bucket", "b"}},
       head + "aws_cloudtrail/1234/b"},
      {"aws_cloudtrail",
       {{"ct.user", "eve"}, {"ct.srcip", "192.0.2.1"}, {"ct.region", "eu-1"}},
       head + "aws_cloudtrail//eve"},
      {"aws_cloudtrail",
       {{"ct.request.functionname", "f"}, {"ct.recipientaccountid", "1"}, {"ct.user", "eve"}},
       head + "aws_cloudtrail/1/f"},
      {"aws_cloudtrail", {{"ct.request.groupname", "g"}}, head + "aws_cloudtrail//g"},
      {"gcp_auditlog",
       {{"gcp.projectId", "p"}, {"gcp.storage.bucket", "b"}, {"gcp.user", "u"}},
       head + "gcp_auditlog/p/b"},
      {"gcp_auditlog",
       {{"gcp.projectId", "p"}, {"json.value[/resource/labels/policy_name]", "w"}},
       head + "gcp_auditlog/p/w"},
      {"gcp_auditlog",
       {{"gcp.projectId", "p"}, {"gcp.user", "u@example.com"}},
       head + "gcp_auditlog/p/u@example.com"},
      {"okta",
       {{"okta.actor.name", "admin"}, {"okta.target.user.name", "bob"}},
       head + "okta//bob"},
      {"okta",
       {{"okta.actor.name", "bob"}, {"okta.client.ip", "192.0.2.1"}, {"okta.client.zone", "z"}},
       head + "okta//bob"},
      {"github",
       {{"github.org", "o"}, {"github.repo.url", "https://example.com/o/r"}},
       head + "github/o/https://example.com/o/r"},
      {"github", {{"github.owner", "o"}, {"github.user", "u"}}, head + "github/o/u"},
      {"gitlab", {{"gitlab.entity_path", "g/p"}}, head + "gitlab//g/p"},
      {"keycloak",
       {{"keycloak.realmID", "r"}, {"keycloak.user.userID", "u"}},
       head + "keycloak/r/u"},
      {"nomad", {{"nomad.alloc.namespace", "n"}, {"nomad.alloc.jobID", "j"}}, head + "nomad/n/j"},
      {"salesforce", {{"salesforce.username", "u"}}, head + "salesforce//u"},
      {"box", {{"box.created_by_login", "u"}, {"box.sourceitemid", "17"}}, head + "box//u"},
      {"docker", {{"docker.id", "c1"}, {"docker.type", "container"}}, head + "docker//c1"},
      {"okta", {}, head + "okta"},
      {"k8s_audit",
       {{"ka.target.namespace", "a/b"}, {"ka.target.resource", "pods"}, {"ka.target.name", "web"}},
       "k8s_object/default/default/a%2Fb/pods/web"},
      {"k8s_audit",
       {{"ka.target.resource", "clusterroles"}, {"ka.target.name", "admin"}},
       "k8s_object/default/default//clusterroles/admin"},
      {"k8s_audit",
       {{"ka.target.namespace", "n"}, {"ka.target.resource", "pods"}, {"ka.resp.name", "web-x1"}},
       "k8s_object/default/default/n/pods/web-x1"},
      {"k8s_audit",
       {{"ka.user.name", "system:anonymous"}, {"ka.verb", "get"}, {"ka.uri", "/metrics"}},
       "k8s_object/default/default/k8s_audit"}};
  for (const Native& native : natives) {
    const auto found = entity(alert_with(native.fields, native.source));
    EXPECT_EQ(entity_key(found), native.key);
    EXPECT_EQ(found.hostname(), "") << native.key;
    EXPECT_FALSE(found.key_incomplete()) << native.key;
  }
}

TEST(Entity, AnUnknownSourceIsThatSourceOnItsHost) {
  EXPECT_EQ(key({{"nginx.path", "/admin"}}, "nginx"), "cloud/default/default/nginx/node-1");
  const auto found = entity(alert_with({}, "my/plugin"));
  EXPECT_EQ(entity_key(found), "cloud/default/default/my%2Fplugin/node-1");
  EXPECT_EQ(found.hostname(), "node-1");
}

TEST(Entity, SaysWhatDecidedEachPart) {
  records::Entity out;
  const EntityBasis audit = entity_of(
      alert_with({{"ka.cluster.name", "prod"}, {"ka.target.resource", "pods"}}, "k8s_audit"),
      {"blue", ""}, out);
  EXPECT_EQ(audit.kind, "source");
  EXPECT_EQ(audit.tenant, "header gyre-tenant");
  EXPECT_EQ(audit.cluster, "ka.cluster.name");
  EXPECT_EQ(audit.id[1], "ka.target.resource");
  const EntityBasis container =
      entity_of(alert_with({{"container.id", "0123456789ab"}}), Origin{}, out);
  EXPECT_EQ(container.cluster, "setting input.cluster");
  EXPECT_EQ(container.hostname, "hostname");
  EXPECT_EQ(container.id[0], "container.id");
}

TEST(Entity, NoHostnameIsSaid) {
  Alert alert = alert_with({{"container.id", "0123456789ab"}});
  alert.hostname.clear();
  EXPECT_TRUE(entity(alert).key_incomplete());
}

TEST(Entity, KeyPartsCannotBeForged) {
  Alert one = alert_with({{"container.id", "x"}});
  Alert two = one;
  one.hostname = "a/b\n%";
  two.hostname = "a";
  two.fields.set("container.id", "b\n%/x");
  EXPECT_NE(entity_key(entity(one)), entity_key(entity(two)));
  EXPECT_EQ(entity_key(entity(one)), "container/default/default/a%2Fb%0A%25/x");
}

TEST(Entity, KeysThatDifferOnlyInWhatNobodySeesDiffer) {
  const auto named = [](std::string id) {
    return entity_key(entity(alert_with({{"container.id", std::move(id)}})));
  };
  EXPECT_NE(named("web\u202e1"), named("web1"));
  EXPECT_EQ(named("web\u202e1"), "container/default/default/node-1/web%E2%80%AE1");
  EXPECT_NE(named("web\u0085"), named("web"));
}

TEST(Entity, NobodyCanChooseToBeAShortenedName) {
  const auto shortened = entity(alert_with({{"container.id", std::string(200, 'x')}})).id();
  EXPECT_NE(entity(alert_with({{"container.id", shortened}})).id(), shortened);
}

TEST(Entity, PartitionFollowsTheHostNotTheContainer) {
  const auto one = entity(alert_with({{"container.id", "aaaaaaaaaaaa"}}));
  const auto two = entity(alert_with({{"container.id", "bbbbbbbbbbbb"}}));
  EXPECT_EQ(entity_partition(one, 1000), entity_partition(two, 1000));
  Alert other = alert_with({{"container.id", "aaaaaaaaaaaa"}});
  other.hostname = "node-2";
  EXPECT_NE(entity_partition(one, 100'000), entity_partition(entity(other), 100'000));
}

TEST(DuplicateId, IgnoresWhatShippersChange) {
  IdHasher hasher;
  const Alert alert = alert_with({{"proc.name", "sh"}});
  Alert copy = alert_with({{"proc.name", "sh"},
                           {"evt.time", "1"},
                           {"evt.time.iso8601", "1"},
                           {"jevt.time", "x"},
                           {"team", "blue"}});
  copy.priority = Priority::kDebug;
  copy.tags = {"t"};
  copy.output = "o";
  copy.uuid = "u";
  EXPECT_EQ(duplicate_id(alert, hasher), duplicate_id(copy, hasher));
}

TEST(DuplicateId, TellsEventsApart) {
  IdHasher hasher;
  const auto id = [&](const Alert& alert) { return duplicate_id(alert, hasher); };
  const Alert alert = alert_with({{"proc.name", "sh"}});
  Alert other = alert;
  other.time = 2;
  EXPECT_NE(id(alert), id(other));
  other = alert;
  other.rule = "q";
  EXPECT_NE(id(alert), id(other));
  other = alert;
  other.hostname = "node-2";
  EXPECT_NE(id(alert), id(other));
  EXPECT_NE(id(alert), id(alert_with({{"proc.name", "bash"}})));
  Alert audit = alert_with({{"ka.verb", "get"}}, "k8s_audit");
  Alert elsewhere = audit;
  elsewhere.hostname = "node-2";
  EXPECT_EQ(id(audit), id(elsewhere));
}

TEST(DuplicateId, OfAnEventWithItsOwnIdIsThatIdWhoeverReadItAndWhen) {
  IdHasher hasher;
  const auto id = [&](Nanos time, Fields fields, std::string source) {
    Alert alert = alert_with(std::move(fields), std::move(source));
    alert.time = time;
    return duplicate_id(alert, hasher);
  };
  EXPECT_EQ(id(1, {{"ct.id", "e1"}, {"ct.user", "eve"}}, "aws_cloudtrail"),
            id(2, {{"ct.id", "e1"}, {"ct.user", "eve[...]"}}, "aws_cloudtrail"));
  EXPECT_NE(id(1, {{"ct.id", "e1"}}, "aws_cloudtrail"), id(1, {{"ct.id", "e2"}}, "aws_cloudtrail"));
  for (const auto& [source, field] :
       std::vector<std::pair<std::string, std::string>>{{"gcp_auditlog", "json.value[/insertId]"},
                                                        {"okta", "json.value[/uuid]"},
                                                        {"keycloak", "keycloak.eventID"},
                                                        {"gitlab", "gitlab.event_id"},
                                                        {"salesforce", "salesforce.eventuuid"},
                                                        {"box", "box.eventid"}}) {
    EXPECT_EQ(id(1, {{field, "e1"}}, source), id(2, {{field, "e1"}}, source)) << source;
    EXPECT_NE(id(1, {{field, "e1"}}, source), id(1, {{field, "e2"}}, source)) << source;
    EXPECT_NE(id(1, {{field, "e1"}}, "syscall"), id(2, {{field, "e1"}}, "syscall")) << source;
    EXPECT_TRUE(has_native_id(alert_with({{field, "e1"}}, source))) << source;
    EXPECT_FALSE(has_native_id(alert_with({{field, "e1"}}, "syscall"))) << source;
    EXPECT_FALSE(has_native_id(alert_with({{"evt.type", "e1"}}, source))) << source;
  }
}

// Kubernetes keeps the Audit-ID of a request's header: who calls would choose what is a copy.
TEST(DuplicateId, NobodyHidesAnEventBehindAnAuditIdOfHisChoice) {
  IdHasher hasher;
  const Fields refused = {{"ka.auditid", "0f0f"},
                          {"ka.stage", "ResponseComplete"},
                          {"ka.response.code", "422"},
                          {"ka.uri.param[command]", "id"},
                          {"ka.req.binding.subjects", "[]"}};
  const auto id = [&](Nanos time, std::string_view changed, std::string value) {
    Alert alert = alert_with(refused, "k8s_audit");
    alert.time = time;
    if (!changed.empty()) alert.fields.set(changed, value);
    return duplicate_id(alert, hasher);
  };
  const auto first = id(1, "", "");
  EXPECT_EQ(id(1, "", ""), first);
  EXPECT_NE(id(2, "", ""), first);
  for (const auto& [name, value] : refused) EXPECT_NE(id(1, name, value + "1"), first) << name;

  const auto raw = [&](std::string verb) {
    return duplicate_id(
        alert_with({{"jevt.value[/auditID]", "0f0f"}, {"jevt.value[/verb]", std::move(verb)}},
                   "k8s_audit"),
        hasher);
  };
  EXPECT_NE(raw("get"), raw("delete"));
}

TEST(DuplicateId, IsTheSameForAnAlertThatFalcosidekickCutShort) {
  IdHasher hasher;
  const std::string whole(2000, 'x');
  EXPECT_EQ(duplicate_id(alert_with({{"proc.cmdline", whole}}), hasher),
            duplicate_id(alert_with({{"proc.cmdline", whole.substr(0, 507) + "[...]"}}), hasher));
  // A cloud event has whole seconds: there only the fields tell two apart.
  EXPECT_NE(duplicate_id(alert_with({{"ct.request", whole}}, "aws_cloudtrail"), hasher),
            duplicate_id(alert_with({{"ct.request", whole + "y"}}, "aws_cloudtrail"), hasher));
}

TEST(DuplicateId, KnowsAShippersFieldsFromAPlugins) {
  IdHasher hasher;
  const Alert bare = alert_with({{"proc.name", "sh"}});
  EXPECT_EQ(duplicate_id(bare, hasher), duplicate_id(alert_with({{"proc.name", "sh"},
                                                                 {"cluster", "c"},
                                                                 {"k8s.cluster.name", "c"},
                                                                 {"datacenter.name", "d"}}),
                                                     hasher));
  // Of a source that nobody told us of, every field with a class is its own.
  EXPECT_NE(duplicate_id(alert_with({{"frobnicator.path", "a"}}, "frobnicator"), hasher),
            duplicate_id(alert_with({{"frobnicator.path", "b"}}, "frobnicator"), hasher));
  EXPECT_EQ(
      duplicate_id(alert_with({{"frobnicator.path", "a"}}, "frobnicator"), hasher),
      duplicate_id(alert_with({{"frobnicator.path", "a"}, {"team", "x"}}, "frobnicator"), hasher));
}

// The texts of all names and values are the same ones, cut in other places: whoever joins parts
// without their lengths has thousands of collisions here.
TEST(DuplicateId, OfAMillionRandomAlertsAreAMillion) {
  const std::uint64_t seed = 20260302;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  IdHasher hasher;
  std::unordered_set<std::string> different;
  std::vector<Id128> ids;
  const auto text = [&] {
    std::string made;
    for (std::size_t length = random() % 5; length > 0; --length) made += "a.=:"[random() % 4];
    return made;
  };
  Alert alert = alert_with({});
  while (ids.size() < 1'000'000) {
    alert.rule = "r" + text();
    alert.hostname = text();
    alert.time = static_cast<Nanos>(random() % 50);
    alert.fields.clear();
    for (std::size_t n = random() % 4; n > 0; --n)
      alert.fields.set("proc." + std::to_string(n) + text(), text());
    std::string whole =
        alert.rule + '\n' + alert.hostname + '\n' + std::to_string(alert.time) + '\n';
    for (const auto& [name, value] : alert.fields)
      whole.append(name).append("\t").append(value) += '\n';
    if (different.insert(std::move(whole)).second) ids.push_back(duplicate_id(alert, hasher));
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
}

// Ids lie on topics and disks. Made with another SHA-256, see IdHasher.IsStable.
TEST(Keys, AreStable) {
  const auto hex = [](const Id128& id) { return to_hex(view(id)); };
  IdHasher hasher;
  Alert alert = alert_with({{"container.id", "0123456789ab"}});
  const auto whom = entity(alert, {"t", "c"});
  EXPECT_EQ(hex(entity_hash(whom)), "4f01ec1bf3e27853dc0c85ffc3ae9297");
  EXPECT_EQ(hex(finding_key(whom, "r", "s")), "56f21a13cc969faa57685040f296080d");
  EXPECT_EQ(hex(shape_key("r", "s")), "b6b67effb3cfa389fd6c9f690c8ff582");
  alert = alert_with({{"proc.name", "sh"}, {"user.uid", "0"}});
  alert.time = 1'700'000'000'123'456'789;
  EXPECT_EQ(hex(duplicate_id(alert, hasher)), "4786b6cdff7fb64977f333343ab25a57");
  EXPECT_EQ(hex(duplicate_id(alert_with({{"ct.id", "abc"}}, "aws_cloudtrail"), hasher)),
            "f9db7a69b2bc79951427eca21200d61c");
}

TEST(Keys, DifferByEachPart) {
  const auto one = entity(alert_with({{"container.id", "x"}}));
  const auto two = entity(alert_with({{"container.id", "y"}}));
  EXPECT_NE(finding_key(one, "r", "s"), finding_key(two, "r", "s"));
  EXPECT_NE(finding_key(one, "r", "s"), finding_key(one, "rs", ""));
  EXPECT_EQ(finding_key(one, "r", "s"), finding_key(one, "r", "s"));
  EXPECT_NE(shape_key("r", "s"), shape_key("rs", ""));
}

TEST(Sensor, HealthIsNoContainersBusiness) {
  Alert drop = alert_with({}, "internal");
  drop.rule = "Falco internal: syscall event drop";
  EXPECT_TRUE(is_sensor_health(drop));
  EXPECT_FALSE(is_heartbeat(drop));
  EXPECT_EQ(entity_key(entity(drop)), "host/default/default/node-1");
  drop.rule = "Falco internal: metrics snapshot";
  EXPECT_TRUE(is_heartbeat(drop));
  EXPECT_FALSE(is_sensor_health(alert_with({})));
}

}  // namespace
}  // namespace gyre::schemas
