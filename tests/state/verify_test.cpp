// SPDX-License-Identifier: Apache-2.0
#include "state/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "state/transaction.h"

namespace gyre::state {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kKeyA = "aaaaaaaaaaaaaaaa";
constexpr std::string_view kKeyB = "bbbbbbbbbbbbbbbb";

/// A store, and the changelogs it was written with.
class VerificationTest : public testing::Test {
 protected:
  struct Said {
    std::string_view changelog;
    std::int64_t offset;
    std::string key;
    std::optional<std::string> value;
  };

  /// As a task does: the changelog first, then the store.
  void commit(Transaction& transaction) {
    for (const Change& change : transaction.ids()) say(kIds, ids_++, change.key, change.value);
    std::vector<Change> changes = transaction.changelog();
    changes.push_back(transaction.checkpoint_change());
    for (const Change& change : changes) say(kChangelog, offset_++, change.key, change.value);
    transaction.commit(offset_, ids_);
  }
  void say(std::string_view changelog, std::int64_t offset, const std::string& key,
           std::optional<std::string> value) {
    said_.push_back({changelog, offset, key, std::move(value)});
  }
  void write(std::int64_t due = 100) {
    Transaction transaction(store_);
    records::Series series;
    series.set_rule("R");
    series.set_due(due);
    transaction.put(kKeyA, series);
    records::Sighting sighting;
    sighting.set_finding_key(std::string(kKeyB));
    transaction.put_pending(10, sighting);
    records::IdBlock block;
    block.set_ids(std::string(16, 'x'));
    transaction.put(5, kKeyA, "", block);
    transaction.put(records::Checkpoint());
    commit(transaction);
  }
  Verification::Result told(Verification verification) const {
    for (const Said& said : said_)
      verification.add(said.changelog, said.offset, said.key, said.value);
    return verification.compare();
  }
  Verification::Result result() const { return told(Verification(store_, 6)); }
  std::vector<std::string> wrong() const { return result().wrong; }

  StoreMemory memory_{8 << 20};
  Store store_{"", memory_};
  std::vector<Said> said_;
  std::int64_t offset_ = 0;
  std::int64_t ids_ = 0;
};

TEST_F(VerificationTest, AStoreThatFollowedItsChangelogsIsRight) {
  write();
  Transaction transaction(store_);
  transaction.take_due(10, 100, 100);
  transaction.put(records::Checkpoint());
  commit(transaction);
  const auto result = this->result();
  EXPECT_THAT(result.wrong, IsEmpty());
  EXPECT_EQ(result.equal, 3U);  // series, ids, checkpoint
  EXPECT_EQ(result.newer, 0U);
}

TEST_F(VerificationTest, WhatWasChangedBehindTheChangelogsBackIsTold) {
  write();
  store_.apply(std::vector<Change>{{series_key(kKeyA), std::string("\x01other")}});
  EXPECT_THAT(wrong(), ElementsAre(HasSubstr("says something else")));
  store_.apply(std::vector<Change>{{series_key(kKeyA), std::nullopt}});
  EXPECT_THAT(wrong(), ElementsAre(HasSubstr("the store has not")));
}

TEST_F(VerificationTest, AKeyThatTheChangelogErasedOrNeverHadIsTold) {
  write();
  store_.apply(std::vector<Change>{{series_key(kKeyB), std::string("\x01")}});
  EXPECT_THAT(wrong(), ElementsAre(HasSubstr("does not know it")));
  say(kChangelog, 0, series_key(kKeyB), std::nullopt);
  EXPECT_THAT(wrong(), ElementsAre(HasSubstr("has erased it")));
}

TEST_F(VerificationTest, ALostTimerIsTold) {
  write();
  store_.apply(std::vector<Change>{
      {*timer_of(series_key(kKeyA), *store_.get(series_key(kKeyA))), std::nullopt}});
  EXPECT_THAT(wrong(), ElementsAre(HasSubstr("its timer lacks")));
}

TEST_F(VerificationTest, AProcessMayWriteOnWhileItsChangelogsAreRead) {
  write();
  const Verification verification(store_, 6);  // as the store is now
  write(200);
  const auto result = told(verification);
  EXPECT_THAT(result.wrong, IsEmpty());
  EXPECT_EQ(result.equal, 4U) << "all that the store held then is compared, as of then";
}

TEST_F(VerificationTest, AKeyThatIsWrittenAllTheTimeIsStillCompared) {
  write();
  store_.apply(std::vector<Change>{{series_key(kKeyA), std::string("\x01other")}});
  const Verification verification(store_, 6);
  write(200);
  EXPECT_THAT(told(verification).wrong, ElementsAre(HasSubstr("says something else")));
}

TEST_F(VerificationTest, OfWhatCompactionTookAwayNothingIsKnown) {
  write();
  const Verification verification(store_, 6);
  said_.clear();
  write(200);
  EXPECT_THAT(told(verification).wrong, IsEmpty());
}

TEST_F(VerificationTest, WhatTheChangelogGotSinceIsNoFault) {
  write();
  say(kChangelog, offset_, series_key(kKeyA), "\x01newer");
  say(kChangelog, offset_ + 1, series_key(kKeyB), "\x01new");
  const auto result = this->result();
  EXPECT_THAT(result.wrong, IsEmpty());
  EXPECT_EQ(result.equal, 4U) << "the series too, as it was before";
  EXPECT_EQ(result.newer, 1U);
}

TEST_F(VerificationTest, IdsThatAreNeededMustBeThere) {
  write();
  store_.drop(from_number(Kind::kIdBlock, 0), from_number(Kind::kIdBlock, 6));
  EXPECT_THAT(told(Verification(store_, 5)).wrong,
              ElementsAre(HasSubstr("the changelog has it, the store has not")));
}

TEST_F(VerificationTest, IdsMayBeForgottenOnEitherSide) {
  write();
  store_.drop(from_number(Kind::kIdBlock, 0), from_number(Kind::kIdBlock, 6));
  EXPECT_THAT(wrong(), IsEmpty());
  store_.apply(std::vector<Change>{{id_block_key(7, kKeyB, ""), std::string("\x01")}});
  const auto result = this->result();
  EXPECT_THAT(result.wrong, IsEmpty());
  EXPECT_EQ(result.forgotten, 2U);
}

TEST_F(VerificationTest, HoldingsAreCountedByKindAndVersion) {
  write();
  store_.apply(std::vector<Change>{{series_key(kKeyB), std::string("\x02newer")}});
  const auto all = holdings(store_);
  EXPECT_EQ(all.at(Kind::kSeries).keys, 2U);
  EXPECT_THAT(all.at(Kind::kSeries).versions, ElementsAre(1, 2));
  EXPECT_EQ(all.at(Kind::kTimer).keys, 1U);
  EXPECT_THAT(all.at(Kind::kTimer).versions, IsEmpty());
}

}  // namespace
}  // namespace gyre::state
