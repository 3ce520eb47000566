// SPDX-License-Identifier: Apache-2.0
#include "schemas/ocsf.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/time.h"
#include "schemas/ocsf_parts.h"

namespace gyre::schemas {

namespace {

using ocsf::Caption;
using Object = EncodedObject;

constexpr std::int64_t kDetection = 2004;
constexpr std::int64_t kIncident = 2005;

Caption activity_of(const ReportView& report) {
  if (report["revision"].number() == 1) return {1, "Create"};
  return report.text("state") == "closed" ? Caption{3, "Close"} : Caption{2, "Update"};
}

Caption severity_of(std::string_view severity) {
  if (severity == "critical") return {5, "Critical"};
  if (severity == "high") return {4, "High"};
  if (severity == "medium") return {3, "Medium"};
  return severity == "low" ? Caption{2, "Low"} : Caption{1, "Informational"};
}

Caption confidence_of(std::string_view confidence) {
  if (confidence == "high") return {3, "High"};
  return confidence == "medium" ? Caption{2, "Medium"} : Caption{1, "Low"};
}

Caption risk_level_of(std::int64_t score) {
  if (score >= 80) return {4, "Critical"};
  if (score >= 60) return {3, "High"};
  if (score >= 40) return {2, "Medium"};
  return score >= 20 ? Caption{1, "Low"} : Caption{0, "Info"};
}

Caption verdict_of(std::string_view verdict) {
  if (verdict == "suspicious") return {4, "Suspicious"};
  if (verdict == "likely_benign") return {5, "Benign"};
  return verdict == "test" ? Caption{6, "Test"} : Caption{7, "Insufficient Data"};
}

/// Closed means quiet, not looked at: none of OCSF's own words.
Caption status_of(const ReportView& report) {
  return report.text("state") == "closed" ? Caption{99, "Inactive"} : Caption{1, "New"};
}

std::string status_detail(const ReportView& report) {
  const std::string because = report.text("closed_because");
  if (because == "quiet") return "No alert for as long as it takes to close.";
  if (because == "max_age") return "It reached the age at which it is closed.";
  if (because == "end_of_input") return "The input ended.";
  return "Closes after " + report.text("closes_after") + " unless something comes.";
}

/// Somebody should look at it now: when it is made, and when it got worse.
bool is_alert(const ReportView& report) {
  const std::string reason = report.text("reason");
  const bool news = report["revision"].number() == 1 || reason == "severity" ||
                    reason == "success" || reason == "verdict";
  return news && report["attention"]["level"].text() != "record";
}

/// When it was decided, to the millisecond: within the second that the report names, its last alert
/// may be later than the second's begin.
std::optional<std::int64_t> decided(const ReportView& report) {
  const auto second = ocsf::milliseconds(report.text("time"));
  return second ? std::max(second, ocsf::milliseconds(report.text("last_seen"))) : second;
}

void write_scalars(Object& top, const ReportView& report, std::int64_t uid, std::string_view name) {
  const Caption activity = activity_of(report);
  const Caption severity = severity_of(report.text("severity"));
  const Caption status = status_of(report);
  top.number("activity_id", activity.id).text("activity_name", activity.name);
  top.number("category_uid", 2).text("category_name", "Findings");
  top.number("class_uid", uid).text("class_name", name);
  top.number("type_uid", uid * 100 + activity.id);
  top.text("type_name", fmt::format("{}: {}", name, activity.name));
  top.number("time", decided(report));
  const auto start = ocsf::milliseconds(report.text("first_seen"));
  const auto end = ocsf::milliseconds(report.text("last_seen"));
  top.number("start_time", start).number("end_time", end);
  if (start && end) top.number("duration", std::max<std::int64_t>(0, *end - *start));
  top.number("count", report["counts"]["alerts"].number());
  top.number("severity_id", severity.id).text("severity", severity.name);
  if (report["verdict"].exists()) {
    const Caption confidence = confidence_of(report["verdict"]["confidence"].text());
    top.number("confidence_id", confidence.id).text("confidence", confidence.name);
  }
  top.number("status_id", status.id).text("status", status.name);
  top.text("status_detail", status_detail(report));
  top.text("message", report.text("title"));
}

void write_finding_info(Object& top, const ReportView& report) {
  Object info(top, "finding_info");
  info.text("uid", report.text("id")).text("title", report.text("title"));
  info.text("desc", report["attention"]["because"].text());
  info.texts("types", {report.text("kind")});
  if (const std::string source = report.source(); !source.empty())
    info.texts("data_sources", {source});
  info.number("created_time", ocsf::milliseconds(report.text("first_seen")));
  info.number("modified_time", decided(report));
  info.number("first_seen_time", ocsf::milliseconds(report.text("first_seen")));
  info.number("last_seen_time", ocsf::milliseconds(report.text("last_seen")));
  ocsf::write_analytic(info, report);
  ocsf::write_attacks(info, report);
  Object(info, "product").text("name", "Falco").text("vendor_name", "Falcosecurity");
  ocsf::write_related_events(info, report);
  info.number("related_events_count", report["counts"]["alerts"].number());
}

void write_remediation(Object& top, const ReportView& report) {
  std::string text;
  for (const std::string_view group : {"verify", "contain"})
    for (const JsonView& step : report["advice"][group].items())
      text += fmt::format("{}{}", text.empty() ? "" : "; ", step["title"].text());
  Object(top, "remediation").text("desc", text);
}

void write_unmapped(Object& top, const ReportView& report, Body body) {
  Object unmapped(top, "unmapped");
  {
    Object gyre(unmapped, "gyre");
    for (const std::string_view key : {"kind", "series", "previous_id", "shape_key", "reason",
                                       "closes_after", "rule", "priority", "shape"})
      gyre.text(key, report.text(key));
    gyre.text("attention", report["attention"]["level"].text());
    gyre.text("verdict", report["verdict"]["class"].text());
    gyre.text("entity", report["entity"]["key"].text());
    gyre.text("cluster", report["entity"]["cluster"].text());
    if (report["risk"].exists()) gyre.number("risk", report["risk"]["score"].number());
    for (const std::string_view count : {"duplicates", "late"})
      gyre.number(count, report["counts"][count].number());
    const JsonView outcome = report["outcome"];
    for (const std::string_view count : {"succeeded", "blocked", "unknown"})
      if (outcome.exists()) gyre.number(count, outcome[count].number());
    ocsf::write_members(gyre, report);
  }
  if (body == Body::kWhole) unmapped.text("markdown", report.text("markdown"));
}

void write_detection(Object& top, const ReportView& report, Body body) {
  write_scalars(top, report, kDetection, "Detection Finding");
  if (report["risk"].exists()) {
    const std::int64_t score = report["risk"]["score"].number();
    const Caption level = risk_level_of(score);
    top.number("risk_score", score);
    top.number("risk_level_id", level.id).text("risk_level", level.name);
  }
  top.flag("is_alert", is_alert(report));
  ocsf::write_metadata(top, report, body, {});
  write_finding_info(top, report);
  ocsf::write_device(top, report, false);
  ocsf::write_resources(top, report);
  ocsf::write_evidences(top, report);
  ocsf::write_observables(top, report);
  write_remediation(top, report);
  write_unmapped(top, report, body);
}

void write_incident(Object& top, const ReportView& report, Body body) {
  write_scalars(top, report, kIncident, "Incident Finding");
  const Caption verdict = verdict_of(report["verdict"]["class"].text());
  top.number("verdict_id", verdict.id).text("verdict", verdict.name);
  top.text("desc", report["attention"]["because"].text());
  ocsf::write_metadata(top, report, body, {"incident", "host", "container"});
  // One of assignee and assignee_group is demanded, and Gyre assigns nobody.
  Object(top, "assignee_group").text("name", "unassigned");
  ocsf::write_attacks(top, report);
  top.open().key("finding_info_list").begin_array();
  for (const std::string& id : report["findings"].texts()) Object(top.open(), "").text("uid", id);
  top.open().end_array();
  ocsf::write_device(top, report, true);
  ocsf::write_observables(top, report);
  write_unmapped(top, report, body);
}

}  // namespace

std::string to_ocsf(const ReportView& report, Body body) {
  JsonWriter json;
  {
    Object top(json, "");
    if (report.text("kind") == "incident")
      write_incident(top, report, body);
    else
      write_detection(top, report, body);
  }
  return json.take();
}

}  // namespace gyre::schemas
