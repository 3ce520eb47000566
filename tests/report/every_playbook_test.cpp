// SPDX-License-Identifier: Apache-2.0
// Every playbook, rendered for every outcome and every kind of entity, held against what advice
// must never be.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include "schemas/alert.h"
#include "stages/report/attack.h"
#include "stages/report/fill.h"
#include "stages/report/lint.h"
#include "stages/report/markdown.h"
#include "stages/report/playbook_falco_rules.h"
#include "tests/report/story.h"

namespace gyre::stages {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct Place {
  const char* name;
  std::function<void(Story&)> make;
};
struct Result {
  const char* name;
  std::function<void(Story&)> make;
};

const std::vector<Place>& places() {
  static const std::vector<Place> all = {
      {"pod",
       [](Story& story) {
         story.card("container.image.repository", "registry.example.com/shop/web");
         story.card("k8s.ns.name", "shop").card("k8s.pod.name", "web-5d9c7b-x2x4z");
       }},
      {"docker",
       [](Story& story) { story.card("container.image.repository", "docker.io/shop/web"); }},
      {"host",
       [](Story& story) {
         story.series.mutable_entity()->set_kind(records::Entity::HOST);
         story.series.mutable_entity()->set_id("");
         story.field("user.loginname", "alice");
       }},
      {"unknown container",
       [](Story& story) {
         story.series.mutable_entity()->set_kind(records::Entity::HOST);
         story.series.mutable_entity()->set_id("?");
         story.series.mutable_entity()->set_container_unknown(true);
       }},
      {"k8s_object",
       [](Story& story) {
         story.series.set_source("k8s_audit");
         story.series.mutable_entity()->set_kind(records::Entity::K8S_OBJECT);
         story.series.mutable_entity()->set_id("shop/pods/web-0");
         story.field("ka.user.name", "alice@example.com").field("ka.target.name", "web-0");
         story.field("ka.target.namespace", "shop").field("ka.verb", "create");
       }},
      {"cloud", [](Story& story) {
         story.series.set_source("aws_cloudtrail");
         story.series.mutable_entity()->set_kind(records::Entity::CLOUD);
         story.series.mutable_entity()->set_id("123456789012");
         story.field("ct.user", "alice").field("ct.srcip", "192.0.2.7");
         story.field("ct.region", "eu-west-1");
       }}};
  return all;
}

const std::vector<Result>& results() {
  static const std::vector<Result> all = {
      {"succeeded", [](Story& s) { s.field("evt.res", "SUCCESS").outcome(2, 0, 0); }},
      {"refused", [](Story& s) { s.field("evt.res", "EACCES").outcome(0, 2, 0); }},
      {"not found", [](Story& s) { s.field("evt.res", "ENOENT").outcome(0, 2, 0); }},
      {"unknown", [](Story& s) { s.outcome(0, 0, 2); }}};
  return all;
}

struct Rendered {
  std::string name;
  Place place;
  Result result;
  const Playbook* playbook;
  Story story;
  std::string json;
};

// A tag that leads to the fallback; the ATT&CK table knows it, so that lint can hold the report to
// it.
void lead_to(const playbook::Fallback& fallback, Story& story) {
  if (!fallback.sources().empty() && fallback.sources(0) != "syscall") {
    story.series.set_source(fallback.sources(0));
    return;
  }
  for (const std::string& technique : fallback.techniques())
    if (find_technique(technique) != nullptr) return void(story.tag(technique));
  if (!fallback.tactics().empty()) return void(story.tag(fallback.tactics(0)));
  if (!fallback.tags().empty()) story.tag(fallback.tags(0));
}

Rendered render(const Playbook& book, const std::string& rule, const Place& place,
                const Result& result) {
  Story story(rule, 4);
  place.make(story);
  if (story.series.source() == "syscall") {
    story.field("proc.name", "sh").field("proc.pid", "4711").field("proc.exepath", "/usr/bin/it's");
    story.field("proc.cmdline", "sh -c /opt/tool/run").field("proc.pname", "tool");
    story.field("user.name", "root").field("user.uid", "0").field("fd.name", "/etc/a b");
  }
  if (book.id() == "sensor_health") {
    story.series.set_source("internal");
    story.field("rule", "Falco internal: syscall event drop");
  }
  for (const char* source : {"gcp", "okta", "github"})
    if (book.id().starts_with(source)) story.series.set_source(source);
  result.make(story);
  if (book.has_fallback()) lead_to(book.fallback(), story);
  const Playbook& chosen = Story::playbooks().of(story.series, story.episode.summary());
  std::string json = story.json();
  return {book.id() + "/" + rule + "/" + place.name + "/" + result.name,
          place,
          result,
          &chosen,
          std::move(story),
          std::move(json)};
}

// System calls happen in containers and on hosts, audit logs speak of objects.
bool can_be(const std::string& file, const Playbook& book, const std::string& place) {
  if (file.starts_with("playbooks/sensor/")) return place == "host";
  const auto& sources = book.fallback().sources();
  const bool audit = std::count(sources.begin(), sources.end(), "k8s_audit") > 0;
  const bool cloud = !audit && !sources.empty();
  if (cloud || file.starts_with("playbooks/cloud/") || file.starts_with("playbooks/saas/"))
    return place == "cloud";
  if (audit || file.starts_with("playbooks/k8s_audit/")) return place == "k8s_object";
  return place != "cloud" && place != "k8s_object";
}

void for_every_rendering(const std::function<void(const Rendered&)>& visit) {
  for (const auto& [file, book] : Story::playbooks().all()) {
    std::vector<std::string> rules;
    for (const playbook::Rule& rule : book.rules()) rules.push_back(rule.name());
    if (rules.empty()) rules.emplace_back("A rule of our own");
    for (const std::string& rule : rules) {
      for (const Place& place : places()) {
        if (!can_be(file, book, place.name)) continue;
        for (const Result& result : results()) {
          const Rendered rendered = render(book, rule, place, result);
          SCOPED_TRACE(rendered.name);
          visit(rendered);
          if (testing::Test::HasFailure()) return;
        }
      }
    }
  }
}

struct Commands {
  std::vector<std::string> verify;
  std::vector<std::string> all;
  std::vector<std::string> yaml;
};

Commands commands_of(const std::string& json) {
  simdjson::dom::parser parser;
  Commands found;
  for (const auto group : simdjson::dom::object(parser.parse(json)["advice"])) {
    for (const auto advice : simdjson::dom::array(group.value)) {
      for (const char* key : {"record", "commands", "undo_commands"}) {
        simdjson::dom::array list;
        if (advice[key].get(list) != simdjson::SUCCESS) continue;
        for (const auto command : list) {
          found.all.emplace_back(std::string_view(command));
          if (group.key == "verify") found.verify.emplace_back(std::string_view(command));
        }
      }
      std::string_view snippet;
      if (advice["snippet"].get(snippet) == simdjson::SUCCESS &&
          snippet.find("- rule:") != std::string_view::npos)
        found.yaml.emplace_back(snippet);
    }
  }
  return found;
}

std::string markdown_of(const std::string& json) {
  simdjson::dom::parser parser;
  return std::string(std::string_view(parser.parse(json)["markdown"]));
}

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

// What tests/report/real_tools gives to the programs themselves.
TEST(EveryPlaybook, IsWrittenDownForTheRealTools) {
  const char* file = std::getenv("GYRE_WRITE_ADVICE");
  if (file == nullptr) GTEST_SKIP() << "for tests/report/real_tools, see ./dev test --full";
  std::set<std::string> lines;
  for_every_rendering([&](const Rendered& rendered) {
    simdjson::dom::parser parser;
    for (const auto group : simdjson::dom::object(parser.parse(rendered.json)["advice"])) {
      for (const auto advice : simdjson::dom::array(group.value))
        lines.insert(
            fmt::format(R"({{"section":"{}","advice":{}}})", group.key, simdjson::minify(advice)));
    }
  });
  std::ofstream out(file);
  for (const std::string& line : lines) out << line << '\n';
  EXPECT_TRUE(out.good()) << file;
}

}  // namespace
}  // namespace gyre::stages
