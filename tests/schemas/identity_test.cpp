// SPDX-License-Identifier: Apache-2.0
#include "schemas/identity.h"

#include <gtest/gtest.h>

#include <algorithm>

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
  EXPECT_EQ(from_header.cluster(), "bytes-63ff");
  EXPECT_EQ(entity(alert).cluster(), "field");
  EXPECT_EQ(entity(alert).tenant(), "blue");
  EXPECT_EQ(entity(alert_with({}), {"", "", "default", "prod"}).cluster(), "prod");
}

TEST(Entity, PluginSourcesHaveTheirNativeObjectAndNoHost) {
  const auto pod = entity(alert_with(
      {{"ka.target.namespace", "a/b"}, {"ka.target.resource", "pods"}, {"ka.target.name", "web"}},
      "k8s_audit"));
  EXPECT_EQ(pod.kind(), records::Entity::K8S_OBJECT);
  EXPECT_EQ(pod.hostname(), "");
  EXPECT_FALSE(pod.key_incomplete());
  EXPECT_EQ(pod.id(), "a%2Fb/pods/web");
  EXPECT_EQ(key({{"ct.user.accountid", "1"}, {"s3.bucket", "b"}}, "aws_cloudtrail"),
            "cloud/default/default/aws_cloudtrail/1/b");
  EXPECT_EQ(key({}, "nomad"), "cloud/default/default/nomad");
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
  two.fields[0].second = "b\n%/x";
  EXPECT_NE(entity_key(entity(one)), entity_key(entity(two)));
  EXPECT_EQ(entity_key(entity(one)), "container/default/default/a%2Fb%0A%25/x");
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

TEST(Printable, LosesControlAndBidirectionalCharacters) {
  EXPECT_EQ(printable("a\x1b[0m\n\x7f"
                      "b\u202e\u2066\u061c\u0085"),
            "a[0mb");
  EXPECT_EQ(printable("zażółć \u4e2d"), "zażółć \u4e2d");
}

}  // namespace
}  // namespace gyre::schemas
