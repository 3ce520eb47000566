// SPDX-License-Identifier: Apache-2.0
#include "state/store.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "base/error.h"
#include "state/recent.h"
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
  const auto taken = transaction.take_due(10, 100, 100).sightings;
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_EQ(taken[0].finding_key(), kKeyA);
  EXPECT_EQ(taken[1].finding_key(), kKeyB);
  EXPECT_TRUE(transaction.take_due(10, 100, 100).sightings.empty());
  EXPECT_EQ(transaction.next_due(10), 11);
}

TEST_F(StateTest, WhatAHomeHasToDecideAtASecondIsTakenTogether) {
  const auto of = [](const std::string& host, char key) {
    records::Sighting value = sighting(std::string(16, key), 10);
    value.mutable_entity()->set_hostname(host);
    return value;
  };
  const auto homes = [](const Due& some) {
    std::multiset<std::string> names;
    for (const auto& one : some.sightings) names.insert(one.entity().hostname());
    return names;
  };
  Transaction transaction(store_);
  std::size_t timers = 0;
  for (int i = 0; i < 50; ++i) {
    const std::string host = "node-" + std::to_string(i % 10);
    const char key = static_cast<char>('a' + i / 2);
    transaction.put_pending(10, of(host, key));
    if (i % 10 < 7) {
      records::Series series;
      *series.mutable_entity() = of(host, key).entity();
      series.set_due(10);
      transaction.put(std::string(14, 'x') + host.back() + key, series);
      ++timers;
    }
    if (i == 30) transaction.commit(1, std::nullopt);
  }
  std::multiset<std::string> seen;
  while (transaction.next_due(0)) {
    const Due due = transaction.take_due(10, 1, 100);
    const auto now = homes(due);
    EXPECT_EQ(std::set<std::string>(now.begin(), now.end()).size(), 1U);
    EXPECT_EQ(now.size(), 5U);
    for (const auto& [kind, key] : due.timers) {
      EXPECT_EQ(kind, Kind::kSeries);
      EXPECT_EQ("node-" + std::string(1, key[14]), *now.begin());
      --timers;
    }
    seen.insert(now.begin(), now.end());
  }
  EXPECT_EQ(seen.size(), 50U);
  EXPECT_EQ(timers, 0U);
}

TEST_F(StateTest, AHomeWithMoreThanCanBeDecidedAtOnceIsTakenInPartsTheSightingsFirst) {
  Transaction transaction(store_);
  for (char key = 'a'; key < 'a' + 25; ++key) {
    transaction.put_pending(10, sighting(std::string(16, key), 10));
    records::Series series;
    series.set_due(10);
    transaction.put(std::string(16, key), series);
  }
  std::vector<std::pair<std::size_t, std::size_t>> parts;
  while (transaction.next_due(0)) {
    const Due due = transaction.take_due(10, 4, 10);
    parts.emplace_back(due.sightings.size(), due.timers.size());
  }
  EXPECT_EQ(parts, (std::vector<std::pair<std::size_t, std::size_t>>{
                       {10, 0}, {10, 0}, {5, 10}, {0, 10}, {0, 5}}));
}

