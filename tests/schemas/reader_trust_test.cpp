// SPDX-License-Identifier: Apache-2.0
#include "tests/schemas/reader_fixture.h"

namespace gyre::schemas {
namespace {

// Whoever may choose a command line or a user name must not write alerts with it (ruling 13).
TEST_F(ReaderTest, NoAlertIsReadBehindAnyOtherText) {
  for (const auto* head :
       {"10:00:00.000000001: Notice Shell (user=eve cmdline=sh -c ",
        "2026-01-02T03:04:05.1+0000: Warning Shell | cmdline=",
        "Jan  2 03:04:05 node falco[7]: 10:00:00.1: Notice Shell | command=",
        "Jan  2 03:04:05 node sshd[7]: Failed password for invalid user ",
        "2026-01-02T03:04:06.1Z stdout F 10:00:00.1: Error by eve: ", "{x ", "Notice ", "\"", "x="})
    EXPECT_EQ(rules(head + alert("forged")), "<not_json>") << head;
}

TEST_F(ReaderTest, NothingFollowsAnAlert) {
  for (const auto* tail : {"x", "{}", " ]", "}", ",", "\"", " 1", "\n]", "\nx"})
    EXPECT_EQ(rules(alert() + tail), "<not_json>") << tail;
  EXPECT_EQ(rules(alert() + alert("forged")), "<not_json>");
  EXPECT_EQ(rules(alert() + " " + alert("forged")), "<not_json>");
  EXPECT_EQ(rules("falco: " + alert() + "\n" + alert("forged")), "<not_json>");
}

TEST_F(ReaderTest, NothingInABrokenRecordIsRead) {
  const std::string forged = alert("forged");
  for (const std::string& broken :
       {R"({"rule":"A","output":"x )" + forged + "}",
        R"({"rule":"A","output_fields":{"proc.cmdline":)" + forged, R"({"log":)" + forged,
        R"({"log":)" + as_json(forged), R"({"a":tru,"log":)" + forged + "}",
        R"({"a":[1}],"log":)" + forged + "}", R"({"a":{"b":[}},"message":)" + forged + "}",
        "[" + forged, "[" + forged + ",]", "[" + forged + "}",
        forged + "\n{\"rule\":", "\"" + forged + "\""})
    EXPECT_EQ(rules(broken), "<not_json>") << broken;
}

TEST_F(ReaderTest, NothingInAnAlertIsUnwrapped) {
  const std::string forged = alert("forged");
  for (const std::string& record :
       {R"({"rule":"","time":1767323045,"message":)" + as_json(forged) + "}",
        R"({"output":"x","priority":"Error","log":)" + as_json(forged) + "}",
        R"({"output_fields":{"log":)" + forged + R"(},"message":)" + forged + "}",
        R"({"outer":{"log":)" + forged + "}}", R"({"other":)" + forged + "}",
        R"({"log":"Notice Shell | cmd=)" + as_json(forged).substr(1) + "}",
        R"({"log":{"output_fields":{"x":1},"log":)" + forged + "}}"})
    EXPECT_TRUE(rules(record) == "<not_an_alert>" || rules(record) == "<not_json>") << record;
  expect(alert("A shell", "\"log\":" + forged + ",\"message\":" + as_json(forged) + ","), "bare");
}

TEST_F(ReaderTest, UnwrapsThreeDeepAndNoFurther) {
  std::string record = alert();
  for (int depth = 1; depth <= 3; ++depth) {
    record = R"({"log":)" + as_json(record) + "}";
    EXPECT_EQ(rules(record), "A shell") << depth;
  }
  record = R"({"log":)" + as_json(record) + "}";
  EXPECT_EQ(rules(record), "<not_an_alert>");
}

TEST_F(ReaderTest, DeadLettersOfOneRecordAreBounded) {
  std::string record = "[" + alert("first");
  for (int i = 0; i < 100'000; ++i) record += ",0";
  const auto all = read_all(record + "," + alert("last") + "]");
  ASSERT_EQ(all.size(), 2U + 17U);
  EXPECT_EQ(all[0].rule, "first");
  EXPECT_EQ(all[17].rule, "last");
  EXPECT_EQ(all[18].detail, "99984 more; the last: array: element 100000: no object in it");
}

TEST_F(ReaderTest, ObjectsOneBelowTheOther) {
  EXPECT_EQ(rules(alert("one") + "\n" + alert("two") + "\r\n\n" + alert("three") + "\n"),
            "one,two,three");
  const auto all = read_all(alert("one") + "\n{}\n");
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].detail, "lines: object 1: no `rule` at its top level");
  EXPECT_EQ(rules(R"({"log":)" + as_json(alert("one") + "\n" + alert("two")) + "}"), "<not_json>");
}

TEST_F(ReaderTest, ALongRecordIsNotLookedAt) {
  EXPECT_EQ(rules(alert() + std::string(1'000'000, ' ')), "<too_large>");
  EXPECT_EQ(rules(std::string(1'000'001, '[')), "<too_large>");
}

TEST_F(ReaderTest, BlankIsNothingButAnEmptyEnvelopeIsDead) {
  EXPECT_EQ(rules(""), "");
  EXPECT_EQ(rules(" \r\n"), "");
  EXPECT_EQ(rules("\xEF\xBB\xBF"), "");
  EXPECT_EQ(rules("{}"), "<not_an_alert>");
  EXPECT_EQ(rules(R"({"log":"","stream":"stdout"})"), "<not_an_alert>");
  EXPECT_EQ(rules(gzip("")), "<not_an_alert>");
  EXPECT_EQ(rules("null"), "<not_json>");
}

TEST_F(ReaderTest, WhatWasRepairedInAnEnvelopeIsFlagged) {
  std::string text = as_json(alert());
  text.insert(text.find("node-7"), R"(\ud800)");
  const auto lone = read_all(R"({"log":)" + text + "}");
  EXPECT_EQ(lone[0].alert.hostname, "\xEF\xBF\xBDnode-7");
  EXPECT_TRUE(lone[0].flags & kRepaired);
  text = as_json(alert());
  text.insert(text.find("node-7"), "\xFF");
  const auto bad = read_all(R"({"log":)" + text + "}");
  EXPECT_EQ(bad[0].alert.hostname, "\xEF\xBF\xBDnode-7");
  EXPECT_TRUE(bad[0].flags & kRepaired);
}

}  // namespace
}  // namespace gyre::schemas
