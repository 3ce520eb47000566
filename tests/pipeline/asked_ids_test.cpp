// SPDX-License-Identifier: Apache-2.0
#include "pipeline/asked_ids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace gyre::pipeline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kOne = "01234567aaaaaaaaaaaaaaaaaaaaaaaa";
const std::string kTwo = "01234567bbbbbbbbbbbbbbbbbbbbbbbb";
const std::string kOther = "ffffffffffffffffffffffffffffffff";

TEST(AskedIds, EveryReportIsWantedWhereNoneIsAskedFor) {
  AskedIds asked({});
  EXPECT_TRUE(asked.wants(kOne));
  asked.settle();
  EXPECT_TRUE(asked.wants(kTwo));
  EXPECT_THAT(asked.unknown(), IsEmpty());
}

TEST(AskedIds, AWholeIdOrItsBeginningNamesAReport) {
  AskedIds asked({kOther, "01234567a"});
  EXPECT_TRUE(asked.wants(kOne));
  EXPECT_FALSE(asked.wants(kTwo));
  EXPECT_TRUE(asked.wants(kOther));
  asked.settle();
  EXPECT_THAT(asked.unknown(), IsEmpty());
}

TEST(AskedIds, ABeginningOfSeveralIsRefusedAndNamesThem) {
  AskedIds asked({"01234567"});
  EXPECT_TRUE(asked.wants(kOne));
  EXPECT_TRUE(asked.wants(kTwo));
  try {
    asked.settle();
    FAIL() << "took one of two";
  } catch (const Failure& failure) {
    EXPECT_THAT(failure.what(),
                HasSubstr("2 reports begin with 01234567: " + kOne + ", " + kTwo + ";"));
  }
}

TEST(AskedIds, WhatIsNotThereIsToldAlsoIfItWasDeleted) {
  AskedIds asked({kOther, "01234567"});
  EXPECT_TRUE(asked.wants(kOne));
  asked.forget(kOne);
  asked.settle();
  EXPECT_THAT(asked.unknown(), ElementsAre("01234567", kOther));
}

TEST(AskedIds, ABeginningStandsForOneReportWhateverComesLater) {
  AskedIds asked({"01234567"});
  EXPECT_TRUE(asked.wants(kOne));
  asked.settle();
  EXPECT_FALSE(asked.wants(kTwo));
  EXPECT_TRUE(asked.wants(kOne));
  AskedIds waiting({"01234567"});
  waiting.settle();
  EXPECT_TRUE(waiting.wants(kTwo));
  EXPECT_FALSE(waiting.wants(kOne));
}

TEST(AskedIds, ABeginningHasEightHexDigitsAtLeast) {
  EXPECT_TRUE(AskedIds::is_beginning("01234567"));
  EXPECT_TRUE(AskedIds::is_beginning(kOne));
  for (const char* no :
       {"", "0123456", "0123456g", "01234567A", "01234567aaaaaaaaaaaaaaaaaaaaaaaa0"})
    EXPECT_FALSE(AskedIds::is_beginning(no)) << no;
}

}  // namespace
}  // namespace gyre::pipeline
