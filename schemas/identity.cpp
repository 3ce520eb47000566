// SPDX-License-Identifier: Apache-2.0
#include "schemas/identity.h"

#include <simdjson.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace gyre::schemas {

namespace {

using records::Entity;

constexpr std::size_t kIdBytes = 128;
constexpr std::size_t kNameBytes = 256;
constexpr std::size_t kShortId = 12;

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

// What is too long ends with a hash of the whole: two long names never become one.
std::string bounded(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  IdHasher hasher;
  const std::string mark = "#" + to_hex(view(hasher.add(text).finish()));
  std::size_t size = limit - mark.size();
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return std::string(text.substr(0, size)) + mark;
}

// Kafka headers are bytes, the entity's strings are UTF-8.
std::string header(std::string_view bytes) {
  if (simdjson::validate_utf8(bytes.data(), bytes.size())) return bounded(bytes, kNameBytes);
  return bounded("bytes-" + to_hex(bytes), kNameBytes);
}

std::string_view first_known(const Alert& alert, std::initializer_list<std::string_view> names) {
  for (const auto name : names)
    if (const auto value = alert.field(name); !value.empty()) return value;
  return {};
}

// '%', '/', control and other unprintable characters as %XX, so that a part can't look like two.
void append_part(std::string& out, std::string_view part, bool last) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (std::size_t i = 0; i < part.size(); ++i) {
    const auto c = static_cast<unsigned char>(part[i]);
    if (c < 0x20 || c == 0x7F || c == '%' || (c == '/' && !last)) {
      out += '%';
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += part[i];
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

// The object of a plugin's event; the source itself if no field says which.
std::string native_object(const Alert& alert) {
  const std::string_view source = alert.source;
  std::string_view account;
  std::string_view object;
  if (source == "aws_cloudtrail" || source.starts_with("aws")) {
    account = first_known(alert, {"ct.recipientaccountid", "ct.user.accountid"});
    object = first_known(
        alert, {"s3.bucket", "ct.request.bucketname", "ct.request.instanceid",
                "ct.request.functionname", "ct.request.rolename", "ct.request.username",
                "ct.request.groupname", "ct.request.policyarn", "ct.request.name", "ct.resources"});
  } else if (source.starts_with("gcp") || source == "auditlogs") {
    account = alert.field("gcp.projectId");
    object =
        first_known(alert, {"gcp.storage.bucket", "gcp.resourceName", "gcp.cloudfunctions.function",
                            "gcp.cloudsql.databaseId", "gcp.resourceType"});
  } else if (source == "okta") {
    account = first_known(alert, {"okta.client.zone", "okta.org"});
    object = first_known(alert, {"okta.target.user.name", "okta.target.user.alternateid",
                                 "okta.target.app.alternateid", "okta.target.group.alternateid",
                                 "okta.actor.alternateid", "okta.actor.name"});
  } else if (source == "github") {
    account = alert.field("github.org");
    object = first_known(alert, {"github.repo.url", "github.repo"});
  } else if (source == "docker") {
    object = first_known(alert, {"docker.id", "docker.attributes.container"});
  }
  if (account.empty() && object.empty()) return std::string(source);
  return joined({source, account, object});
}

std::string k8s_object(const Alert& alert) {
  const auto resource = alert.field("ka.target.resource");
  const auto name = first_known(alert, {"ka.target.name", "ka.resp.name", "ka.target.pod.name"});
  if (resource.empty() && name.empty()) return alert.source;
  return joined({first_known(alert, {"ka.target.namespace", "ka.req.namespace"}), resource, name});
}

void set_system_call_ids(const Alert& alert, Entity& entity) {
  const auto id = alert.field("container.id");
  if (id.empty() || id == "host") {
    entity.set_kind(Entity::HOST);
    entity.set_container_unknown(id.empty());
    return;
  }
  entity.set_kind(Entity::CONTAINER);
  const bool whole_hash = (id.size() == 32 || id.size() == 64) && is_hex(id);
  entity.set_id(whole_hash ? std::string(id.substr(0, kShortId)) : bounded(id, kIdBytes));
}

// Classes of the fields of Falco and its plugins; anything else is somebody's custom field, which
// one of two copies of an alert may lack.
bool is_known_class(std::string_view field) {
  static constexpr auto kClasses = std::to_array<std::string_view>(
      {"azure", "box",     "container", "ct",         "dns",      "docker", "evt",     "fd",
       "fs",    "gcp",     "github",    "gitlab",     "group",    "jevt",   "journal", "json",
       "k8s",   "k8smeta", "ka",        "kafka",      "keycloak", "nginx",  "nomad",   "okta",
       "proc",  "process", "s3",        "salesforce", "syslog",   "thread", "user"});
  const auto name = field.substr(0, field.find_first_of(".["));
  return std::find(kClasses.begin(), kClasses.end(), name) != kClasses.end();
}

IdHasher& shared_hasher() {
  thread_local IdHasher hasher;
  return hasher;
}

// Length of the control or bidirectional character at `at`, 0 if it is another one.
std::size_t unprintable(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
  };
  const unsigned lead = byte(0);
  if (lead < 0x20 || lead == 0x7F) return 1;
  if (lead == 0xC2 && byte(1) >= 0x80 && byte(1) <= 0x9F) return 2;  // C1
  if (lead == 0xD8 && byte(1) == 0x9C) return 2;                     // U+061C
  if (lead != 0xE2) return 0;
  const unsigned last = byte(2);
  const bool marks =
      byte(1) == 0x80 && (last == 0x8E || last == 0x8F || (last >= 0xA8 && last <= 0xAE));
  const bool isolates = byte(1) == 0x81 && last >= 0xA6 && last <= 0xA9;
  return marks || isolates ? 3 : 0;
}

}  // namespace

void entity_of(const Alert& alert, const Origin& origin, records::Entity& entity) {
  entity.Clear();
  const auto place = [&](std::string_view from_header, std::string_view from_field,
                         std::string_view fallback) {
    if (!from_header.empty()) return header(from_header);
    return from_field.empty() ? std::string(fallback) : bounded(from_field, kNameBytes);
  };
  entity.set_tenant(place(origin.tenant, alert.field("tenant"), origin.default_tenant));
  entity.set_cluster(
      place(origin.cluster,
            first_known(alert, {"cluster", "cluster.name", "k8s.cluster.name", "ka.cluster.name"}),
            origin.default_cluster));
  if (alert.source == "k8s_audit") {
    entity.set_kind(Entity::K8S_OBJECT);
    entity.set_id(bounded(k8s_object(alert), 2 * kNameBytes));
    return;
  }
  const bool sensor = is_sensor_health(alert);
  if (!sensor && alert.source != "syscall") {
    entity.set_kind(Entity::CLOUD);
    entity.set_id(bounded(native_object(alert), 2 * kNameBytes));
    return;
  }
  entity.set_hostname(bounded(alert.hostname, kNameBytes));
  entity.set_key_incomplete(alert.hostname.empty());
  if (sensor) {
    entity.set_kind(Entity::HOST);
  } else {
    set_system_call_ids(alert, entity);
  }
}

std::string entity_key(const records::Entity& entity) {
  static constexpr std::array<std::string_view, 4> kKinds = {"container", "host", "k8s_object",
                                                             "cloud"};
  const auto kind = entity.kind();
  std::string key(kKinds.at(static_cast<std::size_t>(kind)));
  const auto add = [&](std::string_view part, bool last) {
    key += '/';
    append_part(key, part, last);
  };
  add(entity.tenant(), false);
  add(entity.cluster(), false);
  if (kind == Entity::CONTAINER || kind == Entity::HOST) add(entity.hostname(), false);
  if (entity.container_unknown()) {
    add("?", true);
  } else if (kind != Entity::HOST) {
    add(entity.id(), true);
  }
  return printable(key);
}

Id128 entity_hash(const records::Entity& entity) {
  return shared_hasher()
      .add(std::int64_t{entity.kind()})
      .add(entity.tenant())
      .add(entity.cluster())
      .add(entity.hostname())
      .add(entity.container_unknown() ? std::string_view("?") : std::string_view(entity.id()))
      .finish();
}

std::uint32_t entity_partition(const records::Entity& entity, std::uint32_t partitions) {
  CHECK(partitions > 0);
  const bool on_host = entity.kind() == Entity::CONTAINER || entity.kind() == Entity::HOST;
  const std::string_view native = on_host ? std::string_view(entity.hostname()) : entity.id();
  std::string bytes;
  for (const std::string_view part :
       {std::string_view(entity.tenant()), std::string_view(entity.cluster()), native}) {
    bytes += std::to_string(part.size());
    bytes += ':';
    bytes += part;
  }
  return static_cast<std::uint32_t>(fast_hash(bytes) % partitions);
}

Id128 duplicate_id(const Alert& alert, IdHasher& hasher) {
  hasher.add(alert.source).add(alert.rule).add(alert.time);
  hasher.add(alert.source == "syscall" ? std::string_view(alert.hostname) : std::string_view());
  for (const auto& [name, value] : alert.fields) {
    const std::string_view field = name;
    if (field.starts_with("evt.time") || field.starts_with("jevt.time")) continue;
    if (is_known_class(field)) hasher.add(field).add(std::string_view(value));
  }
  return hasher.finish();
}

Id128 finding_key(const records::Entity& entity, std::string_view rule, std::string_view shape) {
  const Id128 whom = entity_hash(entity);
  return shared_hasher().add(entity.tenant()).add(rule).add(view(whom)).add(shape).finish();
}

Id128 shape_key(std::string_view rule, std::string_view shape) {
  return shared_hasher().add(rule).add(shape).finish();
}

Id128 rule_key(std::string_view tenant, std::string_view rule, std::string_view shape) {
  return shared_hasher().add(tenant).add(rule).add(shape).finish();
}

std::uint32_t rule_partition(const Id128& rule_key, std::uint32_t partitions) {
  CHECK(partitions > 0);
  return static_cast<std::uint32_t>(fast_hash(view(rule_key)) % partitions);
}

bool is_sensor_health(const Alert& alert) {
  // Falco before 0.30 names no source in its own events.
  return alert.source == "internal" || alert.rule == "Test rule" ||
         (alert.source == "syscall" && alert.rule.starts_with("Falco internal: "));
}

bool is_heartbeat(const Alert& alert) {
  return is_sensor_health(alert) && alert.rule == "Falco internal: metrics snapshot";
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = unprintable(text, i);
    if (length == 0) out += text[i++];
    i += length;
  }
  return out;
}

}  // namespace gyre::schemas
