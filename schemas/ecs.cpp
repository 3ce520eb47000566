// SPDX-License-Identifier: Apache-2.0
#include "schemas/ecs.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "base/time.h"
#include "schemas/tactics.h"

namespace gyre::schemas {

namespace {

using Object = EncodedObject;
using Texts = std::vector<std::string>;

void add(Texts& values, const std::string& value) {
  if (!value.empty() && std::find(values.begin(), values.end(), value) == values.end())
    values.push_back(value);
}

/// As Kibana shows severities: 21 low, 47 medium, 73 high, 99 critical.
std::int64_t severity_of(std::string_view severity) {
  if (severity == "critical") return 99;
  if (severity == "high") return 73;
  if (severity == "medium") return 47;
  return severity == "low" ? 21 : 0;
}

std::string path_of(const ReportView& report) {
  const std::string path = report.field({"fd.name", "evt.arg.filename", "evt.arg.path"});
  return path.starts_with('/') ? path : "";
}

Texts categories(const ReportView& report) {
  if (report.text("kind") == "sensor_health") return {"host"};
  Texts all = {"intrusion_detection"};
  const auto any = [&](std::initializer_list<std::string_view> names, const auto& is) {
    const Texts values = report.values(names);
    return std::any_of(values.begin(), values.end(), is);
  };
  if (!report.values({"proc.name"}).empty()) all.emplace_back("process");
  if (any({"fd.name", "evt.arg.filename", "evt.arg.path"},
          [](const std::string& value) { return value.starts_with('/'); }))
    all.emplace_back("file");
  if (any({"fd.sip"}, is_address) || any({"fd.cip"}, is_address) || any({"fd.rip"}, is_address))
    all.emplace_back("network");
  return all;
}

std::string outcome_of(const JsonView& outcome) {
  if (!outcome.exists()) return {};
  if (outcome["succeeded"].number() > 0) return "success";
  return outcome["blocked"].number() > 0 && outcome["unknown"].number() == 0 ? "failure"
                                                                             : "unknown";
}

void write_event(Object& top, const ReportView& report) {
  const bool first = report["revision"].number() == 1;
  const bool closed = report.text("state") == "closed";
  const auto start = parse_rfc3339(report.text("first_seen"));
  const auto end = parse_rfc3339(report.text("last_seen"));
  Object event(top, "event");
  event.text("kind", "alert").texts("category", categories(report));
  const Texts calls = report.values({"evt.type"});
  const bool exec = std::any_of(calls.begin(), calls.end(),
                                [](const std::string& call) { return call.starts_with("execve"); });
  event.texts("type", {exec ? "start" : "info"});
  event.text("id", fmt::format("{}/{}", report.text("id"), report["revision"].json()));
  event.number("sequence", report["revision"].number());
  event.text("action", fmt::format("{}-{}", report.text("kind"),
                                   first    ? "created"
                                   : closed ? "closed"
                                            : "updated"));
  event.text("outcome", outcome_of(report["outcome"]));
  event.number("severity", severity_of(report.text("severity")));
  if (report["risk"].exists()) event.number("risk_score", report["risk"]["score"].number());
  event.text("start", report.text("first_seen")).text("end", report.text("last_seen"));
  if (start && end) event.number("duration", std::max<Nanos>(0, *end - *start));
  event.text("module", "falco").text("dataset", "falco.reports");
  event.text("provider", report.source());
  event.text("reason", report["attention"]["because"].text());
}

void write_rule(Object& top, const ReportView& report) {
  std::string maturity;
  for (const std::string& tag : report.tags())
    if (tag.starts_with("maturity_")) maturity = tag;
  Object(top, "rule")
      .text("name", report.text("rule"))
      .text("category", maturity)
      .text("ruleset", report.source());
}

void write_threat(Object& top, const ReportView& report) {
  Texts tactic_ids, tactic_names, technique_ids, technique_names, sub_ids, sub_names;
  for (const JsonView& entry : report["attack"].items()) {
    const std::string tactic = entry["tactic"].text();
    const std::string technique = entry["technique"].text();
    add(tactic_ids, tactic);
    add(tactic_names, std::string(tactic_of(tactic).name));
    const std::size_t dot = technique.find('.');
    add(technique_ids, technique.substr(0, dot));
    if (technique.empty()) continue;
    if (dot != std::string::npos) add(sub_ids, technique);
    add(dot == std::string::npos ? technique_names : sub_names, entry["name"].text());
  }
  if (tactic_ids.empty()) return;
  Object threat(top, "threat");
  threat.text("framework", "MITRE ATT&CK");
  Object(threat, "tactic").texts("id", tactic_ids).texts("name", tactic_names);
  Object techniques(threat, "technique");
  techniques.texts("id", technique_ids).texts("name", technique_names);
  Object(techniques, "subtechnique").texts("id", sub_ids).texts("name", sub_names);
}

Texts one(const std::string& value) { return value.empty() ? Texts{} : Texts{value}; }

void write_container(Object& top, const ReportView& report) {
  const JsonView entity = report["entity"];
  if (entity["kind"].text() != "container") return;
  Object container(top, "container");
  container.text("id", entity["container_id"].text());
  container.text("name", entity["container_name"].text());
  container.text("runtime", report.field({"container.type"}));
  Object image(container, "image");
  image.text("name", entity["image"].text()).texts("tag", one(entity["image_tag"].text()));
  Object(image, "hash").texts("all", one(entity["image_digest"].text()));
}

void write_orchestrator(Object& top, const ReportView& report) {
  const JsonView entity = report["entity"];
  const bool object = entity["kind"].text() == "k8s_object";
  const std::string name = object ? report.field({"ka.target.name", "ka.resp.name",
                                                  "ka.target.pod.name", "ka.req.configmap.name"})
                                  : entity["pod"].text();
  const std::string space = object ? report.field({"ka.target.namespace", "ka.req.namespace"})
                                   : entity["namespace"].text();
  if (!object && name.empty() && space.empty()) return;
  Object orchestrator(top, "orchestrator");
  orchestrator.text("type", "kubernetes").text("namespace", space);
  Object(orchestrator, "cluster").text("name", entity["cluster"].text());
  if (!name.empty())
    Object(orchestrator, "resource")
        .text("type", object ? report.field({"ka.target.resource"}) : "pod")
        .text("name", name);
}

void write_cloud(Object& top, const ReportView& report) {
  const std::string source = report.source();
  if (source != "aws_cloudtrail" && source != "gcp_auditlog") return;
  Object cloud(top, "cloud");
  cloud.text("provider", source == "aws_cloudtrail" ? "aws" : "gcp");
  cloud.text("region", report.field({"ct.region"}));
  Object(cloud, "account").text("id", report.field({"ct.recipientaccountid", "ct.user.accountid"}));
  Object(cloud, "project").text("id", report.field({"gcp.projectId"}));
}

void write_place(Object& top, const ReportView& report) {
  write_container(top, report);
  write_orchestrator(top, report);
  write_cloud(top, report);
  const std::string hostname = report["entity"]["hostname"].text();
  Object(top, "host").text("hostname", hostname).text("name", hostname);
  Object(top, "observer")
      .text("type", "sensor")
      .text("product", "falco")
      .text("hostname", hostname);
}

void write_endpoint(Object& top, std::string_view name, const std::string& address,
                    std::optional<std::int64_t> port) {
  if (address.empty()) return;
  Object(top, name).text("ip", address).number("port", port);
}

/// Only what all of its alerts agree in: a finding folds many processes of one pattern.
void write_actor(Object& top, const ReportView& report) {
  {
    Object process(top, "process");
    process.text("name", report.field({"proc.name"}));
    process.text("executable", report.field({"proc.exepath"}));
    process.text("command_line", report.field({"proc.cmdline"}));
    process.text("working_directory", report.field({"proc.cwd"}));
    Object(process, "parent")
        .text("name", report.field({"proc.pname"}))
        .text("executable", report.field({"proc.pexepath"}))
        .text("command_line", report.field({"proc.pcmdline"}));
  }
  {
    Object user(top, "user");
    user.text("id", report.field({"user.uid"}));
    user.text("name", report.field({"user.name", "ka.user.name", "ct.user", "gcp.user",
                                    "okta.actor.name", "github.user"}));
    Object(user, "effective").text("name", report.field({"ka.impuser.name"}));
  }
  const std::string path = path_of(report);
  Object(top, "file").text("path", path).text("name", path.substr(path.rfind('/') + 1));
  const auto port = [&](std::string_view name) { return report.number(name, 0, 65535); };
  write_endpoint(
      top, "source",
      report.address({"fd.cip", "ka.sourceips", "ct.srcip", "gcp.callerIP", "okta.client.ip"}),
      port("fd.cport"));
  write_endpoint(top, "destination", report.address({"fd.sip"}), port("fd.sport"));
}

void write_related(Object& top, const ReportView& report) {
  Texts addresses;
  for (const std::string& value : report["observables"]["ips"].texts())
    if (is_address(value)) add(addresses, value);
  for (const std::string_view field : {"ka.sourceips", "ct.srcip", "gcp.callerIP"})
    add(addresses, report.address({field}));
  Object(top, "related")
      .texts("hosts", one(report["entity"]["hostname"].text()))
      .texts("ip", addresses)
      .texts("user", report["observables"]["users"].texts())
      .texts("hash", report["observables"]["hashes"].texts());
}

void write_labels(Object& top, const ReportView& report, Body body) {
  Object labels(top, "labels");
  for (const std::string_view key : {"kind", "series", "previous_id", "incident_id", "state",
                                     "reason", "closed_because", "tenant", "shape_key"})
    labels.text(key, report.text(key));
  labels.text("report_id", report.text("id"))
      .text("attention", report["attention"]["level"].text());
  labels.text("verdict", report["verdict"]["class"].text());
  labels.text("confidence", report["verdict"]["confidence"].text());
  labels.text("cluster", report["entity"]["cluster"].text());
  if (body == Body::kTooLarge) labels.text("markdown", "left out: too large");
}

void write_falco(Object& top, const ReportView& report) {
  Object falco(top, "falco");
  falco.text("rule", report.text("rule")).text("priority", report.text("priority"));
  falco.text("source", report.source()).texts("tags", report.tags());
  if (report.fields().empty()) return;
  Object fields(falco, "output_fields");
  for (const auto& [field, values] : report.fields()) fields.texts(field, values.texts());
}

void write_numbers(Object& parent, std::string_view name, const JsonView& from,
                   std::initializer_list<std::string_view> keys) {
  Object numbers(parent, name);
  for (const std::string_view key : keys)
    if (from[key].exists()) numbers.number(key, from[key].number());
}

void write_gyre(Object& top, const ReportView& report, Body body) {
  Object gyre(top, "gyre");
  write_numbers(gyre, "counts", report["counts"], {"alerts", "duplicates", "late"});
  write_numbers(gyre, "outcome", report["outcome"], {"succeeded", "blocked", "unknown"});
  gyre.texts("findings", report["findings"].texts());
  {
    const JsonView members = report["members"];
    Object outbreak(gyre, "members");
    for (const std::string_view count : {"hosts", "workloads", "total"})
      if (members[count].exists()) outbreak.number(count, members[count].number());
    outbreak.text("pattern", members["pattern"].text());
    outbreak.texts("clusters", members["clusters"].texts());
    outbreak.texts("namespaces", members["namespaces"].texts());
  }
  if (body == Body::kWhole) gyre.text("markdown", report.text("markdown"));
}

}  // namespace

std::string to_ecs(const ReportView& report, Body body) {
  JsonWriter json;
  {
    Object top(json, "");
    top.text("@timestamp", report.text("time")).text("message", report.text("title"));
    Object(top, "ecs").text("version", "9.4.0");
    write_event(top, report);
    write_rule(top, report);
    write_labels(top, report, body);
    write_threat(top, report);
    write_place(top, report);
    write_actor(top, report);
    write_related(top, report);
    write_falco(top, report);
    write_gyre(top, report, body);
  }
  return json.take();
}

}  // namespace gyre::schemas
