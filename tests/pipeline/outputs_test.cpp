// SPDX-License-Identifier: Apache-2.0
#include "pipeline/outputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "tests/pipeline/house.h"

namespace gyre::pipeline {
namespace {

using schemas::Encoding;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct Told {
  std::uint32_t revision = 1;
  std::string reason = "opened";
  std::string attention = "page";
  std::string severity = "high";
  std::string state = "open";
  std::string kind = "finding";
  std::string tenant = "blue";
};

schemas::Report report(const Told& told) {
  return {.id = "00112233445566778899aabbccddeeff",
          .time = 1'700'000'000,
          .revision = told.revision,
          .kind = told.kind,
          .json = fmt::format(
              R"({{"kind":"{}","id":"00112233445566778899aabbccddeeff","revision":{},)"
              R"("time":"2023-11-14T22:13:20Z","attention":{{"level":"{}"}},"state":"{}",)"
              R"("reason":"{}","title":"t","tenant":"{}","severity":"{}","markdown":"# doc"}})",
              told.kind, told.revision, told.attention, told.state, told.reason, told.tenant,
              told.severity)};
}

/// The topics that get this revision.
std::vector<std::string> topics_of(const std::vector<Output>& outputs, const Told& told) {
  std::vector<OutRecord> records;
  append_records(outputs, "gyre", report(told), records);
  std::vector<std::string> topics;
  for (const OutRecord& record : records) topics.push_back(record.topic);
  return topics;
}

bool has_markdown(Output::Markdown markdown, const Told& told) {
  std::vector<OutRecord> records;
  append_records({{.topic = "a", .markdown = markdown}}, "gyre", report(told), records);
  return records.at(0).value->find("# doc") != std::string::npos;
}

TEST(Outputs, OneTopicGetsEverythingAsItIs) {
  std::vector<OutRecord> records;
  append_records({{}}, "edge", report({}), records);
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].topic, "falco.reports");
  EXPECT_EQ(records[0].key, "00112233445566778899aabbccddeeff");
  EXPECT_EQ(records[0].value, report({}).json);
  EXPECT_THAT(records[0].headers,
              testing::Contains(std::pair<std::string, std::string>("ce_source", "gyre/edge")));
}

TEST(Outputs, AllHaveTheSameKeyAndHeaders) {
  std::vector<OutRecord> records;
  append_records({{.topic = "a"}, {.topic = "b", .encoding = Encoding::kEcs}}, "gyre", report({}),
                 records);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].key, records[1].key);
  EXPECT_EQ(records[0].headers, records[1].headers);
  EXPECT_EQ(records[0].partition, -1);
  EXPECT_EQ(records[1].partition, -1);
  EXPECT_THAT(*records[1].value, HasSubstr("\"@timestamp\":\"2023-11-14T22:13:20Z\""));
}

TEST(Outputs, AFilterHoldsWhatIsInEveryListOfIt) {
  const std::vector<Output> outputs = {
      {.topic = "kind", .filter = {.kind = {"incident", "outbreak"}}},
      {.topic = "attention", .filter = {.attention = {"page"}}},
      {.topic = "severity", .filter = {.severity = {"high", "critical"}}},
      {.topic = "tenant", .filter = {.tenant = {"red"}}},
      {.topic = "all", .filter = {.kind = {"finding"}, .attention = {"page"}, .tenant = {"blue"}}}};
  EXPECT_THAT(topics_of(outputs, {}), ElementsAre("attention", "severity", "all"));
  EXPECT_THAT(topics_of(outputs, {.kind = "incident"}),
              ElementsAre("kind", "attention", "severity"));
  EXPECT_THAT(topics_of(outputs, {.attention = "ticket", .severity = "low", .tenant = "red"}),
              ElementsAre("tenant"));
}

// Who was woken hears that there was no need; but nothing is heard of other people's.
TEST(Outputs, WhatTakesAJudgementBackPassesAFilterThatItHasFallenOutOf) {
  const std::vector<Output> outputs = {
      {.topic = "pager", .filter = {.attention = {"page"}, .severity = {"critical"}}},
      {.topic = "red", .filter = {.attention = {"page"}, .tenant = {"red"}}}};
  const Told fallen{
      .revision = 3, .reason = "verdict", .attention = "record", .severity = "informational"};
  EXPECT_THAT(topics_of(outputs, fallen), ElementsAre("pager"));
  EXPECT_THAT(topics_of(outputs, {.revision = 3, .reason = "periodic", .attention = "record"}),
              IsEmpty());
}

