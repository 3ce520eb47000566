// SPDX-License-Identifier: Apache-2.0
#include <simdjson.h>

#include <random>

#include "tests/cpu_time.h"
#include "tests/schemas/reader_fixture.h"

namespace gyre::schemas {
namespace {

// Every record is an alert or a rejection, in bounded time and size, and valid UTF-8.
class Hostile : public ReaderTest {
 protected:
  void TearDown() override {
    std::string alerts = "[" + alert();
    while (alerts.size() < kMost) alerts += "," + alert();
    alerts += "]";
    const double began = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    read_all(alerts);
    const double each =
        (cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - began) / static_cast<double>(cost_of(alerts));
    EXPECT_LE(reading_, kTimes * each * static_cast<double>(cost_))
        << "it takes much longer than alerts of that size do";
  }

  // How many alerts the record holds.
  std::size_t alerts(std::string_view record) {
    std::size_t count = 0;
    std::size_t rejections = 0;
    const double began = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    const std::vector<Read> all_read = read_all(record);
    reading_ += cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - began;
    cost_ += cost_of(record);
    for (const Read& one : all_read) {
      if (one.rule.starts_with('<')) {
        ++rejections;
        EXPECT_LE(one.detail.size(), 1'000U);
        continue;
      }
      ++count;
      std::string all = one.alert.output + one.alert.hostname + one.rule + one.alert.source;
      for (const auto& [name, value] : one.alert.fields) {
        all.append(name).append(value);
        EXPECT_LE(value.size(), 65'536U);
      }
      EXPECT_LE(one.alert.fields.size(), 256U);
      EXPECT_LE(all.size(), record.size() * 2);
      EXPECT_TRUE(simdjson::validate_utf8(all.data(), all.size()));
    }
    EXPECT_LE(rejections, 17U);
    return count;
  }

  static std::string repeated(std::string_view text, std::size_t bytes) {
    std::string all;
    while (all.size() + text.size() <= bytes) all += text;
    return all;
  }

  static constexpr std::size_t kMost = 999'000;

 private:
  static constexpr double kTimes = 20;

  // In bytes: a small record is some work, too.
  static std::size_t cost_of(std::string_view record) { return record.size() + 1'000; }

  double reading_ = 0;
  std::size_t cost_ = 0;
};

TEST_F(Hostile, LongStrings) {
  for (const auto* key : {"rule", "output", "hostname", "source", "uuid", "priority", "time"}) {
    std::string record = alert();
    const std::string filler = as_json(repeated("\xE2\x82\xAC", kMost));
    record.insert(1, fmt::format("\"{}\":{},", key, filler));
    alerts(record);
  }
  EXPECT_EQ(alerts(alert("A shell", as_json(std::string(kMost, 'k')) + ":1,")), 1U);
  const auto cut = read_all(R"({"rule":"r","time":1767323045,"output_fields":{"a":)" +
                            as_json(repeated("\xE2\x82\xAC", kMost)) + "}}");
  EXPECT_TRUE(cut.at(0).flags & kTruncated);
}

TEST_F(Hostile, ManyKeys) {
  for (const auto* where : {"{\"x\":1", R"({"rule":"r","time":1767323045)"}) {
    std::string keys;
    for (int i = 0; keys.size() < kMost; ++i) keys += fmt::format(",\"k{}\":{}", i, i);
    alerts(where + keys + "}");
    alerts(std::string(where) + R"(,"output_fields":{"a":1)" + keys.substr(0, kMost - 100) + "}}");
  }
  const std::string equal = R"({"rule":"r","time":1767323045)";
  EXPECT_EQ(alerts(equal + repeated(R"(,"rule":"s")", kMost) + "}"), 1U);
  EXPECT_EQ(alerts(equal + R"(,"output_fields":{"a":1)" + repeated(R"(,"a":2)", kMost) + "}}"), 1U);
  EXPECT_EQ(alerts(equal + repeated(R"(,"output_fields.a":2)", kMost) + "}"), 1U);
  EXPECT_EQ(alerts(equal + repeated(R"(,"output_fields":"{}")", kMost) + "}"), 1U);
  const std::string text = "{\"a\":1" + repeated(R"(,"b":2)", kMost / 2) + "}";
  EXPECT_EQ(alerts(equal + R"(,"output_fields":)" + as_json(text) + "}"), 1U);
  EXPECT_EQ(alerts(equal + R"(,"tags":["a")" + repeated(R"(,"b")", kMost) + "]}"), 1U);
  EXPECT_EQ(alerts(equal + R"(,"output_fields":{"a":[1)" + repeated(",1", kMost) + "]}}"), 1U);
  alerts(R"({"log":"x")" + repeated(R"(,"log":{})", kMost) + "}");
  AlertParser parser({.record_bytes = 16'000'000});
  Alert parsed;
  std::string million = equal + R"(,"output_fields":{"a":1)";
  for (int i = 0; i < 1'000'000; ++i) million += fmt::format(",\"{}\":1", i);
  ASSERT_TRUE(parser.parse(million + "}}", parsed));
  EXPECT_EQ(parsed.fields.size(), 256U);
}

TEST_F(Hostile, Depth) {
  for (const auto& [open, close] : {std::pair{"[", "]"}, std::pair{"{\"a\":", "}"},
                                    std::pair{"{\"log\":", "}"}, std::pair{"[{\"log\":", "}]"}}) {
    for (const std::size_t depth : {10'000U, 100'000U}) {
      const std::string deep = repeated(open, depth * std::string_view(open).size()) + "1" +
                               repeated(close, depth * std::string_view(close).size());
      alerts(deep);
      alerts(deep.substr(0, deep.size() / 2));
      if (deep.size() > kMost - 1'000) continue;
      EXPECT_EQ(alerts(alert("A shell", "\"x\":" + deep + ",")), 1U);
      const std::string head = R"({"rule":"r","time":1767323045,"output_fields)";
      EXPECT_EQ(alerts(head + "\":{\"x\":" + deep + "}}"), 1U);
      EXPECT_EQ(alerts(head + ".x\":" + deep + "}"), 1U);
      if (deep.size() > kMost / 2) continue;
      EXPECT_EQ(alerts(head + "\":" + as_json("{\"x\":" + deep + "}") + "}"), 1U);
    }
  }
}

TEST_F(Hostile, ManySmallRecordsInOne) {
  EXPECT_EQ(alerts("[" + repeated("{},", kMost) + "{}]"), 0U);
  EXPECT_EQ(alerts("[" + repeated("0,", kMost) + "0]"), 0U);
  EXPECT_EQ(alerts("[" + repeated("[],", kMost) + "[]]"), 0U);
  EXPECT_EQ(alerts("[" + repeated(R"("",)", kMost) + "\"\"]"), 0U);
  EXPECT_EQ(alerts("[" + repeated(R"({"log":"{"},)", kMost) + "0]"), 0U);
  EXPECT_EQ(alerts(repeated("{}\n", kMost)), 0U);
  EXPECT_EQ(alerts(repeated("__CURSOR=\n\n", kMost)), 0U);
  EXPECT_EQ(alerts(repeated("__CURSOR=\nMESSAGE={}\n\n", kMost)), 0U);
  EXPECT_EQ(alerts(repeated(gzip(""), kMost)), 0U);
  const std::string small = R"({"rule":"r","time":1767323045})";
  EXPECT_EQ(alerts("[" + repeated(small + ",", 310'000) + small + "]"), 10'001U);
}

TEST_F(Hostile, EveryByteEverywhere) {
  const std::string whole = alert();
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (const char byte : {'\xFF', '\xC3', '\xED', '\0', '\x1B', '\x7F', '"', '\\', '{'}) {
      std::string record = whole;
      record[at] = byte;
      alerts(record);
      alerts(R"({"log":)" + as_json(record) + "}");
    }
}

TEST_F(Hostile, Noise) {
  const char* given = std::getenv("GYRE_SEED");
  const auto seed = given != nullptr ? std::stoul(given) : std::random_device{}();
  SCOPED_TRACE(fmt::format("GYRE_SEED={}", seed));
  std::mt19937 random(static_cast<std::uint32_t>(seed));
  const std::vector<std::string> heads = {
      "",     "{",         "[",           "\"",          "\x1F\x8B\x08", "\x28\xB5\x2F\xFD",
      "<14>", "__CURSOR=", R"({"log":")", "\xEF\xBB\xBF"};
  for (int round = 0; round < 20'000; ++round) {
    std::string record = heads[random() % heads.size()];
    for (auto n = random() % 60; n > 0; --n)
      record += random() % 2 == 0 ? static_cast<char>(random()) : "{}[]\",:\\\n ="[random() % 11];
    EXPECT_EQ(alerts(record), 0U);
  }
}

// What lies outside 1680 to 2260 no 64 bits of nanoseconds can say; all else is a time, and what it
// means for an alert to be that old or that new is decided further on.
TEST_F(Hostile, FarTimes) {
  for (const auto* time : {R"("1680-01-01T00:00:00Z")", R"("2260-12-31T23:59:60Z")", "1",
                           R"("1970-01-01T00:00:00Z")", "9183110400"})
    EXPECT_EQ(rules(fmt::format(R"({{"rule":"r","time":{}}})", time)), "r") << time;
  for (const auto* time :
       {R"("0001-01-01T00:00:00Z")", R"("1679-12-31T23:59:59Z")", R"("2261-01-01T00:00:01Z")",
        R"("9999-12-31T23:59:59Z")", "9183110401", "9999999999", "1e300", "-1", "0"})
    EXPECT_EQ(rules(fmt::format(R"({{"rule":"r","time":{}}})", time)), "<no_time>") << time;
}

}  // namespace
}  // namespace gyre::schemas
