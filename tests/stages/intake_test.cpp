// SPDX-License-Identifier: Apache-2.0
#include "stages/intake/intake.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "schemas/sighting.h"

namespace gyre::stages {
namespace {

std::string alert(int second, std::string_view file, std::string_view container = "c0ffee000001") {
  return fmt::format(
      R"({{"hostname":"node-1","output":"o","output_fields":{{"container.id":"{}","evt.type":"execve","proc.cmdline":"sh -c {}","proc.name":"sh"}},)"
      R"("priority":"Warning","rule":"Rule A","source":"syscall","tags":[],"time":"2026-01-02T03:04:{:02}.000000000Z"}})",
      container, file, second);
}

class IntakeTest : public testing::Test {
 protected:
  void add(const std::string& value, std::int32_t partition = 0) {
    stages::SourceState& source = sources_[partition];
    intake_.add({.partition = partition,
                 .offset = source.next_offset,
                 .record_time = kNoTime,
                 .value = value,
                 .headers = {},
                 .tenant = {},
                 .cluster = {}},
                source);
  }
  IntakeOutput finish() { return intake_.finish(sources_, 2, "test"); }
  static records::Bundle decoded(const std::string& bytes) {
    records::Bundle bundle;
    EXPECT_TRUE(bundle.ParseFromString(bytes));
    return bundle;
  }

