// SPDX-License-Identifier: Apache-2.0
// by_container against a slow model of it: random fleets, any order, any batches, copies, several
// sources, crashes between batches, seconds in slices, tasks handed over, findings that overflow,
// more findings than an incident lists, blind sensors, copies with other stamps, alerts out of
// order as far as the lateness and beyond it.
//
// GYRE_MODEL_CASES (default 500) and GYRE_MODEL_SEED (default 1) choose how many and which.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <array>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <set>

#include "stages/by_container/places.h"
#include "tests/contract/contract.h"
#include "tests/stages/delivery.h"
#include "tests/stages/naive_model.h"
#include "tests/stages/story_checks.h"

namespace gyre::stages {
namespace {

std::uint64_t environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::string text(const simdjson::dom::element& report, std::string_view key) {
  std::string_view value;
  return report[key].get(value) == simdjson::SUCCESS ? std::string(value) : std::string();
}

std::uint64_t count(const simdjson::dom::element& report, std::string_view group,
                    std::string_view key) {
  return report[group][key].get_uint64().value();
}

std::vector<std::string> sorted_lines(const std::vector<schemas::Report>& reports) {
  std::vector<std::string> lines;
  for (const schemas::Report& report : reports) lines.push_back(report.json);
  std::sort(lines.begin(), lines.end());
  return lines;
}

// The last revision of each, without what a flash may change (ruling 22).
std::map<std::string, std::string> last_lines(const std::vector<schemas::Report>& reports) {
  std::map<std::string, std::string> lines;
  for (const schemas::Report& report : reports) {
    std::string line = report.json;
    for (const std::string& varies : {fmt::format("\"revision\":{}", report.revision),
                                      fmt::format("revision {}", report.revision)}) {
      const std::size_t at = line.find(varies);
      if (at != std::string::npos) line.erase(at, varies.size());
    }
    lines[report.id] = std::move(line);
  }
  return lines;
}

// A flash says `opened` before its second is decided, which then says `settled` and all that is
// known until then. From there on every revision is foreseen that has more to say.
std::vector<Line> after(const std::map<std::string, Line>& settled, std::vector<Line> lines) {
  std::erase_if(lines, [&](const Line& line) {
    const auto found = settled.find(line.id);
    return found != settled.end() &&
           (line.second <= found->second.second ||
            (line.reason == "periodic" && line.alerts == found->second.alerts));
  });
  return lines;
}

void compare(const Model& model, const std::vector<schemas::Report>& reports, bool quiet) {
  simdjson::dom::parser parser;
  std::map<std::string, Final> finals;
  std::vector<Line> lines;
  std::map<std::string, Line> settled;
  for (const schemas::Report& report : reports) {
    if (report.kind != "finding") continue;
    const simdjson::dom::element json = parser.parse(report.json);
    lines.push_back(
        {report.time, report.id, text(json, "reason"), count(json, "counts", "alerts")});
    if (lines.back().reason == "settled") settled[report.id] = lines.back();
    finals[report.id] = {text(json, "previous_id"),
                         text(json, "first_seen"),
                         text(json, "last_seen"),
                         text(json, "closed_because"),
                         text(json, "time"),
                         text(json, "priority"),
                         count(json, "counts", "alerts"),
                         count(json, "counts", "duplicates"),
                         count(json, "outcome", "succeeded"),
                         count(json, "outcome", "blocked"),
                         count(json, "outcome", "unknown")};
  }
  EXPECT_EQ(finals, model.finals);
  if (!quiet) return;
  // What is asked for may rise with a revision that is due anyway, and is then its reason.
  for (Line& line : lines)
    for (const Line& due : model.lines)
      if (line.reason == "severity" && due.reason != "closed" && due.id == line.id &&
          due.second == line.second)
        line.reason = due.reason;
  std::sort(lines.begin(), lines.end());
  EXPECT_EQ(after(settled, lines), after(settled, model.lines));
  for (const Line& line : model.lines) {
    if (line.reason != "opened" || !settled.contains(line.id)) continue;
    EXPECT_GE(settled[line.id].second, line.second) << line.id;
    EXPECT_LE(settled[line.id].second, line.second + 10) << line.id;
  }
}

// Every alert is counted once, whatever order it came in, and nothing is left open.
void check_totals(const Case& given, const std::vector<schemas::Report>& reports,
                  const state::Transaction& state) {
  simdjson::dom::parser parser;
  std::map<std::string, std::pair<std::string, std::array<std::uint64_t, 2>>> last;
  for (const schemas::Report& report : reports) {
    if (report.kind == "incident") continue;
    const simdjson::dom::element json = parser.parse(report.json);
    last[report.id] = {fmt::format("{} {}", text(json["entity"], "key"), text(json, "rule")),
                       {count(json, "counts", "alerts"), count(json, "counts", "duplicates")}};
    if (given.disorder <= given.config.lateness && !given.stamped) {
      EXPECT_NE(text(json, "reason"), "late_data");
      EXPECT_EQ(count(json, "counts", "late"), 0U);
    }
  }
  std::map<std::string, std::array<std::uint64_t, 2>> told;
  std::array<std::uint64_t, 2> all = {0, 0};
  for (const auto& [id, counts] : last) {
    for (const std::size_t i : {0, 1}) {
      told[counts.first][i] += counts.second[i];
      all[i] += counts.second[i];
    }
  }
  std::set<std::int64_t> ids;
  std::map<std::string, std::array<std::uint64_t, 2>> expected;
  for (const Given& alert : given.alerts) {
    const std::string key =
        alert.container.empty()
            ? fmt::format("host/default/default/{} {}", alert.hostname, alert.rule)
            : fmt::format("container/default/default/{}/{} {}", alert.hostname, alert.container,
                          alert.rule);
    ++expected[key][ids.insert(alert.id).second ? 0 : 1];
  }
  const records::Counters counters = state.checkpoint().counters();
  EXPECT_EQ(counters.folded() + counters.duplicate(), given.alerts.size());
  EXPECT_EQ(counters.reports(), reports.size());
  EXPECT_EQ(counters.replays_dropped(), 0U);
  EXPECT_EQ(counters.findings_open(), 0);
  EXPECT_EQ(all[0], counters.folded());
  EXPECT_EQ(state.next_due(state.checkpoint().decided()), std::nullopt) << "something is left";
  // A copy whose finding is forgotten is an alert that may repeat (ruling 6).
  const bool remembered = given.disorder <= given.config.lateness;
  if (remembered) {
    EXPECT_EQ(counters.folded(), ids.size());
  } else {
    EXPECT_GE(counters.folded(), ids.size());
  }
  if (!given.config.close_all) return;
  EXPECT_EQ(all[1], counters.duplicate());
  if (remembered && !given.tight) {  // else a rule's alerts may be in the entity's overflow
    EXPECT_EQ(told, expected);
  }
}

// What by_rule was told of a finding adds up to what its last report says.
void check_contributions(const std::vector<schemas::Report>& reports,
                         const std::vector<records::Contribution>& contributions) {
  simdjson::dom::parser parser;
  std::map<std::string, std::array<std::uint64_t, 2>> reported;
  for (const schemas::Report& report : reports) {
    if (report.kind != "finding") continue;
    const simdjson::dom::element json = parser.parse(report.json);
    if (text(json, "shape") == kOtherShapes) continue;
    reported[report.id] = {count(json, "counts", "alerts"), count(json, "counts", "duplicates")};
  }
  std::map<std::string, std::array<std::uint64_t, 2>> contributed;
  for (const records::Contribution& each : contributions) {
    auto& sum = contributed[each.finding_id()];
    sum[0] += each.added().alerts();
    sum[1] += each.added().duplicates();
    EXPECT_EQ(each.has_span(), each.added().alerts() > 0);
    EXPECT_LE(each.span().first(), each.span().last());
    EXPECT_LE(each.span().last(), each.last());
  }
  EXPECT_EQ(contributed, reported);
}

// Whoever was called is told that it is over (ruling 4).
void check_closed(const std::vector<schemas::Report>& reports) {
  simdjson::dom::parser parser;
  std::set<std::string> noticed;
  for (const schemas::Report& report : reports) {
    const simdjson::dom::element json = parser.parse(report.json);
    if (text(json, "state") == "closed")
      noticed.erase(report.id);
    else if (text(json["attention"], "level") != "record")
      noticed.insert(report.id);
  }
  EXPECT_TRUE(noticed.empty()) << *noticed.begin();
}

// What a finding leaves to its incident, that says in the same second.
void check_asked(const std::vector<schemas::Report>& reports) {
  constexpr std::string_view kLeaves = "; incident ";
  std::set<std::pair<std::string, Second>> asking;
  for (const schemas::Report& report : reports)
    if (report.kind == "incident" && report.attention != "record")
      asking.emplace(report.id, report.time);
  simdjson::dom::parser parser;
  for (const schemas::Report& report : reports) {
    if (report.kind != "finding" || report.revision > 1) continue;
    const std::string because = text(parser.parse(report.json)["attention"], "because");
    const std::size_t at = because.find(kLeaves);
    if (at == std::string::npos) continue;
    EXPECT_EQ(report.attention, "record");
    EXPECT_THAT(asking,
                testing::Contains(std::pair(because.substr(at + kLeaves.size(), 32), report.time)))
        << report.json;
  }
}

// What a case has to show, whichever way it is delivered.
void check(const Case& given, std::uint64_t seed, const Playbooks& playbooks, state::Store& store,
           std::uint64_t& revisions) {
  const bool flash = seed % 2 == 0;
  Delivery delivery(given, seed * 2, flash, playbooks, store);
  const auto reports = delivery.run();
  revisions += reports.size();
  tests::ReportStream stream;
  for (const schemas::Report& report : reports) {
    // The schema holds for one as for the other, and is slow to check.
    const auto wrong =
        seed % 50 == 0 ? stream.violations(report.json) : stream.contradictions(report.json);
    EXPECT_THAT(wrong, testing::IsEmpty()) << report.json;
  }
  check_closed(reports);
  check_asked(reports);
  check_totals(given, reports, delivery.state());
  if (given.config.close_all) check_contributions(reports, delivery.contributions());
  if (!given.is_orderly()) return;
  if (!given.tight && given.config.close_all) {
    compare(run_model(given), reports, given.quiet);
    check_incidents(given, reports);
    check_blind_spots(given, reports);
  }
  // What the model does not foresee, judgements and incidents, must not depend on the way either.
  if (seed % 3 != 0) return;
  const bool other = seed % 4 == 0;
  const auto again = Delivery(given, seed * 2 + 1, other, playbooks, store).run();
  if (!flash && !other) {
    EXPECT_EQ(sorted_lines(reports), sorted_lines(again));
  } else if (!given.tight && given.config.close_all) {
    EXPECT_EQ(last_lines(reports), last_lines(again));
  }
}

TEST(Model, AgreesWithTheStageForEveryOrderBatchCopyAndCrash) {
  const std::uint64_t first = environment("GYRE_MODEL_SEED", 1);
  const std::uint64_t cases = environment("GYRE_MODEL_CASES", 500);
  const Playbooks playbooks;
  const state::StoreMemory memory(8 << 20);
  std::unique_ptr<state::Store> store;
  std::uint64_t revisions = 0;
  for (std::uint64_t seed = first; seed < first + cases; ++seed) {
    SCOPED_TRACE("GYRE_MODEL_SEED=" + std::to_string(seed) + " GYRE_MODEL_CASES=1");
    // A new one now and then: what was wiped has to be passed over when it is read.
    if (seed % 4 == 0 || !store) store = std::make_unique<state::Store>("", memory);
    check(make_case(seed), seed, playbooks, *store, revisions);
    if (HasFailure()) return;
  }
  std::cout << cases << " cases from seed " << first << ", " << revisions << " revisions\n";
}

}  // namespace
}  // namespace gyre::stages
