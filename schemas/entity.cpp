// SPDX-License-Identifier: Apache-2.0
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/check.h"
#include "schemas/identity.h"
#include "schemas/printable.h"

namespace gyre::schemas {

namespace {

using records::Entity;
using Names = std::span<const std::string_view>;

constexpr std::size_t kIdBytes = 128;
constexpr std::size_t kNameBytes = 256;
constexpr std::size_t kObjectBytes = 2 * kNameBytes;
constexpr std::size_t kShortId = 12;
constexpr std::size_t kHexId = 32;

// Ruling 5. Whoever ships the alerts adds these; no plugin but `ka` knows its cluster.
constexpr auto kTenantFields = std::to_array<std::string_view>({"tenant"});
constexpr auto kClusterFields = std::to_array<std::string_view>(
    {"cluster", "cluster.name", "k8s.cluster.name", "ka.cluster.name"});

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

// Ends as a shortened text does: `#` and a hash.
bool has_mark(std::string_view text) {
  return text.size() > kHexId && text[text.size() - kHexId - 1] == '#' &&
         is_hex(text.substr(text.size() - kHexId));
}

// The text itself if it fits, else its beginning and a hash of the whole: two texts never become
// one. What looks like a shortened text is shortened again, so that nobody can choose to be one.
// Kafka headers are bytes, the entity's strings UTF-8: other bytes become `?`.
void set_bounded(std::string& to, std::string_view text, std::size_t limit, bool valid = true) {
  if (valid && text.size() <= limit && !has_mark(text)) {
    to.assign(text);
    return;
  }
  IdHasher hasher;
  const std::string mark = "#" + to_hex(view(hasher.add(text).finish()));
  std::size_t size = std::min(text.size(), limit - mark.size());
  while (valid && size > 0 && size < text.size() &&
         (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80)
    --size;
  std::string kept(text.substr(0, size));
  if (!valid)
    std::replace_if(
        kept.begin(), kept.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; },
        '?');
  to = kept + mark;
}

struct Found {
  std::string_view name;
  std::string_view value;  ///< empty: none of the fields is known
};

Found first_known(const Alert& alert, Names names) {
  for (const auto name : names)
    if (const auto value = alert.field(name); !value.empty()) return {name, value};
  return {};
}

// '%', '/' and unprintable characters as %XX of each byte, so that a part can't look like two and
// two parts can't look alike.
void append_part(std::string& out, std::string_view part, bool last) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (std::size_t i = 0; i < part.size();) {
    const bool escaped = part[i] == '%' || (part[i] == '/' && !last);
    std::size_t length = escaped ? 1 : unprintable_bytes(part, i);
    if (length == 0) out += part[i++];
    for (; length > 0; --length, ++i) {
      const auto byte = static_cast<unsigned char>(part[i]);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
}

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string out;
  std::size_t left = parts.size();
  for (const auto part : parts) {
    append_part(out, part, --left == 0);
    if (left != 0) out += '/';
  }
  return out;
}

// The ladder of one plugin source: the first known field names the account (organisation, project,
// realm), the first known of the others the object; the actor is the last rung. Fields that a
// controller or an attacker can make by the thousand (files, requests, sessions) are no rung. The
// fields: facts of falcosecurity/plugins and of the repositories in its registry.yaml.
struct Ladder {
  std::initializer_list<std::string_view> sources;
  std::initializer_list<std::string_view> account;
  std::initializer_list<std::string_view> object;
};

const std::array<Ladder, 10>& ladders() {
  static const std::array<Ladder, 10> kLadders = {{
      {{"aws_cloudtrail"},
       {"ct.recipientaccountid", "ct.user.accountid"},
       {"s3.bucket",
        "ct.request.bucketname",
        "ct.request.instanceid",
        "ct.request.functionname",
        "ct.request.servicename",
        "ct.request.taskdefinition",
        "ct.request.cluster",
        "ct.request.rolename",
        "ct.request.username",
        "ct.request.groupname",
        "ct.request.serialnumber",
        "ct.request.policyarn",
        "ct.request.name",
        "ct.request.documentname",
        "ecr.repository",
        "iam.role",
        "iam.policy",
        "ct.resources",
        "ct.user.arn",
        "ct.user.principalid",
        "ct.user"}},
      {{"gcp_auditlog", "gcpaudit", "auditlogs"},
       {"gcp.projectId"},
       {"gcp.storage.bucket", "gcp.cloudsql.databaseId", "gcp.cloudfunctions.function",
        "gcp.compute.instanceId", "gcp.iam.serviceAccount", "gcp.iam.serviceAccountId",
        "gcp.logging.sink", "gcp.dns.zone", "json.value[/resource/labels/policy_name]",
        "json.value[/resource/labels/crypto_key_id]", "json.value[/resource/labels/key_ring_id]",
        "json.value[/resource/labels/dataset_id]", "gcp.resourceName", "gcp.compute.subnetworkId",
        "gcp.compute.networkId", "gcp.user", "gcp.principalEmail"}},
      {{"okta"},
       {"okta.org"},
       {"okta.target.user.alternateid", "okta.target.user.name", "okta.target.app.alternateid",
        "okta.target.group.alternateid", "okta.target.group.name", "okta.actor.alternateid",
        "okta.actor.name"}},
      {{"github"},
       {"github.org", "github.owner"},
       {"github.repo.url", "github.repo", "github.repo.name", "github.user"}},
      {{"gitlab"}, {}, {"gitlab.entity_path", "gitlab.entity_id", "gitlab.author_name"}},
      {{"keycloak"},
       {"keycloak.realmID", "keycloak.admin.authDetails.realmID"},
       {"keycloak.admin.resourcePath", "keycloak.user.userID", "keycloak.user.clientID",
        "keycloak.admin.authDetails.userID"}},
      {{"nomad"}, {"nomad.alloc.namespace"}, {"nomad.alloc.jobID", "nomad.alloc.name"}},
      {{"salesforce"}, {}, {"salesforce.username", "salesforce.userid"}},
      {{"box"}, {}, {"box.created_by_login", "box.userlogin", "box.userid"}},
      {{"docker"},
       {},
       {"docker.id", "docker.attributes.container", "docker.swarm.servicename", "docker.node.id"}},
  }};
  return kLadders;
}

const Ladder* ladder_of(std::string_view source) {
  for (const Ladder& ladder : ladders())
    if (std::find(ladder.sources.begin(), ladder.sources.end(), source) != ladder.sources.end())
      return &ladder;
  return nullptr;
}

void set_native_object(const Alert& alert, Entity& entity, EntityBasis& basis) {
  entity.set_kind(Entity::CLOUD);
  basis.kind = "source";
  const Ladder* ladder = ladder_of(alert.source);
  if (ladder == nullptr) {
    // Most plugins without a ladder read what lies on their machine (journal, nginx, syslog ...).
    set_bounded(*entity.mutable_hostname(), alert.hostname, kNameBytes);
    entity.set_key_incomplete(alert.hostname.empty());
    set_bounded(*entity.mutable_id(), joined({alert.source, alert.hostname}), kObjectBytes);
    basis.hostname = "hostname";
    basis.id = {"source", "hostname"};
    return;
  }
  const Found account = first_known(alert, ladder->account);
  const Found object = first_known(alert, ladder->object);
  basis.id = {"source", account.name, object.name};
  if (account.value.empty() && object.value.empty())
    entity.set_id(alert.source);
  else
    set_bounded(*entity.mutable_id(), joined({alert.source, account.value, object.value}),
                kObjectBytes);
}

void set_audit_object(const Alert& alert, Entity& entity, EntityBasis& basis) {
  static constexpr auto kNamespace =
      std::to_array<std::string_view>({"ka.target.namespace", "ka.req.namespace"});
  static constexpr auto kResource = std::to_array<std::string_view>({"ka.target.resource"});
  // Of a pod's exec or log, the pod; of an object that the server named, its answer.
  static constexpr auto kName = std::to_array<std::string_view>(
      {"ka.target.name", "ka.resp.name", "ka.target.pod.name", "ka.req.configmap.name"});
  entity.set_kind(Entity::K8S_OBJECT);
  basis.kind = "source";
  const Found space = first_known(alert, kNamespace);
  const Found resource = first_known(alert, kResource);
  const Found name = first_known(alert, kName);
  if (resource.value.empty() && name.value.empty()) {
    basis.id = {"source"};
    entity.set_id(alert.source);
    return;
  }
  basis.id = {space.name, resource.name, name.name};
  set_bounded(*entity.mutable_id(), joined({space.value, resource.value, name.value}),
              kObjectBytes);
}

void set_container(const Alert& alert, Entity& entity, EntityBasis& basis) {
  const auto id = alert.field("container.id");
  basis.kind = id.empty() ? "no container.id: whether it was in a container is unknown"
                          : std::string_view("container.id");
  if (id.empty() || id == "host") {
    entity.set_kind(Entity::HOST);
    entity.set_container_unknown(id.empty());
    return;
  }
  entity.set_kind(Entity::CONTAINER);
  const bool whole_hash = (id.size() == 32 || id.size() == 64) && is_hex(id);
  set_bounded(*entity.mutable_id(), whole_hash ? id.substr(0, kShortId) : id, kIdBytes);
  basis.id = {"container.id"};
}

struct Place {
  std::string_view header_name;
  std::string_view header;
  Names fields;
  std::string_view setting_name;
  std::string_view setting;
};

void set_place(const Alert& alert, const Place& from, std::string& to, std::string_view& basis) {
  if (!from.header.empty()) {
    basis = from.header_name;
    const bool valid = simdjson::validate_utf8(from.header.data(), from.header.size());
    set_bounded(to, from.header, kNameBytes, valid);
  } else if (const Found field = first_known(alert, from.fields); !field.value.empty()) {
    basis = field.name;
    set_bounded(to, field.value, kNameBytes);
  } else {
    basis = from.setting_name;
    to = from.setting;
  }
}

}  // namespace

EntityBasis entity_of(const Alert& alert, const Origin& origin, Entity& entity) {
  entity.Clear();
  EntityBasis basis;
  set_place(alert,
            {"header gyre-tenant", origin.tenant, kTenantFields, "setting input.tenant",
             origin.default_tenant},
            *entity.mutable_tenant(), basis.tenant);
  set_place(alert,
            {"header gyre-cluster", origin.cluster, kClusterFields, "setting input.cluster",
             origin.default_cluster},
            *entity.mutable_cluster(), basis.cluster);
  const bool sensor = is_sensor_health(alert);
  if (sensor || alert.source == "syscall") {
    set_bounded(*entity.mutable_hostname(), alert.hostname, kNameBytes);
    entity.set_key_incomplete(alert.hostname.empty());
    basis.hostname = "hostname";
  }
  if (sensor) {
    entity.set_kind(Entity::HOST);  // whatever container the sensor itself runs in
    basis.kind = "the sensor speaks of itself";
  } else if (alert.source == "syscall") {
    set_container(alert, entity, basis);
  } else if (alert.source == "k8s_audit") {
    set_audit_object(alert, entity, basis);
  } else {
    set_native_object(alert, entity, basis);
  }
  return basis;
}

std::string entity_key(const Entity& entity) {
  static constexpr std::array<std::string_view, 4> kKinds = {"container", "host", "k8s_object",
                                                             "cloud"};
  const auto kind = entity.kind();
  const bool on_host = kind == Entity::CONTAINER || kind == Entity::HOST;
  std::string key(kKinds.at(static_cast<std::size_t>(kind)));
  const auto add = [&](std::string_view part, bool last) {
    key += '/';
    append_part(key, part, last);
  };
  add(entity.tenant(), false);
  add(entity.cluster(), false);
  if (on_host) add(entity.hostname(), false);
  if (entity.container_unknown()) {
    add("?", true);
  } else if (kind == Entity::CONTAINER) {
    add(entity.id(), true);
  } else if (!on_host) {
    key += '/' + entity.id();  // joined, so escaped already
  }
  return key;
}

std::uint64_t entity_home(const Entity& entity) {
  const bool on_host = entity.kind() == Entity::CONTAINER || entity.kind() == Entity::HOST;
  const std::string_view native = on_host ? std::string_view(entity.hostname()) : entity.id();
  std::uint64_t hash = 0;
  for (const std::string_view part :
       {std::string_view(entity.tenant()), std::string_view(entity.cluster()), native})
    hash = (hash ^ fast_hash(part)) * 0x9E3779B97F4A7C15U;
  return hash;
}

std::uint32_t entity_partition(const Entity& entity, std::uint32_t partitions) {
  CHECK(partitions > 0);
  return static_cast<std::uint32_t>((entity_home(entity) >> 32) % partitions);
}

}  // namespace gyre::schemas
