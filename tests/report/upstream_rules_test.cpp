// SPDX-License-Identifier: Apache-2.0
// The playbooks against the table of the rules that Falco and its plugins ship.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "tests/report/story.h"

namespace gyre::stages {
namespace {

// The table says "only on success" of them, but their conditions are the macros outbound and
// inbound_outbound, which take a connect that ended with EINPROGRESS as well (falcosecurity/rules
// c72713e). Not so of rules over UDP, listen and accept: these never end so.
const std::set<std::string>& begun_against_the_table() {
  static const std::set<std::string> rules = {
      "System procs network activity",
      "Network Connection outside Local Subnet",
      "Interpreted procs outbound network activity",
      "Unexpected K8s NodePort Connection",
      "Outbound or Inbound Traffic not to Authorized Server Process and Port",
      "Outbound Connection to C2 Servers",
      "Contact EC2 Instance Metadata Service From Container",
      "Contact cloud metadata service from container"};
  return rules;
}

// The rules of Falco and its plugins, a row each; empty where the table is not here.
std::vector<std::vector<std::string>> upstream_rules() {
  std::ifstream table(std::string(GYRE_SOURCE_DIR) + "/../shared/facts/rule-families.tsv");
  std::vector<std::vector<std::string>> rules;
  for (std::string line; std::getline(table, line);) {
    std::vector<std::string> columns;
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, '\t');) columns.push_back(cell);
    if (columns.size() >= 10 && columns[0] != "rule") rules.push_back(std::move(columns));
  }
  return rules;
}

TEST(UpstreamRules, HaveAPlaybookEach) {
  const auto rules = upstream_rules();
  if (rules.empty()) GTEST_SKIP() << "the table of upstream rules is not here";
  EXPECT_GE(rules.size(), 242U);
  for (const auto& columns : rules) {
    records::Series series;
    series.set_rule(columns[0]);
    series.set_source(columns[4]);
    EXPECT_FALSE(Story::playbooks().of(series, {}).has_fallback()) << columns[0];
  }
}

TEST(UpstreamRules, FireOnWhatTheirPlaybooksSay) {
  const auto rules = upstream_rules();
  if (rules.empty()) GTEST_SKIP() << "the table of upstream rules is not here";
  for (const auto& columns : rules) {
    if (columns[4] != "syscall") continue;
    records::Series series;
    series.set_rule(columns[0]);
    const Playbook& book = Story::playbooks().of(series, {});
    if (book.has_fallback()) continue;
    EXPECT_EQ(book.family(), columns[1]) << columns[0];
    const bool begun = columns[9] == "begun" || begun_against_the_table().contains(columns[0]);
    const auto expected = begun                ? Playbook::BEGUN
                          : columns[9] == "no" ? Playbook::SUCCESS
                                               : Playbook::ANY;
    EXPECT_EQ(book.fires_on(), expected) << columns[0];
  }
}

}  // namespace
}  // namespace gyre::stages