TEST_F(StateTest, WhatIsNewAndGoneWithinABatchLeavesNoTombstone) {
  Transaction transaction(store_);
  transaction.put_pending(10, sighting(kKeyA, 10));
  transaction.take_due(10, 100, 100);
  EXPECT_TRUE(transaction.changelog().empty());
  transaction.put_pending(10, sighting(kKeyA, 10));
  transaction.commit(1, std::nullopt);
  transaction.take_due(10, 100, 100);
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

TEST_F(StateTest, TheNextSecondIsThatOfWhoeverLooksAnew) {
  constexpr unsigned kSeed = 7;
  SCOPED_TRACE(fmt::format("seed {}", kSeed));
  std::mt19937 random(kSeed);
  const auto any = [&](unsigned n) { return static_cast<Second>(random() % n); };
  Transaction transaction(store_);
  Second decided = 0;
  for (int i = 0; i < 3000; ++i) {
    switch (any(8)) {
      case 0:
      case 1:
        transaction.put_pending(decided + 1 + any(20), sighting(any(2) == 0 ? kKeyA : kKeyB, i));
        break;
      case 2: {
        auto series = transaction.series(kKeyA).value_or(records::Series());
        if (series.armed() <= decided) series.set_armed(0);
        series.set_due(decided + 1 + any(30));
        transaction.put(kKeyA, series);
        break;
      }
      case 3:
        transaction.take_due(decided + any(20), 1, 1);
        break;
      case 4:
        transaction.take_timers(decided + any(20), 1);
        break;
      case 5:
        transaction.rollback();
        break;
      default:
        break;
    }
    transaction.next_due(decided);
    if (any(3) > 0) continue;
    transaction.commit(i, std::nullopt);
    EXPECT_EQ(transaction.next_due(decided), Transaction(store_).next_due(decided)) << i;
    if (any(4) == 0) {  // nothing of a decided second is left behind
      while (transaction.next_due(decided) == decided + 1)
        transaction.take_due(decided + 1, 100, 100);
      ++decided;
    }
  }
}

TEST_F(StateTest, AStoreAnswersWhatWasWrittenLastHoweverOftenItWasAsked) {
  const auto write = [&](std::optional<std::string> value) {
    store_.apply(std::vector<Change>{{"key", std::move(value)}});
  };
  EXPECT_EQ(store_.get("key"), std::nullopt);
  for (const char* value : {"one", "two"}) {
    write(value);
    EXPECT_EQ(store_.get("key"), value);
  }
  write(std::nullopt);
  EXPECT_EQ(store_.get("key"), std::nullopt);
  write("three");
  EXPECT_EQ(store_.get("key"), "three");
  store_.drop("k", "l");
  EXPECT_EQ(store_.get("key"), std::nullopt);
  write("four");
  EXPECT_EQ(store_.get("key"), "four");
  store_.wipe();
  EXPECT_EQ(store_.get("key"), std::nullopt);
}

TEST(Recent, ForgetsWhatWasNotAskedForAndNoMore) {
  Recent recent;
  recent.put("hot", "h");
  recent.put("cold", "c");
  for (int i = 0; i < 20; ++i) {
    recent.put("big" + std::to_string(i), std::string(100'000, 'b'));
    ASSERT_NE(recent.find("hot"), nullptr) << i;
    EXPECT_EQ(**recent.find("hot"), "h");
  }
  EXPECT_EQ(recent.find("cold"), nullptr);
  int known = 0;
  for (int i = 0; i < 20; ++i) known += recent.find("big" + std::to_string(i)) != nullptr ? 1 : 0;
  EXPECT_LE(known, 12);
  recent.update({"hot", "changed"});
  EXPECT_EQ(**recent.find("hot"), "changed");
  recent.update({"hot", std::nullopt});
  EXPECT_EQ(recent.find("hot"), nullptr);
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

TEST_F(StateTest, FewExpiredIdsLeaveTheDiskAsManyDo) {
  Transaction transaction(store_);
  records::IdBlock block;
  block.set_ids(std::string(16, 'x'));
  for (const int many : {1, 256, 257, 1000, 3}) {
    for (int i = 0; i < many; ++i) transaction.put(many, fmt::format("{:016}", i), "", block);
    transaction.put(many + 1, kKeyA, "", block);
    transaction.commit(1, 1);
    transaction.rollback();  // 3 is older than what was forgotten: as after a restore
    transaction.forget_ids_before(many + 1);
    transaction.commit(2, 1);
    for (int i = 0; i < many; ++i)
      EXPECT_FALSE(transaction.id_block(many, fmt::format("{:016}", i), "")) << many << ' ' << i;
    EXPECT_TRUE(transaction.id_block(many + 1, kKeyA, "")) << many;
  }
}

TEST_F(StateTest, AValueOfANewerVersionStopsInsteadOfBeingWiped) {
  store_.apply(std::vector<Change>{{series_key(kKeyA), std::string("\x07junk")}});
  EXPECT_THROW(Transaction(store_).series(kKeyA), Refusal);
}

TEST_F(StateTest, ARestoreStopsAtWhatANewerVersionWroteAndAppliesNothing) {
  const auto refused = [&](const std::string& key, const std::string& value) {
    EXPECT_THROW(restore(store_, {{series_key(kKeyA), std::string(1, kValueVersion)}, {key, value}},
                         kChangelog, 7),
                 Refusal);
    EXPECT_EQ(restored_offset(store_, kChangelog), 0);
    EXPECT_FALSE(store_.get(series_key(kKeyA)));
  };
  const std::string newer(1, kValueVersion + 1);
  for (const std::string& key :
       {checkpoint_key(), id_block_key(5, kKeyA, ""), entity_key(kKeyA), group_key(kKeyA),
        member_key(kKeyA, kKeyB), pending_key(5, 7, kKeyA, 5), series_key(kKeyB)})
    refused(key, newer);
  refused("z of a newer kind", std::string(1, kValueVersion));
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

/// Files may not grow beyond `bytes`: a disk that is full, without being root.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    before_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit_);
    const rlimit small{.rlim_cur = bytes, .rlim_max = limit_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &limit_);
    std::signal(SIGXFSZ, before_);
  }

 private:
  rlimit limit_{};
  void (*before_)(int) = nullptr;
};

class Directory {
 public:
  Directory() : path_(testing::TempDir() + "gyre-store." + std::to_string(getpid())) {}
  ~Directory() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(Store, GoesOnWhereItWasWhenTheDiskHasSpaceAgain) {
  const Directory directory;
  const StoreMemory memory(64 << 20);
  Store store(directory.path(), memory);
  const auto put = [&](int number) {
    const std::vector<Change> changes = {{"s" + std::to_string(number), std::string(100'000, 'x')}};
    store.apply(changes);
  };
  int written = 0;
  {
    const FullDisk full(1 << 20);
    EXPECT_THROW(for (; written < 1000; ++written) put(written), Failure);
  }
  ASSERT_GT(written, 0);
  EXPECT_TRUE(store.get("s" + std::to_string(written - 1)));
  EXPECT_FALSE(store.get("s" + std::to_string(written)));
  put(written);
  EXPECT_TRUE(store.get("s" + std::to_string(written)));
  EXPECT_TRUE(store.get("s0"));
}

TEST(Store, OpeningOnAFullDiskIsAFailureThatPasses) {
  const Directory directory;
  const StoreMemory memory(64 << 20);
  const std::vector<Change> changes = {{"s1", "value"}};
  Store(directory.path(), memory).apply(changes);
  {
    const FullDisk full(8);
    EXPECT_THROW(Store(directory.path(), memory), Failure);
  }
  EXPECT_EQ(Store(directory.path(), memory).get("s1"), "value");
}

TEST(Store, ReadsWhatAnotherHasOpenAndWritesNothing) {
  const Directory directory;
  const StoreMemory memory(8 << 20);
  EXPECT_THROW(Store(directory.path(), memory, Store::Access::kRead), Failure);
  EXPECT_FALSE(std::filesystem::exists(directory.path()));
  Store store(directory.path(), memory);
  store.apply(std::vector<Change>{{"k", "v"}});
  Store reader(directory.path(), memory, Store::Access::kRead);
  EXPECT_EQ(reader.get("k"), "v");
  EXPECT_THROW(reader.wipe(), Failure);
  EXPECT_EQ(store.get("k"), "v");
}

TEST(Keys, ByteOrderIsNumberOrderBelowZeroToo) {
  EXPECT_LT(from_number(Kind::kPending, -1), from_number(Kind::kPending, 0));
  EXPECT_LT(from_number(Kind::kPending, 0), from_number(Kind::kPending, 256));
  EXPECT_EQ(number_at(from_number(Kind::kPending, -5), 1), -5);
}

}  // namespace
}  // namespace gyre::state
