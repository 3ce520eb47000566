// SPDX-License-Identifier: Apache-2.0
// The whole of Gyre on the embedded broker, from a file of alerts to its reports.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "base/error.h"
#include "pipeline/commands.h"
#include "tests/contract/contract.h"

namespace gyre::pipeline {
namespace {

class ReplayTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() /
                 fmt::format("gyre-replay-{}-{}", getpid(),
                             testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(directory_);
    config_.findings.close_all = true;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return (directory_ / name).string(); }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }

  static std::string read(const std::string& file) {
    std::stringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
  }

  std::string reports(ReplayOptions options) const {
    std::ostringstream out;
    std::streambuf* const before = std::cout.rdbuf(out.rdbuf());
    const int code = replay(config_, options);
    std::cout.rdbuf(before);
    EXPECT_EQ(code, 0);
    std::istringstream written(out.str());
    tests::ReportStream stream;
    for (std::string line; std::getline(written, line);)
      EXPECT_THAT(stream.violations(line), testing::IsEmpty()) << line;
    if (options.dead_letters) {
      std::ifstream dead(*options.dead_letters);
      for (std::string line; std::getline(dead, line);)
        EXPECT_THAT(tests::violations("dead_letter", line), testing::IsEmpty()) << line;
    }
    return out.str();
  }

  std::string generated(const std::string& profile, std::uint64_t count) const {
    GenerateOptions options;
    options.profile = profile;
    options.count = count;
    options.hosts = 3;
    options.seed = 7;
    options.start = *parse_rfc3339("2026-01-02T03:00:00Z");
    options.duplicates = 0.05;
    options.garbage = 0.01;
    testing::internal::CaptureStdout();  // written through C's stdout
    EXPECT_EQ(generate(config_, options), 0);
    return write("alerts.ndjson", testing::internal::GetCapturedStdout());
  }

  std::filesystem::path directory_;
  Config config_;
};

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

std::string_view text(const simdjson::dom::element& element) {
  return element.get_string().value();
}

// An alert in falcosidekick's shape; ours, made from the published facts about such alerts.
std::string shm_alert(int second, const std::string& suffix, const std::string& more = "") {
  return fmt::format(
             R"({{"uuid":"{:08}-0000-4000-8000-000000000000","output":"refused script","priority":"Warning","rule":"Execution from /dev/shm",)"
             R"("time":"2026-01-02T03:04:{:02}.015051634Z","output_fields":{{"container.id":"5ca1ab1e0001","container.name":"quiet_lab","evt.res":"EACCES",)"
             R"("evt.type":"execve","proc.cmdline":"sh -c /dev/shm/falco-event-generator-syscall-ExecutionFromDevShm-{}.sh","proc.exepath":"/bin/busybox",)"
             R"("proc.name":"sh","proc.pcmdline":"event-generator run syscall --loop","proc.pname":"event-generator","user.name":"root"{}}},)"
             R"("source":"syscall","tags":["T1059.004","mitre_execution"],"hostname":"lab-1"}})",
             second, second, suffix, more) +
         "\n";
}

std::string loader_alert(const std::string& more) {
  return fmt::format(
             R"({{"output":"a shell","priority":"Warning","rule":"Detect Shell in Container","time":"2026-01-02T03:04:05.5Z",)"
             R"("output_fields":{{"container.id":"0ddba11c0ffe","proc.cmdline":"bash -c /usr/sbin/lsmod | cut -d' ' -f1 | grep -qx \"falco\"",)"
             R"("proc.name":"bash","user.name":"root"{}}},"source":"syscall","tags":["container"],"hostname":"node-1"}})",
             more) +
         "\n";
}

TEST_F(ReplayTest, ThreeAlertsOfOneTestAreOneFindingThatSaysSo) {
  const std::string file =
      write("a", shm_alert(5, "aB3dE6") + shm_alert(7, "Zx81kQ") + shm_alert(9, "qwErTy"));
  const auto out = lines(reports({.files = {file}}));
  ASSERT_FALSE(out.empty());
  std::map<std::string, int> ids;
  simdjson::dom::parser parser;
  for (const std::string& line : out) ++ids[std::string(text(parser.parse(line)["id"]))];
  EXPECT_EQ(ids.size(), 1U);
  const simdjson::dom::element last = parser.parse(out.back());
  EXPECT_EQ(text(last["kind"]), "finding");
  EXPECT_EQ(text(last["state"]), "closed");
  EXPECT_EQ(last["counts"]["alerts"].get_uint64().value(), 3U);
  EXPECT_EQ(last["outcome"]["blocked"].get_uint64().value(), 3U);
  EXPECT_EQ(text(last["verdict"]["class"]), "test");
  EXPECT_EQ(text(last["verdict"]["confidence"]), "low") << "names alone prove nothing";
}

