// SPDX-License-Identifier: Apache-2.0
#include "pipeline/outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/time.h"
#include "schemas/report_view.h"

namespace gyre::pipeline {

namespace {

using schemas::Encoding;

/// What routing reads of a report.
struct Facts {
  std::string kind, attention, severity, tenant, reason;
  bool first = false;
  bool closed = false;
};

Facts facts_of(std::string_view json) {
  const schemas::ReportView report(json);
  return {.kind = report.text("kind"),
          .attention = report["attention"]["level"].text(),
          .severity = report.text("severity"),
          .tenant = report.text("tenant"),
          .reason = report.text("reason"),
          .first = report["revision"].number() == 1,
          .closed = report.text("state") == "closed"};
}

bool is_plain(const Output& output) {
  const Output::Filter& filter = output.filter;
  return output.encoding == Encoding::kNative && output.markdown == Output::Markdown::kAlways &&
         filter.kind.empty() && filter.attention.empty() && filter.severity.empty() &&
         filter.tenant.empty();
}

bool holds(const std::vector<std::string>& list, const std::string& value) {
  return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}

constexpr auto kAttentions = std::to_array<std::string_view>({"record", "ticket", "page"});
constexpr auto kSeverities =
    std::to_array<std::string_view>({"informational", "low", "medium", "high", "critical"});

// Whether a report that is now `value` may have been something in the list before it rose.
bool has_outgrown(const std::vector<std::string>& list, std::span<const std::string_view> ranks,
                  const std::string& value) {
  return std::any_of(list.begin(), list.end(), [&](const std::string& lower) {
    return std::ranges::find(ranks, lower) < std::ranges::find(ranks, value);
  });
}

// An incident asks for a finding that joined it, which would have been a ticket (decision 0027).
bool joined(const Facts& report) { return report.kind == "incident" && report.reason == "members"; }

bool wants(const Output& output, const Facts& report) {
  const Output::Filter& filter = output.filter;
  const bool alert = output.encoding == Encoding::kFalco;
  if (alert && report.attention == "record") return false;
  if (!holds(filter.kind, report.kind) || !holds(filter.tenant, report.tenant)) return false;
  const bool before = !alert && !report.first;
  if (before && report.reason == "verdict") return true;
  const bool rose =
      before && (report.closed || report.reason == "severity" || report.reason == "success" ||
                 report.reason == "tactic" || joined(report));
  const auto passes = [&](const std::vector<std::string>& list,
                          std::span<const std::string_view> ranks, const std::string& value) {
    return holds(list, value) || (rose && has_outgrown(list, ranks, value));
  };
  return passes(filter.attention, kAttentions, report.attention) &&
         passes(filter.severity, kSeverities, report.severity);
}

bool has_markdown(Output::Markdown markdown, const Facts& report) {
  if (markdown != Output::Markdown::kEnds) return markdown == Output::Markdown::kAlways;
  return report.first || report.closed || report.reason == "severity" ||
         report.reason == "success" || report.reason == "verdict" || joined(report);
}

}  // namespace

bool is_worth_an_alert(std::string_view report) { return facts_of(report).attention != "record"; }

void append_records(const std::vector<Output>& outputs, std::string_view name,
                    schemas::Report report, std::vector<OutRecord>& records) {
  const OutRecord record{.topic = {},
                         .partition = -1,
                         .key = report.id,
                         .value = {},
                         .headers = {{"ce_specversion", "1.0"},
                                     {"ce_id", fmt::format("{}/{}", report.id, report.revision)},
                                     {"ce_type", "gyre.report." + report.kind},
                                     {"ce_source", fmt::format("gyre/{}", name)},
                                     {"ce_time", format_rfc3339_second(report.time)},
                                     {"content-type", "application/json"}}};
  const auto append = [&](const std::string& topic, std::string value) {
    records.push_back(record);
    records.back().topic = topic;
    records.back().value = std::move(value);
  };
  if (outputs.size() == 1 && is_plain(outputs.front()))
    return append(outputs.front().topic, std::move(report.json));
  const Facts facts = facts_of(report.json);
  for (const Output& output : outputs)
    if (wants(output, facts))
      append(output.topic,
             schemas::encode(report.json, output.encoding, has_markdown(output.markdown, facts)));
}

}  // namespace gyre::pipeline
