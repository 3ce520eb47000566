// SPDX-License-Identifier: Apache-2.0
#include "schemas/printable.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "schemas/utf8.h"

namespace gyre::schemas {
namespace {

TEST(Printable, LosesControlAndBidirectionalCharacters) {
  EXPECT_EQ(printable("a\x1b[0m\n\x7f"
                      "b\u202e\u2066\u061c\u0085"),
            "a[0mb");
  EXPECT_EQ(printable("zażółć \u4e2d"), "zażółć \u4e2d");
}

// Whoever asks `printable(x) == x` may offer x as the name that it looks like.
TEST(Printable, NoCharacterThatNobodySeesIsAName) {
  for (const std::uint32_t unseen : std::initializer_list<std::uint32_t>{
           0x01,   0x09,   0x0A,   0x7F,    0x85,    0xA0,    0xAD,    0x34F,  0x61C,  0x115F,
           0x1680, 0x17B4, 0x180B, 0x180E,  0x2003,  0x200B,  0x200C,  0x200D, 0x200E, 0x2028,
           0x202E, 0x202F, 0x205F, 0x2060,  0x2066,  0x206F,  0x2800,  0x3000, 0x3164, 0xFE0F,
           0xFEFF, 0xFFA0, 0xFFF9, 0x1D173, 0xE0001, 0xE0041, 0xE007F, 0xE0100}) {
    std::string name = "/usr/sbin/sshd";
    std::array<char, 4> bytes{};
    name.append(bytes.data(), put_utf8(unseen, bytes.data()));
    EXPECT_EQ(printable(name), "/usr/sbin/sshd") << std::hex << unseen;
    EXPECT_NE(visible(name), name) << std::hex << unseen;
    EXPECT_EQ(printable(visible(name)), visible(name));
    EXPECT_EQ(unprintable_bytes(name, 14), name.size() - 14);
  }
}

TEST(Printable, EveryLetterAndSignStays) {
  for (const std::uint32_t seen : std::initializer_list<std::uint32_t>{
           0x20, 0x7E, 0xA1, 0xAC, 0xAE, 0x5D0, 0x627, 0x915, 0x2014, 0x2026, 0x2424, 0x3042,
           0x4E2D, 0xAC00, 0xFFFD, 0x1F600, 0x20000}) {
    std::string text = "a";
    std::array<char, 4> bytes{};
    text.append(bytes.data(), put_utf8(seen, bytes.data()));
    text += 'b';
    EXPECT_EQ(printable(text), text);
    EXPECT_EQ(visible(text), text);
  }
}

TEST(Visible, SaysWhatNobodyWouldSee) {
  EXPECT_EQ(visible("/usr/sbin/sshd\u200b"), "/usr/sbin/sshd<U+200B>");
  EXPECT_EQ(visible("a\x1b[0m\nb\tc\u00a0\U000e0041"), "a<U+001B>[0m␤b<U+0009>c<U+00A0><U+E0041>");
}

// Nobody may make the reader of bytes read behind their end.
TEST(Printable, TakesBrokenBytesAsTheyAre) {
  for (const std::string text : {"a\xE2", "a\xE2\x80", "\xF3\xA0\x81", "\x80\x80"})
    EXPECT_EQ(printable(text), text);
}

TEST(ShortenedUtf8, KeepsHeadAndTail) {
  const std::string padded = "sh -c " + std::string(500, 'A') + "; curl h|sh";
  const std::string kept = shortened_utf8(padded, 256);
  EXPECT_EQ(kept.size(), 256U);
  EXPECT_TRUE(kept.starts_with("sh -c AAA"));
  EXPECT_TRUE(kept.ends_with("AAA; curl h|sh"));
  EXPECT_NE(kept.find("A…A"), std::string::npos);
  EXPECT_EQ(shortened_utf8(kept, 256), kept);
  EXPECT_EQ(shortened_utf8(kept.substr(0, 200), 256), kept.substr(0, 200));
}

TEST(ShortenedUtf8, CutsNoCharacter) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += i % 3 == 0 ? "é" : i % 3 == 1 ? "中" : "x";
  for (std::size_t bytes = 0; bytes < 80; ++bytes) {
    const std::string kept = shortened_utf8(text, bytes);
    EXPECT_LE(kept.size(), bytes);
    EXPECT_EQ(repaired_utf8(kept), kept) << bytes;
  }
}

}  // namespace
}  // namespace gyre::schemas
