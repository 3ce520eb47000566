// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "schemas/alert.h"
#include "schemas/records.pb.h"

namespace gyre::schemas {

/// The cluster (and tenant) of an alert that nobody gave one: hosts of one name in two clusters
/// look like one.
inline constexpr std::string_view kUnnamed = "default";

/// What the record, not the alert, says of its origin: Kafka headers `gyre-tenant`, `gyre-cluster`,
/// else the config by topic.
struct Origin {
  std::string_view tenant;
  std::string_view cluster;
  std::string_view default_tenant = kUnnamed;
  std::string_view default_cluster = kUnnamed;
};

/// What decided each part of an entity: the name of a field, `header gyre-cluster`, `setting
/// input.cluster`; empty where the kind has no such part.
struct EntityBasis {
  std::string_view kind;
  std::string_view tenant;
  std::string_view cluster;
  std::string_view hostname;
  std::array<std::string_view, 3> id;  ///< one name a part
};

/// The entity ladder of DESIGN 7 and ruling 5. Fills `entity` (cleared first). For plugin sources
/// the native object: `source/account/object`, of the Kubernetes API `namespace/resource/name`; of
/// a source without a known object `source/hostname`. Parts are escaped, what is too long ends in
/// a hash of the whole: different objects never share an entity.
EntityBasis entity_of(const Alert& alert, const Origin& origin, records::Entity& entity);

/// Readable and unambiguous, for `entity.key` of a report: `container/default/prod/node-1/4f2a...`.
std::string entity_key(const records::Entity& entity);

/// Hash of the entity's key, length-prefixed part by part.
Id128 entity_hash(const records::Entity& entity);

/// Where the entity lives: tenant, cluster, hostname (plugin sources: the native object). Nothing
/// that by_container decides looks beyond it.
std::uint64_t entity_home(const records::Entity& entity);
/// The partition of by-container that its home chooses (DESIGN 3).
std::uint32_t entity_partition(const records::Entity& entity, std::uint32_t partitions);

/// The exact-duplicate id (ruling 6, decision 0018): source, rule and, where the alert holds an id
/// that the event's own system made, that id; else time, hostname (system calls) and the fields of
/// the classes that Falco and its plugins know.
Id128 duplicate_id(const Alert& alert, IdHasher& hasher);
/// Whether that id is the one that the event's own system made: copies may then differ in time.
bool has_native_id(const Alert& alert);

/// What `duplicate_id` is made of, in its order, for people.
struct IdentityPart {
  std::string name;  ///< `source`, `rule`, `time`, `hostname` or a field
  std::string value;
};
std::vector<IdentityPart> duplicate_id_parts(const Alert& alert);

/// The finding key: tenant, rule, entity, shape.
Id128 finding_key(const records::Entity& entity, std::string_view rule, std::string_view shape);

/// Hash of rule and shape without the entity (report `shape_key`).
Id128 shape_key(std::string_view rule, std::string_view shape);

/// A tenant's rule and shape: what outbreaks are about. Chooses the partition of by-rule (DESIGN
/// 3).
Id128 rule_key(std::string_view tenant, std::string_view rule, std::string_view shape);
std::uint32_t rule_partition(const Id128& rule_key, std::uint32_t partitions);

/// `source: internal` and falcosidekick's `Test rule`: about the sensor, never about a container.
bool is_sensor_health(const Alert& alert);
/// A sensor_health alert that says all is well: the metrics snapshot without a new loss.
bool is_heartbeat(const Alert& alert);

/// An image reference's parts: `registry:5000/team/app`, `1.2`, `sha256:...`; empty where it has
/// none (distribution's reference grammar).
struct ImageReference {
  std::string_view repository;
  std::string_view tag;
  std::string_view digest;
};
ImageReference split_image(std::string_view reference);

/// Sets container.image.repository, .tag and .digest apart where the alert names them in one
/// (`container.image`, or a repository with a tag). What the alert says itself wins.
void separate_image(Alert& alert);

}  // namespace gyre::schemas
