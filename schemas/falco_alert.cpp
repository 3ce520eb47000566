// SPDX-License-Identifier: Apache-2.0
#include "schemas/falco_alert.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "base/hash.h"
#include "base/time.h"
#include "schemas/encoded_object.h"
#include "schemas/tactics.h"

namespace gyre::schemas {

namespace {

using Object = EncodedObject;

/// What Falco prints as a number; elsewhere it is text (falcosecurity/libs, filterchecks).
constexpr std::array<std::string_view, 22> kNumbers = {
    "evt.num",     "fd.cport",     "fd.lport",      "fd.num",     "fd.rport",
    "fd.sport",    "group.gid",    "proc.pgid",     "proc.pid",   "proc.ppid",
    "proc.pvpid",  "proc.sid",     "proc.tty",      "proc.vpgid", "proc.vpid",
    "thread.tid",  "thread.vtid",  "user.loginuid", "user.uid",   "container.duration",
    "evt.rawtime", "proc.duration"};

/// RFC 9562, version 8.
std::string uuid_of(const ReportView& report) {
  std::string hex = to_hex(view(
      IdHasher().add("uuid").add(report.text("id")).add(report["revision"].number()).finish()));
  hex[12] = '8';
  hex[16] = "89ab"[static_cast<unsigned char>(hex[16]) & 3];
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

std::string priority_of(const ReportView& report) {
  const std::string severity = report.text("severity");
  if (const std::string own = report.text("priority"); !own.empty()) return own;
  if (severity == "critical") return "Critical";
  if (severity == "high") return "Error";
  if (severity == "medium") return "Warning";
  return severity == "low" ? "Notice" : "Informational";
}

std::string output_of(const ReportView& report, Nanos time, const std::string& priority) {
  const JsonView verdict = report["verdict"];
  std::string said =
      fmt::format("revision {} ({})", report["revision"].json(), report.text("reason"));
  if (verdict.exists())
    said = fmt::format("{} with {} confidence, risk {}/100, {}", verdict["class"].text(),
                       verdict["confidence"].text(), report["risk"]["score"].json(), said);
  const std::int64_t alerts = report["counts"]["alerts"].number();
  return fmt::format("{}: {} {} | {} alert{}, {}", format_rfc3339(time).substr(11, 18), priority,
                     report.text("title"), alerts, alerts == 1 ? "" : "s", said);
}

std::vector<std::string> tags_of(const ReportView& report) {
  std::set<std::string> tags;
  for (const std::string& tag : report.tags()) tags.insert(tag);
  for (const JsonView& entry : report["attack"].items()) {
    tags.insert(entry["technique"].text());
    tags.insert(std::string(tactic_of(entry["tactic"].text()).tag));
  }
  tags.erase("");
  return {tags.begin(), tags.end()};
}

void write_fields(Object& top, const ReportView& report) {
  Object fields(top, "output_fields");
  const JsonView entity = report["entity"];
  const std::pair<std::string_view, std::string_view> known[] = {
      {"container.id", "container_id"},
      {"container.image.digest", "image_digest"},
      {"container.image.repository", "image"},
      {"container.image.tag", "image_tag"},
      {"container.name", "container_name"},
      {"k8s.ns.name", "namespace"},
      {"k8s.pod.name", "pod"}};
  for (const auto& [field, key] : known)
    if (report.field({field}).empty()) fields.text(field, entity[key].text());
  for (const auto& [field, values] : report.fields()) {
    const bool numeric = std::find(kNumbers.begin(), kNumbers.end(), field) != kNumbers.end();
    if (numeric)
      fields.number(field, report.number(field, std::numeric_limits<std::int64_t>::min(),
                                         std::numeric_limits<std::int64_t>::max()));
    else
      fields.text(field, report.field({field}));
  }
  for (const std::string_view key :
       {"kind", "series", "incident_id", "state", "reason", "severity", "tenant"})
    fields.text(fmt::format("gyre.{}", key), report.text(key));
  fields.text("gyre.report_id", report.text("id"));
  fields.number("gyre.revision", report["revision"].number());
  fields.text("gyre.attention", report["attention"]["level"].text());
  fields.text("gyre.cluster", entity["cluster"].text());
  fields.text("gyre.entity", entity["key"].text());
  fields.number("gyre.alerts", report["counts"]["alerts"].number());
  fields.number("gyre.duplicates", report["counts"]["duplicates"].number());
  if (!report["verdict"].exists()) return;
  fields.text("gyre.verdict", report["verdict"]["class"].text());
  fields.text("gyre.confidence", report["verdict"]["confidence"].text());
  fields.number("gyre.risk", report["risk"]["score"].number());
}

}  // namespace

std::string to_falco_alert(const ReportView& report) {
  const Nanos time = parse_rfc3339(report.text("time")).value_or(0);
  const std::string priority = priority_of(report);
  const std::string rule = report.text("rule");
  const std::string source = report.source();
  JsonWriter json;
  {
    Object top(json, "");
    top.text("uuid", uuid_of(report)).text("output", output_of(report, time, priority));
    top.text("priority", priority);
    // An incident is of several rules; its own name is what a consumer can route by.
    top.text("rule", rule.empty() ? "Gyre " + report.text("kind") : rule);
    top.text("time", format_rfc3339(time));
    top.text("source", source.empty() ? "gyre" : source);
    top.text("hostname", report["entity"]["hostname"].text());
    top.texts("tags", tags_of(report), true);
    write_fields(top, report);
  }
  return json.take();
}

}  // namespace gyre::schemas
