// SPDX-License-Identifier: Apache-2.0
// docs/playbooks.md shows what is taken, and names what must be there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "base/error.h"
#include "stages/report/playbook.h"

namespace gyre::stages {
namespace {

using testing::HasSubstr;

class PlaybookDocs : public testing::Test {
 protected:
  void SetUp() override {
    std::ifstream file(GYRE_SOURCE_DIR "/docs/playbooks.md");
    docs_.assign(std::istreambuf_iterator<char>(file), {});
    ASSERT_FALSE(docs_.empty());
    directory_ = std::filesystem::path(testing::TempDir()) /
                 testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  /// Of a directory that holds this file only.
  std::string problems(const std::string& text) {
    std::ofstream(directory_ / "a.yaml") << text;
    try {
      const Playbooks playbooks(directory_.string());
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  }

  std::string docs_;
  std::filesystem::path directory_;
};

TEST_F(PlaybookDocs, EveryExampleIsTaken) {
  const std::string begin = "```yaml\n";
  std::size_t examples = 0;
  for (auto at = docs_.find(begin); at != std::string::npos; at = docs_.find(begin, at)) {
    at += begin.size();
    const std::string example = docs_.substr(at, docs_.find("```", at) - at);
    EXPECT_EQ(problems(example), "") << example;
    ++examples;
  }
  EXPECT_EQ(examples, 3U) << "a playbook, a known source, mirrors and windows";
}

TEST_F(PlaybookDocs, AllThatIsMissingIsNamedAtOnceAndStandsInTheDocs) {
  const std::string said = problems(
      "playbooks:\n  - {rules: [{strong: true}], benign: [{platforms: [host]}], key_fields: "
      "[{field: "
      "proc.name}], impact: [{text: t}], effect: {text: t}}\n"
      "sources:\n  - {names: [{field: proc.name}], images_required: true}\n"
      "test_windows:\n  - {sources: [a]}\n"
      "signs:\n  - {platforms: [host]}\n");
  const re2::RE2 missing("key `(\\w+)` is missing");
  std::set<std::string> keys;
  std::string key;
  for (re2::StringPiece rest(said); re2::RE2::FindAndConsume(&rest, missing, &key);)
    keys.insert(key);
  EXPECT_THAT(keys,
              testing::IsSupersetOf({"id", "family", "meaning", "succeeded", "blocked", "unknown",
                                     "checks", "hardening", "name", "cause", "proof", "look_for",
                                     "when", "verdict", "confirm", "pattern", "images", "text"}))
      << said;
  for (const std::string& name : keys) EXPECT_THAT(docs_, HasSubstr("`" + name + "`"));
  EXPECT_THAT(said, HasSubstr("a test window needs `hosts` or `namespaces`"));
}

TEST_F(PlaybookDocs, ATabThatIndentsIsNamedWithItsCure) {
  EXPECT_THAT(problems("sources:\n  - id: a\n\tname: b\n"),
              HasSubstr("a.yaml:3:1: a tab in front of the line; YAML takes only spaces there"));
}

}  // namespace
}  // namespace gyre::stages
