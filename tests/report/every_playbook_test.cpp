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

struct Page {
  const Rendered& rendered;
  std::string markdown;
  Commands commands;
};

void is_of_one_of_its_rules(const Page& page) {
  const std::string& name = page.rendered.name;
  EXPECT_EQ(page.rendered.playbook->id(), name.substr(0, name.find('/')));
}

void fits_the_limit_and_has_its_sections_in_order(const Page& page) {
  const Rendered& rendered = page.rendered;
  EXPECT_LE(rendered.json.size(), 60U * 1024U);
  const std::string& markdown = page.markdown;
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
}

void names_rule_host_and_time_with_its_zone(const Page& page) {
  const Rendered& rendered = page.rendered;
  const std::string& markdown = page.markdown;
  const std::string summary = markdown.substr(0, markdown.find("\n## Detailed Analysis"));
  EXPECT_THAT(summary, HasSubstr("2023-11-14T22:13:20Z"));
  const auto kind = rendered.story.series.entity().kind();
  if (kind == records::Entity::HOST || kind == records::Entity::CONTAINER) {
    EXPECT_THAT(summary, HasSubstr("`node-7`"));
  }
  if (rendered.playbook->id() != "sensor_health") {
    EXPECT_THAT(summary, HasSubstr(markdown_code(rendered.story.series.rule())));
  }
}

void says_nothing_forbidden(const Page& page) {
  std::istringstream lines(page.markdown);
  bool code = false;
  bool claims = true;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("## Mitigation")) claims = false;
    if (line.starts_with("```")) code = !code;
    if (code || line.starts_with("```")) continue;
    EXPECT_THAT(lint(line, claims ? LintOf::kClaim : LintOf::kProse), IsEmpty()) << line;
  }
}

void claims_no_success_where_everything_was_refused(const Page& page) {
  const Rendered& rendered = page.rendered;
  const bool refused = rendered.result.name == std::string("refused") ||
                       rendered.result.name == std::string("not found");
  if (!refused || rendered.story.judged().effect_observed) return;
  const std::string& markdown = page.markdown;
  EXPECT_THAT(markdown, Not(HasSubstr(markdown_text(rendered.playbook->succeeded()))));
  EXPECT_THAT(rendered.json, Not(HasSubstr("\"succeeded\":2")));
}

// A refused request changed nothing: what is left to contain is its sender, or what let it in.
void contains_only_the_sender_of_what_a_service_refused(const Page& page) {
  static const std::set<std::string_view> allowed = {
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
  const Rendered& rendered = page.rendered;
  const std::string place = rendered.place.name;
  if (place != "k8s_object" && place != "cloud") return;
  if (rendered.result.name != std::string("refused")) return;
  simdjson::dom::parser parser;
  for (const auto step : simdjson::dom::array(parser.parse(rendered.json)["advice"]["contain"]))
    EXPECT_TRUE(allowed.contains(std::string_view(step["title"]))) << step["title"];
}

void has_only_commands_that_fit_the_entity(const Page& page) {
  const Rendered& rendered = page.rendered;
  const std::string place = rendered.place.name;
  const Commands& commands = page.commands;
  for (const std::string& command : commands.all) {
    EXPECT_THAT(placeholders(command), IsEmpty()) << command;
    const bool container = command.starts_with("docker ") || command.starts_with("crictl ");
    const bool pod = command.starts_with("kubectl ") && command.find(" pod ") != std::string::npos;
    EXPECT_FALSE(container && place != "pod" && place != "docker") << command;
    EXPECT_FALSE(pod && place != "pod" && place != "k8s_object") << command;
  }
  for (const std::string& command : commands.verify)
    EXPECT_THAT(lint(command, LintOf::kReadOnly), IsEmpty()) << command;
  for (const std::string& yaml : commands.yaml)
    EXPECT_THAT(wrong_in_falco_rules(yaml), IsEmpty()) << yaml;
}

void can_be_read_by_a_shell(const std::set<std::string>& commands) {
  const auto file =
      std::filesystem::path(testing::TempDir()) / ("commands_" + std::to_string(getpid()) + ".sh");
  std::ofstream out(file);
  out << "#!/bin/bash\n";
  for (const std::string& command : commands) out << command << '\n';
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

// In one pass: all renderings take most of a minute where memory is watched over.
TEST(EveryPlaybook, KeepsItsPromisesWhateverHappenedWherever) {
  constexpr std::pair<const char*, void (*)(const Page&)> kPromises[] = {
      {"is of one of its rules", is_of_one_of_its_rules},
      {"fits the limit and has its sections in order",
       fits_the_limit_and_has_its_sections_in_order},
      {"names rule, host and time with its zone", names_rule_host_and_time_with_its_zone},
      {"says nothing forbidden", says_nothing_forbidden},
      {"claims no success where everything was refused",
       claims_no_success_where_everything_was_refused},
      {"contains only the sender of what a service refused",
       contains_only_the_sender_of_what_a_service_refused},
      {"has only commands that fit the entity", has_only_commands_that_fit_the_entity},
  };
  std::set<std::string> commands;
  for_every_rendering([&](const Rendered& rendered) {
    const Page page{rendered, markdown_of(rendered.json), commands_of(rendered.json)};
    for (const auto& [promise, holds] : kPromises) {
      SCOPED_TRACE(promise);
      holds(page);
    }
    commands.insert(page.commands.all.begin(), page.commands.all.end());
  });
  can_be_read_by_a_shell(commands);
}

}  // namespace
}  // namespace gyre::stages
