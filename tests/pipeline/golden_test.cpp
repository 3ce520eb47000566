// SPDX-License-Identifier: Apache-2.0
// What people read, word for word: tests/golden/NAME.ndjson are alerts, NAME.md is what
// `gyre replay --format markdown` makes of them. GYRE_WRITE_GOLDEN=1 writes them anew; read the
// difference as whoever is on call.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>

#include "base/time.h"
#include "pipeline/commands.h"
#include "stages/report/lint.h"

namespace gyre::pipeline {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::filesystem::path kGolden = std::string(GYRE_SOURCE_DIR) + "/tests/golden";

std::string read(const std::filesystem::path& file) {
  std::stringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

std::string printed(const std::function<int()>& command) {
  std::ostringstream out;
  std::streambuf* const before = std::cout.rdbuf(out.rdbuf());
  const int code = command();
  std::cout.rdbuf(before);
  EXPECT_EQ(code, 0);
  return out.str();
}

std::string replayed(const std::filesystem::path& alerts) {
  ReplayOptions options;
  options.files = {alerts.string()};
  options.format = "markdown";
  return printed([&] { return replay(Config{}, options); });
}

// The tree that cmark reads, as XML; empty where there is no cmark.
std::string tree_of(const std::filesystem::path& markdown) {
  FILE* pipe = popen(("cmark -t xml '" + markdown.string() + "'").c_str(), "r");
  std::string out;
  std::array<char, 4096> buffer{};
  while (pipe != nullptr && fgets(buffer.data(), buffer.size(), pipe) != nullptr)
    out += buffer.data();
  if (pipe != nullptr) pclose(pipe);
  return out;
}

void expect_golden(const std::filesystem::path& file, const std::string& markdown) {
  if (std::getenv("GYRE_WRITE_GOLDEN") != nullptr) std::ofstream(file) << markdown;
  EXPECT_EQ(read(file), markdown) << file << " has changed; if that is meant: GYRE_WRITE_GOLDEN=1";
}

std::vector<std::string> names_of(const std::string& extension) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kGolden))
    if (entry.path().extension() == extension) names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Golden, ReportsAreThese) {
  const auto names = names_of(".ndjson");
  EXPECT_THAT(names, testing::SizeIs(testing::Ge(12U)));
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    expect_golden(kGolden / (name + ".md"), replayed(kGolden / (name + ".ndjson")));
  }
}

// One program in one container, 30,000 times in ten minutes, each time with another name: one
// finding, its totals exact.
TEST(Golden, ReportOfAFloodIsThis) {
  const auto alerts =
      std::filesystem::path(testing::TempDir()) / fmt::format("flood_{}.ndjson", getpid());
  {
    std::ofstream out(alerts);
    const Nanos start = *parse_rfc3339("2026-03-02T08:00:00Z");
    for (int i = 0; i < 30'000; ++i) {
      out << fmt::format(
          R"({{"hostname":"node-4","output":"a sensitive file was read","output_fields":{{"container.id":"f100df100d01",)"
          R"("container.image.repository":"registry.example.com/tools/scanner","container.name":"scanner","evt.type":"openat",)"
          R"("fd.name":"/etc/shadow","proc.cmdline":"scan --id 7{:05}a9c4","proc.exepath":"/usr/bin/scan","proc.name":"scan",)"
          R"("proc.pname":"scheduler","user.name":"root","user.uid":0}},"priority":"Warning","rule":"Read sensitive file untrusted",)"
          R"("source":"syscall","tags":["T1555","container","filesystem","host","maturity_stable","mitre_credential_access"],"time":"{}"}})"
          "\n",
          i, format_rfc3339(start + i * Nanos{20'000'000}));
    }
  }
  const std::string markdown = replayed(alerts);
  std::filesystem::remove(alerts);
  EXPECT_THAT(markdown, HasSubstr("30000 alerts from"));
  expect_golden(kGolden / "flood.md", markdown);
}

TEST(Golden, TableOfPlaybooksIsTheOneInTheDocuments) {
  CheckOptions options;
  options.playbooks = "";
  options.coverage = true;
  expect_golden(std::string(GYRE_SOURCE_DIR) + "/docs/coverage.md",
                printed([&] { return check("", options); }));
}

TEST(Golden, ReportsHoldNoStructureThatIsNotOurs) {
  if (std::system("command -v cmark >/dev/null") != 0) GTEST_SKIP() << "cmark is not installed";
  for (const std::string& name : names_of(".md")) {
    const std::string tree = tree_of(kGolden / (name + ".md"));
    EXPECT_THAT(tree, HasSubstr("<heading level=\"1\"")) << name;
    for (const char* kind : {"<html_block", "<html_inline", "<link", "<image"})
      EXPECT_THAT(tree, Not(HasSubstr(kind))) << name;
  }
}

TEST(Golden, ReportsSayNothingForbidden) {
  static const RE2 span("`+[^`]*`+");
  for (const std::string& name : names_of(".md")) {
    std::istringstream lines(read(kGolden / (name + ".md")));
    bool code = false;
    auto kind = stages::LintOf::kClaim;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("## Mitigation")) kind = stages::LintOf::kProse;
      if (line.starts_with("# Alert")) kind = stages::LintOf::kClaim;
      if (line.starts_with("```")) code = !code;
      if (code || line.starts_with("```")) continue;
      RE2::GlobalReplace(&line, span, "");
      EXPECT_THAT(stages::lint(line, kind), IsEmpty()) << name << ": " << line;
    }
  }
}

}  // namespace
}  // namespace gyre::pipeline
