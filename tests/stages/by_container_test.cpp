// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/stage.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "schemas/alert.h"
#include "schemas/sighting.h"
#include "state/store.h"

namespace gyre::stages {
namespace {

constexpr Second kStart = 1'800'000'000;

// A task that is fed bundles of one source partition.
class ByContainerTest : public testing::Test {
 protected:
  struct Given {
    Second at = 0;  // seconds after kStart
    std::int64_t id = 0;
    std::string rule = "Rule A";
    schemas::Priority priority = schemas::Priority::kWarning;
    std::string tag = "mitre_execution";
    std::string container = "c0ffee000001";
  };

  static records::Sighting sighting(const Given& given) {
    schemas::Alert alert;
    alert.rule = given.rule;
    alert.time = (kStart + given.at) * kNanosPerSecond;
    alert.priority = given.priority;
    alert.tags = {given.tag};
    alert.output = "something happened";
    alert.fields = {{"container.name", "web"}, {"proc.name", "sh"}};
    const Id128 id = IdHasher().add(given.id).finish();
    records::Sighting one;
    one.set_finding_key(
        std::string(view(IdHasher().add(given.rule).add(given.container).finish())));
    one.mutable_entity()->set_tenant("default");
    one.mutable_entity()->set_cluster("default");
    one.mutable_entity()->set_hostname("node-1");
    one.mutable_entity()->set_id(given.container);
    one.set_rule(given.rule);
    one.set_source("syscall");
    one.set_shape("sh");
    one.set_second(kStart + given.at);
    schemas::summarise(alert, alert.time, id, schemas::Outcome::kUnknown, *one.mutable_summary());
    schemas::append_alert_entry(*one.mutable_alerts(),
                                {view(id), alert.time, schemas::Outcome::kUnknown});
    one.set_arrivals(1);
    return one;
  }

  // Feeds the sightings and a tick that decides everything up to `decided` seconds after kStart.
  void feed(const std::vector<Given>& given, Second decided) {
    records::Bundle bundle;
    bundle.set_sources(1);
    bundle.set_parts(1);
    records::SourceRange& range = *bundle.add_ranges();
    range.set_first(next_);
    next_ += static_cast<std::int64_t>(given.size());
    range.set_next(next_);
    range.set_progress((kStart + decided + 3) * kNanosPerSecond);
    range.set_arrivals(given.size());
    sent_ += given.size();
    range.set_sent(sent_);
    for (const Given& one : given) *bundle.add_sightings() = sighting(one);
    feed(bundle);
  }

  void feed(const records::Bundle& bundle) {
    stage_.process(bundle, state_, reports_, contributions_);
    state_.commit(++offset_, std::nullopt);
  }

  std::vector<std::string> said() const {
    std::vector<std::string> lines;
    for (const schemas::Report& report : reports_) {
      const std::string key = "\"reason\":\"";
      const std::size_t at = report.json.find(key) + key.size();
      lines.push_back(report.kind + " " + report.json.substr(at, report.json.find('"', at) - at) +
                      " @" + std::to_string(report.time - kStart));
    }
    return lines;
  }

  records::Counters counters() const { return state_.checkpoint().counters(); }

  FindingConfig config_{.close_all = true};
  Playbooks playbooks_;
  state::StoreMemory memory_{8 << 20};
  state::Store store_{"", memory_};
  state::Transaction state_{store_};
  ByContainer stage_{config_, playbooks_, {.version = "test", .config_hash = "0"}};
  std::vector<schemas::Report> reports_;
  std::vector<records::Contribution> contributions_;
  std::int64_t next_ = 0;
  std::uint64_t sent_ = 0;
  std::int64_t offset_ = 0;
};

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
  EXPECT_EQ(said().back(), "incident closed @3733");
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
  ++sent_;  // a bundle with one alert never came
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
