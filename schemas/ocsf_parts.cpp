// SPDX-License-Identifier: Apache-2.0
#include "schemas/ocsf_parts.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/time.h"
#include "schemas/tactics.h"

namespace gyre::schemas::ocsf {

namespace {

using Object = EncodedObject;

std::string file_path(const ReportView& report) {
  const std::string path = report.field({"fd.name", "evt.arg.filename", "evt.arg.path"});
  return path.starts_with('/') && !path.ends_with('/') ? path : "";
}

std::string user_name(const ReportView& report) {
  return report.field(
      {"user.name", "ka.user.name", "ct.user", "gcp.user", "okta.actor.name", "github.user"});
}

std::string source_address(const ReportView& report) {
  return report.address({"fd.cip", "ka.sourceips", "ct.srcip", "gcp.callerIP", "okta.client.ip"});
}

std::string image_uid(const JsonView& entity) {
  if (const std::string digest = entity["image_digest"].text(); !digest.empty()) return digest;
  const std::string image = entity["image"].text();
  const std::string tag = entity["image_tag"].text();
  return image.empty() || tag.empty() ? image : image + ":" + tag;
}

void write_image(Object& container, const JsonView& entity) {
  const std::string uid = image_uid(entity);
  if (uid.empty()) return;
  Object image(container, "image");
  image.text("uid", uid).text("name", entity["image"].text());
  if (const std::string tag = entity["image_tag"].text(); !tag.empty())
    image.texts("labels", {tag});
}

bool is_container(const JsonView& entity) {
  return entity["kind"].text() == "container" && entity["container_id"].exists();
}

void write_container(Object& parent, const ReportView& report) {
  const JsonView entity = report["entity"];
  if (!is_container(entity)) return;
  Object container(parent, "container");
  container.text("uid", entity["container_id"].text());
  container.text("name", entity["container_name"].text());
  container.text("runtime", report.field({"container.type"}));
  if (entity["pod"].exists()) container.text("orchestrator", "Kubernetes");
  write_image(container, entity);
}

void write_file(Object& parent, const std::string& path) {
  if (path.empty() || path.ends_with('/')) return;
  Object(parent, "file")
      .text("name", path.substr(path.rfind('/') + 1))
      .text("path", path)
      .number("type_id", 0)
      .text("type", "Unknown");
}

void write_user(Object& parent, const ReportView& report) {
  Object(parent, "user").text("name", user_name(report)).text("uid", report.field({"user.uid"}));
}

bool has_process(const ReportView& report) { return !report.field({"proc.name"}).empty(); }

void write_process(Object& evidence, const ReportView& report) {
  if (!has_process(report)) return;
  Object process(evidence, "process");
  process.text("uid", report.text("id")).text("name", report.field({"proc.name"}));
  process.text("cmd_line", report.field({"proc.cmdline"}));
  process.text("working_directory", report.field({"proc.cwd"}));
  write_file(process, report.field({"proc.exepath"}));
  write_user(process, report);
  const std::string parent = report.field({"proc.pname"});
  if (parent.empty()) return;
  Object(process, "parent_process")
      .text("uid", report.text("id") + "-parent")
      .text("name", parent)
      .text("cmd_line", report.field({"proc.pcmdline"}));
}

void write_endpoint(Object& evidence, std::string_view name, const std::string& address,
                    std::optional<std::int64_t> port,
                    const std::vector<std::string>& forwarded_for = {}) {
  if (!address.empty())
    Object(evidence, name)
        .text("ip", address)
        .number("port", port)
        .texts("intermediate_ips", forwarded_for);
}

struct Observable {
  std::string_view name;
  Caption type;
  std::string value;  ///< empty: nothing to observe
};

void write_observable(JsonWriter& json, const Observable& one) {
  Object(json, "")
      .text("name", one.name)
      .number("type_id", one.type.id)
      .text("type", one.type.name)
      .text("value", one.value);
}

}  // namespace

std::optional<std::int64_t> milliseconds(std::string_view time) {
  const auto nanos = parse_rfc3339(time);
  if (!nanos) return std::nullopt;
  constexpr Nanos kPerMilli = 1'000'000;
  return *nanos / kPerMilli - (*nanos % kPerMilli < 0 ? 1 : 0);
}

void write_metadata(Object& top, const ReportView& report, Body body,
                    const std::vector<std::string>& profiles) {
  Object metadata(top, "metadata");
  metadata.text("version", "1.8.0");
  metadata.text("uid", fmt::format("{}-{}", report.text("id"), report["revision"].json()));
  metadata.number("sequence", report["revision"].number());
  metadata.text("correlation_uid", report.text("incident_id"));
  metadata.text("tenant_uid", report.text("tenant"));
  metadata.text("original_time", report.text("first_seen"));
  metadata.text("log_provider", "falco");
  {
    Object product(metadata, "product");
    product.text("name", "Gyre").text("vendor_name", "Gyre");
    product.text("version", report["produced_by"]["version"].text());
    Object(product, "feature").text("name", report.text("kind"));
  }
  metadata.texts("profiles", profiles).texts("labels", report.tags());
  if (body == Body::kTooLarge) metadata.flag("is_truncated", true);
}

void write_analytic(Object& info, const ReportView& report) {
  const std::string rule = report.text("rule");
  if (rule.empty()) return;
  Object analytic(info, "analytic");
  analytic.number("type_id", 1).text("type", "Rule").text("name", rule);
  for (const std::string& tag : report.tags())
    if (tag.starts_with("maturity_")) return void(analytic.text("category", tag));
}

void write_attacks(Object& parent, const ReportView& report) {
  const auto entries = report["attack"].items();
  if (entries.empty()) return;
  parent.open().key("attacks").begin_array();
  for (const JsonView& entry : entries) {
    const std::string tactic = entry["tactic"].text();
    const std::string technique = entry["technique"].text();
    const std::size_t dot = technique.find('.');
    const bool sub = dot != std::string::npos;
    Object attack(parent.open(), "");
    attack.text("version", kAttackVersion);
    Object(attack, "tactic").text("uid", tactic).text("name", tactic_of(tactic).name);
    if (technique.empty()) continue;
    Object(attack, "technique")
        .text("uid", technique.substr(0, dot))
        .text("name", sub ? "" : entry["name"].text());
    if (sub)
      Object(attack, "sub_technique").text("uid", technique).text("name", entry["name"].text());
  }
  parent.open().end_array();
}

void write_related_events(Object& info, const ReportView& report) {
  const auto samples = report["evidence"]["samples"].items();
  if (samples.empty()) return;
  info.open().key("related_events").begin_array();
  for (const JsonView& sample : samples) {
    const std::string time = sample["time"].text();
    const std::string uuid = sample["uuid"].text();
    Object(info.open(), "")
        .text("uid", uuid.empty() ? time : uuid)
        .text("type", "Falco alert")
        .text("desc", sample["output"].text())
        .text("status", sample["outcome"].text())
        .number("created_time", milliseconds(time));
  }
  info.open().end_array();
}

void write_device(Object& top, const ReportView& report, bool container) {
  const std::string hostname = report["entity"]["hostname"].text();
  if (hostname.empty()) return;
  Object device(top, "device");
  device.text("hostname", hostname).text("name", hostname);
  device.number("type_id", 0).text("type", "Unknown");
  if (container) write_container(device, report);
}

void write_resources(Object& top, const ReportView& report) {
  const JsonView entity = report["entity"];
  if (!entity.exists()) return;
  top.open().key("resources").begin_array();
  {
    Object resource(top.open(), "");
    const bool container = is_container(entity);
    const std::string object = entity["object"].text();
    resource.text("uid", container        ? entity["container_id"].text()
                         : object.empty() ? entity["key"].text()
                                          : object);
    resource.text("name", entity["container_name"].text());
    resource.text("type", entity["kind"].text()).text("namespace", entity["namespace"].text());
    resource.text("hostname", entity["hostname"].text());
    resource.number("role_id", 3).text("role", "Affected");
    if (const std::string pod = entity["pod"].text(); !pod.empty())
      resource.texts("labels", {"k8s.pod.name=" + pod});
  }
  top.open().end_array();
}

void write_evidences(Object& top, const ReportView& report) {
  // Something of what OCSF demands one of; a container alone is none of it.
  if (report.fields().empty()) return;
  top.open().key("evidences").begin_array();
  {
    Object evidence(top.open(), "");
    evidence.text("name", "falco." + report.source());
    write_process(evidence, report);
    write_user(evidence, report);
    write_file(evidence, file_path(report));
    write_endpoint(evidence, "src_endpoint", source_address(report),
                   report.number("fd.cport", 0, 65535), report.forwarded_for());
    write_endpoint(evidence, "dst_endpoint", report.address({"fd.sip"}),
                   report.number("fd.sport", 0, 65535));
    if (const std::string protocol = report.field({"fd.l4proto"}); !protocol.empty())
      Object(evidence, "connection_info").number("direction_id", 0).text("protocol_name", protocol);
    write_container(evidence, report);
    Object data(evidence, "data");
    for (const auto& [field, values] : report.fields()) data.texts(field, values.texts());
  }
  top.open().end_array();
}

void write_observables(Object& top, const ReportView& report) {
  const JsonView entity = report["entity"];
  const bool incident = report.text("kind") == "incident";
  const std::string container = is_container(entity) ? entity["container_id"].text() : "";
  const Caption address = {2, "IP Address"};
  const bool process = has_process(report);
  const std::vector<std::string> told = report.forwarded_for();
  std::vector<std::string> told_names;
  for (std::size_t i = 0; i < told.size(); ++i)
    told_names.push_back(fmt::format("evidences[0].src_endpoint.intermediate_ips[{}]", i));
  std::vector<Observable> all = {{"device.hostname", {1, "Hostname"}, entity["hostname"].text()}};
  if (incident) {
    if (!entity["hostname"].text().empty())
      all.push_back({"device.container.uid", {99, "Container ID"}, container});
  } else {
    all.push_back({"resources[0].uid", {10, "Resource UID"}, container});
    if (process) {
      all.push_back(
          {"evidences[0].process.name", {9, "Process Name"}, report.field({"proc.name"})});
      all.push_back(
          {"evidences[0].process.cmd_line", {13, "Command Line"}, report.field({"proc.cmdline"})});
    }
    all.push_back({"evidences[0].user.name", {4, "User Name"}, user_name(report)});
    all.push_back({"evidences[0].file.path", {45, "File Path"}, file_path(report)});
    all.push_back({"evidences[0].src_endpoint.ip", address, source_address(report)});
    for (std::size_t i = 0; i < told.size(); ++i) all.push_back({told_names[i], address, told[i]});
    all.push_back({"evidences[0].dst_endpoint.ip", address, report.address({"fd.sip"})});
  }
  std::erase_if(all, [](const Observable& one) { return one.value.empty(); });
  if (all.empty()) return;
  top.open().key("observables").begin_array();
  for (const Observable& one : all) write_observable(top.open(), one);
  top.open().end_array();
}

void write_members(Object& gyre, const ReportView& report) {
  const JsonView members = report["members"];
  if (!members.exists()) return;
  Object object(gyre, "members");
  for (const std::string_view count : {"hosts", "workloads", "total"})
    if (members[count].exists()) object.number(count, members[count].number());
  object.text("pattern", members["pattern"].text());
  object.texts("clusters", members["clusters"].texts());
  object.texts("namespaces", members["namespaces"].texts());
}

}  // namespace gyre::schemas::ocsf
