// SPDX-License-Identifier: Apache-2.0
// Outbreaks from alerts to reports, through all stages on the embedded broker; each story with
// several partition counts and batch cuts.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "pipeline/commands.h"
#include "tests/contract/contract.h"

namespace gyre::pipeline {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const Nanos kStart = *parse_rfc3339("2026-03-01T00:00:00Z");

struct Happened {
  Second at = 0;  // after kStart
  std::string host = "node-1";
  std::string container = "c0ffee000001";
  std::string pod;
  std::string image = "registry.example/shop/app";
  Second started = -60;
  std::string tenant;
  std::string command = "sh -c fetch";
};

std::string alert(const Happened& what) {
  std::string more;
  if (!what.pod.empty())
    more += fmt::format(R"(,"k8s.ns.name":"shop","k8s.pod.name":"{}")", what.pod);
  if (what.started != 0)
    more += fmt::format(R"(,"container.start_ts":{})", kStart + what.started * kNanosPerSecond);
  if (!what.tenant.empty()) more += fmt::format(R"(,"tenant":"{}")", what.tenant);
  return fmt::format(
      R"({{"hostname":"{}","output":"seen","output_fields":{{"container.id":"{}","container.image.repository":"{}",)"
      R"("container.image.tag":"1.4","container.name":"main","evt.type":"execve","proc.cmdline":"{}","proc.name":"sh",)"
      R"("proc.pname":"app","user.name":"app"{}}},"priority":"Warning","rule":"Shell where none belongs","source":"syscall",)"
      R"("tags":["mitre_execution"],"time":"{}"}})",
      what.host, what.container, what.image, what.command, more,
      format_rfc3339(kStart + what.at * kNanosPerSecond + 5));
}

class OutbreakTest : public testing::Test {
 protected:
  void SetUp() override {
    file_ = (std::filesystem::temp_directory_path() /
             fmt::format("gyre-outbreak-{}-{}", getpid(),
                         testing::UnitTest::GetInstance()->current_test_info()->name()))
                .string();
    config_.findings.close_all = true;
  }
  void TearDown() override { std::filesystem::remove(file_); }

  std::string reports(ReplayOptions options) const {
    options.files = {file_};
    std::ostringstream out;
    std::streambuf* const before = std::cout.rdbuf(out.rdbuf());
    EXPECT_EQ(replay(config_, options), 0);
    std::cout.rdbuf(before);
    return out.str();
  }

  // `reason pattern members hosts`, of each revision of an outbreak.
  std::vector<std::string> told(const std::vector<Happened>& story) const {
    std::ofstream file(file_, std::ios::binary);
    for (const Happened& each : story) file << alert(each) << '\n';
    file.close();
    const std::string expected = reports({.partitions = 1});
    for (const std::int32_t partitions : {4, 16})
      for (const std::size_t batch : {std::size_t{1}, std::size_t{7}, std::size_t{1000}})
        EXPECT_TRUE(reports({.partitions = partitions, .batch = batch}) == expected)
            << partitions << " partitions, batches of " << batch;
    EXPECT_TRUE(reports({.partitions = 4, .batch = 7, .shuffle = 2, .seed = 3}) == expected);

    std::vector<std::string> lines;
    simdjson::dom::parser parser;
    std::istringstream in(expected);
    tests::ReportStream stream;
    for (std::string line; std::getline(in, line);) {
      EXPECT_THAT(stream.violations(line), IsEmpty()) << line;
      const simdjson::dom::element json = parser.parse(line);
      if (json["kind"].get_string().value() != "outbreak") continue;
      EXPECT_LT(line.size(), 60U * 1024);
      lines.push_back(fmt::format("{} {} {} {}", json["reason"].get_string().value(),
                                  json["members"]["pattern"].get_string().value(),
                                  json["members"]["total"].get_uint64().value(),
                                  json["members"]["hosts"].get_uint64().value()));
    }
    return lines;
  }

  std::string file_;
  Config config_;
};

TEST_F(OutbreakTest, ARolloutOfOneImageOnFiveNodes) {
  std::vector<Happened> story;
  for (int node = 0; node < 5; ++node)
    story.push_back({.at = 20 + node,
                     .host = fmt::format("node-{}", node),
                     .container = fmt::format("c0ffee0000{:02}", node),
                     .pod = fmt::format("agent-{}x7k2", "bcdfg"[node]),
                     .started = 3 * node - 30});
  EXPECT_THAT(told(story), ElementsAre("opened rollout 3 3", "closed rollout 5 5"));
}

TEST_F(OutbreakTest, TheSameAttackOnFourHosts) {
  std::vector<Happened> story;
  for (int node = 0; node < 4; ++node)
    story.push_back({.at = 20 + 300 * node,
                     .host = fmt::format("node-{}", node),
                     .container = fmt::format("c0ffee0000{:02}", node),
                     .image = fmt::format("registry.example/shop/app-{}", node),
                     .started = -86'400 * node - 60});
  EXPECT_THAT(told(story), ElementsAre("opened spread 3 3", "closed spread 4 4"));
}

TEST_F(OutbreakTest, ACronJobThatStartsAContainerEveryMinute) {
  std::vector<Happened> story;
  for (int minute = 0; minute < 30; ++minute)
    story.push_back({.at = 60 * minute,
                     .host = fmt::format("node-{}", minute % 6),
                     .container = fmt::format("c0ffee00{:04}", minute),
                     .pod = fmt::format("nightly-{}-bz4kt", 29'540'160 + minute),
                     .started = 60 * minute - 2});
  EXPECT_THAT(told(story), ElementsAre("opened recurring 3 3", "members recurring 10 6",
                                       "closed recurring 30 6"));
}

TEST_F(OutbreakTest, ACrashLoopOnOneNode) {
  std::vector<Happened> story;
  for (int start = 0; start < 8; ++start)
    story.push_back({.at = 300 * start,
                     .container = fmt::format("c0ffee00{:04}", start),
                     .pod = "checkout-6d4b75cb6d-x7k2p",
                     .started = 300 * start - 1});
  EXPECT_THAT(told(story),
              ElementsAre("opened recurring 3 1", "members recurring 4 1", "closed recurring 8 1"));
}

TEST_F(OutbreakTest, TwoHundredContainersOfOneHostAreNoneByHosts) {
  std::vector<Happened> story;
  for (int each = 0; each < 200; ++each)
    story.push_back({.at = each / 4,
                     .container = fmt::format("c0ffee00{:04}", each),
                     .image = fmt::format("registry.example/shop/app-{}", each % 4)});
  const auto lines = told(story);
  for (const std::string& line : lines) EXPECT_THAT(line, testing::HasSubstr(" recurring "));
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(),
                          [](const auto& line) { return line.starts_with("opened"); }),
            4)
      << "one for each of the four images";
}

TEST_F(OutbreakTest, TenantsDoNotMeet) {
  std::vector<Happened> story;
  for (int node = 0; node < 4; ++node)
    story.push_back({.at = 20 + node,
                     .host = fmt::format("node-{}", node),
                     .container = fmt::format("c0ffee0000{:02}", node),
                     .tenant = node % 2 == 0 ? "red" : "blue"});
  EXPECT_THAT(told(story), IsEmpty());
}

}  // namespace
}  // namespace gyre::pipeline
