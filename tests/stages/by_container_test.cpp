// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/stage.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/stages/container_task.h"

namespace gyre::stages {
namespace {

class ByContainerTest : public ContainerTask {};

using Lines = std::vector<std::string>;

TEST_F(ByContainerTest, AWarningIsToldAfterSettlingAndClosedAfterTheGapAndTheLateness) {
  feed({{.at = 10, .id = 1}}, 14);
  EXPECT_EQ(said(), Lines{});
  feed({}, 2000);
  EXPECT_EQ(said(), (Lines{"finding opened @15", "finding closed @1031"}));
  EXPECT_EQ(counters().findings_open(), 0);
}

TEST_F(ByContainerTest, ACriticalFindingDoesNotWait) {
  feed({{.at = 10, .id = 1, .priority = schemas::Priority::kCritical}}, 10);
  ASSERT_FALSE(said().empty());
  EXPECT_EQ(said().front(), "finding opened @10");
}

TEST_F(ByContainerTest, NoSecondIsDecidedBeforeTheDisorderIsOver) {
  records::Bundle bundle;
  bundle.set_sources(1);
  bundle.set_parts(1);
  auto& range = *bundle.add_ranges();
  range.set_next(1);
  range.set_arrivals(1);
  range.set_sent(1);
  range.set_progress((kStart + 10 + 3) * kNanosPerSecond - 1);
  *bundle.add_sightings() = sighting({.at = 10, .id = 1, .priority = schemas::Priority::kCritical});
  feed(bundle);
  EXPECT_EQ(said(), Lines{});
}

TEST_F(ByContainerTest, ASourceNeverHeardOfHoldsTheTime) {
  records::Bundle bundle;
  bundle.set_sources(2);
  bundle.set_parts(1);
  auto& range = *bundle.add_ranges();
  range.set_next(1);
  range.set_arrivals(1);
  range.set_sent(1);
  range.set_progress((kStart + 5000) * kNanosPerSecond);
  *bundle.add_sightings() = sighting({.at = 10, .id = 1, .priority = schemas::Priority::kCritical});
  feed(bundle);
  EXPECT_EQ(said(), Lines{});
}

TEST_F(ByContainerTest, CopiesAreCountedOnceWithinTheHorizonAndFoldedBeyondIt) {
  feed({{.at = 10, .id = 1}, {.at = 10, .id = 1}}, 20);
  EXPECT_EQ(counters().folded(), 1U);
  EXPECT_EQ(counters().duplicate(), 1U);
  // The watermark stands at the alert's time + 1 h: still a duplicate. A second later it is not
  // asked for any more.
  feed({}, 10 + 3600 + 120 - 3);
  feed({{.at = 10, .id = 1}}, 10 + 3600 + 120 - 2);
  EXPECT_EQ(counters().duplicate(), 2U);
  feed({{.at = 10, .id = 1}}, 10 + 3600 + 120 + 100);
  EXPECT_EQ(counters().duplicate(), 2U);
  EXPECT_EQ(counters().folded(), 2U);
  EXPECT_EQ(counters().late(), 1U);
}

TEST_F(ByContainerTest, ADuplicateAloneMakesNoRevisionBeforeItsFindingIsDropped) {
  feed({{.at = 10, .id = 1}}, 1100);
  const std::size_t before = reports_.size();
  feed({{.at = 10, .id = 1}}, 1200);
  EXPECT_EQ(reports_.size(), before);
  feed({}, 1031 + 3600);
  ASSERT_EQ(reports_.size(), before + 1);
  EXPECT_EQ(said().back(), "finding late_data @4631");
  EXPECT_NE(reports_.back().json.find("\"duplicates\":1"), std::string::npos);
}

TEST_F(ByContainerTest, ASilenceLongerThanTheGapBeginsAnotherEpisodeOfTheSameSeries) {
  feed({{.at = 10, .id = 1}, {.at = 10 + 901, .id = 2}}, 5000);
  EXPECT_EQ(said(), (Lines{"finding opened @15", "finding opened @916", "finding closed @1031",
                           "finding closed @1932"}));
  EXPECT_NE(reports_[1].json.find("\"previous_id\":\"" + reports_[0].id + "\""), std::string::npos);
}

TEST_F(ByContainerTest, SightingsWithinTheGapAreOneFinding) {
  feed({{.at = 10, .id = 1}, {.at = 10 + 900, .id = 2}}, 5000);
  EXPECT_EQ(reports_.back().json.find("previous_id"), std::string::npos);
  EXPECT_NE(reports_.back().json.find("\"alerts\":2"), std::string::npos);
}

TEST_F(ByContainerTest, TwoRulesOfTwoTacticsInOneContainerAreAnIncidentToldAfterItsFindings) {
  feed({{.at = 10, .id = 1}, {.at = 12, .id = 2, .rule = "Rule B", .tag = "mitre_persistence"}},
       20);
  EXPECT_EQ(said(), (Lines{"finding opened @15", "finding opened @17", "incident opened @17"}));
  EXPECT_NE(reports_[2].json.find(reports_[0].id), std::string::npos);
  EXPECT_NE(reports_[2].json.find(reports_[1].id), std::string::npos);
  feed({}, 10'000);
  EXPECT_EQ(said().back(), "incident closed @3738");
  EXPECT_NE(reports_[3].json.find("\"incident_id\":\"" + reports_[2].id + "\""), std::string::npos);
}

TEST_F(ByContainerTest, TwoRulesOfTwoContainersAreNoIncident) {
  feed({{.at = 10, .id = 1},
        {.at = 12,
         .id = 2,
         .rule = "Rule B",
         .tag = "mitre_persistence",
         .container = "c0ffee000002"}},
       10'000);
  for (const schemas::Report& report : reports_) EXPECT_EQ(report.kind, "finding");
}

// The card, the incident and the blind spots of a second are known to all that it decides.
TEST_F(ByContainerTest, TheSlicesOfASecondCantBeSeen) {
  std::vector<Given> given;
  for (std::int64_t i = 0; i < 12; ++i) {
    const std::string host = "node-" + std::to_string(i);
    for (std::int64_t rule = 0; rule < 4; ++rule)
      given.push_back({.at = 10,
                       .id = i * 10 + rule,
                       .rule = "Rule " + std::to_string(rule),
                       .priority = schemas::Priority::kCritical,
                       .tag = rule % 2 == 0 ? "mitre_execution" : "mitre_persistence",
                       .shape = "s" + std::to_string(i),
                       .fields = {{"container.image.repository", "image-" + std::to_string(rule)}},
                       .hostname = host});
    given.push_back({.at = 10,
                     .id = i * 10 + 9,
                     .rule = "Falco internal: syscall event drop",
                     .priority = schemas::Priority::kDebug,
                     .container = "",
                     .shape = "sensor health",
                     .fields = {{"n_drops", "100"}},
                     .source = "internal",
                     .hostname = host});
  }
  const auto sorted = [&] {
    Lines lines;
    for (const schemas::Report& report : reports_) lines.push_back(report.json);
    std::sort(lines.begin(), lines.end());
    return lines;
  };
  feed(given, 5000);
  const Lines whole = sorted();
  reports_.clear();
  state_.rollback();
  store_.wipe();
  offset_ = 0;
  position_ = {};
  config_.slice = 1;
  feed(given, 5000);
  EXPECT_EQ(sorted(), whole);
}

TEST_F(ByContainerTest, ACopyWhoseStampLiesFarBehindIsNoAlert) {
  Second at = 0;
  for (const Second behind : {1, 50, 119, 120, 121, 500, 5000}) {
    SCOPED_TRACE(behind);
    at += 20'000;
    // The copy was stamped earlier than the first one that was read, and than its own time.
    records::Bundle bundle = next_bundle(2, (kStart + at) * kNanosPerSecond, position_);
    records::Sighting copy = sighting({.at = at, .id = behind});
    *bundle.add_sightings() = copy;
    copy.set_second(copy.second() - behind);
    copy.mutable_summary()->set_first(copy.second() * kNanosPerSecond);
    copy.mutable_summary()->set_last(copy.second() * kNanosPerSecond);
    *bundle.add_sightings() = copy;
    const auto before = counters();
    feed(bundle);
    feed({}, at + 9000);
    EXPECT_EQ(counters().folded(), before.folded() + 1);
    EXPECT_EQ(counters().duplicate(), before.duplicate() + 1);
  }
}

TEST_F(ByContainerTest, ACopyDecidedTogetherWithItsAlertIsNoAlert) {
  config_.lateness = 20;
  feed({}, 79);
  records::Bundle bundle = next_bundle(2, (kStart + 100) * kNanosPerSecond, position_);
  records::Sighting copy = sighting({.at = 76, .id = 1});
  *bundle.add_sightings() = copy;
  copy.set_second(copy.second() - 23);  // its record's stamp; both are late
  copy.mutable_summary()->set_first(copy.second() * kNanosPerSecond);
  copy.mutable_summary()->set_last(copy.second() * kNanosPerSecond);
  *bundle.add_sightings() = copy;
  feed(bundle);
  feed({}, 9000);
  EXPECT_EQ(counters().folded(), 1U);
  EXPECT_EQ(counters().duplicate(), 1U);
}

TEST_F(ByContainerTest, AReplayedBundleIsDroppedAndCounted) {
  records::Bundle bundle;
  bundle.set_sources(1);
  bundle.set_parts(1);
  auto& range = *bundle.add_ranges();
  range.set_next(1);
  range.set_arrivals(1);
  range.set_sent(1);
  range.set_progress(kStart * kNanosPerSecond);
  *bundle.add_sightings() = sighting({.at = 10, .id = 1});
  feed(bundle);
  feed(bundle);
  EXPECT_EQ(counters().replays_dropped(), 1U);
  EXPECT_EQ(counters().folded(), 1U);
  bundle.mutable_ranges(0)->set_next(2);
  EXPECT_THROW(feed(bundle), Refusal) << "a partial overlap must stop the task";
}

TEST_F(ByContainerTest, ALostBundleShowsInTheCounters) {
  feed({{.at = 10, .id = 1}}, 20);
  ++position_.sent;  // a bundle with one alert never came
  EXPECT_THROW(feed({{.at = 11, .id = 2}}, 21), Refusal);
}

TEST_F(ByContainerTest, AFloodOfIdsOfOneMinuteStaysExact) {
  std::vector<Given> many;
  for (std::int64_t i = 0; i < 3000; ++i) many.push_back({.at = 10, .id = i});
  feed(many, 20);
  feed(many, 21);
  EXPECT_EQ(counters().folded(), 3000U);
  EXPECT_EQ(counters().duplicate(), 3000U);
}

}  // namespace
}  // namespace gyre::stages
