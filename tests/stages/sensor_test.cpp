// SPDX-License-Identifier: Apache-2.0
// What sensors say of themselves: their own reports, and the blind spots in those of others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schemas/sensor.h"
#include "tests/stages/container_task.h"

namespace gyre::stages {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kDrop = "Falco internal: syscall event drop";
constexpr const char* kSnapshot = "Falco internal: metrics snapshot";

schemas::Alert internal(const std::string& rule,
                        std::vector<std::pair<std::string, std::string>> fields) {
  schemas::Alert alert;
  alert.source = "internal";
  alert.rule = rule;
  alert.time = 5;
  alert.fields = std::move(fields);
  return alert;
}

TEST(Loss, IsWhatTheFieldsProveAndNoMore) {
  const auto drop =
      schemas::loss_of(internal(kDrop, {{"n_drops", "815508"}, {"n_evts", "2270350"}}));
  ASSERT_TRUE(drop);
  EXPECT_EQ(drop->dropped(), 815508U);
  EXPECT_EQ(schemas::share_of(*drop), 360U);
  const auto bare = schemas::loss_of(internal(kDrop, {}));
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->dropped(), 0U);
  EXPECT_FALSE(schemas::share_of(*bare));
  const auto absurd =
      schemas::loss_of(internal(kDrop, {{"n_drops", "18446744073709551615"}, {"n_evts", "1"}}));
  ASSERT_TRUE(absurd);
  EXPECT_FALSE(schemas::share_of(*absurd)) << "more dropped than happened";
  EXPECT_FALSE(schemas::loss_of(internal("Test rule", {})));
}

TEST(Loss, OfASnapshotIsWhatWasLostSinceTheOneBefore) {
  const auto loss = [](const std::string& now, const std::string& before) {
    return schemas::loss_of(internal(kSnapshot, {{"scap.n_drops", now},
                                                 {"scap.n_drops_prev", before},
                                                 {"scap.n_evts", "3000"},
                                                 {"scap.n_evts_prev", "1000"}}));
  };
  EXPECT_FALSE(loss("0", "0"));
  EXPECT_FALSE(loss("70", "70")) << "lost long ago";
  ASSERT_TRUE(loss("90", "70"));
  EXPECT_EQ(schemas::share_of(*loss("90", "70")), 10U);
  EXPECT_TRUE(schemas::loss_of(internal(kSnapshot, {{"scap.n_drops_perc", "0.5"}})));
  EXPECT_FALSE(schemas::loss_of(internal(kSnapshot, {{"scap.n_drops_perc", "0.0"}})));
}

TEST(Loss, TheWorseOfTwoIsTheSameWhoeverIsMergedIntoWhom) {
  std::vector<records::Loss> losses;
  for (const char* dropped : {"1", "50", "999"})
    for (const char* events : {"0", "100", "1000"})
      losses.push_back(
          *schemas::loss_of(internal(kDrop, {{"n_drops", dropped}, {"n_evts", events}})));
  losses.push_back(*schemas::loss_of(internal("Falco internal: timeouts notification", {})));
  for (const auto& one : losses)
    for (const auto& two : losses) {
      records::Loss forward = one;
      schemas::merge(forward, two);
      records::Loss back = two;
      schemas::merge(back, one);
      EXPECT_EQ(forward.SerializeAsString(), back.SerializeAsString());
    }
}

class SensorTest : public ContainerTask {
 protected:
  static Given drop(Second at, std::int64_t id) {
    return {.at = at,
            .id = id,
            .rule = kDrop,
            .priority = schemas::Priority::kDebug,
            .container = "",
            .shape = "sensor health",
            .fields = {{"n_drops", "100"}, {"n_evts", "1000"}},
            .source = "internal"};
  }
};

TEST_F(SensorTest, DropsAreAReportOfTheSensorWithItsRateAndWithoutAVerdict) {
  feed({drop(10, 1)}, 2000);
  ASSERT_FALSE(reports_.empty());
  const schemas::Report& report = reports_.back();
  EXPECT_EQ(report.kind, "sensor_health");
  EXPECT_THAT(
      report.json,
      HasSubstr(
          R"("worst_loss":{"time":"2027-01-15T08:00:10.000000000Z","dropped":100,"events":1000,"per_mille":100,)"));
  EXPECT_THAT(report.json, Not(HasSubstr("\"verdict\"")));
  EXPECT_THAT(report.json, Not(HasSubstr("\"priority\":")));
  EXPECT_THAT(report.json, Not(HasSubstr("\"outcome\":{")));
}

TEST_F(SensorTest, ALossOfOnePercentAsksForNobodyAndAGreaterOneDoes) {
  Given small = drop(10, 1);
  small.fields = {{"n_drops", "10"}, {"n_evts", "1000"}};
  feed({small}, 60);
  ASSERT_FALSE(reports_.empty());
  EXPECT_THAT(reports_.back().json, HasSubstr(R"("attention":{"level":"record")"));
  feed({drop(200, 2)}, 2000);
  EXPECT_THAT(reports_.back().json, HasSubstr(R"("attention":{"level":"ticket")"));
}

