// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "schemas/alert.h"
#include "schemas/report.h"
#include "tests/schemas/slow_reader.h"

namespace gyre::schemas {
namespace {

std::string as_json(std::string_view text) {
  JsonWriter json;
  json.begin_object().key("x").value(text).end_object();
  const std::string whole = json.take();
  return whole.substr(5, whole.size() - 6);
}

// Texts that look like alerts, in every form that their values may have.
class Generator {
 public:
  explicit Generator(std::uint32_t seed) : random_(seed) {}

  std::string alert() {
    std::string json = "{";
    std::vector<std::string> keys = {"rule",     "time", "priority", "output_fields", "tags",
                                     "hostname", "uuid", "output",   "source"};
    std::shuffle(keys.begin(), keys.end(), random_);
    for (const std::string& key : keys) {
      if (one_in(9)) continue;
      member(json, key, one_in(12) ? any(0) : usual(key));
      if (one_in(20)) member(json, key, any(0));
    }
    if (one_in(6))
      member(json, pick({"@timestamp", "date", "log", "outputFields", "specversion"}), any(0));
    if (one_in(6)) member(json, "output_fields." + word(), any(0));
    if (one_in(6)) member(json, word(), any(0));
    return json + blank() + "}";
  }

  std::string mutated(std::string text) {
    for (auto n = random_() % 3; n > 0; --n) {
      const auto at = random_() % (text.size() + 1);
      switch (random_() % 5) {
        case 0:
          text.insert(at, 1, static_cast<char>(random_()));
          break;
        case 1:
          text.erase(at, 1 + random_() % 5);
          break;
        case 2:
          text.insert(at, text.substr(random_() % (text.size() + 1), random_() % 30));
          break;
        case 3:
          text.insert(at,
                      pick({"\\ud83d", "\\u00e4", "\\", "\xC3", "\xF0\x9F", "1e5", "null", "-0"}));
          break;
        default:
          text.insert(at, 1, "{}[]\",:\\u"[random_() % 9]);
      }
    }
    return text;
  }

 private:
  bool one_in(unsigned n) { return random_() % n == 0; }
  std::string pick(const std::vector<std::string>& from) { return from[random_() % from.size()]; }
  std::string blank() { return one_in(8) ? pick({" ", "\n", "\t\r "}) : ""; }

  void member(std::string& json, const std::string& key, const std::string& value) {
    if (json.size() > 1) json += "," + blank();
    json += blank() + as_json(key) + blank() + ":" + blank() + value;
  }

  std::string word() {
    return pick({"proc.name", "container.id", "proc.aname[2]", "proc.aname_3", "evt.arg_flags",
                 "proc.env_X_Y", "k8s.pod.label_a", "fd", "a.b", "x\"y", "\xC3\xA4", "z", ""});
  }

  std::string usual(const std::string& key) {
    if (key == "rule")
      return as_json(pick({"A shell", "\xF0\x9F\x9A\x80 rule", " x ", "<NA>", ""}));
    if (key == "time") return time();
    if (key == "priority")
      return pick({R"("Notice")", R"("critical")", R"(" Info ")", "4", R"("7")", "8", "null", "5.0",
                   "3e0"});
    if (key == "tags")
      return pick({R"(["b","a","a",null,7,"<NA>"])", R"("x, y,,x")", "[]", "null"});
    if (key == "output_fields") return one_in(9) ? pick({"{}", R"({"a":null})"}) : object(0);
    if (key == "source")
      return pick({R"("syscalls")", R"("SysCall")", "1", "1.0", R"("2")", text()});
    return text();
  }