  Intake intake_{{}, "default", "default", 4};
  std::map<std::int32_t, SourceState> sources_;
};

TEST_F(IntakeTest, AFloodOfOneSecondIsOneSighting) {
  for (int i = 0; i < 100; ++i) add(alert(5, "/dev/shm/x"));
  int sightings = 0;
  std::uint64_t arrivals = 0;
  for (const auto& [target, bytes] : finish().bundles) {
    const records::Bundle bundle = decoded(bytes);
    sightings += bundle.sightings_size();
    for (const auto& sighting : bundle.sightings()) arrivals += sighting.arrivals();
  }
  EXPECT_EQ(sightings, 1);
  EXPECT_EQ(arrivals, 100U);
}

// Sightings that were written, merged and left out of their parts again, and parts that ran full:
// what comes is what the one merge makes of alerts that came alone.
TEST_F(IntakeTest, ABatchIsTheMergeOfItsAlerts) {
  std::mt19937_64 random(5);
  std::map<std::pair<std::string, std::int64_t>, records::Sighting> want;
  std::vector<std::string> alerts;
  for (int i = 0; i < 4'000; ++i) {
    const std::size_t place = random() % 40;
    const auto file = fmt::format("/srv/{}/{}", place, std::string(20 * place, 'x'));
    const auto second = static_cast<int>(random() % (i < 2'000 ? 60 : 3));
    alerts.push_back(alert(second, file, fmt::format("{:012x}", random() % 30)));
  }
  for (const std::string& one : alerts) {
    add(one);
    for (const auto& [target, bytes] : finish().bundles) {
      const records::Bundle bundle = decoded(bytes);
      for (const records::Sighting& sighting : bundle.sightings())
        schemas::merge(want[{sighting.finding_key(), sighting.second()}], sighting);
    }
  }
  for (const std::string& one : alerts) add(one);
  std::size_t found = 0;
  std::size_t bundles = 0;
  for (const auto& [target, bytes] : finish().bundles) {
    EXPECT_LE(bytes.size(), (512U << 10) + 1'000);
    ++bundles;
    const records::Bundle bundle = decoded(bytes);
    for (const records::Sighting& sighting : bundle.sightings()) {
      ++found;
      const std::pair key{sighting.finding_key(), sighting.second()};
      ASSERT_EQ(want.count(key), 1U);
      EXPECT_EQ(sighting.SerializeAsString(), want[key].SerializeAsString());
    }
  }
  EXPECT_EQ(found, want.size());
  EXPECT_LT(found, alerts.size());
  EXPECT_GT(bundles, 4U);
}

TEST_F(IntakeTest, EveryAlertIsSentOrDead) {
  add(alert(5, "/a"));
  add("no json");
  add("   ");
  add(alert(6, "/b"));
  const IntakeOutput output = finish();
  EXPECT_EQ(output.dead_letters.size(), 1U);
  EXPECT_EQ(output.dead_letters[0].value, "no json");
  EXPECT_EQ(output.dead_letters[0].offset, 1);
  EXPECT_EQ(sources_[0].counters.in(), 3U);
  EXPECT_EQ(sources_[0].counters.sent(), 2U);
  EXPECT_EQ(sources_[0].counters.dead(), 1U);
  EXPECT_EQ(sources_[0].next_offset, 4);
}

TEST_F(IntakeTest, CountsAlertsWhoseClusterNobodyNames) {
  const std::string named = R"("output_fields":{"cluster":"prod",)";
  add(alert(5, "/a"));
  std::string value = alert(5, "/a");
  add(value.replace(value.find("\"output_fields\":{"), 17, named));
  EXPECT_EQ(intake_.take_seen().without_cluster, 1U);
  EXPECT_EQ(intake_.take_seen().without_cluster, 0U);
}

TEST_F(IntakeTest, CountsAlertsByRuleAndClusterOnceTheirBatchIsFinished) {
  for (int i = 0; i < 3; ++i) add(alert(5, "/a"));
  EXPECT_TRUE(intake_.take_seen().rules.empty());
  finish();
  const Intake::Seen seen = intake_.take_seen();
  ASSERT_EQ(seen.rules.size(), 1U);
  EXPECT_EQ(seen.rules.begin()->second, 3U);
  EXPECT_EQ(seen.clusters, (std::map<std::string, std::uint64_t>{{"default", 3}}));
  EXPECT_TRUE(intake_.take_seen().rules.empty());
}

TEST_F(IntakeTest, ATickReachesEveryTargetOnceASecond) {
  add(alert(5, "/a"));
  EXPECT_EQ(finish().bundles.size(), 4U);
  add(alert(5, "/b"));
  EXPECT_EQ(finish().bundles.size(), 1U) << "the second was told already";
  intake_.tick(1, 0, sources_[1]);
  EXPECT_EQ(finish().bundles.size(), 4U);
}

TEST_F(IntakeTest, RangesAndCumulativeCountsAddUpByTarget) {
  std::map<std::int32_t, std::uint64_t> sent;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 20; ++i) add(alert(round, "/x", fmt::format("{:012x}", i)), i % 2);
    for (const auto& [target, bytes] : finish().bundles) {
      const records::Bundle bundle = decoded(bytes);
      std::uint64_t arrivals = 0;
      for (const auto& sighting : bundle.sightings()) arrivals += sighting.arrivals();
      std::uint64_t said = 0;
      std::uint64_t total = 0;
      for (const auto& range : bundle.ranges()) {
        said += range.arrivals();
        total += range.sent();
        EXPECT_LE(range.first(), range.next());
      }
      EXPECT_EQ(arrivals, said);
      sent[target] += arrivals;
      EXPECT_EQ(sent[target], total);
    }
  }
}

TEST_F(IntakeTest, AFutureTimeIsClampedToTheRecordAndFlagged) {
  const Nanos record_time = *parse_rfc3339("2026-01-02T03:04:05Z");
  intake_.add({.partition = 0,
               .offset = 0,
               .record_time = record_time,
               .value = alert(30, "/a"),
               .headers = {},
               .tenant = {},
               .cluster = {}},
              sources_[0]);
  EXPECT_EQ(sources_[0].progress, record_time);
  for (const auto& [target, bytes] : finish().bundles) {
    const records::Bundle bundle = decoded(bytes);
    for (const auto& sighting : bundle.sightings()) {
      EXPECT_EQ(sighting.second(), second_of(record_time));
      EXPECT_TRUE(sighting.summary().flags() & schemas::kClockSkew);
    }
  }
}

TEST_F(IntakeTest, ContainersOfOneHostGoToOneTarget) {
  for (int i = 0; i < 20; ++i) add(alert(5, "/x", fmt::format("{:012x}", i)));
  int targets = 0;
  for (const auto& [target, bytes] : finish().bundles)
    targets += decoded(bytes).sightings_size() > 0 ? 1 : 0;
  EXPECT_EQ(targets, 1);
}

}  // namespace
}  // namespace gyre::stages
