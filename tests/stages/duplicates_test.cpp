// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/duplicates.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/hash.h"
#include "schemas/sighting.h"
#include "state/store.h"

namespace gyre::stages {
namespace {

constexpr Second kHorizon = 3600;
constexpr Nanos kHour = kHorizon * kNanosPerSecond;
constexpr Nanos kNow = 1'800'000'000 * kNanosPerSecond + 17;

class DuplicatesTest : public testing::Test {
 protected:
  struct Given {
    std::string id;
    Nanos time;
    bool native = false;
  };
  struct Result {
    std::uint64_t alerts;
    std::uint64_t duplicates;
    bool may_repeat;
    bool operator==(const Result&) const = default;
  };

  static std::string id(std::int64_t number) {
    return std::string(view(IdHasher().add(number).finish()));
  }

  Result count(const std::vector<Given>& given, Nanos watermark,
               const std::string& entity = std::string(16, 'e'), Nanos stamp = kNow) {
    records::Sighting sighting;
    sighting.set_second(second_of(stamp));
    for (const Given& one : given)
      schemas::append_alert_entry(*sighting.mutable_alerts(),
                                  {one.id, one.time, schemas::Outcome::kUnknown, one.native});
    sighting.set_arrivals(given.size());
    records::Counts counted;
    const bool may_repeat = count_distinct(sighting, entity, watermark, kHorizon, state_, counted);
    return {counted.alerts(), counted.duplicates(), may_repeat};
  }

  void commit() {
    ++offset_;
    state_.commit(offset_, offset_);
  }

  state::StoreMemory memory_{8 << 20};
  state::Store store_{"", memory_};
  state::Transaction state_{store_};
  std::int64_t offset_ = 0;
};

TEST_F(DuplicatesTest, ACopyIsKnownUntilTheWatermarkHasPassedTheHorizon) {
  EXPECT_EQ(count({{id(1), kNow}}, kNow), (Result{1, 0, false}));
  for (const Nanos watermark : {kNow, kNow + kHour - 1, kNow + kHour}) {
    forget_expired(watermark, kHorizon, state_);
    commit();
    EXPECT_EQ(count({{id(1), kNow}}, watermark), (Result{0, 1, false})) << watermark - kNow;
  }
  EXPECT_EQ(count({{id(1), kNow}}, kNow + kHour + 1), (Result{1, 0, true}));
}

TEST_F(DuplicatesTest, WhatIsForgottenIsForgottenByTheMinuteAfterTheHorizon) {
  count({{id(1), kNow}}, kNow);
  commit();
  const std::int64_t minute = kNow / (60 * kNanosPerSecond);
  forget_expired(kNow + kHour + 60 * kNanosPerSecond, kHorizon, state_);
  commit();
  EXPECT_FALSE(state_.id_block(minute, std::string(16, 'e'), "").has_value());
}

TEST_F(DuplicatesTest, AClockFarAheadLeavesNothingBehindForYears) {
  const Nanos ahead = kNow + 365 * 24 * kHour;
  EXPECT_EQ(count({{id(1), ahead}}, kNow), (Result{1, 0, true}));
  EXPECT_TRUE(state_.ids().empty());
  EXPECT_EQ(count({{id(2), kNow + 7 * 24 * kHour}}, kNow), (Result{1, 0, false}));
}

TEST_F(DuplicatesTest, ACopyAfterALongSilenceIsOneHoweverTheBatchesAreCut) {
  const Nanos later = kNow + 9 * 24 * kHour;
  const std::string entity(16, 'e');
  EXPECT_EQ(count({{id(1), later}}, kNow, entity, later), (Result{1, 0, false}));
  EXPECT_EQ(count({{id(1), later}}, later, entity, later), (Result{0, 1, false}));
}

TEST_F(DuplicatesTest, CopiesByNativeIdAreKnownWithinTheHorizonWhateverTheirReadersClocksSaid) {
  const Nanos minute = 60 * kNanosPerSecond;
  for (const Nanos apart : {-kHour, -45 * minute, -minute, Nanos{0}, minute, 20 * minute, kHour}) {
    const std::string one = id(apart);
    EXPECT_EQ(count({{one, kNow, true}}, kNow), (Result{1, 0, false})) << apart;
    EXPECT_EQ(count({{one, kNow + apart, true}}, kNow), (Result{0, 1, false})) << apart;
  }
  EXPECT_EQ(count({{id(1), kNow}, {id(1), kNow + minute}}, kNow), (Result{2, 0, false}));
}

TEST_F(DuplicatesTest, ANativeIdIsKnownUntilTheWatermarkHasPassedTheHorizon) {
  count({{id(1), kNow, true}}, kNow);
  forget_expired(kNow + kHour, kHorizon, state_);
  commit();
  EXPECT_EQ(count({{id(1), kNow + kHour, true}}, kNow + kHour), (Result{0, 1, false}));
  forget_expired(kNow + 2 * kHour, kHorizon, state_);
  commit();
  EXPECT_TRUE(state_.ids().empty());
  EXPECT_EQ(count({{id(1), kNow + 2 * kHour, true}}, kNow + 2 * kHour), (Result{1, 0, false}));
}

TEST_F(DuplicatesTest, EntitiesDontShareIds) {
  EXPECT_EQ(count({{id(1), kNow}}, kNow), (Result{1, 0, false}));
  EXPECT_EQ(count({{id(1), kNow}}, kNow, std::string(16, 'f')), (Result{1, 0, false}));
}

TEST_F(DuplicatesTest, ABlockIsSplitWhenItWouldHoldMoreThan512) {
  std::vector<Given> given;
  for (std::int64_t i = 0; i < 512; ++i) given.push_back({id(i), kNow});
  count(given, kNow);
  const std::int64_t minute = kNow / (60 * kNanosPerSecond);
  const std::string entity(16, 'e');
  EXPECT_FALSE(state_.id_block(minute, entity, "")->split());
  EXPECT_EQ(count({{id(512), kNow}}, kNow), (Result{1, 0, false}));
  EXPECT_TRUE(state_.id_block(minute, entity, "")->split());
  EXPECT_EQ(state_.id_block(minute, entity, "")->ids(), "");
  given.push_back({id(512), kNow});
  EXPECT_EQ(count(given, kNow), (Result{0, 513, false}));
  for (const state::Change& change : state_.ids()) EXPECT_LE(change.value->size(), 512 * 16 + 16U);
}

// Ids with long common beginnings go down the tree together.
TEST_F(DuplicatesTest, CountAsASetDoes) {
  const std::uint64_t seed = 7;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  std::set<std::pair<std::int64_t, std::string>> seen;
  for (int round = 0; round < 60; ++round) {
    std::vector<Given> given;
    std::uint64_t fresh = 0;
    for (int i = 0; i < 200; ++i) {
      std::string one = id(static_cast<std::int64_t>(random() % 6000));
      if (random() % 2 == 0) one.replace(0, 14, 14, '\x42');
      const Nanos time = kNow + static_cast<Nanos>(random() % 2) * 60 * kNanosPerSecond;
      fresh += seen.emplace(time, one).second ? 1U : 0U;
      given.push_back({std::move(one), time});
    }
    EXPECT_EQ(count(given, kNow), (Result{fresh, given.size() - fresh, false})) << round;
    if (random() % 3 == 0) commit();
  }
}

}  // namespace
}  // namespace gyre::stages
