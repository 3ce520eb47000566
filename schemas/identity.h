// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "schemas/alert.h"
#include "schemas/records.pb.h"

namespace gyre::schemas {

/// What the record, not the alert, says of its origin: Kafka headers `gyre-tenant`, `gyre-cluster`,
/// else the config by topic.
struct Origin {
  std::string_view tenant;
  std::string_view cluster;
  std::string_view default_tenant = "default";
  std::string_view default_cluster = "default";
};

/// The entity ladder of DESIGN 7 and ruling 5. Fills `entity` (cleared first).
void entity_of(const Alert& alert, const Origin& origin, records::Entity& entity);

/// Readable and unambiguous, for `entity.key` of a report: `container/default/prod/node-1/4f2a...`.
std::string entity_key(const records::Entity& entity);

/// Hash of the entity's key, length-prefixed part by part.
Id128 entity_hash(const records::Entity& entity);

/// What chooses the partition of by-container: tenant, cluster, hostname (plugin sources: the
/// native object) (DESIGN 3).
std::uint32_t entity_partition(const records::Entity& entity, std::uint32_t partitions);

/// The exact-duplicate id (ruling 6): source, rule, time and the fields of the classes that Falco
/// and its plugins know.
Id128 duplicate_id(const Alert& alert, IdHasher& hasher);

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
/// A sensor_health alert that says all is well: the metrics snapshot.
bool is_heartbeat(const Alert& alert);

/// Without control and bidirectional characters (ruling 15): what may be shown.
std::string printable(std::string_view text);

}  // namespace gyre::schemas
