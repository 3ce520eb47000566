// SPDX-License-Identifier: Apache-2.0
#include "base/time.h"

#include <gtest/gtest.h>

namespace gyre {
namespace {

TEST(ParseRfc3339, ReadsEveryLengthOfFraction) {
  constexpr Nanos kWhole = 1'767'323'045'000'000'000;
  EXPECT_EQ(parse_rfc3339("2026-01-02T03:04:05Z"), kWhole);
  EXPECT_EQ(parse_rfc3339("2026-01-02T03:04:05.5Z"), kWhole + 500'000'000);
  EXPECT_EQ(parse_rfc3339("2026-01-02T03:04:05.000000006Z"), kWhole + 6);
  EXPECT_EQ(parse_rfc3339("2026-01-02T03:04:05.0000000069Z"), kWhole + 6);
}

TEST(ParseRfc3339, ReadsOffsets) {
  const auto utc = parse_rfc3339("2026-01-02T03:04:05Z");
  EXPECT_EQ(parse_rfc3339("2026-01-02T05:04:05+02:00"), utc);
  EXPECT_EQ(parse_rfc3339("2026-01-02 03:04:05+0000"), utc);
  EXPECT_EQ(parse_rfc3339("2026-01-01T21:34:05-05:30"), utc);
}

TEST(ParseRfc3339, RefusesAllElse) {
  for (const auto* text :
       {"", "Z", "2026", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-02T24:00:00Z",
        "2026-01-02T03:60:05Z", "2026-01-02T03:04:05", "2026-01-02T03:04:05Zx",
        "0001-01-01T00:00:00Z", "2026-01-02T03:04:05+99:00", "03:04:05.000000006",
        "2026-01-02T03:04:-5Z"})
    EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
}

TEST(FormatRfc3339, IsReadBack) {
  for (const Nanos time :
       {Nanos{0}, Nanos{1}, Nanos{-1}, Nanos{-1'000'000'000}, Nanos{1'767'323'045'000'000'006}})
    EXPECT_EQ(parse_rfc3339(format_rfc3339(time)), time) << format_rfc3339(time);
  EXPECT_EQ(format_rfc3339(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(format_rfc3339_second(1'767'323'045), "2026-01-02T03:04:05Z");
}

TEST(SecondOf, RoundsDown) {
  EXPECT_EQ(second_of(-1), -1);
  EXPECT_EQ(second_of(-1'000'000'000), -1);
  EXPECT_EQ(second_of(999'999'999), 0);
}

}  // namespace
}  // namespace gyre