// GitLab's plugin stamps an event when it reads it.
TEST_F(ReplayTest, TwoReadersOfOneEventWithAnIdOfItsOwnAreOneAlert) {
  const auto read_at = [](const std::string& time, const std::string& reader) {
    return fmt::format(
        R"({{"output":"an outsider joined","priority":"Notice","rule":"GitLab member added","time":"2026-01-02T{}Z",)"
        R"("output_fields":{{"gitlab.event_id":"884422","gitlab.event_name":"member_added","gitlab.group":"forge","gitlab.user":"lena"}},)"
        R"("source":"gitlab","hostname":"{}"}})"
        "\n",
        time, reader);
  };
  const std::string early = read_at("03:04:59", "reader-a");
  const std::string late = read_at("03:31:02", "reader-b");
  for (const std::string& file : {early + late, late + early}) {
    simdjson::dom::parser parser;
    for (const std::string& line :
         lines(reports({.files = {write("a", file)}, .stats = path("stats")})))
      EXPECT_EQ(parser.parse(line)["counts"]["alerts"].get_uint64().value(), 1U) << line;
    const simdjson::dom::element stats = parser.load(path("stats"));
    EXPECT_EQ(stats["folded"].get_uint64().value(), 1U);
    EXPECT_EQ(stats["duplicate"].get_uint64().value(), 1U);
  }
}

TEST_F(ReplayTest, TheDriverLoaderIsBenignOnlyWhenImageAndParentProveIt) {
  const auto verdict = [&](const std::string& more) {
    const auto out = lines(reports({.files = {write("a", loader_alert(more))}}));
    simdjson::dom::parser parser;
    const simdjson::dom::element last = parser.parse(out.back());
    return std::pair(std::string(text(last["verdict"]["class"])), out.back());
  };
  const auto bare = verdict("");
  EXPECT_EQ(bare.first, "undetermined");
  EXPECT_NE(bare.second.find(R"("field":"container.image.repository")"), std::string::npos);
  EXPECT_NE(bare.second.find(R"("field":"proc.pname")"), std::string::npos);
  EXPECT_EQ(
      verdict(
          R"(,"container.image.repository":"docker.io/falcosecurity/falco-driver-loader","proc.pname":"falcoctl")")
          .first,
      "likely_benign");
  EXPECT_NE(
      verdict(
          R"(,"container.image.repository":"evil.example/falcosecurity/falco-driver-loader","proc.pname":"falcoctl")")
          .first,
      "likely_benign");
}