  std::string time() {
    const std::string seconds =
        fmt::format("2026-0{}-1{}T03:04:0{}", 1 + random_() % 9, random_() % 10, random_() % 10);
    switch (random_() % 8) {
      case 0:
        return as_json(seconds + "Z");
      case 1:
        return as_json(fmt::format("{}.{}+0{}:30", seconds, random_(), random_() % 10));
      case 2:
        return std::to_string(1'700'000'000 + random_() % 100'000'000);
      case 3:
        return fmt::format("{}.{}", 1'700'000'000 + random_() % 100'000'000, random_());
      case 4:
        return as_json(fmt::format("17{}", 10'000'000'000 + random_()));
      case 5:
        return fmt::format("17{:017}", random_());
      case 6:
        return fmt::format(R"({{"seconds":{}{},"nanos":{}{}}})", 1'700'000'000 + random_() % 1000,
                           pick({"", "", ".0", ".5", "e0"}), random_() % 1'000'000'000,
                           pick({"", "", ".00", "e-1", "0e-1"}));
      default:
        return pick({R"("2026-02-30T00:00:00Z")", R"("now")", "-1", "1", "true",
                     R"("2026-01-02T03:04:05.5Z+2")", R"("2026-01-02 03:04:05,25+0100")"});
    }
  }

  std::string text() {
    return pick({R"("x")", R"("\u003cNA\u003e")", R"("a\n\"\\\u00e4\ud83d\ude80")", "\"\xC3\xA4\"",
                 R"("\ud800")", R"("\u0000")", "\"\x7F\"", R"("")"});
  }

  std::string any(int depth) {
    switch (random_() % (depth > 20 ? 5 : 7)) {
      case 0:
        return text();
      case 1:
        return pick({"0", "-1", "1.50", "4294967295", "18446744073709551616", "2E-3"});
      case 2:
        return pick({"true", "false"});
      case 3:
        return "null";
      case 4:
        return time();
      case 5:
        return object(depth + 1);
      default:
        return list(depth + 1);
    }
  }

  std::string object(int depth) {
    std::string json = "{";
    for (auto n = random_() % 6; n > 0; --n)
      member(json, word(), one_in(10) ? object(depth + 1) : any(depth));
    return json + "}";
  }

  std::string list(int depth) {
    std::string json = "[";
    for (auto n = random_() % 4; n > 0; --n) json += (json.size() > 1 ? "," : "") + any(depth);
    return json + "]";
  }

  std::mt19937 random_;
};

class Differential : public testing::Test {
 protected:
  void compare(const std::string& json) {
    const SlowReading slow = slow_read(json, limits_);
    const auto fast = parser_.parse(json, alert_);
    if (slow.error == "unsure") return;
    ++compared_;
    ASSERT_EQ(fast ? "" : std::string(to_string(fast.error().error)), slow.error)
        << json << '\n'
        << (fast ? "" : fast.error().detail);
    if (!fast) return;
    ++alerts_;
    EXPECT_EQ(alert_.rule, slow.alert.rule) << json;
    EXPECT_EQ(alert_.time, slow.alert.time) << json;
    EXPECT_EQ(alert_.priority, slow.alert.priority) << json;
    EXPECT_EQ(plain(alert_.source), plain(slow.alert.source)) << json;
    EXPECT_EQ(plain(alert_.hostname), plain(slow.alert.hostname)) << json;
    EXPECT_EQ(plain(alert_.output), plain(slow.alert.output)) << json;
    EXPECT_EQ(plain(alert_.uuid), plain(slow.alert.uuid)) << json;
    EXPECT_EQ(alert_.tags.size(), slow.alert.tags.size()) << json;
    EXPECT_EQ(alert_.flags, slow.alert.flags) << json;
    ASSERT_EQ(alert_.fields.size(), slow.alert.fields.size()) << json;
    for (std::size_t i = 0; i < alert_.fields.size(); ++i) {
      EXPECT_EQ(alert_.fields[i].first, slow.alert.fields[i].first) << json;
      if (slow.alert.fields[i].second == kAnyText) continue;
      EXPECT_EQ(plain(alert_.fields[i].second), plain(slow.alert.fields[i].second)) << json;
    }
  }

  // nlohmann keeps no sign of a zero.
  static std::string plain(std::string_view text) {
    std::string out(text);
    for (auto at = out.find("-0"); at != std::string::npos; at = out.find("-0", at + 1))
      out.erase(at, 1);
    return out;
  }

  ParseLimits limits_;
  AlertParser parser_;
  Alert alert_;
  int compared_ = 0;
  int alerts_ = 0;
};

std::uint32_t seed_of_this_run() {
  const char* given = std::getenv("GYRE_SEED");
  const std::uint32_t seed =
      given != nullptr ? static_cast<std::uint32_t>(std::stoul(given)) : std::random_device{}();
  std::cout << "GYRE_SEED=" << seed << '\n';
  return seed;
}

TEST_F(Differential, GeneratedAndMutatedTextsReadTheSame) {
  Generator generator(seed_of_this_run());
  for (int round = 0; round < 6'000 && !HasFailure(); ++round) {
    const std::string json = generator.alert();
    compare(json);
    compare(generator.mutated(json));
  }
  EXPECT_GT(compared_, 11'000);
  EXPECT_GT(alerts_, 3'000);
}

TEST_F(Differential, TheCorpusAndItsMutationsReadTheSame) {
  const std::filesystem::path corpus = GYRE_SOURCE_DIR "/../shared/corpus";
  if (!std::filesystem::exists(corpus)) GTEST_SKIP() << "no corpus at " << corpus;
  Generator generator(seed_of_this_run());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(corpus)) {
    if (entry.path().extension() != ".ndjson") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    for (std::string line; std::getline(file, line) && !HasFailure();) {
      if (line.size() > 8'000) continue;
      compare(line);
      compare(generator.mutated(line));
    }
  }
  EXPECT_GT(alerts_, 1'000);
}

}  // namespace
}  // namespace gyre::schemas
