// SPDX-License-Identifier: Apache-2.0
// The key `overrides`: what holds for some tenants and rules only.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "base/error.h"
#include "pipeline/config.h"
#include "tests/pipeline/config_text.h"

namespace gyre::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kOverrides = R"(
findings: {gap: 20m}
overrides:
  - tenant: [blue, red]
    findings: {gap: 30m, keep_closed: 2h, incident_risk: 40, backoff_record: [5m, 1h]}
  - rule: [Terminal shell in container]
    findings: {gap: 5m, shapes: 8}
    outbreaks: {hosts: 2}
  - {tenant: [blue], rule: ["A, b"], outbreaks: {quiet: 2h}}
)";

TEST(Overrides, WhatHoldsForATenantOrARuleIsTheLastEntryThatSaysIt) {
  const Config config = read(kOverrides);
  const auto& findings = config.findings;
  EXPECT_EQ(findings.of("green").gap, 20 * 60);
  EXPECT_EQ(findings.of("red").gap, 30 * 60);
  EXPECT_EQ(findings.of("red").incident_risk, 40U);
  EXPECT_EQ(findings.of("red", "Other").gap, 30 * 60);
  EXPECT_EQ(findings.of("green", "Terminal shell in container").gap, 5 * 60);
  EXPECT_EQ(findings.of("green", "Terminal shell in container").keep_closed, 3600);
  EXPECT_EQ(findings.of("red", "Terminal shell in container").gap, 5 * 60);
  EXPECT_EQ(findings.of("red", "Terminal shell in container").keep_closed, 7200);
  EXPECT_EQ(findings.of("red", "Terminal shell in container").shapes, 8U);
  EXPECT_THAT(findings.of("blue", "A, b").backoff_record, ElementsAre(300, 3600));
  EXPECT_EQ(config.outbreaks.of("blue", "A, b").quiet, 7200);
  EXPECT_EQ(config.outbreaks.of("red", "A, b").quiet, 3600);
  EXPECT_EQ(config.outbreaks.of("green", "Terminal shell in container").hosts, 2U);
  EXPECT_EQ(config.outbreaks.of("green", "Other").hosts, 3U);
}

// Two minutes that an alert may come late, and what its finding waits for.
TEST(Overrides, OutbreaksWaitForWhatSettlesLongest) {
  const Config config = read(R"(
findings: {settle_below: 10m}
overrides:
  - {tenant: [slow], findings: {settle_warning: 1h}}
  - {rule: [quick], findings: {settle_below: 1m}}
)");
  const stages::OutbreakConfig outbreaks = config.outbreak_config();
  EXPECT_EQ(outbreaks.of("any", "any").staleness, 120 + 600);
  EXPECT_EQ(outbreaks.of("slow", "any").staleness, 120 + 3600);
  EXPECT_EQ(outbreaks.of("any", "quick").staleness, 120 + 300) << "contributions come so often";
}

TEST(Overrides, OverridesAreDumpedHashedAndTakenFromTheEnvironment) {
  const Config config = read(kOverrides);
  const std::string dump = config_dump(config, {});
  EXPECT_THAT(dump, HasSubstr(R"({tenant: [blue], rule: ["A, b"], outbreaks: {quiet: 2h}})"));
  const Config again = parse_config(dump, "dump");
  EXPECT_EQ(config_values(again), config_values(config));
  EXPECT_EQ(again.findings.of("red").gap, 30 * 60);
  EXPECT_EQ(again.semantic_hash(), config.semantic_hash());
  EXPECT_NE(read("findings: {gap: 20m}").semantic_hash(), config.semantic_hash());
  setenv("GYRE_OVERRIDES", "[{tenant: [a], findings: {gap: 1h}}]", 1);
  EXPECT_EQ(read("").findings.of("a").gap, 3600);
  unsetenv("GYRE_OVERRIDES");
}

TEST(Overrides, AWrongOverrideIsRefusedWithItsPlace) {
  const auto of = [](const std::string& entry) { return refusal("overrides:\n  - " + entry); };
  EXPECT_EQ(of("{tenant: [a], findings: {gapp: 1m}}"),
            "gyre.yaml:2:30: unknown key overrides[0].findings.gapp; the nearest known one is gap");
  EXPECT_EQ(of("{tenat: [a], findings: {gap: 1h}}"),
            "gyre.yaml:2:5: overrides[0] names neither `tenant` nor `rule`\n"
            "gyre.yaml:2:6: unknown key overrides[0].tenat; the nearest known one is tenant");
  EXPECT_EQ(of("{tenant: [a], findings: {gap: 12}}"),
            "gyre.yaml:2:35: findings.gap: \"12\" is not a duration in whole seconds, as `15m`, "
            "from 1m to 24h");
  EXPECT_EQ(of("{tenant: [a], findings: {lateness: 1m}}"),
            "gyre.yaml:2:40: overrides[0].findings.lateness: findings.lateness is the same for all "
            "tenants and rules");
  EXPECT_THAT(of("{rule: [a], findings: {incident_gap: 2h}}"),
              HasSubstr("findings.incident_gap is of a whole entity, whatever its rules"));
  EXPECT_THAT(of("{findings: {incident_gap: 2h}, rule: [a]}"), HasSubstr("whole entity"));
  EXPECT_EQ(of("{tenant: [a]}"),
            "gyre.yaml:2:5: overrides[0] changes nothing: it has neither `findings` nor "
            "`outbreaks`");
  EXPECT_THAT(of("{tenant: a, findings: {gap: 1h}}"), HasSubstr("tenant must be a list"));
  EXPECT_THAT(of("{tenant: [a], limits: {fields: 20}}"), HasSubstr("unknown key"));
  EXPECT_THAT(refusal("overrides: {tenant: [a]}"), HasSubstr("must be a list"));
}

TEST(Overrides, WhatAnOverrideBreaksOfTheWholeIsSaidOnceAndOfIt) {
  EXPECT_EQ(refusal("findings: {lateness: 2m}\noverrides:\n"
                    "  - {tenant: [a, b], findings: {settle_error: 3s}}\n"
                    "  - {rule: [r], findings: {gap: 1m}}\n"),
            "gyre.yaml:4:28: overrides[1]: findings.gap must be at least findings.lateness");
  EXPECT_EQ(refusal("overrides:\n  - {tenant: [a], findings: {gap: 2h}}\n"),
            "gyre.yaml:2:30: overrides[0]: findings.keep_closed must be at least findings.gap");
  std::string many = "overrides:\n";
  for (const char* whom : {"tenant", "rule"}) {
    many += std::string("  - {") + whom + ": [";
    for (int i = 0; i < 100; ++i) many += std::string(whom) + std::to_string(i) + ", ";
    many += "x], outbreaks: {hosts: 4}}\n";
  }
  EXPECT_THAT(refusal(many), HasSubstr("101 tenants and 101 rules are more than 10000"));
}

TEST(Overrides, TheDocsNameEveryKeyThatMayBeOverridden) {
  std::ifstream file(GYRE_SOURCE_DIR "/docs/configuration.md");
  const std::string docs{std::istreambuf_iterator<char>(file), {}};
  EXPECT_THAT(docs, HasSubstr(overridable_keys()));
}

}  // namespace
}  // namespace gyre::pipeline
