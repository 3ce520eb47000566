// SPDX-License-Identifier: Apache-2.0
#include "state/store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>

#include "base/error.h"
#include "state/transaction.h"

namespace gyre::state {
namespace {

constexpr std::string_view kKeyA = "aaaaaaaaaaaaaaaa";
constexpr std::string_view kKeyB = "bbbbbbbbbbbbbbbb";

class StateTest : public testing::Test {
 protected:
  StoreMemory memory_{8 << 20};
  Store store_{"", memory_};
};

records::Sighting sighting(std::string_view key, Second second) {
  records::Sighting value;
  value.set_finding_key(std::string(key));
  value.set_second(second);
  return value;
}

TEST_F(StateTest, NothingReachesTheStoreBeforeCommit) {
  Transaction transaction(store_);
  records::Series series;
  series.set_rule("R");
  transaction.put(kKeyA, series);
  EXPECT_TRUE(transaction.series(kKeyA));
  EXPECT_FALSE(Transaction(store_).series(kKeyA));
  transaction.rollback();
  EXPECT_FALSE(transaction.series(kKeyA));
  transaction.put(kKeyA, series);
  transaction.commit(7, std::nullopt);
  EXPECT_EQ(Transaction(store_).series(kKeyA)->rule(), "R");
  EXPECT_EQ(restored_offset(store_, kChangelog), 7);
  EXPECT_EQ(restored_offset(store_, kIds), 0);
}

TEST_F(StateTest, SightingsAreTakenByTheirSecondOnce) {
  Transaction transaction(store_);
  transaction.put_pending(10, sighting(kKeyB, 10));
  transaction.put_pending(11, sighting(kKeyA, 11));
  transaction.commit(1, std::nullopt);
  transaction.put_pending(10, sighting(kKeyA, 9));
  EXPECT_EQ(transaction.next_due(0), 10);
  const auto taken = transaction.take_pending(10, 100);
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_EQ(taken[0].finding_key(), kKeyA);
  EXPECT_EQ(taken[1].finding_key(), kKeyB);
  EXPECT_TRUE(transaction.take_pending(10, 100).empty());
  EXPECT_EQ(transaction.next_due(10), 11);
}

TEST_F(StateTest, WhatIsNewAndGoneWithinABatchLeavesNoTombstone) {
  Transaction transaction(store_);
  transaction.put_pending(10, sighting(kKeyA, 10));
  transaction.take_pending(10, 100);
  EXPECT_TRUE(transaction.changelog().empty());
  transaction.put_pending(10, sighting(kKeyA, 10));
  transaction.commit(1, std::nullopt);
  transaction.take_pending(10, 100);
  ASSERT_EQ(transaction.changelog().size(), 1U);
  EXPECT_FALSE(transaction.changelog()[0].value);
}

TEST_F(StateTest, ASeriesHasOneLiveTimerThatFiresNoLaterThanItsDueSecond) {
  Transaction transaction(store_);
  records::Series series;
  series.set_due(100);
  transaction.put(kKeyA, series);
  series.set_due(200);  // later: the armed timer fires first and is armed anew then
  transaction.put(kKeyA, series);
  EXPECT_EQ(series.armed(), 100);
  series.set_due(50);
  transaction.put(kKeyA, series);
  EXPECT_EQ(series.armed(), 50);
  EXPECT_EQ(transaction.next_due(0), 50);
  EXPECT_EQ(transaction.take_timers(50, 100).size(), 1U);
}

TEST_F(StateTest, ARestoredStoreEqualsTheOneThatWasCommitted) {
  Transaction transaction(store_);
  records::Series series;
  series.set_rule("R");
  series.set_due(100);
  transaction.put(kKeyA, series);
  transaction.put_pending(10, sighting(kKeyB, 10));
  records::Checkpoint checkpoint;
  checkpoint.set_next_offset(42);
  transaction.put(checkpoint);
  std::vector<Change> changes = transaction.changelog();
  changes.push_back(transaction.checkpoint_change());
  transaction.commit(3, std::nullopt);

  Store other("", memory_);
  restore(other, changes, kChangelog, 3);
  std::map<std::string, std::string> original;
  std::map<std::string, std::string> restored;
  const auto into = [](std::map<std::string, std::string>& map) {
    return [&map](std::string_view key, std::string_view value) {
      return map.emplace(key, value).second;
    };
  };
  store_.scan(std::string(1, '\0'), "\xff", into(original));
  other.scan(std::string(1, '\0'), "\xff", into(restored));
  EXPECT_EQ(original, restored);  // timers too, which are on no changelog
  EXPECT_GE(original.size(), 5U);
}

TEST_F(StateTest, ExpiredIdsLeaveTheDisk) {
  Transaction transaction(store_);
  records::IdBlock block;
  block.set_ids(std::string(16, 'x'));
  transaction.put(5, kKeyA, "", block);
  transaction.put(6, kKeyA, "", block);
  transaction.commit(1, 1);
  transaction.forget_ids_before(6);
  transaction.commit(2, 1);
  EXPECT_FALSE(transaction.id_block(5, kKeyA, ""));
  EXPECT_TRUE(transaction.id_block(6, kKeyA, ""));
}

TEST_F(StateTest, AValueOfANewerVersionStopsInsteadOfBeingWiped) {
  store_.apply(std::vector<Change>{{series_key(kKeyA), std::string("\x07junk")}});
  EXPECT_THROW(Transaction(store_).series(kKeyA), Refusal);
}

TEST(Store, AnUnwritableDirectoryIsAFailureThatNamesIt) {
  const StoreMemory memory(8 << 20);
  try {
    Store store("/proc/gyre-cannot-write-here", memory);
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_NE(std::string(failure.what()).find("/proc/gyre-cannot-write-here"), std::string::npos);
    EXPECT_NE(std::string(failure.what()).find("state.directory"), std::string::npos);
  }
}

TEST(Keys, ByteOrderIsNumberOrderBelowZeroToo) {
  EXPECT_LT(from_number(Kind::kPending, -1), from_number(Kind::kPending, 0));
  EXPECT_LT(from_number(Kind::kPending, 0), from_number(Kind::kPending, 256));
  EXPECT_EQ(number_at(from_number(Kind::kPending, -5), 1), -5);
}

}  // namespace
}  // namespace gyre::state
