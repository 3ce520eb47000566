// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "base/time.h"
#include "pipeline/commands.h"
#include "schemas/alert.h"
#include "schemas/identity.h"

namespace gyre::pipeline {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

constexpr Nanos kStart = 1'767'323'045 * kNanosPerSecond;

GenerateOptions options(const std::string& profile, std::uint64_t count) {
  GenerateOptions made;
  made.profile = profile;
  made.count = count;
  made.start = kStart;
  made.hosts = 5;
  return made;
}

std::string text_of(const GenerateOptions& made) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(generate(Config{}, made), 0);
  return testing::internal::GetCapturedStdout();
}

std::vector<std::string> lines_of(const GenerateOptions& made) {
  std::istringstream text(text_of(made));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

/// The text of a string member; the alerts here hold no escaped quotes in those asked for.
std::string member(const std::string& line, const std::string& name) {
  const std::string key = "\"" + name + "\":\"";
  const auto at = line.find(key);
  if (at == std::string::npos) return "";
  const auto from = at + key.size();
  return line.substr(from, line.find('"', from) - from);
}

std::string without_uuid(const std::string& line) { return line.substr(line.find("\",") + 2); }

std::map<std::string, std::uint64_t> truth_of(GenerateOptions made, std::string* whole = nullptr) {
  const std::string path = testing::TempDir() + "gyre_truth_" + std::to_string(::getpid());
  made.truth = path;
  text_of(made);
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  std::filesystem::remove(path);
  if (whole != nullptr) *whole = text.str();
  std::map<std::string, std::uint64_t> out;
  for (const char* name : {"records", "alerts", "duplicates", "garbage", "heartbeats"}) {
    const std::string key = std::string("\"") + name + "\":";
    out[name] = std::strtoull(text.str().c_str() + text.str().find(key) + key.size(), nullptr, 10);
  }
  return out;
}

TEST(Generate, GivesTheSameBytesForTheSameSeedAndOthersForAnother) {
  for (const char* profile : {"mixed", "flood", "attack"}) {
    GenerateOptions made = options(profile, 500);
    made.duplicates = 0.1;
    made.garbage = 0.1;
    const std::string first = text_of(made);
    EXPECT_EQ(first, text_of(made));
    made.seed = 2;
    EXPECT_NE(first, text_of(made));
  }
}

TEST(Generate, WritesAlertsAsFalcosidekickDoes) {
  for (const std::string& line : lines_of(options("mixed", 300))) {
    std::size_t at = 0;
    for (const char* key : {"{\"uuid\":\"", "\"output\":\"", "\"priority\":\"", "\"rule\":\"",
                            "\"time\":\"", "\"output_fields\":{", "\"source\":\""}) {
      const auto found = line.find(key, at);
      ASSERT_NE(found, std::string::npos) << key << " in " << line;
      at = found;
    }
    EXPECT_THAT(line, EndsWith("\"}"));
    EXPECT_EQ(member(line, "uuid").size(), 36U);
    EXPECT_EQ(member(line, "uuid")[14], '4');
    EXPECT_THAT(line,
                Not(testing::ContainsRegex("[<>&$]")));  // escaped as Go does; no placeholder left
    EXPECT_TRUE(parse_rfc3339(member(line, "time"))) << line;
    EXPECT_THAT(member(line, "time"), Not(testing::ContainsRegex("0Z$")));
  }
}

TEST(Generate, PutsTheEventTimeIntoTheFields) {
  for (const std::string& line : lines_of(options("attack", 50))) {
    const Nanos time = *parse_rfc3339(member(line, "time"));
    EXPECT_THAT(line, HasSubstr("\"evt.time\":" + std::to_string(time) + ","));
  }
}

TEST(Generate, AscendsWithLessThanASecondOfDisorderCopiesIncluded) {
  for (const double rate : {0.5, 10.0, 100.0, 5000.0}) {
    GenerateOptions made = options("flood", 5'000);
    made.event_rate = rate;
    made.duplicates = 0.3;
    Nanos newest = kStart;
    Nanos worst = 0;
    for (const std::string& line : lines_of(made)) {
      const Nanos time = *parse_rfc3339(member(line, "time"));
      worst = std::max(worst, newest - time);
      newest = std::max(newest, time);
    }
    EXPECT_LT(worst, kNanosPerSecond) << rate;
    const double seconds = static_cast<double>(newest - kStart) / 1e9;
    EXPECT_NEAR(seconds, 5'000 / rate, 5'000 / rate * 0.01 + 1) << rate;
  }
}

TEST(Generate, CopiesWithinAHundredRecordsUnderANewUuid) {
  GenerateOptions made = options("mixed", 5'000);
  made.duplicates = 0.2;
  const auto lines = lines_of(made);
  std::map<std::string, std::size_t> first;
  std::set<std::string> uuids;
  std::uint64_t copies = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_TRUE(uuids.insert(member(lines[i], "uuid")).second);
    const auto [found, fresh] = first.emplace(without_uuid(lines[i]), i);
    if (fresh) continue;
    ++copies;
    EXPECT_LE(i - found->second, 100U);
  }
  const auto truth = truth_of(made);
  EXPECT_EQ(truth.at("duplicates"), copies);
  EXPECT_EQ(truth.at("alerts"), first.size());
  EXPECT_NEAR(static_cast<double>(copies), 1'000, 100);
}

TEST(Generate, AccountsForEveryRecord) {
  GenerateOptions made = options("mixed", 4'000);
  made.duplicates = 0.1;
  made.garbage = 0.05;
  std::string whole;
  const auto truth = truth_of(made, &whole);
  EXPECT_EQ(truth.at("records"), 4'000U);
  EXPECT_EQ(truth.at("alerts") + truth.at("duplicates") + truth.at("garbage"), 4'000U);
  EXPECT_NEAR(static_cast<double>(truth.at("garbage")), 200, 60);
  EXPECT_GT(truth.at("heartbeats"), 0U);
  EXPECT_THAT(whole, HasSubstr("\"by_rule\":{\""));
  EXPECT_THAT(whole, HasSubstr("\"Detect release_agent File Container Escapes\":"));
}

TEST(Generate, TellsTheTruthThatTheParserFinds) {
  for (const char* profile : {"mixed", "flood", "attack"}) {
    GenerateOptions made = options(profile, 3'000);
    made.duplicates = 0.1;
    made.garbage = 0.1;
    schemas::AlertParser parser;
    schemas::Alert alert;
    IdHasher hasher;
    std::set<Id128> distinct;
    std::uint64_t garbage = 0;
    std::uint64_t heartbeats = 0;
    for (const std::string& line : lines_of(made)) {
      if (!parser.parse(line, alert)) {
        ++garbage;
      } else if (distinct.insert(schemas::duplicate_id(alert, hasher)).second) {
        heartbeats += schemas::is_heartbeat(alert) ? 1 : 0;
      }
    }
    const auto truth = truth_of(made);
    EXPECT_EQ(truth.at("garbage"), garbage);
    EXPECT_EQ(truth.at("alerts"), distinct.size());
    EXPECT_EQ(truth.at("heartbeats"), heartbeats);
  }
}

TEST(Generate, LeadsAnAttackThroughOneContainerFromAccessToEscape) {
  const auto lines = lines_of(options("attack", 210));
  std::set<std::string> containers;
  std::vector<std::string> rules;
  for (const std::string& line : lines) {
    containers.insert(member(line, "container.id"));
    if (rules.empty() || rules.back() != member(line, "rule"))
      rules.push_back(member(line, "rule"));
  }
  EXPECT_EQ(containers.size(), 1U);
  const auto at = [&](const char* rule) { return std::find(rules.begin(), rules.end(), rule); };
  EXPECT_LT(at("Terminal shell in container"), at("Drop and execute new binary in container"));
  EXPECT_LT(at("Drop and execute new binary in container"), at("Schedule Cron Jobs"));
  EXPECT_LT(at("Schedule Cron Jobs"), at("Detect release_agent File Container Escapes"));
  EXPECT_NE(at("Detect release_agent File Container Escapes"), rules.end());
}

TEST(Generate, FloodsWithFewFindings) {
  std::map<std::string, int> pairs;
  for (const std::string& line : lines_of(options("flood", 20'000))) {
    ++pairs[member(line, "container.id") + member(line, "rule") + member(line, "proc.name")];
  }
  std::vector<int> counts;
  for (const auto& [pair, count] : pairs) counts.push_back(count);
  std::sort(counts.rbegin(), counts.rend());
  ASSERT_GT(counts.size(), 200U);
  EXPECT_GT(counts[150], 50);
  EXPECT_LT(counts[220], 10);
}

TEST(Generate, TouchesAsManyFindingsInTurnAsAWideFleetIsAskedFor) {
  GenerateOptions made = options("wide", 2'000);
  made.findings = 1'000;
  std::map<std::string, int> touched;
  for (const std::string& line : lines_of(made))
    ++touched[member(line, "container.id") + member(line, "rule") + member(line, "proc.name")];
  EXPECT_EQ(touched.size(), 1'000U);
  for (const auto& [pair, times] : touched) EXPECT_EQ(times, 2) << pair;
  made.findings = 1'000'000;
  EXPECT_THROW(generate(Config{}, made), ConfigError);
  made.hosts = {};
  made.findings = 50'000;
  EXPECT_EQ(lines_of(made).size(), 2'000U) << "as many machines as they need";
}

TEST(Generate, StartsOneContainerOfTheNewVersionOnEveryMachine) {
  std::map<std::string, std::string> started;
  for (const std::string& line : lines_of(options("rollout", 60'000))) {
    if (member(line, "container.image.tag") != "4.13.0") continue;
    const auto at = line.find("\"container.start_ts\":") + 21;
    started[member(line, "hostname")] = line.substr(at, line.find(',', at) - at);
    EXPECT_GE(parse_rfc3339(member(line, "time")), std::stoll(started[member(line, "hostname")]));
  }
  EXPECT_EQ(started.size(), 5U);
  EXPECT_LT(std::stoll(started["node-05"]) - std::stoll(started["node-01"]), 600 * kNanosPerSecond);
}

TEST(Generate, ReachesTheSizeOfAFleetOfFiveThousandNodes) {
  const auto of_fleet = [](const std::string& profile, std::uint64_t count) {
    GenerateOptions made = options(profile, count);
    made.hosts = 5'000;
    made.event_rate = 120;
    std::map<std::string, std::set<std::string>> seen;
    for (const std::string& line : lines_of(made)) {
      seen["findings"].insert(member(line, "container.id") + member(line, "rule") +
                              member(line, "proc.name"));
      seen["hosts"].insert(member(line, "hostname"));
      seen["rules"].insert(member(line, "rule"));
      if (member(line, "container.image.tag") == "4.13.0")
        seen["released"].insert(member(line, "container.id"));
    }
    return seen;
  };
  auto wide = of_fleet("wide", 50'000);
  EXPECT_EQ(wide["findings"].size(), 50'000U);
  EXPECT_GT(wide["hosts"].size(), 4'900U);
  auto mixed = of_fleet("mixed", 30'000);
  EXPECT_GT(mixed["hosts"].size(), 1'000U);
  EXPECT_GT(mixed["rules"].size(), 30U);
  auto attack = of_fleet("attack", 5'000);
  EXPECT_EQ(attack["hosts"].size(), 1U);
  EXPECT_GT(attack["rules"].size(), 15U);
  EXPECT_GT(of_fleet("rollout", 50'000)["released"].size(), 4'000U);
}

TEST(Generate, FewContainersMakeMostOfTheNoise) {
  GenerateOptions made = options("mixed", 30'000);
  made.hosts = 5'000;
  std::map<std::string, std::size_t> alerts;
  for (const std::string& line : lines_of(made)) ++alerts[member(line, "container.id")];
  alerts.erase("host");
  std::vector<std::size_t> counts;
  std::size_t all = 0;
  for (const auto& [container, count] : alerts) {
    counts.push_back(count);
    all += count;
  }
  std::sort(counts.rbegin(), counts.rend());
  std::size_t first = 0;
  for (std::size_t i = 0; i < 600; ++i) first += counts.at(i);  // 1 % of the containers
  EXPECT_GT(first, all / 2);
  EXPECT_GT(counts.size(), 2'000U) << "the others have something to say, too";
}

TEST(Generate, TellsWhoseContainersWereBrokenInto) {
  GenerateOptions made = options("mixed", 20'000);
  made.attacks = 3;
  std::string truth;
  truth_of(made, &truth);
  std::map<std::string, std::set<std::string>> seen;
  for (const std::string& line : lines_of(made))
    seen[member(line, "container.id")].insert(member(line, "rule"));
  int broken_into = 0;
  for (const auto& [container, rules] : seen) {
    if (truth.find("\"" + container + "\"") == std::string::npos) continue;
    ++broken_into;
    EXPECT_TRUE(rules.contains("Web Server Spawned Shell"));
    EXPECT_TRUE(rules.contains("Delete or rename shell history"));
  }
  EXPECT_EQ(broken_into, 3);
}

TEST(Generate, KeepsTheRateOnTheWallClock) {
  GenerateOptions made = options("mixed", 60);
  made.rate = 400;
  made.start.reset();
  const auto begin = std::chrono::steady_clock::now();
  const auto lines = lines_of(made);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took.count(), 59 / 400.0);
  const Nanos span =
      *parse_rfc3339(member(lines.back(), "time")) - *parse_rfc3339(member(lines.front(), "time"));
  EXPECT_NEAR(static_cast<double>(span) / 1e9, 59 / 400.0, 1e-6);  // open loop: the intended times
}

TEST(Generate, RefusesOptionsThatMeanNothing) {
  auto made = options("mixed", 1);
  made.profile = "calm";
  EXPECT_THROW(generate(Config{}, made), ConfigError);
  made = options("mixed", 1);
  made.hosts = 0;
  EXPECT_THROW(generate(Config{}, made), ConfigError);
  made = options("mixed", 1);
  made.duplicates = 0.7;
  made.garbage = 0.7;
  EXPECT_THROW(generate(Config{}, made), ConfigError);
  made = options("mixed", 1);
  made.truth = "/nonexistent/truth";
  testing::internal::CaptureStdout();
  EXPECT_THROW(generate(Config{}, made), Failure);
  testing::internal::GetCapturedStdout();
}

}  // namespace
}  // namespace gyre::pipeline
