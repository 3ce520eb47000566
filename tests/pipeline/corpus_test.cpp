// SPDX-License-Identifier: Apache-2.0
// Verdicts held against real alerts of known origin. tests/corpus/labels.tsv says of each finding,
// by its first alert's time and its rule, what it truly was, which fields show that, and why; the
// alerts themselves are other people's and are not part of this project. GYRE_WRITE_GOLDEN=1 writes
// docs/corpus.md anew.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>
#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "pipeline/commands.h"

namespace gyre::pipeline {
namespace {

const std::filesystem::path kSource = GYRE_SOURCE_DIR;
const std::filesystem::path kCorpus = kSource / "../shared/corpus";
constexpr std::array kTruths = {"attack", "benign", "test", "unknown"};
constexpr std::array kVerdicts = {"suspicious",          "undetermined", "likely_benign, low",
                                  "likely_benign, more", "test, low",    "test, more"};

std::string read(const std::filesystem::path& file) {
  std::stringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

using Key = std::pair<std::string, std::string>;  // first seen, rule

std::map<Key, std::string> truths() {
  std::map<Key, std::string> all;
  std::ifstream table(kSource / "tests/corpus/labels.tsv");
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    std::vector<std::string> columns;
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, '\t');) columns.push_back(cell);
    EXPECT_EQ(columns.size(), 5U) << line;
    EXPECT_EQ(std::count(kTruths.begin(), kTruths.end(), columns.at(2)), 1) << line;
    all[{columns[0], columns[1]}] = columns[2];
  }
  return all;
}

struct Found {
  std::string truth;
  std::string verdict;
  std::int64_t risk = 0;
};

struct Result {
  std::vector<Found> findings;
  std::size_t unlabelled = 0;
};

Result judged(const std::vector<std::string>& files) {
  ReplayOptions options;
  options.files = files;
  std::ostringstream out;
  std::streambuf* const before = std::cout.rdbuf(out.rdbuf());
  EXPECT_EQ(replay(Config{}, options), 0);
  std::cout.rdbuf(before);
  const auto known = truths();
  std::map<std::string, std::pair<Key, Found>> newest;
  simdjson::dom::parser parser;
  std::istringstream lines(out.str());
  for (std::string line; std::getline(lines, line);) {
    const simdjson::dom::element report = parser.parse(line);
    if (std::string_view(report["kind"]) != "finding") continue;
    const std::string_view type = report["verdict"]["class"];
    std::string verdict(type);
    if (type == "test" || type == "likely_benign")
      verdict += std::string_view(report["verdict"]["confidence"]) == "low" ? ", low" : ", more";
    newest[std::string(std::string_view(report["id"]))] = {
        {std::string(std::string_view(report["first_seen"])),
         std::string(std::string_view(report["rule"]))},
        {"", verdict, std::int64_t(report["risk"]["score"])}};
  }
  Result result;
  for (auto& [id, entry] : newest) {
    const auto label = known.find(entry.first);
    if (label == known.end()) {
      ++result.unlabelled;
      continue;
    }
    entry.second.truth = label->second;
    result.findings.push_back(std::move(entry.second));
  }
  return result;
}

std::size_t count(const Result& result, std::string_view truth, std::string_view verdict) {
  return static_cast<std::size_t>(std::count_if(
      result.findings.begin(), result.findings.end(),
      [&](const Found& one) { return one.truth == truth && one.verdict.starts_with(verdict); }));
}

// How many of the undetermined rank at least as high as each attack among them; ties count against.
std::vector<std::size_t> ranks_of_attacks(const Result& result, std::size_t& undetermined) {
  std::vector<std::size_t> ranks;
  undetermined = 0;
  for (const Found& attack : result.findings) {
    if (attack.verdict != "undetermined") continue;
    ++undetermined;
    if (attack.truth != "attack") continue;
    ranks.push_back(static_cast<std::size_t>(
        std::count_if(result.findings.begin(), result.findings.end(), [&](const Found& other) {
          return other.verdict == "undetermined" && other.risk >= attack.risk;
        })));
  }
  std::sort(ranks.begin(), ranks.end());
  return ranks;
}

std::string ranking(const Result& result) {
  std::size_t undetermined = 0;
  const auto ranks = ranks_of_attacks(result, undetermined);
  return fmt::format(
      "By risk, the {} attacks among the {} undetermined hold the places {} (of equal risk the "
      "last).\n",
      ranks.size(), undetermined, fmt::join(ranks, ", "));
}

