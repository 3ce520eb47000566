// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

namespace gyre::tests {

/// The fields of ECS 9.4.0 (elastic/ecs, generated/csv/fields.csv) that the encoding writes, with
/// their JSON types, and its own under `falco` and `gyre`.
inline const std::map<std::string, std::string> kEcsFields = [] {
  std::map<std::string, std::string> fields;
  for (const char* text : {"@timestamp",
                           "message",
                           "ecs.version",
                           "event.kind",
                           "event.id",
                           "event.action",
                           "event.outcome",
                           "event.start",
                           "event.end",
                           "event.module",
                           "event.dataset",
                           "event.provider",
                           "event.reason",
                           "rule.name",
                           "rule.category",
                           "rule.ruleset",
                           "threat.framework",
                           "cloud.provider",
                           "cloud.region",
                           "cloud.account.id",
                           "cloud.project.id",
                           "container.id",
                           "container.name",
                           "container.image.name",
                           "container.runtime",
                           "orchestrator.type",
                           "orchestrator.namespace",
                           "orchestrator.cluster.name",
                           "orchestrator.resource.type",
                           "orchestrator.resource.name",
                           "host.hostname",
                           "host.name",
                           "observer.type",
                           "observer.product",
                           "observer.hostname",
                           "process.name",
                           "process.executable",
                           "process.command_line",
                           "process.working_directory",
                           "process.parent.name",
                           "process.parent.executable",
                           "process.parent.command_line",
                           "user.effective.name",
                           "user.id",
                           "user.name",
                           "file.path",
                           "file.name",
                           "source.ip",
                           "destination.ip",
                           "labels.kind",
                           "labels.series",
                           "labels.previous_id",
                           "labels.incident_id",
                           "labels.state",
                           "labels.reason",
                           "labels.closed_because",
                           "labels.tenant",
                           "labels.shape_key",
                           "labels.report_id",
                           "labels.attention",
                           "labels.verdict",
                           "labels.confidence",
                           "labels.cluster",
                           "labels.markdown",
                           "falco.rule",
                           "falco.priority",
                           "falco.source",
                           "gyre.members.pattern",
                           "gyre.markdown"})
    fields[text] = "string";
  for (const char* number :
       {"event.sequence", "event.severity", "event.risk_score", "event.duration", "source.port",
        "destination.port", "gyre.counts.alerts", "gyre.counts.duplicates", "gyre.counts.late",
        "gyre.outcome.succeeded", "gyre.outcome.blocked", "gyre.outcome.unknown",
        "gyre.members.hosts", "gyre.members.workloads", "gyre.members.total"})
    fields[number] = "integer";
  for (const char* array :
       {"event.category", "event.type", "threat.tactic.id", "threat.tactic.name",
        "threat.technique.id", "threat.technique.name", "threat.technique.subtechnique.id",
        "threat.technique.subtechnique.name", "container.image.tag", "container.image.hash.all",
        "related.hosts", "related.ip", "related.user", "related.hash", "falco.tags",
        "falco.output_fields.*", "gyre.findings", "gyre.members.clusters",
        "gyre.members.namespaces"}) {
    fields[array] = "array";
    fields[std::string(array) + "[]"] = "string";
  }
  return fields;
}();

}  // namespace gyre::tests
