// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "schemas/alert.h"
#include "schemas/redact.h"
#include "schemas/shape.h"

// Alerts of real hosts on which Falco's event-generator ran: each of its actions is one phenomenon.
namespace gyre::schemas {
namespace {

constexpr std::string_view kGenerator = "falcosecurity/event-generator";
constexpr std::string_view kPath = "falco-event-generator-syscall-";

// The action that a path names, else the rule: the generator has one action a rule.
std::string action_of(const Alert& alert) {
  for (const auto* name : {"proc.cmdline", "fd.name", "evt.arg.linkpath", "proc.exepath"}) {
    const std::string_view value = alert.field(name);
    const auto at = value.find(kPath);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = value.substr(at + kPath.size());
    const std::string action(rest.substr(0, rest.find('-')));
    if (action != "spawned") return action;
  }
  std::string action;
  bool capital = true;
  for (const char c : alert.rule) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter) action += capital && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    capital = !letter;
  }
  return action;
}

class Lab : public testing::Test {
 protected:
  void SetUp() override {
    const std::filesystem::path folder =
        std::filesystem::path(GYRE_SOURCE_DIR) / ".." / "shared" / "corpus" / "lab";
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the lab's alerts are not here";
    AlertParser parser;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) {
        Alert alert;
        if (!parser.parse(line, alert)) continue;
        redact(alert);
        if (alert.field("container.image.repository").ends_with(kGenerator))
          alerts_.push_back(std::move(alert));
      }
    }
    ASSERT_GT(alerts_.size(), 400U);
  }

  std::vector<Alert> alerts_;
};

TEST_F(Lab, RunsOfOneActionAreOneShape) {
  std::map<std::string, std::set<std::string>> shapes;
  for (const Alert& alert : alerts_) {
    // The sensor lost the process: proc.name is unknown, and so is its shape.
    if (alert.field("proc.name").empty()) continue;
    shapes[action_of(alert)].insert(alert.rule + ": " + shape_of(alert));
  }
  EXPECT_GT(shapes.size(), 20U);
  for (const auto& [action, of_it] : shapes)
    EXPECT_EQ(of_it.size(), 1U) << action << "\n" << testing::PrintToString(of_it);
}

// Where ruling 8 leaves out what tells two actions apart, they share rule and shape: none does.
TEST_F(Lab, DifferentActionsNeverShareRuleAndShape) {
  std::map<std::string, std::set<std::string>> actions;
  for (const Alert& alert : alerts_)
    actions[alert.rule + ": " + shape_of(alert)].insert(action_of(alert));
  for (const auto& [shape, of_it] : actions)
    EXPECT_EQ(of_it.size(), 1U) << shape << "\n" << testing::PrintToString(of_it);
}

}  // namespace
}  // namespace gyre::schemas