std::string table(const Result& result) {
  std::string text = "| truth |";
  for (const char* verdict : kVerdicts) text += fmt::format(" {} |", verdict);
  text += "\n|---|" + std::string("---|---|---|---|---|---|") + "\n";
  for (const char* truth : kTruths) {
    text += fmt::format("| {} |", truth);
    for (const char* verdict : kVerdicts)
      text += fmt::format(" {} |", count(result, truth, verdict));
    text += "\n";
  }
  std::size_t open = 0;
  for (const Found& one : result.findings) open += one.verdict == "undetermined" ? 1 : 0;
  return text +
         fmt::format(
             "\n{} findings, {:.0f} % of them undetermined.\n", result.findings.size(),
             100.0 * static_cast<double>(open) / static_cast<double>(result.findings.size()));
}

std::vector<std::string> files() {
  std::vector<std::string> all;
  for (const auto& directory : {kCorpus, kCorpus / "lab"})
    for (const auto& entry : std::filesystem::directory_iterator(directory))
      if (entry.path().extension() == ".ndjson") all.push_back(entry.path().string());
  std::sort(all.begin(), all.end());
  return all;
}

class Corpus : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kCorpus)) GTEST_SKIP() << "the corpus of real alerts is not here";
    directory_ = std::filesystem::path(testing::TempDir()) / fmt::format("corpus_{}", getpid());
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // The same alerts without the fields that Falco adds only where it is told to.
  std::vector<std::string> bare() const {
    static const RE2 added(R"re("(container\.image\.[a-z]+|k8s\.[a-z.]+)": ?("[^"]*"|null),?)re");
    static const RE2 comma(R"(,})");
    std::vector<std::string> all;
    for (const std::string& file : files()) {
      std::string text = read(file);
      RE2::GlobalReplace(&text, added, "");
      RE2::GlobalReplace(&text, comma, "}");
      all.push_back((directory_ / std::filesystem::path(file).filename()).string());
      std::ofstream(all.back(), std::ios::binary) << text;
    }
    return all;
  }

  std::filesystem::path directory_;
};

TEST_F(Corpus, NoAttackPassesForATestOrForBenign) {
  const Result added = judged(files());
  const Result plain = judged(bare());
  for (const Result* result : {&added, &plain}) {
    EXPECT_GE(result->findings.size(), 300U);
    EXPECT_LE(result->unlabelled, 5U) << "label them in tests/corpus/labels.tsv";
    EXPECT_EQ(count(*result, "attack", "test") + count(*result, "attack", "likely_benign"), 0U);
    EXPECT_EQ(count(*result, "benign", "test, more"), 0U);
    EXPECT_EQ(count(*result, "test", "likely_benign, more"), 0U);
    EXPECT_EQ(
        count(*result, "unknown", "test, more") + count(*result, "unknown", "likely_benign, more"),
        0U);
  }
  EXPECT_EQ(count(plain, "test", "test, more"), 0U) << "names alone prove nothing";
  for (const Result* result : {&added, &plain}) {
    std::size_t undetermined = 0;
    const auto ranks = ranks_of_attacks(*result, undetermined);
    ASSERT_FALSE(ranks.empty());
    EXPECT_LE(ranks.back(), (undetermined + 9) / 10) << "risk ranks attacks in the top tenth";
  }

  const std::string text =
      "# Verdicts on real alerts\n\nMade by `tests/pipeline/corpus_test.cpp` from some 1,000 "
      "public "
      "alerts, which are other people's and no part of this\nproject; "
      "`tests/corpus/labels.tsv` says of each finding what it truly was, which fields show that, "
      "and why. Most are of Falco's\nevent-generator in laboratories (*test*); *attack* is what "
      "somebody did by hand as an intruder would. *low* labels are\nmade of names alone: they "
      "lower neither severity, nor risk, nor attention. *more* is medium or high confidence.\n\n"
      "## As the alerts came, most with the image's name\n\n" +
      table(added) + "\n" + ranking(added) +
      "\n## The same alerts with Falco's default fields only (no image, no pod)\n\n" +
      table(plain) + "\n" + ranking(plain) +
      "\nThe weights of `playbooks/signs.yaml` were chosen with these labels at hand: the ranking "
      "is a "
      "check against falling back,\nnot a measurement on alerts nobody had seen.\n";
  const auto file = kSource / "docs/corpus.md";
  if (std::getenv("GYRE_WRITE_GOLDEN") != nullptr) std::ofstream(file) << text;
  EXPECT_EQ(read(file), text) << "docs/corpus.md; if that is meant: GYRE_WRITE_GOLDEN=1";
}

}  // namespace
}  // namespace gyre::pipeline