TEST_F(ReplayTest, PartitionsBatchesAndDisorderCannotBeSeen) {
  const std::string file = generated("mixed", 20'000);
  const std::string expected = reports({.files = {file}, .partitions = 1, .batch = 1000});
  ASSERT_GT(lines(expected).size(), 50U);
  ASSERT_NE(expected.find(R"("kind":"outbreak")"), std::string::npos);
  for (const std::int32_t partitions : {4, 16})
    EXPECT_TRUE(reports({.files = {file}, .partitions = partitions, .batch = 1000}) == expected)
        << partitions << " partitions";
  for (const std::size_t batch : {std::size_t{1}, std::size_t{7}})
    EXPECT_TRUE(reports({.files = {file}, .partitions = 4, .batch = batch}) == expected)
        << "batches of " << batch;
  for (const std::uint64_t seed : {1U, 2U})
    EXPECT_TRUE(
        reports({.files = {file}, .partitions = 4, .batch = 7, .shuffle = 2, .seed = seed}) ==
        expected)
        << "shuffled, seed " << seed;
}

TEST_F(ReplayTest, EverythingInIsAccountedFor) {
  const std::string file = generated("mixed", 20'000);
  const std::string out =
      reports({.files = {file}, .dead_letters = path("dead"), .stats = path("stats")});
  simdjson::dom::parser parser;
  const std::string stats_text = read(path("stats"));
  const simdjson::dom::element stats = parser.parse(stats_text);
  const auto count = [&](const char* name) { return stats[name].get_uint64().value(); };
  EXPECT_EQ(count("in"), 20'000U);
  EXPECT_EQ(count("in"), count("folded") + count("duplicate") + count("dead"));
  EXPECT_EQ(count("late"), 0U);
  EXPECT_EQ(count("reports"), lines(out).size());
  EXPECT_EQ(count("dead"), lines(read(path("dead"))).size());

  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> last;
  std::map<std::string, std::uint64_t> revision;
  simdjson::dom::parser reports_parser;
  for (const std::string& line : lines(out)) {
    const simdjson::dom::element report = reports_parser.parse(line);
    const std::string id(text(report["id"]));
    EXPECT_EQ(report["revision"].get_uint64().value(), ++revision[id]) << id;
    if (text(report["kind"]) == "incident" || text(report["kind"]) == "outbreak") continue;
    last[id] = {report["counts"]["alerts"].get_uint64().value(),
                report["counts"]["duplicates"].get_uint64().value()};
  }
  std::uint64_t alerts = 0;
  std::uint64_t duplicates = 0;
  for (const auto& [id, counts] : last) {
    alerts += counts.first;
    duplicates += counts.second;
  }
  EXPECT_EQ(alerts, count("folded") - count("heartbeats"));
  EXPECT_LE(duplicates, count("duplicate"));
}

TEST_F(ReplayTest, AnAttackOnOneContainerBecomesAnIncident) {
  const std::string out = reports({.files = {generated("attack", 2'000)}});
  EXPECT_NE(out.find(R"("kind":"incident")"), std::string::npos);
}

TEST_F(ReplayTest, FilesAreWovenByTimeAndAFinishedOneHoldsNobodyUp) {
  const std::string first = write("first", shm_alert(5, "aB3dE6"));
  const std::string second = write("second", shm_alert(7, "Zx81kQ") + shm_alert(9, "qwErT1"));
  const auto out = lines(reports({.files = {first, second}}));
  simdjson::dom::parser parser;
  EXPECT_EQ(parser.parse(out.back())["counts"]["alerts"].get_uint64().value(), 3U);
}

TEST_F(ReplayTest, ADeadLetterNamesTheFileAndTheLineItStoodIn) {
  const std::string first = write("first.ndjson", "not json\n" + shm_alert(5, "aB3dE6"));
  const std::string second = write("second.ndjson", shm_alert(1, "Zx81kQ") + "{\"a\":1}\n");
  for (ReplayOptions asked : {ReplayOptions{.files = {first, second}},
                              ReplayOptions{.files = {first, second}, .partitions = 2},
                              ReplayOptions{.files = {first, second}, .shuffle = 2, .seed = 3}}) {
    asked.dead_letters = path("dead.ndjson");
    reports(asked);
    const std::string dead = read(path("dead.ndjson"));
    EXPECT_NE(dead.find("\"source\":\"" + first + "\",\"line\":1,"), std::string::npos) << dead;
    EXPECT_NE(dead.find("\"source\":\"" + second + "\",\"line\":2,"), std::string::npos) << dead;
  }
}

TEST_F(ReplayTest, AnAlertOfAnyTimeIsReported) {
  for (const auto* time : {"1680-01-01T00:00:00Z", "2260-12-31T23:59:59Z"}) {
    std::string alert = shm_alert(5, "a1b2c3");
    alert.replace(alert.find("2026-"), 30, time);
    EXPECT_FALSE(lines(reports({.files = {write("far.ndjson", alert)}})).empty()) << time;
  }
}

// Ruling 7: the record's time is the envelope's, and no event is later.
TEST_F(ReplayTest, AnEnvelopesTimeBoundsItsAlerts) {
  const std::string alert = shm_alert(50, "a1b2c3");
  const auto out =
      lines(reports({.files = {write("cri.log", "2026-01-02T03:04:05.5Z stdout F " + alert)}}));
  ASSERT_FALSE(out.empty());
  EXPECT_NE(out.back().find(R"("first_seen":"2026-01-02T03:04:05.599999999Z")"), std::string::npos);
}

TEST_F(ReplayTest, ADirectoryIsNoFileOfAlerts) {
  EXPECT_THROW(replay(config_, {.files = {directory_.string()}}), Failure);
}

TEST_F(ReplayTest, AMissingFileIsAFailureThatNamesIt) {
  EXPECT_THROW(replay(config_, {.files = {path("absent")}}), Failure);
}

// Ruling 7: a file's alerts have their own times; what is read beside it, and where state is kept,
// is no clock for them.
TEST_F(ReplayTest, EventTimesDependNeitherOnOtherFilesNorOnWhereStateIsKept) {
  // Two alerts of one record: the second one lies after all that the feed knows of.
  std::string both = "[" + shm_alert(10, "a") + "," + shm_alert(40, "b") + "]";
  std::erase(both, '\n');
  const std::string file = write("a", both + "\n");
  const std::string other = write("b", loader_alert(""));
  const auto seen = [&](ReplayOptions options) {
    std::string times;
    simdjson::dom::parser parser;
    for (const std::string& line : lines(reports(options))) {
      const simdjson::dom::element json = parser.parse(line);
      if (text(json["rule"]) == "Execution from /dev/shm")
        times = fmt::format("{} {}", text(json["first_seen"]), text(json["last_seen"]));
    }
    return times;
  };
  const std::string expected = seen({.files = {file}});
  EXPECT_EQ(expected, "2026-01-02T03:04:10.015051634Z 2026-01-02T03:04:40.015051634Z");
  const auto later = parse_rfc3339("2030-01-01T00:00:00Z");
  for (const std::vector<std::string>& files : {std::vector{file}, std::vector{file, other}}) {
    EXPECT_EQ(seen({.files = files}), expected);
    EXPECT_EQ(seen({.files = files, .now = later}), expected);
    EXPECT_EQ(seen({.files = files, .state = path(fmt::format("state-{}", files.size()))}),
              expected);
  }
}

}  // namespace
}  // namespace gyre::pipeline
