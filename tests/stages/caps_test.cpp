// SPDX-License-Identifier: Apache-2.0
// A limit of what is kept or said that was reached stands in the report, and is counted
// (docs/decisions/0020-limits.md).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "stages/report/caps.h"
#include "tests/stages/container_task.h"

namespace gyre::stages {
namespace {

using schemas::Priority;
using testing::Contains;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;

class CapsTest : public ContainerTask {
 protected:
  // Of all revisions of a kind; what is counted must be what is said.
  std::set<std::string> caps(std::string_view kind = "finding") const {
    std::set<std::string> all;
    for (const schemas::Report& report : reports_) {
      if (report.kind != kind) continue;
      EXPECT_EQ(report.caps.empty(), report.json.find("\"caps\":") == std::string::npos);
      for (const std::string_view cap : report.caps) {
        EXPECT_NE(report.json.find("{\"what\":\"" + std::string(cap) + '"'), std::string::npos)
            << cap;
        all.insert(std::string(cap));
      }
    }
    return all;
  }

  static Given with(std::int64_t id, std::vector<std::pair<std::string, std::string>> fields) {
    Given given{.at = id, .id = id};
    given.fields = std::move(fields);
    return given;
  }
};

TEST_F(CapsTest, AnOrdinaryFindingReachesNone) {
  feed({{.at = 0, .id = 1}, {.at = 1, .id = 2}}, 5000);
  EXPECT_THAT(caps(), IsEmpty());
}

TEST_F(CapsTest, MoreValuesOfAFieldThanAreKept) {
  std::vector<Given> given;
  for (int i = 0; i < 8; ++i) given.push_back(with(i, {{"proc.cmdline", std::to_string(i)}}));
  feed(given, 100);
  EXPECT_THAT(caps(), IsEmpty());
  feed({with(101, {{"proc.cmdline", "a ninth"}})}, 5000);
  EXPECT_EQ(caps(), std::set<std::string>{"values"});
}

TEST_F(CapsTest, MoreFieldsThanAreKept) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (int i = 0; i < 40; ++i) fields.emplace_back("field." + std::to_string(100 + i), "x");
  feed({with(1, fields)}, 5000);
  EXPECT_EQ(caps(), std::set<std::string>{"evidence"});
}

TEST_F(CapsTest, ATextAsLongAsAnyThatIsKept) {
  feed({with(1, {{"proc.cmdline", std::string(252, 'x')}})}, 100);
  EXPECT_THAT(caps(), IsEmpty());
  feed({with(101, {{"proc.cmdline", std::string(300, 'x')}})}, 5000);
  EXPECT_EQ(caps(), std::set<std::string>{"texts"});
}

TEST_F(CapsTest, MorePatternsThanHaveAPlace) {
  std::vector<Given> given;
  for (int i = 0; i < 70; ++i) given.push_back({.id = i, .shape = std::to_string(i)});
  feed(given, 5000);
  EXPECT_THAT(caps(), Contains("shapes"));
}

TEST_F(CapsTest, NoiseBeyondThePlacesDoesNotTakeBackWhatWasSeenToHappen) {
  Given one{.at = 0, .id = 1, .rule = "Execution from /dev/shm"};
  const auto with = [&](const std::string& path, const char* result, schemas::Outcome outcome) {
    one.shape = path;
    one.outcome = outcome;
    one.fields = {{"proc.exepath", path}, {"evt.res", result}, {"proc.name", "sh"}};
    ++one.id;
    feed({one}, one.at + 20);
    one.at += 30;
  };
  for (int i = 0; i < static_cast<int>(config_.shapes); ++i)
    with("/bin/first" + std::to_string(i), "EACCES", schemas::Outcome::kBlocked);
  with("/dev/shm/evil", "SUCCESS", schemas::Outcome::kSucceeded);
  const auto overflow = [&] {
    schemas::Report found;
    for (const schemas::Report& report : reports_)
      if (value_of(report, "shape") == "*") found = report;
    return found;
  };
  feed({}, one.at + 30);
  const std::string severity = value_of(overflow(), "severity");
  const std::uint64_t risk = number_of(overflow(), "score");
  for (int i = 0; i < 40; ++i)
    with("/bin/noise" + std::to_string(i), "EACCES", schemas::Outcome::kBlocked);
  feed({}, 20'000);
  EXPECT_EQ(value_of(overflow(), "severity"), severity);
  EXPECT_GE(number_of(overflow(), "score"), risk);
}

TEST_F(CapsTest, MoreLateEpisodesThanAreKeptApart) {
  constexpr Second kNow = 100'000;
  feed({{.at = kNow, .id = -1}}, kNow + 10);
  std::vector<Given> late;
  for (int i = 0; i < 6; ++i) late.push_back({.at = i * 5000, .id = i});
  feed(late, kNow + 20);
  feed({}, kNow + 20'000);
  EXPECT_THAT(caps(), Contains("late_episodes"));
}

TEST_F(CapsTest, MoreBlindSpotsThanAreKept) {
  std::vector<Given> given = {{.at = 0, .id = 1}};
  for (int i = 0; i < 40; ++i) {
    given.push_back({.at = 100 + i * 90,
                     .id = 100 + i,
                     .rule = "Falco internal: syscall event drop",
                     .container = "",
                     .shape = "",
                     .source = "internal"});
    given.back().fields = {{"n_drops", "5"}, {"n_evts", "100"}};
    if (i % 5 == 0) given.push_back({.at = 100 + i * 90, .id = 200 + i});
  }
  feed(given, 4000);
  feed({}, 9000);
  EXPECT_THAT(caps(), Contains("blind_spots"));
}

TEST_F(CapsTest, MoreFindingsThanAnIncidentListsAndItsTimelineHasLinesFor) {
  std::vector<Given> given;
  const char* tags[] = {"mitre_execution", "mitre_persistence", "mitre_discovery"};
  for (int i = 0; i < 150; ++i)
    given.push_back({.id = i,
                     .rule = "Rule " + std::to_string(i % 3),
                     .tag = tags[i % 3],
                     .shape = std::to_string(i)});
  feed(given, 5000);
  EXPECT_THAT(caps("incident"), IsSupersetOf({"findings", "timeline"}));
}

TEST_F(CapsTest, MoreFindingsThanAreWatchedBeforeThereIsAnIncident) {
  std::vector<Given> given;
  for (int i = 0; i < 120; ++i)
    given.push_back(
        {.id = i, .rule = "Rule " + std::to_string(i % 2), .tag = "x", .shape = std::to_string(i)});
  feed(given, 100);
  EXPECT_THAT(caps("incident"), IsEmpty());
  feed({{.at = 101, .id = 900, .rule = "Rule C", .priority = Priority::kCritical},
        {.at = 101,
         .id = 901,
         .rule = "Rule D",
         .priority = Priority::kCritical,
         .tag = "mitre_persistence"}},
       9000);
  EXPECT_THAT(caps("incident"), Contains("findings")) << "they are part of it, and counted";
  EXPECT_THAT(caps("incident"), Not(Contains("context")));
}

TEST_F(CapsTest, MoreHarmlessFindingsThanAnIncidentNames) {
  const std::vector<std::pair<std::string, std::string>> generator = {
      {"container.image.repository", "falcosecurity/event-generator"},
      {"proc.cmdline", "event-generator run syscall"}};
  feed({{.id = 1,
         .rule = "Rule A",
         .priority = Priority::kCritical,
         .outcome = schemas::Outcome::kSucceeded}},
       10);
  for (const int count : {16, 1}) {
    EXPECT_THAT(caps("incident"), Not(Contains("context")));
    std::vector<Given> given;
    for (int i = 0; i < count; ++i)
      given.push_back({.at = 11 + 50 * (17 - count),
                       .id = 100 + count * 20 + i,
                       .rule = "Rule B",
                       .shape = std::to_string(100 * count + i),
                       .fields = generator});
    feed(given, given.front().at + 40);
  }
  feed({}, 9000);
  EXPECT_THAT(caps("incident"), Contains("context"));
}

TEST_F(CapsTest, AReportThatWouldBeTooLarge) {
  std::vector<Given> given;
  for (int i = 0; i < 10; ++i) {
    std::vector<std::pair<std::string, std::string>> fields;
    for (int field = 0; field < 31; ++field)
      fields.emplace_back("field." + std::to_string(100 + field),
                          std::to_string(i) + std::string(240, 'v'));
    given.push_back(with(i, std::move(fields)));
  }
  feed(given, 5000);
  EXPECT_THAT(caps(), Contains("report_size"));
}

}  // namespace
}  // namespace gyre::stages
