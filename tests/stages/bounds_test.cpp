// SPDX-License-Identifier: Apache-2.0
// What an attacker or an archive can make a task keep and decide at once is bounded, and loses no
// count (DESIGN 1.5).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/stages/container_task.h"

namespace gyre::stages {
namespace {

using schemas::Priority;
using testing::HasSubstr;

constexpr std::size_t kLargestValue = 256 << 10;  // of DESIGN 5

class BoundsTest : public ContainerTask {
 protected:
  std::uint64_t reported(const std::string& key) const {
    std::uint64_t sum = 0;
    for (const auto& [id, report] : last())
      if (report.kind != "incident") sum += number_of(report, key);
    return sum;
  }
};

// As much evidence as a finding keeps: other values and fields with every alert.
std::vector<std::pair<std::string, std::string>> heavy(std::int64_t id) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (std::int64_t field = 0; field < 40; ++field)
    fields.emplace_back("field." + std::to_string(field) + std::string(240, 'f'),
                        std::to_string(id) + "/" + std::to_string(field) + std::string(250, 'v'));
  return fields;
}

TEST_F(BoundsTest, AnArchiveReadIntoALiveTopicIsFewLateFindingsWithExactCounts) {
  constexpr Second kDays = 18 * 24 * 3600;
  feed({{.at = kDays, .id = -1}}, kDays + 10);
  std::vector<Given> archive;
  for (std::int64_t i = 0; i < 1290; ++i) archive.push_back({.at = i * 1200, .id = i});
  feed(archive, kDays + 20);
  feed(archive, kDays + 30);  // once more
  feed({{.at = 600, .id = 2000}}, kDays + 40);
  EXPECT_LT(largest_value_, kLargestValue);
  EXPECT_LE(last().size(), 6U);
  feed({}, kDays + 20'000);
  EXPECT_EQ(counters().folded(), 2582U);  // so old, nobody knows a copy
  EXPECT_EQ(reported("alerts"), counters().folded());
  EXPECT_EQ(reported("duplicates"), counters().duplicate());
  EXPECT_EQ(reported("late"), counters().late());
  EXPECT_EQ(counters().findings_open(), 0);
  EXPECT_GT(counters().overflowed(), 1200U);
  std::size_t said = 0;
  for (const auto& [id, report] : last())
    if (report.json.find(R"("caps":[{"what":"late_episodes")") != std::string::npos) ++said;
  EXPECT_GE(said, 1U) << "a limit that bit is said";
  EXPECT_FALSE(state_.next_due(kStart + kDays + 100'000)) << "nothing may be left in the state";
}

TEST_F(BoundsTest, TheEpisodesOfOneKeyStaySmallWhateverTheirEvidence) {
  std::int64_t id = 0;
  for (Second at = 0; at < 4 * 3600; at += 1000) {  // a silence longer than the gap after each
    std::vector<Given> given;
    for (int i = 0; i < 12; ++i, ++id)
      given.push_back({.at = at + i, .id = id, .fields = heavy(id)});
    feed(given, at + 20);
    // And each a late companion, far from all others.
    feed({{.at = at - 1'000'000 + 20 * at, .id = ++id, .fields = heavy(id)}}, at + 30);
  }
  EXPECT_LT(largest_value_, kLargestValue);
  feed({}, 50'000);
  EXPECT_EQ(reported("alerts"), counters().folded());
}

TEST_F(BoundsTest, EveryEpisodeOfACronJobIsToldThoughOnlyTheNewestAreKept) {
  config_.gap = 60;
  for (Second at = 0; at < 6000; at += 100) feed({{.at = at, .id = at}}, at + 50);
  feed({}, 20'000);
  EXPECT_EQ(last().size(), 60U);
  EXPECT_EQ(reported("alerts"), 60U);
}

TEST_F(BoundsTest, ACopyOfAForgottenFindingsAlertOpensNoFindingWithoutAnAlert) {
  config_.keep_closed = 0;
  feed({{.at = 10, .id = 1}}, 2000);
  ASSERT_EQ(last().size(), 1U);
  feed({{.at = 10, .id = 1}}, 2010);
  feed({}, 6000);
  EXPECT_EQ(last().size(), 2U) << "it may repeat, and says so under an id of its own";
  for (const auto& [id, report] : last()) EXPECT_EQ(number_of(report, "alerts"), 1U);
  EXPECT_EQ(counters().folded(), 2U);
  EXPECT_EQ(counters().duplicate(), 0U);
  EXPECT_EQ(reported("alerts"), 2U);
  EXPECT_EQ(reported("late"), counters().late());
}

// The record of the first copy is stamped before the alert's own time, that of the second is not.
records::Sighting copy_of(const Given& given, Second at) {
  records::Sighting copy = sighting(given);
  copy.set_second(kStart + at);
  copy.mutable_summary()->set_first((kStart + at) * kNanosPerSecond);
  copy.mutable_summary()->set_last((kStart + at) * kNanosPerSecond);
  return copy;
}

TEST_F(BoundsTest, ACopyThatComesBeforeItsAlertInTimeIsADuplicateOfIt) {
  records::Bundle bundle;
  bundle.set_sources(1);
  bundle.set_parts(1);
  records::SourceRange& range = *bundle.add_ranges();
  range.set_next(2);
  range.set_progress((kStart + 100) * kNanosPerSecond);
  range.set_arrivals(2);
  range.set_sent(2);
  const Given given{.at = 11, .id = 1, .priority = Priority::kCritical};
  *bundle.add_sightings() = copy_of(given, 11);
  *bundle.add_sightings() = copy_of(given, 10);
  feed(bundle);
  position_ = {.next = 2, .sent = 2};
  feed({}, 20'000);
  EXPECT_EQ(counters().folded(), 1U);
  EXPECT_EQ(counters().duplicate(), 1U);
  EXPECT_EQ(reported("alerts"), 1U);
  EXPECT_EQ(reported("duplicates"), 1U);
  for (const schemas::Report& report : reports_) EXPECT_GT(number_of(report, "alerts"), 0U);
}

TEST_F(BoundsTest, AJumpOfTimeIsDecidedInManyBatchesWithTheSameOutcome) {
  constexpr int kFindings = 5000;
  std::vector<Given> given;
  for (int i = 0; i < kFindings; ++i)
    given.push_back({.at = 10 + i % 3,
                     .id = i,
                     .container = "c" + std::to_string(i / 4),
                     .shape = "s" + std::to_string(i % 4),
                     .hostname = "node-" + std::to_string(i / 60)});
  feed(given, 20);
  feed({}, 10'000);
  const std::vector<schemas::Report> expected = std::exchange(reports_, {});
  EXPECT_EQ(expected.size(), 2U * kFindings);

  store_.wipe();
  position_ = {};
  feed(given, 20);
  const records::Bundle tick = next_bundle(0, (kStart + 10'003) * kNanosPerSecond, position_);
  std::vector<records::Contribution> contributions;
  std::size_t batches = 0;
  for (; batches == 0 || stage_.is_behind(state_); ++batches) {
    const std::size_t before = reports_.size();
    Allowance allowance(500);
    if (batches == 0)
      stage_.process(tick, state_, allowance, reports_, contributions);
    else
      stage_.proceed(state_, allowance, reports_, contributions);
    EXPECT_LE(reports_.size() - before, 1019U) << "a slice of one second, to the end of a host";
    state_.commit(++offset_, std::nullopt);
  }
  EXPECT_GE(batches, 6U);
  ASSERT_EQ(reports_.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    ASSERT_EQ(reports_[i].json, expected[i].json) << i;
}

TEST_F(BoundsTest, AnAlertAtTheEndOfTimeIsReportedAndClosed) {
  for (const Nanos time : {kLastEventTime, parse_rfc3339("2199-12-31T23:59:59.5Z").value(),
                           parse_rfc3339("1680-01-01T00:00:00Z").value()}) {
    SCOPED_TRACE(time);
    feed({{.at = second_of(time) - kStart,
           .id = time,
           .nanos = time - second_of(time) * kNanosPerSecond}},
         0);
  }
  feed({}, second_of(kEndOfTime) - kStart - 3);
  EXPECT_EQ(counters().folded(), 3U);
  EXPECT_EQ(reported("alerts"), 3U);
  EXPECT_EQ(counters().findings_open(), 0);
}

}  // namespace
}  // namespace gyre::stages