// Whoever has a ticket hears that it pages now, and when it is over.
TEST(Outputs, WhatRisesOutOfAFilterPassesItThenAndWhenItIsClosed) {
  const std::vector<Output> outputs = {
      {.topic = "tickets", .filter = {.attention = {"ticket"}}},
      {.topic = "middle", .filter = {.severity = {"low", "medium"}}},
      {.topic = "both", .filter = {.attention = {"ticket"}, .severity = {"critical"}}},
      {.topic = "alerts", .encoding = Encoding::kFalco, .filter = {.attention = {"ticket"}}}};
  for (const std::string reason : {"severity", "success", "tactic"})
    EXPECT_THAT(topics_of(outputs, {.revision = 2, .reason = reason}),
                ElementsAre("tickets", "middle"))
        << reason;
  EXPECT_THAT(topics_of(outputs, {.revision = 5, .reason = "closed", .state = "closed"}),
              ElementsAre("tickets", "middle"));
  EXPECT_THAT(topics_of(outputs, {.revision = 3, .reason = "members", .kind = "incident"}),
              ElementsAre("tickets", "middle"))
      << "it asks for who joined";
  EXPECT_THAT(topics_of(outputs, {.revision = 3, .reason = "periodic"}), IsEmpty());
  EXPECT_THAT(topics_of(outputs, {}), IsEmpty()) << "there was nothing before it";
  EXPECT_THAT(topics_of(outputs, {.revision = 5,
                                  .reason = "closed",
                                  .attention = "record",
                                  .severity = "informational",
                                  .state = "closed"}),
              IsEmpty())
      << "nothing falls without a verdict";
}

TEST(Outputs, AnAlertIsOnlyWhatPeopleShouldHearOf) {
  const std::vector<Output> outputs = {{.topic = "falco", .encoding = Encoding::kFalco}};
  EXPECT_THAT(topics_of(outputs, {.attention = "page"}), ElementsAre("falco"));
  EXPECT_THAT(topics_of(outputs, {.attention = "ticket"}), ElementsAre("falco"));
  EXPECT_THAT(topics_of(outputs, {.attention = "record"}), IsEmpty());
  EXPECT_THAT(topics_of(outputs, {.revision = 2, .reason = "verdict", .attention = "record"}),
              IsEmpty());
}

TEST(Outputs, TheMarkdownStandsWhereItWasAskedFor) {
  using enum Output::Markdown;
  for (const Told& told :
       {Told{}, Told{.revision = 4, .reason = "closed", .state = "closed"},
        Told{.revision = 4, .reason = "severity"}, Told{.revision = 4, .reason = "verdict"}}) {
    EXPECT_TRUE(has_markdown(kAlways, told));
    EXPECT_TRUE(has_markdown(kEnds, told)) << told.reason;
    EXPECT_FALSE(has_markdown(kNever, told));
  }
  EXPECT_TRUE(has_markdown(kEnds, {.revision = 3, .reason = "members", .kind = "incident"}));
  EXPECT_TRUE(has_markdown(kAlways, {.revision = 2, .reason = "periodic"}));
  EXPECT_FALSE(has_markdown(kEnds, {.revision = 2, .reason = "periodic"}));
}

TEST(Outputs, AreWrittenInOneTransaction) {
  Config config;
  config.inner.partitions = 2;
  config.outputs = {{.topic = "native"},
                    {.topic = "ecs", .encoding = Encoding::kEcs},
                    {.topic = "ocsf", .encoding = Encoding::kOcsf},
                    {.topic = "falco", .encoding = Encoding::kFalco},
                    {.topic = "pages", .filter = {.attention = {"page"}}}};
  MemoryCluster cluster;
  create_topics(cluster, config, 1);
  const stages::Playbooks playbooks("");
  Nanos clock = 1'767'323'045 * kNanosPerSecond;
  Process process(cluster, config, playbooks, "one", clock);
  for (int i = 0; i < 6; ++i)
    cluster.append(config.input.topic, 0, alert(clock + i * kNanosPerSecond, i), kNoTime);
  std::map<std::string, std::size_t> seen;
  for (int idle = 0; idle < 3;) {
    idle = process.step() ? 0 : idle + 1;
    clock += kNanosPerSecond;
    // What one topic has of a report every other one has, or was not asked to have.
    EXPECT_EQ(content(cluster, "ecs").size(), content(cluster, "native").size());
    EXPECT_EQ(content(cluster, "ocsf").size(), content(cluster, "native").size());
    if (clock > 1'767'330'000 * kNanosPerSecond) break;
  }
  std::multiset<std::string> native, ocsf;
  std::size_t alerts = 0;
  for (const auto& [key, json] : content(cluster, "native")) {
    native.insert(key);
    alerts += is_worth_an_alert(json) ? 1 : 0;
  }
  for (const auto& [key, json] : content(cluster, "ocsf")) ocsf.insert(key);
  EXPECT_GE(native.size(), 6U);
  EXPECT_EQ(ocsf, native);
  EXPECT_EQ(content(cluster, "falco").size(), alerts);
  EXPECT_GT(alerts, 0U);
  for (std::int32_t partition = 0; partition < cluster.partitions("native"); ++partition) {
    const auto keys = [&](const std::string& topic) {
      std::multiset<std::string> all;
      for (const Record& record : cluster.read(topic, partition)) all.insert(*record.key);
      return all;
    };
    EXPECT_EQ(keys("ecs"), keys("native")) << "partition " << partition;
  }
}

}  // namespace
}  // namespace gyre::pipeline
