// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <gtest/gtest.h>

namespace gyre {
namespace {

TEST(IdHasher, KeepsPartsApart) {
  IdHasher hasher;
  const Id128 one = hasher.add("a").add("bc").finish();
  EXPECT_NE(one, hasher.add("ab").add("c").finish());
  EXPECT_NE(one, hasher.add("abc").finish());
  EXPECT_NE(one, hasher.add("a").add("bc").add("").finish());
}

TEST(Sha256, IsWhatOtherToolsPrint) {
  EXPECT_EQ(to_hex(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(IdHasher, StartsAfreshAfterFinish) {
  IdHasher hasher;
  const Id128 first = hasher.add("x").add(std::int64_t{-1}).finish();
  EXPECT_EQ(first, hasher.add("x").add(std::int64_t{-1}).finish());
  EXPECT_EQ(first, IdHasher().add("x").add(std::int64_t{-1}).finish());
}

// Ids lie on topics and disks: these may never change. Made with another SHA-256 (Python's hashlib)
// over each part's length, eight bytes little endian, and the part; numbers are eight bytes alike.
TEST(IdHasher, IsStable) {
  const auto hex = [](IdHasher& hasher) { return to_hex(view(hasher.finish())); };
  IdHasher hasher;
  EXPECT_EQ(hex(hasher), "e3b0c44298fc1c149afbf4c8996fb924");
  EXPECT_EQ(hex(hasher.add("a")), "ae6121c88ba555f64c3d812123eb799d");
  EXPECT_EQ(hex(hasher.add("a").add("bc").add(std::int64_t{-1})),
            "6a29a32d0fd6f1577694d33902efc382");
  EXPECT_EQ(hex(hasher.add(std::string(20'000, 'x')).add("y")), "152ca5645ae20d4f1ac010f2b18988e5");
}

TEST(ToHex, WritesEveryByte) { EXPECT_EQ(to_hex(std::string_view("\x00\x7f\xff", 3)), "007fff"); }

TEST(FromBase64, ReadsBackEveryLengthAndRefusesTheRest) {
  std::string bytes;
  for (int length = 0; length < 300; ++length) {
    ASSERT_EQ(from_base64(to_base64(bytes)), bytes);
    bytes += static_cast<char>(length * 7);
  }
  EXPECT_EQ(from_base64("YW\r\nJj"), "abc");
  EXPECT_EQ(from_base64("YWI"), "ab");
  EXPECT_EQ(from_base64("Y=WI"), std::nullopt);
  EXPECT_EQ(from_base64("Y-_I"), std::nullopt);
}

// The values of Kafka's own test of its murmur2.
TEST(Murmur2, IsKafkas) {
  EXPECT_EQ(static_cast<std::int32_t>(murmur2("21")), -973932308);
  EXPECT_EQ(static_cast<std::int32_t>(murmur2("foobar")), -790332482);
  EXPECT_EQ(static_cast<std::int32_t>(murmur2("a-little-bit-long-string")), -985981536);
  EXPECT_EQ(static_cast<std::int32_t>(murmur2("a-little-bit-longer-string")), -1486304829);
}

TEST(FastHash, TellsApartAndRepeats) {
  EXPECT_EQ(fast_hash("node-1"), fast_hash("node-1"));
  EXPECT_NE(fast_hash("node-1"), fast_hash("node-2"));
}

}  // namespace
}  // namespace gyre
