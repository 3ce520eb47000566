// SPDX-License-Identifier: Apache-2.0
#include "stages/report/playbook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace gyre::stages {
namespace {

using testing::HasSubstr;

class PlaybookDirectory : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(testing::TempDir()) /
                 (std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + "_" +
                  std::to_string(getpid()));
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name) << text;
  }

  std::string problems() {
    try {
      const Playbooks playbooks(directory_.string());
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  }

  std::filesystem::path directory_;
};

constexpr const char* kSmall =
    "id: mine\nfamily: shell_exec\nmeaning: m\nblocked: b\nsucceeded: s\nrules: [My rule]\n";

TEST(Playbooks, KnowTheirRulesAndFallBackForOthers) {
  const Playbooks playbooks;
  EXPECT_EQ(playbooks.size(), 3U);
  EXPECT_EQ(playbooks.for_rule("Execution from /dev/shm").id, "execution_from_dev_shm");
  EXPECT_EQ(playbooks.for_rule("Detect Shell in Container").id, "detect_shell_in_container");
  EXPECT_EQ(playbooks.for_rule("Any other rule").id, "general");
}

TEST(Playbooks, GiveNoCommandThatWeakensOrDestroys) {
  const RE2 forbidden(
      R"((?i)\b(chmod|chown|rm|dd|mkfs|shred|pkill|killall|kill|truncate|setenforce)\b|--privileged|privileged: *true|)"
      R"(unconfined|exec\b.*-it|kubectl (exec|cp|debug|attach|delete)|docker (exec|attach|stop|kill|rm)\b|)"
      R"(append: true|md5sum|remount|sed -i|curl|wget)");
  const Playbooks playbooks;
  for (const char* rule : {"Execution from /dev/shm", "Detect Shell in Container", "other"}) {
    for (const Advice& advice : playbooks.for_rule(rule).advice) {
      for (const std::string& command : advice.commands) {
        EXPECT_FALSE(RE2::PartialMatch(command, forbidden)) << command;
      }
      EXPECT_FALSE(RE2::PartialMatch(advice.snippet, forbidden)) << advice.snippet;
      if (advice.kind == AdviceKind::kContain) {
        EXPECT_FALSE(advice.preconditions.empty());
        EXPECT_FALSE(advice.undo.empty());
      }
    }
  }
}

TEST_F(PlaybookDirectory, OverridesTheBuiltInOne) {
  write("a.yaml", std::string(kSmall) + "strong: true\n");
  write("general.yml", "id: g\nfamily: general\nmeaning: m\nblocked: b\nsucceeded: s\n");
  const Playbooks playbooks(directory_.string());
  EXPECT_TRUE(playbooks.for_rule("My rule").strong);
  EXPECT_EQ(playbooks.for_rule("unknown").id, "g");
}

TEST_F(PlaybookDirectory, NamesEveryProblemWithFileLineAndColumn) {
  write("a.yaml", std::string(kSmall) + "colour: red\nstrong: perhaps\ntactics: [TA9999]\n");
  write("b.yaml", "id: other\n");
  const std::string text = problems();
  EXPECT_THAT(text, HasSubstr("a.yaml:7:1: unknown key `colour`"));
  EXPECT_THAT(text, HasSubstr("a.yaml:8:9: `strong` must be true or false"));
  EXPECT_THAT(text, HasSubstr("unknown tactic `TA9999`"));
  EXPECT_THAT(text, HasSubstr("b.yaml:1:1: key `family` is missing"));
}

TEST_F(PlaybookDirectory, RefusesWhatIsNoYaml) {
  write("a.yaml", "id: [open\n");
  EXPECT_THAT(problems(), HasSubstr("a.yaml:"));
}

TEST_F(PlaybookDirectory, RefusesUnknownPlaceholdersBadPatternsAndContainmentWithoutUndo) {
  write("a.yaml",
        std::string(kSmall) +
            "advice:\n  - {kind: contain, title: t, text: x, commands: ['ls {proc.name}']}\n"
            "signatures:\n  - {name: n, verdict: test, names_field: f, names_pattern: '('}\n");
  const std::string text = problems();
  EXPECT_THAT(text, HasSubstr("unknown placeholder `{proc.name}`"));
  EXPECT_THAT(text, HasSubstr("needs `preconditions` and `undo`"));
  EXPECT_THAT(text, HasSubstr("`names_pattern`"));
}

TEST_F(PlaybookDirectory, RefusesTwoPlaybooksForOneRule) {
  write("a.yaml", kSmall);
  write("b.yaml", kSmall);
  EXPECT_THAT(problems(), HasSubstr("rule `My rule` has two playbooks"));
}

TEST(PlaybooksOfAMissingDirectory, AreAnError) {
  EXPECT_THROW(Playbooks("/nonexistent/playbooks"), ConfigError);
}

}  // namespace
}  // namespace gyre::stages
