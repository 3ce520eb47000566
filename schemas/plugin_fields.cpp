// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <span>

#include "schemas/ascii.h"
#include "schemas/shape_fields.h"

namespace gyre::schemas {

namespace {

using Names = std::array<std::string_view, 3>;  // the best first; the empty one is no field

// Fields as the plugins' READMEs name them (falcosecurity/plugins and its registry.yaml).
struct Plugin {
  std::string_view source;  ///< how the source's name begins
  Names actor;
  Names action;
  Names object;
};

// The object's kind, not its name: that is the entity. Okta names each kind of target by a field
// of its own.
const std::array<Plugin, 7> kPlugins = {{
    {"aws_",
     {"ct.user", "ct.user.arn", "ct.user.principalid"},
     {"ct.name"},
     {"ct.src", "ct.shortsrc"}},
    {"gcp", {"gcp.user"}, {"gcp.methodName"}, {"gcp.resourceType", "gcp.serviceName"}},
    {"auditlogs", {"gcp.user"}, {"gcp.methodName"}, {"gcp.resourceType", "gcp.serviceName"}},
    {"okta",
     {"okta.actor.alternateid", "okta.actor.name", "okta.actor.id"},
     {"okta.evt.type", "okta.evt.legacytype"},
     {}},
    {"github", {"github.user"}, {"github.action"}, {"github.type", "github.webhook.type"}},
    {"docker", {}, {"docker.action"}, {"docker.type"}},
    {"keycloak",
     {"keycloak.user.userID", "keycloak.admin.authDetails.userID"},
     {"keycloak.user.eventType", "keycloak.admin.operationType"},
     {"keycloak.admin.resourceType", "keycloak.user.clientID"}},
}};

struct Target {
  std::string_view field;
  std::string_view kind;
};
constexpr auto kOktaTargets = std::to_array<Target>({{"okta.target.app.alternateid", "app"},
                                                     {"okta.target.group.alternateid", "group"},
                                                     {"okta.target.group.name", "group"},
                                                     {"okta.target.user.alternateid", "user"},
                                                     {"okta.target.user.name", "user"}});

// What services call these, small letters, without the source's prefix; the surest name first.
constexpr auto kActors = std::to_array<std::string_view>(
    {"actor",           "actor.name", "actor.email", "actor.id",    "user",      "user.name",
     "username",        "user_name",  "user.email",  "userid",      "user.id",   "user_id",
     "principal",       "caller",     "author",      "author_name", "author_id", "created_by.login",
     "created_by.name", "account",    "login",       "subject",     "identity",  "email"});
constexpr auto kActions = std::to_array<std::string_view>(
    {"action",         "operation",  "operationname", "operation.name", "operationtype",
     "operation_type", "op_type",    "event.type",    "eventtype",      "event_type",
     "event.name",     "eventname",  "event_name",    "evt.type",       "event.action",
     "method",         "methodname", "verb",          "event",          "command",
     "type",           "name"});
constexpr auto kObjects = std::to_array<std::string_view>(
    {"resourcetype", "resource.type", "resource_type", "resource", "objecttype", "object.type",
     "object_type", "object", "target.type", "target_type", "entity_type", "source.type", "topic",
     "event.topic", "service", "servicename", "category", "unit"});

std::string_view first_of(const Alert& alert, const Names& names) {
  return first_known(alert, {names[0], names[1], names[2]});
}

// Whose field is it not: the event's own, the alert's place, the sensor's.
bool is_of_the_frame(std::string_view kind) {
  static constexpr auto kFrame = std::to_array<std::string_view>(
      {"evt", "container", "k8s", "k8smeta", "fd", "thread", "group", "proc"});
  return std::find(kFrame.begin(), kFrame.end(), kind) != kFrame.end();
}

std::string_view best_named(const Alert& alert, std::span<const std::string_view> names) {
  std::string_view best;
  std::size_t rank = names.size();
  for (const auto& [name, value] : alert.fields) {
    const auto dot = name.find('.');
    if (dot == std::string::npos || is_of_the_frame(std::string_view(name).substr(0, dot)))
      continue;
    const std::string_view rest = std::string_view(name).substr(dot + 1);
    const auto found =
        std::find_if(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(rank),
                     [&](std::string_view known) {
                       return known.size() == rest.size() &&
                              std::equal(known.begin(), known.end(), rest.begin(),
                                         [](char a, char b) { return a == lower(b); });
                     });
    const auto at = static_cast<std::size_t>(found - names.begin());
    if (at >= rank) continue;
    rank = at;
    best = value;
  }
  return best;
}

}  // namespace

Act act_of(const Alert& alert) {
  const std::string_view source = alert.source;
  for (const Plugin& plugin : kPlugins) {
    if (!source.starts_with(plugin.source)) continue;
    Act act{first_of(alert, plugin.actor), first_of(alert, plugin.action),
            first_of(alert, plugin.object)};
    if (plugin.source == "okta")
      for (const auto& [field, kind] : kOktaTargets)
        if (!alert.field(field).empty()) act.object = kind;
    if (!act.actor.empty() || !act.action.empty() || !act.object.empty()) return act;
  }
  return {best_named(alert, kActors), best_named(alert, kActions), best_named(alert, kObjects)};
}

}  // namespace gyre::schemas
