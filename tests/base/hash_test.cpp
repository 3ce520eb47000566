// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

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
// over each part's length and the part: one byte of length below 254, else 255 and eight bytes
// little endian; numbers are eight bytes alike, a mark is 254 and its number.
TEST(IdHasher, IsStable) {
  const auto hex = [](IdHasher& hasher) { return to_hex(view(hasher.finish())); };
  IdHasher hasher;
  EXPECT_EQ(hex(hasher), "e3b0c44298fc1c149afbf4c8996fb924");
  EXPECT_EQ(hex(hasher.add("a")), "e3254ea61c09ead5a01d3bf07e946a56");
  EXPECT_EQ(hex(hasher.add("a").add("bc").add(std::int64_t{-1})),
            "bc6865b6ed16386085403295381ecf4d");
  EXPECT_EQ(hex(hasher.add(std::string(20'000, 'x')).add("y")), "e80887164e4d2ee0cba8d27d2dc3fc54");
  EXPECT_EQ(hex(hasher.mark(7).add(std::string(253, 'x')).add(std::string(254, 'x'))),
            "7a0a2a1894f2d41e3f35fa75b78dcfb0");
}

TEST(IdHasher, IsTheSameWhereverItsMemoryEnds) {
  IdHasher hasher;
  const auto hash = [&](std::size_t before) {
    // What was digested already makes no difference to what follows.
    for (std::size_t i = 0; i < before; ++i) hasher.mark(1);
    return hasher.add(std::string(200, 'y')).mark(2).add("").add("z").finish();
  };
  std::set<Id128> seen;
  for (std::size_t before = 1'900; before < 2'100; ++before) {
    const Id128 id = hash(before);
    EXPECT_TRUE(seen.insert(id).second);
    EXPECT_EQ(id, hash(before));
  }
  EXPECT_EQ(to_hex(view(hash(2'040))), "5bc3b7c8cf9d92e8a16eb4cd24f4ca60");
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
