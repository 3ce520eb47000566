// SPDX-License-Identifier: Apache-2.0
// Each file of this directory is a promise, played with several partition counts and batch cuts.
// GYRE_SCENARIOS=large plays those, too, that take minutes.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "tests/scenarios/run.h"

namespace gyre::scenarios {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> files() {
  std::vector<std::string> all;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(GYRE_SOURCE_DIR) + "/tests/scenarios"))
    if (entry.path().extension() == ".yaml") all.push_back(entry.path().string());
  std::ranges::sort(all);
  return all;
}

class ScenarioTest : public testing::TestWithParam<std::string> {};

TEST_P(ScenarioTest, HoldsItsPromise) {
  const Scenario scenario = read_scenario(GetParam());
  const char* which = std::getenv("GYRE_SCENARIOS");
  if (scenario.large && (which == nullptr || std::string_view(which) != "large"))
    GTEST_SKIP() << "takes minutes: GYRE_SCENARIOS=large";
  std::vector<Way> ways = {
      {.partitions = 3, .batch = 1000, .slice = kNanosPerSecond},
      {.partitions = 1, .batch = 7, .slice = 10 * kNanosPerSecond},
      {.partitions = 16, .batch = 100, .slice = 300 * kNanosPerSecond, .backlog = true}};
  if (scenario.large) ways = {{.partitions = 16, .batch = 10'000, .slice = 60 * kNanosPerSecond}};
  // What happens to Gyre happens to one that lives.
  for (Way& way : ways) way.backlog = way.backlog && scenario.events.empty();
  std::map<std::string, std::string> first;
  for (const Way& way : ways) {
    SCOPED_TRACE(scenario.promise + " With " + way.name());
    const Outcome outcome = run(scenario, way);
    const auto problems = check(scenario, outcome);
    EXPECT_THAT(problems, IsEmpty());
    const auto reports = closed_reports(outcome);
    if (&way == &ways.front()) first = reports;
    if (scenario.varies) continue;
    EXPECT_TRUE(reports == first) << "not the reports of " << ways.front().name();
    if (testing::Test::HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, ScenarioTest, testing::ValuesIn(files()), [](const auto& file) {
  std::string name = std::filesystem::path(file.param).stem().string();
  std::ranges::replace_if(
      name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

// What is wrong with a file, and what a run breaks, is said with file and line.
class FormatTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(file_); }

  std::string refusal(const std::string& text) const {
    std::ofstream(file_) << text;
    try {
      read_scenario(file_);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "read";
  }

  std::string file_ =
      (std::filesystem::temp_directory_path() / fmt::format("gyre-scenario-{}.yaml", getpid()))
          .string();
};

constexpr const char* kHead = "promise: One.\ntemplates:\n  one: {rule: R}\n";

TEST_F(FormatTest, NamesTheLineOfWhatIsWrong) {
  const std::string head = kHead;
  EXPECT_THAT(refusal(head + "alert: []\n"), HasSubstr(".yaml:4: unknown key `alert`"));
  EXPECT_THAT(refusal(head + "alerts:\n- {alert: two}\n"),
              HasSubstr(".yaml:5: there is no template `two`"));
  EXPECT_THAT(refusal(head + "alerts:\n- alert: one\n  every: 5\n"),
              HasSubstr(".yaml:6: `5` is not a duration"));
  EXPECT_THAT(refusal(head + "alerts:\n- {alert: one, partition: 1}\nexpect: [{count: 0}]\n"),
              HasSubstr(".yaml:5: partition 1 of 0 `sources`"));
  EXPECT_THAT(refusal(head + "expect:\n- {count: few}\n"), HasSubstr(".yaml:5: not a number"));
  EXPECT_THAT(refusal(head + "expect: [\n"), HasSubstr(".yaml:"));
  EXPECT_THAT(refusal("promise: One.\n"), HasSubstr("`expect` is missing"));
}

TEST_F(FormatTest, NamesTheLineOfWhatDoesNotHold) {
  const auto problems = [&](const std::string& expect) {
    std::ofstream(file_) << kHead
                         << "alerts:\n- {alert: one, times: 3, fields: {container.id: "
                            "c0ffee000001}}\nexpect:\n"
                         << expect;
    const Scenario scenario = read_scenario(file_);
    return check(scenario, run(scenario, {}));
  };
  EXPECT_THAT(problems("- {count: 1}\n"), IsEmpty());
  EXPECT_THAT(problems("- {count: 2..}\n"), Contains(HasSubstr(".yaml:7: count of reports: 1")));
  EXPECT_THAT(problems("- where: {kind: incident}\n  count: 0\n"),
              Contains(HasSubstr("nobody expects finding")));
  EXPECT_THAT(problems("- last:\n    counts.alerts: 4\n"),
              Contains(HasSubstr(".yaml:8: counts.alerts is 3, not 4")));
  EXPECT_THAT(problems("- reasons: {opened: 1}\n"),
              Contains(HasSubstr(".yaml:7: reason closed, 1 times")));
  EXPECT_THAT(problems("- every: {state: closed}\n"), Contains(HasSubstr("state is open")));
  EXPECT_THAT(problems("- sum: {counts.alerts: 3}\n"), IsEmpty());
  EXPECT_THAT(problems("- attended: 0\n"), Contains(HasSubstr("page or ticket")));
}

TEST_F(FormatTest, WhatIsNotToldOfIsMissed) {
  std::ofstream(file_) << kHead << "alerts:\n- {alert: one}\nexpect:\n- {count: 1}\n";
  const Scenario scenario = read_scenario(file_);
  Outcome outcome = run(scenario, {});
  ++outcome.alerts;
  EXPECT_THAT(check(scenario, outcome), Contains(HasSubstr("are told of")));
  --outcome.alerts;
  outcome.reports.begin()->second.front()["revision"] = 2;
  EXPECT_THAT(check(scenario, outcome), Contains(HasSubstr("at place 1")));
}

}  // namespace
}  // namespace gyre::scenarios