TEST_F(SensorTest, AFindingDuringDropsSaysThatItsSensorWasBlind) {
  feed({{.at = 10, .id = 1}, {.at = 50, .id = 2}, drop(30, 3)}, 60);
  const auto finding = [&] {
    for (const auto& [id, report] : last())
      if (report.kind == "finding") return report;
    return schemas::Report();
  };
  EXPECT_THAT(finding().json, Not(HasSubstr("blind_spots"))) << "opened before the drop";
  feed({}, 2000);
  EXPECT_THAT(
      finding().json,
      HasSubstr(R"("blind_spots":[{"from":"2027-01-15T08:00:29Z","to":"2027-01-15T08:00:31Z",)"));
  EXPECT_THAT(finding().json, HasSubstr("Blind spots of the sensor"));
}

TEST_F(SensorTest, ABlindSpotChangesAClosingReportEvenOfARecord) {
  config_.close_all = false;
  feed({{.at = 10, .id = 1, .priority = schemas::Priority::kInformational},
        {.at = 50, .id = 2, .priority = schemas::Priority::kInformational},
        {.at = 99, .id = 4, .priority = schemas::Priority::kInformational}},
       600);
  feed({{.at = 700, .id = 3, .priority = schemas::Priority::kInformational}}, 701);
  const std::size_t before = reports_.size();
  feed({drop(601, 5)}, 702);
  feed({}, 4000);
  bool said = false;
  for (std::size_t i = before; i < reports_.size(); ++i)
    said = said || (reports_[i].kind == "finding" &&
                    reports_[i].json.find("blind_spots") != std::string::npos);
  EXPECT_TRUE(said);
}

TEST_F(SensorTest, ABlindSpotStaysInEveryLaterRevisionOfWhatItTouched) {
  std::vector<Given> given = {drop(60, 1'000'000)};
  for (std::int64_t i = 0; i < 200; ++i) {
    given.push_back({.at = i * 600, .id = i});
    given.push_back({.at = i * 600, .id = 1000 + i, .rule = "Rule B", .tag = "mitre_persistence"});
  }
  feed(given, 130'000);
  std::map<std::string, std::size_t> touched;
  std::size_t incidents = 0;
  for (const schemas::Report& report : reports_) {
    if (report.kind == "sensor_health") continue;
    const bool says = report.json.find("blind_spots") != std::string::npos;
    EXPECT_TRUE(says || !touched.contains(report.id))
        << report.kind << " @" << report.time - kStart;
    if (says) ++touched[report.id];
    if (says && report.kind == "incident") ++incidents;
  }
  EXPECT_EQ(touched.size(), 3U) << "the first episodes of both, and their incident";
  EXPECT_GE(incidents, 1U) << "the closing revision";
}

TEST_F(SensorTest, AHostIsForgottenWhenItsBlindSpotsMatterToNobody) {
  feed({drop(60, 1)}, 300'000);
  EXPECT_FALSE(state_.entity(view(schemas::entity_hash(sighting(drop(60, 1)).entity()))));
}

TEST_F(SensorTest, DropsOfAnotherHostAreNobodysBusiness) {
  Given elsewhere = drop(30, 3);
  elsewhere.hostname = "node-2";
  feed({{.at = 10, .id = 1}, {.at = 50, .id = 2}, elsewhere}, 2000);
  for (const schemas::Report& report : reports_)
    if (report.kind == "finding") {
      EXPECT_THAT(report.json, Not(HasSubstr("blind_spots")));
    }
}

TEST_F(SensorTest, ManyBlindSpotsStayFew) {
  std::vector<Given> drops;
  for (std::int64_t i = 0; i < 200; ++i) drops.push_back(drop(i * 100, i));
  feed(drops, 20'000);
  const auto host = state_.entity(view(schemas::entity_hash(sighting(drops[0]).entity())));
  ASSERT_TRUE(host);
  EXPECT_EQ(host->blind_spots_size(), 32);
  EXPECT_EQ(host->blind_spots(0).first(), kStart);
  EXPECT_EQ(host->blind_spots(31).last(), kStart + 19'900);
}

TEST_F(SensorTest, SensorsTakeNoPartInIncidents) {
  feed({{.at = 10, .id = 1, .container = ""},
        {.at = 11, .id = 2, .rule = "Rule B", .tag = "mitre_persistence", .container = ""},
        drop(12, 3)},
       60);
  std::string incidents;
  std::string sensors;
  for (const schemas::Report& report : reports_) {
    if (report.kind == "incident") incidents += report.json;
    if (report.kind == "sensor_health") sensors = report.id;
  }
  ASSERT_FALSE(incidents.empty());
  ASSERT_FALSE(sensors.empty());
  EXPECT_THAT(incidents, Not(HasSubstr(sensors)));
}

}  // namespace
}  // namespace gyre::stages
