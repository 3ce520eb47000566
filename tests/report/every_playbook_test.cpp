// SPDX-License-Identifier: Apache-2.0
// Every playbook, rendered for every outcome and every kind of entity, held against what advice
// must never be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "schemas/alert.h"
#include "stages/report/fill.h"
#include "stages/report/lint.h"
#include "stages/report/markdown.h"
#include "stages/report/playbook_falco_rules.h"
#include "tests/report/every_playbook.h"

namespace gyre::stages {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Rules that fire only in containers say nothing of hosts, and the other way round.
bool has_check_for(const Playbook& book, const Place& place) {
  const std::map<std::string, std::set<int>> platforms = {
      {"pod", {playbook::Step::CONTAINER, playbook::Step::KUBERNETES}},
      {"docker", {playbook::Step::CONTAINER, playbook::Step::DOCKER}},
      {"host", {playbook::Step::HOST}},
      {"k8s_object", {playbook::Step::KUBERNETES}},
      {"cloud", {playbook::Step::CLOUD}},
      {"unknown container", {}}};
  const std::set<int>& here = platforms.at(place.name);
  return std::any_of(book.checks().begin(), book.checks().end(), [&](const auto& step) {
    return step.platforms().empty() ||
           std::any_of(step.platforms().begin(), step.platforms().end(),
                       [&](int platform) { return here.contains(platform); });
  });
}

TEST(EveryPlaybook, IsOneOfItsRules) {
  for_every_rendering([](const Rendered& rendered) {
    const auto own = rendered.name.substr(0, rendered.name.find('/'));
    EXPECT_EQ(rendered.playbook->id(), own);
  });
}

TEST(EveryPlaybook, FitsTheLimitAndHasItsSectionsInOrder) {
  for_every_rendering([](const Rendered& rendered) {
    EXPECT_LE(rendered.json.size(), 60U * 1024U);
    const std::string markdown = markdown_of(rendered.json);
    std::size_t at = 0;
    for (const char* heading :
         {"# Alert Analysis Report: ", "\n## Summary\n", "\n## Detailed Analysis\n",
          "\n## Mitigation Strategies\n", "\n## Conclusion\n"}) {
      const std::size_t found = markdown.find(heading, at);
      ASSERT_NE(found, std::string::npos) << heading << markdown;
      EXPECT_EQ(markdown.find(heading, found + 1), std::string::npos) << "twice: " << heading;
      at = found;
    }
    std::size_t before = markdown.find("\n### Verify first");
    EXPECT_TRUE(before != std::string::npos || !has_check_for(*rendered.playbook, rendered.place));
    for (const char* step : {"\n### Contain (", "\n### Harden", "\n### Tune"}) {
      const std::size_t found = markdown.find(step);
      if (found == std::string::npos) continue;
      EXPECT_TRUE(before == std::string::npos || found > before) << step;
      before = found;
    }
  });
}

TEST(EveryPlaybook, NamesRuleHostAndTimeWithItsZone) {
  for_every_rendering([](const Rendered& rendered) {
    const std::string markdown = markdown_of(rendered.json);
    const std::string summary = markdown.substr(0, markdown.find("\n## Detailed Analysis"));
    EXPECT_THAT(summary, HasSubstr("2023-11-14T22:13:20Z"));
    const auto kind = rendered.story.series.entity().kind();
    if (kind == records::Entity::HOST || kind == records::Entity::CONTAINER) {
      EXPECT_THAT(summary, HasSubstr("`node-7`"));
    }
    if (rendered.playbook->id() != "sensor_health") {
      EXPECT_THAT(summary, HasSubstr(markdown_code(rendered.story.series.rule())));
    }
  });
}

TEST(EveryPlaybook, SaysNothingForbidden) {
  for_every_rendering([](const Rendered& rendered) {
    std::istringstream lines(markdown_of(rendered.json));
    bool code = false;
    bool claims = true;
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("## Mitigation")) claims = false;
      if (line.starts_with("```")) code = !code;
      if (code || line.starts_with("```")) continue;
      EXPECT_THAT(lint(line, claims ? LintOf::kClaim : LintOf::kProse), IsEmpty()) << line;
    }
  });
}

