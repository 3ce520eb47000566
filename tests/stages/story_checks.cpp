// SPDX-License-Identifier: Apache-2.0
#include "tests/stages/story_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <map>
#include <set>
#include <string>

#include "base/time.h"

namespace gyre::stages {
namespace {

using Spans = std::vector<std::pair<std::string, std::string>>;

// What the revisions of a report say.
struct Story {
  std::string kind, entity, hostname, incident, because;
  std::set<std::string> listed;
  std::uint64_t alerts = 0, left_out = 0;
  Second opened = 0, decided = 0, first = 0, last = 0;
  Spans blind;
};

std::string text(const simdjson::dom::element& report, std::string_view key) {
  std::string_view value;
  return report[key].get(value) == simdjson::SUCCESS ? std::string(value) : std::string();
}

Second second_in(const simdjson::dom::element& report, std::string_view key) {
  return second_of(parse_rfc3339(text(report, key)).value_or(0));
}

std::map<std::string, Story> stories_of(const std::vector<schemas::Report>& reports) {
  simdjson::dom::parser parser;
  std::map<std::string, Story> stories;
  for (const schemas::Report& report : reports) {
    const simdjson::dom::element json = parser.parse(report.json);
    const auto [at, added] = stories.try_emplace(report.id);
    Story& story = at->second;
    if (added) story.opened = report.time;
    story.kind = report.kind;
    story.decided = report.time;
    story.entity = text(json["entity"], "key");
    story.hostname = text(json["entity"], "hostname");
    story.incident = text(json, "incident_id");
    story.because = text(json, "closed_because");
    story.first = second_in(json, "first_seen");
    story.last = second_in(json, "last_seen");
    story.alerts = json["counts"]["alerts"].get_uint64().value();
    if (json["findings_left_out"].get(story.left_out) != simdjson::SUCCESS) story.left_out = 0;
    story.listed.clear();
    simdjson::dom::array findings;
    if (json["findings"].get(findings) == simdjson::SUCCESS)
      for (const simdjson::dom::element id : findings)
        story.listed.emplace(id.get_string().value());
    Spans blind;
    simdjson::dom::array spots;
    if (json["blind_spots"].get(spots) == simdjson::SUCCESS)
      for (const simdjson::dom::element spot : spots)
        blind.emplace_back(text(spot, "from"), text(spot, "to"));
    EXPECT_GE(blind.size(), std::min<std::size_t>(story.blind.size(), 1))
        << report.kind << ' ' << report.id << " has forgotten that its sensor was blind";
    story.blind = std::move(blind);
  }
  return stories;
}

}  // namespace

void check_incidents(const Case& given, const std::vector<schemas::Report>& reports) {
  const FindingConfig& config = given.config;
  const std::map<std::string, Story> stories = stories_of(reports);
  std::set<std::string> ended_by_age;  // what belongs to such an incident may reach into the next
  for (const auto& [id, incident] : stories)
    if (incident.because == "max_age" && incident.kind == "incident")
      ended_by_age.insert(incident.entity);
  for (const auto& [id, incident] : stories) {
    if (incident.kind != "incident") continue;
    SCOPED_TRACE("incident " + id);
    EXPECT_NE(incident.because, "") << "it is still open";
    std::set<std::string> held = incident.listed;
    std::uint64_t of_either = 0;  // alerts of findings that belong to it or to one before
    for (const std::string& name : held)
      ASSERT_TRUE(stories.contains(name)) << "a finding that was never published";
    for (const auto& [name, finding] : stories) {
      if (finding.kind != "finding" || finding.entity != incident.entity) continue;
      if (finding.incident == id) held.insert(name);
      const Second oldest = incident.opened - config.lateness - config.incident_gap;
      if (finding.opened <= incident.opened && finding.last >= oldest && finding.incident.empty()) {
        // Only with its next revision a finding says it; one that was over had none.
        EXPECT_LE(finding.decided, incident.opened) << name << " came before it";
        if (!ended_by_age.contains(incident.entity))
          held.insert(name);
        else if (!incident.listed.contains(name))
          of_either += finding.alerts;
      }
      if (finding.opened > incident.opened && finding.opened < incident.decided) {
        EXPECT_EQ(finding.incident, finding.last >= oldest ? id : "")
            << name << " came while it was open";
      }
    }
    std::uint64_t alerts = 0;
    for (const std::string& name : held) {
      const Story& finding = stories.at(name);
      alerts += finding.alerts;
      EXPECT_EQ(finding.entity, incident.entity);
      // Written with the finding's next revision; there may have been none.
      EXPECT_TRUE(finding.incident.empty() || finding.incident == id) << finding.incident;
      if (incident.because == "quiet") {
        EXPECT_LT(finding.last + config.incident_gap + config.lateness, incident.decided) << name;
      }
    }
    // What was still open when the incident's age ended it has counted on since.
    if (incident.because != "quiet") {
      EXPECT_LE(incident.alerts, alerts + of_either);
    } else if (!ended_by_age.contains(incident.entity)) {
      EXPECT_EQ(incident.left_out, held.size() - incident.listed.size());
      EXPECT_EQ(incident.alerts, alerts);
    }
  }
}

void check_blind_spots(const Case& given, const std::vector<schemas::Report>& reports) {
  constexpr Second kNear = 60;
  for (const auto& [id, finding] : stories_of(reports)) {
    if (finding.kind != "finding") continue;
    Spans blind;
    std::pair<Second, Second> span;
    const auto end_span = [&] {
      if (span.second >= finding.first && span.first - 1 <= finding.last)
        blind.emplace_back(format_rfc3339_second(span.first - 1),
                           format_rfc3339_second(span.second + 1));
    };
    for (const Given& alert : given.alerts) {
      const Second second = kStart + alert.at;
      if (alert.source != "internal" || alert.hostname != finding.hostname ||
          second > finding.decided)
        continue;
      if (span.first != 0 && second - span.second <= kNear) {
        span.second = second;
        continue;
      }
      if (span.first != 0) end_span();
      span = {second, second};
    }
    if (span.first != 0) end_span();
    EXPECT_EQ(finding.blind, blind) << id << " of " << finding.hostname;
  }
}

}  // namespace gyre::stages
