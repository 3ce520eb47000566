// SPDX-License-Identifier: Apache-2.0
#include "schemas/identity.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "schemas/ascii.h"
#include "schemas/sensor.h"

namespace gyre::schemas {

namespace {

// Falcosidekick cuts a system call's long strings at 507 bytes, maybe within a character; the same
// alert by another way is whole.
constexpr std::size_t kComparedBytes = 500;

// The id that the event's own system gave it, for every reader of that system the same. A reader
// stamps some of these events with its own clock, so their time is no part of their identity. Not
// the audit id of Kubernetes: the API server takes it from whoever calls.
struct NativeId {
  std::string_view source;
  std::string_view id;
};
constexpr auto kNativeIds = std::to_array<NativeId>({{"aws_cloudtrail", "ct.id"},
                                                     {"aws_cloudtrail", "json.value[/eventID]"},
                                                     {"gcp_auditlog", "json.value[/insertId]"},
                                                     {"okta", "json.value[/uuid]"},
                                                     {"keycloak", "keycloak.eventID"},
                                                     {"gitlab", "gitlab.event_id"},
                                                     {"salesforce", "salesforce.eventuuid"},
                                                     {"salesforce", "salesforce.eventidentifier"},
                                                     {"box", "box.eventid"}});

// Sources whose plugins, or Falco itself, name all their fields in these classes. Anything else is
// somebody's custom field, which one of two copies of an alert may lack.
constexpr auto kKnownSources = std::to_array<std::string_view>(
    {"aws_cloudtrail", "box", "docker", "gcp_auditlog", "github", "gitlab", "internal", "k8s_audit",
     "keycloak", "nomad", "okta", "salesforce", "syscall"});
constexpr auto kClasses = std::to_array<std::string_view>(
    {"azure",   "box",   "container",  "ct",      "dns",    "docker", "ec2",
     "ecr",     "evt",   "fd",         "fs",      "gcp",    "github", "gitlab",
     "group",   "iam",   "jevt",       "journal", "json",   "k8s",    "k8smeta",
     "ka",      "kafka", "keycloak",   "nginx",   "nomad",  "okta",   "proc",
     "process", "s3",    "salesforce", "syslog",  "thread", "user"});

// No two of the classes share a place: to know one takes one comparison.
constexpr std::size_t kPlaces = 128;
constexpr std::size_t place_of(std::string_view name) {
  if (name.empty()) return 0;
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(name[i]); };
  const std::size_t size = name.size();
  return (size * 71 + at(0) * 78U + at(size - 1) * 21U + at(size / 2) * 63U) % kPlaces;
}
constexpr auto kClassAt = [] {
  std::array<std::string_view, kPlaces> table;
  for (const std::string_view name : kClasses) table[place_of(name)] = name;
  return table;
}();
static_assert(std::all_of(kClasses.begin(), kClasses.end(),
                          [](std::string_view name) { return kClassAt[place_of(name)] == name; }));

template <typename List>
bool contains(const List& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

// Fields come sorted by name, so those of one class stand together: each is looked up once.
class IdentityFields {
 public:
  explicit IdentityFields(bool known_source) : known_source_(known_source) {}

  bool contain(std::string_view field) {
    if (begins_with(field, "evt.time") || begins_with(field, "jevt.time")) return false;
    if (field == "cluster.name" || field == "k8s.cluster.name") return false;  // a shipper's
    const bool same = field.size() > class_.size() && field.starts_with(class_) &&
                      is_end(field[class_.size()]) && !class_.empty();
    if (same) return counts_;
    const auto end = std::find_if(field.begin(), field.end(), is_end);
    class_ = field.substr(0, static_cast<std::size_t>(end - field.begin()));
    // A plugin that nobody told us of names its fields as all do: with a class.
    counts_ = known_source_ ? !class_.empty() && kClassAt[place_of(class_)] == class_
                            : end != field.end();
    return counts_;
  }

 private:
  static bool is_end(char c) { return c == '.' || c == '['; }

  bool known_source_;
  std::string_view class_;
  bool counts_ = false;
};

std::string_view compared(std::string_view value, bool system_call) {
  if (!system_call || value.size() <= kComparedBytes) return value;
  std::size_t size = kComparedBytes;
  while (size > 0 && (static_cast<unsigned char>(value[size]) & 0xC0) == 0x80) --size;
  return value.substr(0, size);
}

const NativeId* native_id(const Alert& alert) {
  const auto* found =
      std::find_if(kNativeIds.begin(), kNativeIds.end(), [&](const NativeId& native) {
        return native.source == alert.source && !alert.field(native.id).empty();
      });
  return found == kNativeIds.end() ? nullptr : found;
}

// Hands each part of the identity to `part(number, name, value)`, in the order of hashing; the
// number is 0 where the name is none of a known field.
template <typename Part>
void for_each_part(const Alert& alert, const Part& part) {
  static const auto kCounts =
      decided_by_number([](std::string_view name) { return IdentityFields(true).contain(name); });
  part(0, "source", std::string_view(alert.source));
  part(0, "rule", std::string_view(alert.rule));
  if (const NativeId* native = native_id(alert); native != nullptr) {
    part(0, native->id, alert.field(native->id));
    return;
  }
  const bool system_call = alert.source == "syscall";
  part(0, "time", alert.time);
  part(0, "hostname", system_call ? std::string_view(alert.hostname) : std::string_view());
  IdentityFields identity(contains(kKnownSources, alert.source));
  for (std::size_t i = 0; i < alert.fields.size(); ++i) {
    const auto& [name, value] = alert.fields[i];
    const FieldNumber number = alert.fields.number(i);
    if (number != 0 ? kCounts[number] : identity.contain(name))
      part(number, name, compared(value, system_call));
  }
}

IdHasher& shared_hasher() {
  thread_local IdHasher hasher;
  return hasher;
}

IdHasher& add_entity(const records::Entity& entity, IdHasher& hasher) {
  return hasher.add(std::int64_t{entity.kind()})
      .add(entity.tenant())
      .add(entity.cluster())
      .add(entity.hostname())
      .add(entity.container_unknown() ? std::string_view("?") : std::string_view(entity.id()));
}

// Sets the field unless the alert has it.
void add_field(Alert& alert, std::string_view name, std::string_view value) {
  if (!value.empty() && alert.field(name).empty()) alert.fields.set(name, value);
}

}  // namespace

Id128 duplicate_id(const Alert& alert, IdHasher& hasher) {
  for_each_part(alert, [&](FieldNumber number, std::string_view name, auto value) {
    if (number != 0)
      hasher.mark(number).add(value);
    else
      hasher.add(name).add(value);
  });
  return hasher.finish();
}

bool has_native_id(const Alert& alert) { return native_id(alert) != nullptr; }

std::vector<IdentityPart> duplicate_id_parts(const Alert& alert) {
  std::vector<IdentityPart> parts;
  for_each_part(alert, [&](FieldNumber, std::string_view name, auto value) {
    if constexpr (std::is_same_v<decltype(value), Nanos>)
      parts.push_back({std::string(name), std::to_string(value)});
    else
      parts.push_back({std::string(name), std::string(value)});
  });
  return parts;
}

Id128 finding_key(const records::Entity& entity, std::string_view rule, std::string_view shape) {
  return add_entity(entity, shared_hasher()).add(rule).add(shape).finish();
}

Id128 entity_hash(const records::Entity& entity) {
  return add_entity(entity, shared_hasher()).finish();
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
  const std::string_view source = alert.source;
  const std::string_view rule = alert.rule;
  // Falco before 0.30 names no source in its own events.
  return source == "internal" || rule == "Test rule" ||
         (begins_with(rule, "Falco internal: ") && source == "syscall");
}

bool is_heartbeat(const Alert& alert) {
  return is_sensor_health(alert) && alert.rule == "Falco internal: metrics snapshot" &&
         !loss_of(alert);
}

ImageReference split_image(std::string_view reference) {
  ImageReference image;
  if (const auto at = reference.find('@'); at != std::string_view::npos) {
    image.digest = reference.substr(at + 1);
    reference = reference.substr(0, at);
  }
  // A colon before the last slash belongs to the registry's port.
  const auto slash = reference.rfind('/');
  const auto colon = reference.rfind(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    image.tag = reference.substr(colon + 1);
    reference = reference.substr(0, colon);
  }
  image.repository = reference;
  return image;
}

void separate_image(Alert& alert) {
  static constexpr std::string_view kRepository = "container.image.repository";
  const bool named = !alert.field(kRepository).empty();
  const std::string_view whole = named ? alert.field(kRepository) : alert.field("container.image");
  if (whole.empty() || whole.starts_with("sha256:")) return;  // known by its own hash only
  const ImageReference image = split_image(whole);
  if (!named)
    add_field(alert, kRepository, image.repository);
  else if (image.repository.size() != whole.size())
    alert.fields.set(kRepository, image.repository);
  add_field(alert, "container.image.tag", image.tag);
  add_field(alert, "container.image.digest", image.digest);
}

}  // namespace gyre::schemas