TEST(EveryPlaybook, ClaimsNoSuccessWhereEverythingWasRefused) {
  for_every_rendering([](const Rendered& rendered) {
    const bool refused = rendered.result.name == std::string("refused") ||
                         rendered.result.name == std::string("not found");
    if (!refused || rendered.story.judged().effect_observed) return;
    const std::string markdown = markdown_of(rendered.json);
    EXPECT_THAT(markdown, Not(HasSubstr(markdown_text(rendered.playbook->succeeded()))));
    EXPECT_THAT(rendered.json, Not(HasSubstr("\"succeeded\":2")));
  });
}

// A refused request changed nothing: what is left to contain is its sender, or what let it in.
TEST(EveryPlaybook, ContainsOnlyTheSenderOfWhatAServiceRefused) {
  const std::set<std::string_view> allowed = {
      "Take the requester's rights away",
      "Take away the right that was used",
      "Remove the binding that lets nobody in",
      "End the credential",
      "Deny the user everything",
      "Deny the role everything",
      "Take the root user back",
      "Take the person's access away in IAM Identity Center",
      "Switch off the service account that acted",
      "Suspend the account that acted",
      "Suspend the account and end its sessions",
      "Take the account's access away",
      "End the sessions and change the password",
      "Put the address on a list that Okta refuses"};
  for_every_rendering([&](const Rendered& rendered) {
    const std::string place = rendered.place.name;
    if (place != "k8s_object" && place != "cloud") return;
    if (rendered.result.name != std::string("refused")) return;
    simdjson::dom::parser parser;
    for (const auto step : simdjson::dom::array(parser.parse(rendered.json)["advice"]["contain"]))
      EXPECT_TRUE(allowed.contains(std::string_view(step["title"]))) << step["title"];
  });
}

TEST(EveryPlaybook, HasOnlyCommandsThatFitTheEntity) {
  for_every_rendering([](const Rendered& rendered) {
    const std::string place = rendered.place.name;
    const Commands commands = commands_of(rendered.json);
    for (const std::string& command : commands.all) {
      EXPECT_THAT(placeholders(command), IsEmpty()) << command;
      const bool container = command.starts_with("docker ") || command.starts_with("crictl ");
      const bool pod =
          command.starts_with("kubectl ") && command.find(" pod ") != std::string::npos;
      EXPECT_FALSE(container && place != "pod" && place != "docker") << command;
      EXPECT_FALSE(pod && place != "pod" && place != "k8s_object") << command;
    }
    for (const std::string& command : commands.verify)
      EXPECT_THAT(lint(command, LintOf::kReadOnly), IsEmpty()) << command;
    for (const std::string& yaml : commands.yaml)
      EXPECT_THAT(wrong_in_falco_rules(yaml), IsEmpty()) << yaml;
  });
}

TEST(EveryPlaybook, HasOnlyCommandsThatAShellCanRead) {
  std::set<std::string> unique;
  for_every_rendering([&](const Rendered& rendered) {
    const Commands commands = commands_of(rendered.json);
    unique.insert(commands.all.begin(), commands.all.end());
  });
  const auto file =
      std::filesystem::path(testing::TempDir()) / ("commands_" + std::to_string(getpid()) + ".sh");
  std::ofstream out(file);
  out << "#!/bin/bash\n";
  for (const std::string& command : unique) out << command << '\n';
  out.close();
  EXPECT_EQ(std::system(("bash -n " + file.string()).c_str()), 0);
  if (std::system("command -v shellcheck >/dev/null") == 0) {
    // SC2010, SC2012: `ls` is read by people here.
    EXPECT_EQ(std::system(("shellcheck -e SC2010,SC2012 " + file.string()).c_str()), 0);
  } else {
    std::cout << "shellcheck is not installed: only bash -n was run\n";
  }
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace gyre::stages
