// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>

#include "schemas/identity.h"
#include "schemas/reader.h"
#include "schemas/redact.h"
#include "schemas/shape.h"

namespace gyre::schemas {
namespace {

namespace fs = std::filesystem;

struct Row {
  int records = 0;
  int alerts = 0;
  std::map<std::string, int> dead;
  std::set<std::string> entities;
  std::set<std::string> shapes;
};

class Corpus : public testing::Test {
 protected:
  static fs::path root() { return fs::path(GYRE_SOURCE_DIR) / "../shared/corpus"; }

  void SetUp() override {
    if (!fs::exists(root())) GTEST_SKIP() << "no corpus at " << root();
  }

  // Reads a file line by line; `dead` sees each rejection.
  template <typename Dead>
  Row read_file(const fs::path& path, Dead dead) {
    Row row;
    std::ifstream file(path, std::ios::binary);
    for (std::string line; std::getline(file, line);) {
      ++row.records;
      reader_.open(line);
      while (Reading* reading = reader_.next()) {
        if (reading->rejection) {
          ++row.dead[std::string(to_string(reading->rejection->error))];
          dead(line, *reading->rejection);
          continue;
        }
        ++row.alerts;
        records::Entity entity;
        entity_of(reading->alert, {}, entity);
        row.entities.insert(entity_key(entity));
        redact(reading->alert);
        row.shapes.insert(reading->alert.rule + '\0' + shape_of(reading->alert));
      }
    }
    return row;
  }

  static std::vector<fs::path> files() {
    std::vector<fs::path> all;
    for (const auto& entry : fs::recursive_directory_iterator(root()))
      if (entry.is_regular_file() && entry.path().filename() != "README.md")
        all.push_back(fs::relative(entry.path(), root()));
    std::sort(all.begin(), all.end());
    return all;
  }

  AlertReader reader_;
};

// By other means: an object from the line's first brace to its end, with a rule and a time.
bool has_rule_and_time(std::string line) {
  const auto brace = line.find('{');
  if (brace == std::string::npos) return false;
  const auto json = nlohmann::json::parse(line.substr(brace), nullptr, false);
  return json.is_object() && json.contains("rule") && json.contains("time");
}

TEST_F(Corpus, EveryAlertIsUnderstood) {
  // Two alerts of examples have no time at all, and so no place in any order (ruling 12).
  const std::map<std::string, std::map<std::string, int>> timeless = {
      {"blogs-and-misc.ndjson", {{"no_time", 1}}}, {"falcosidekick.ndjson", {{"no_time", 1}}}};
  std::cout << fmt::format("{:46}{:>8}{:>8}{:>10}{:>8}  dead\n", "file", "records", "alerts",
                           "entities", "shapes");
  Row sum;
  for (const fs::path& file : files()) {
    const std::string name = file.string();
    const bool mixed = name.starts_with("mixed/");
    const Row row = read_file(root() / file, [&](const std::string& line, const Rejection& why) {
      EXPECT_FALSE(why.detail.empty());
      if (!mixed) return;
      EXPECT_EQ(why.error, ParseError::kNotJson) << line;
      EXPECT_FALSE(has_rule_and_time(line)) << name << ": " << line;
    });
    std::string dead;
    for (const auto& [error, count] : row.dead) dead += fmt::format("{} {} ", count, error);
    std::cout << fmt::format("{:46}{:>8}{:>8}{:>10}{:>8}  {}\n", name, row.records, row.alerts,
                             row.entities.size(), row.shapes.size(), dead);
    sum.records += row.records;
    sum.alerts += row.alerts;
    sum.entities.insert(row.entities.begin(), row.entities.end());
    sum.shapes.insert(row.shapes.begin(), row.shapes.end());
    if (mixed || name.starts_with("malformed/")) continue;
    const auto expected = timeless.find(name);
    EXPECT_EQ(row.dead, expected == timeless.end() ? decltype(row.dead)() : expected->second)
        << name;
  }
  std::cout << fmt::format("{:46}{:>8}{:>8}{:>10}{:>8}\n", "all", sum.records, sum.alerts,
                           sum.entities.size(), sum.shapes.size());
  EXPECT_GT(sum.alerts, 1'000);
}

TEST_F(Corpus, WhatIsDeadAmongTheMalformedIsDeadByRuling12) {
  for (const fs::path& file : files()) {
    if (!file.string().starts_with("malformed/")) continue;
    read_file(root() / file, [&](const std::string& line, const Rejection& why) {
      const auto json = nlohmann::json::parse(line, nullptr, false);
      if (why.error == ParseError::kNotJson) {
        EXPECT_TRUE(json.is_discarded()) << line;
      } else {
        EXPECT_EQ(why.error, ParseError::kNoTime) << line;
        EXPECT_NE(json["time"].get<std::string>().find("time.Now()"), std::string::npos);
      }
    });
  }
}

}  // namespace
}  // namespace gyre::schemas
