// SPDX-License-Identifier: Apache-2.0
// The limits of findings an entity: what they hold, what they never lose.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tests/stages/container_task.h"

namespace gyre::stages {
namespace {

class PlacesTest : public ContainerTask {
 protected:
  std::uint64_t alerts_reported() const {
    std::uint64_t sum = 0;
    for (const auto& [id, report] : last())
      if (report.kind != "incident") sum += number_of(report, "alerts");
    return sum;
  }

  std::set<std::string> shapes_reported() const {
    std::set<std::string> shapes;
    for (const auto& [id, report] : last())
      if (report.kind == "finding") shapes.insert(value_of(report, "shape"));
    return shapes;
  }
};

std::vector<Given> shapes(int count, schemas::Priority priority = schemas::Priority::kWarning) {
  std::vector<Given> given;
  for (int i = 0; i < count; ++i)
    given.push_back({.at = i % 3, .id = i, .priority = priority, .shape = "s" + std::to_string(i)});
  return given;
}

TEST_F(PlacesTest, MoreShapesThanTheLimitAreOneOverflowFindingThatSaysSo) {
  feed(shapes(100), 60);
  EXPECT_EQ(shapes_reported().size(), 65U);
  EXPECT_EQ(counters().overflowed(), 36U);
  for (const auto& [id, report] : last()) {
    if (value_of(report, "shape") != "*") continue;
    EXPECT_EQ(number_of(report, "alerts"), 36U);
    EXPECT_THAT(report.json, testing::HasSubstr(R"("caps":[{"what":"shapes")"));
  }
  EXPECT_EQ(alerts_reported(), 100U);
}

TEST_F(PlacesTest, WhoGetsAPlaceDoesNotDependOnTheOrderOfArrival) {
  std::vector<Given> given = shapes(200);
  feed(given, 60);
  const auto expected = shapes_reported();
  for (const unsigned seed : {1U, 2U, 3U}) {
    SCOPED_TRACE(seed);
    state::Store store("", memory_);
    state::Transaction state(store);
    std::mt19937 random(seed);
    std::shuffle(given.begin(), given.end(), random);
    reports_.clear();
    std::int64_t next = 0;
    for (std::size_t from = 0; from < given.size(); from += 40) {
      records::Bundle bundle;
      bundle.set_sources(1);
      bundle.set_parts(1);
      records::SourceRange& range = *bundle.add_ranges();
      range.set_first(next);
      next += 40;
      range.set_next(next);
      range.set_progress((kStart + (next == 200 ? 63 : 2)) * kNanosPerSecond);
      range.set_arrivals(40);
      range.set_sent(static_cast<std::uint64_t>(next));
      for (std::size_t i = from; i < from + 40; ++i) *bundle.add_sightings() = sighting(given[i]);
      std::vector<records::Contribution> contributions;
      Allowance allowance;
      stage_.process(bundle, state, allowance, reports_, contributions);
      state.commit(next, std::nullopt);
    }
    EXPECT_EQ(shapes_reported(), expected);
  }
}

TEST_F(PlacesTest, NoiseTakesNoPlaceFromACriticalFinding) {
  feed(shapes(1000), 10);
  feed({{.at = 11, .id = 5000, .priority = schemas::Priority::kCritical, .shape = "critical"}}, 11);
  EXPECT_EQ(shapes_reported().count("critical"), 1U);
}

TEST_F(PlacesTest, AnOverflowIsSettledByItsHighestPriority) {
  feed(shapes(65, schemas::Priority::kCritical), 2);
  EXPECT_EQ(shapes_reported().count("*"), 1U);
}

// Its back-off is by then an hour.
TEST_F(PlacesTest, ACriticalPatternBeyondTheLimitIsSaidWithinTheFirstBackOff) {
  feed(shapes(65, schemas::Priority::kCritical), 2);
  std::uint64_t alerts = 1;
  const auto overflow = [this] {
    for (const auto& [id, report] : last())
      if (value_of(report, "shape") == "*") return number_of(report, "alerts");
    return std::uint64_t{0};
  };
  for (Second at = 100; at < 4000; at += 300) {
    const std::string shape = "later" + std::to_string(at);
    feed({{.at = at, .id = at, .priority = schemas::Priority::kCritical, .shape = shape}}, at + 60);
    EXPECT_EQ(overflow(), ++alerts) << at;
  }
  const std::size_t revisions = reports_.size();
  for (Second at = 4000; at < 4600; ++at)
    feed({{.at = at, .id = at, .priority = schemas::Priority::kCritical, .shape = "flood"}}, at);
  EXPECT_LE(reports_.size() - revisions, 12U);
}

TEST_F(PlacesTest, ManyRulesOfOneEntityOverflowByRuleAndAtLastTogether) {
  std::vector<Given> given;
  for (int i = 0; i < 1000; ++i)
    given.push_back({.at = 0, .id = i, .rule = "Rule " + std::to_string(i)});
  feed(given, 60);
  EXPECT_EQ(last().size() - (last().size() > 320 ? 1 : 0), 256U + 64U) << "and an incident";
  EXPECT_EQ(alerts_reported(), 1000U);
}

TEST_F(PlacesTest, ACopyOfWhatOverflowedIsCountedThere) {
  feed(shapes(100), 60);
  const std::size_t findings = last().size();
  feed(shapes(100), 61);
  feed({}, 6000);
  EXPECT_EQ(last().size(), findings);
  std::uint64_t duplicates = 0;
  for (const auto& [id, report] : last()) duplicates += number_of(report, "duplicates");
  EXPECT_EQ(duplicates, 100U);
}

TEST_F(PlacesTest, AClosedFindingFreesItsPlace) {
  feed(shapes(64), 60);
  feed({}, 10'000);
  feed({{.at = 10'001, .id = 9000, .shape = "later"}}, 10'060);
  EXPECT_EQ(shapes_reported().count("later"), 1U);
}

TEST_F(PlacesTest, AHundredThousandShapesOfOneContainerLeaveNoMoreThanTheLimitBehind) {
  constexpr int kAll = 100'000;
  for (int from = 0; from < kAll; from += 10'000) {
    std::vector<Given> given;
    for (int i = from; i < from + 10'000; ++i)
      given.push_back({.at = i / 1000, .id = i, .shape = "s" + std::to_string(i)});
    feed(given, (from + 10'000) / 1000);
  }
  feed({}, kAll / 1000 + 40);
  std::size_t series = 0;
  std::size_t bytes = 0;
  store_.scan("s", "t", [&](std::string_view, std::string_view value) {
    ++series;
    bytes = std::max(bytes, value.size());
    return true;
  });
  EXPECT_EQ(series, 65U);
  EXPECT_LT(bytes, 256U << 10);
  store_.scan("e", "f", [&](std::string_view, std::string_view value) {
    EXPECT_LT(value.size(), 256U << 10);
    return true;
  });
  EXPECT_EQ(counters().folded(), 100'000U);
  feed({}, 100'000);
  EXPECT_EQ(alerts_reported(), 100'000U);
}

TEST_F(PlacesTest, ARuleMayHaveANumberOfPlacesOfItsOwn) {
  FindingConfig other = config_;
  other.shapes = 5;
  config_.elsewhere.add("", "Rule B", other);
  std::vector<Given> given;
  for (int i = 0; i < 40; ++i)
    given.push_back({.at = 0,
                     .id = i,
                     .rule = i % 2 == 0 ? "Rule A" : "Rule B",
                     .shape = "s" + std::to_string(i)});
  feed(given, 60);
  std::map<std::string, std::vector<std::uint64_t>> findings;
  for (const auto& [id, report] : last())
    if (report.kind == "finding")
      findings[value_of(report, "rule")].push_back(number_of(report, "alerts"));
  EXPECT_EQ(findings["Rule A"].size(), 20U);
  EXPECT_THAT(findings["Rule B"], testing::UnorderedElementsAre(1U, 1U, 1U, 1U, 1U, 15U));
}

}  // namespace
}  // namespace gyre::stages
