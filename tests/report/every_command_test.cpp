// SPDX-License-Identifier: Apache-2.0
// Every command of every playbook, in a report that says it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <set>

#include "stages/report/fill.h"
#include "tests/report/every_playbook.h"

namespace gyre::stages {
namespace {

using testing::IsEmpty;

std::vector<std::string> templates_of(const playbook::Step& step) {
  std::vector<std::string> all(step.record().begin(), step.record().end());
  all.insert(all.end(), step.commands().begin(), step.commands().end());
  all.insert(all.end(), step.undo_commands().begin(), step.undo_commands().end());
  return all;
}

// A value that may stand for the placeholder; none for those that are no field.
std::string value_for(const std::string& name) {
  const std::string account = "robot@shop-123456.iam.gserviceaccount.com";
  if (name == "gcp.user" || name == "gcp.iam.serviceAccount") return account;
  for (const char* value : {"value-1", "4711", "/opt/a b", "192.0.2.7", "eu-west-1", "pods",
                            "2026-03-02T09:00:00Z", "0a1b2c3d4e5f", "registry.example.com/web"})
    if (name.find('.') != std::string::npos && shell_word(name, value)) return value;
  return {};
}

void tell(const std::string& name, const std::string& value, Story& story) {
  story.fields[name].clear();
  story.field(name, value);
}

// The evidence on which the step is said, with a value for each of its placeholders.
void tell_of(const playbook::Step& step, Story& story) {
  const auto knows = [&](const std::string& name) {
    return story.fields.contains(name) ||
           std::any_of(story.entity.card().begin(), story.entity.card().end(),
                       [&](const auto& known) { return known.field() == name; });
  };
  for (const playbook::Condition& when : step.when()) {
    if (when.one_of_size() > 0) tell(when.field(), when.one_of(0), story);
    if (when.starts_with_size() > 0) tell(when.field(), when.starts_with(0) + "x", story);
    if (when.contains_size() > 0)
      tell(when.field(), "robot@shop-123456.iam" + when.contains(0), story);
    if (when.outcome() == playbook::Condition::NONE && !knows(when.field()))
      tell(when.field(), value_for(when.field()), story);
    if (when.outcome() == playbook::Condition::BLOCKED) story.outcome(0, 2, 0);
    if (when.outcome() == playbook::Condition::UNKNOWN) story.outcome(0, 0, 2);
  }
  for (const std::string& text : templates_of(step))
    for (const std::string& name : placeholders(text)) {
      if (const std::string value = value_for(name); !value.empty() && !knows(name))
        tell(name, value, story);
      if (text.starts_with("ip6tables")) story.field(name, "2001:db8::7");
    }
}

bool is_filled(const std::string& text, const std::string& command) {
  std::size_t at = 0;
  std::string_view rest = text;
  const auto next = [&](std::string_view literal) {
    const std::size_t found = command.find(literal, at);
    if (found == std::string::npos || (at == 0 && found != 0)) return false;
    at = found + literal.size();
    return true;
  };
  for (const std::string& name : placeholders(text)) {
    const std::size_t hole = rest.find("{" + name + "}");
    if (!next(rest.substr(0, hole))) return false;
    rest.remove_prefix(hole + name.size() + 2);
  }
  return next(rest);
}

// Each command of each playbook, in a report that says it: `visit` gets that. Those that no report
// says are added to `never_said`.
void for_every_step(const std::function<void(const std::string& json)>& visit,
                    std::vector<std::string>& never_said) {
  const Result& succeeded = results().front();
  for (const auto& [file, book] : Story::playbooks().all()) {
    const std::string rule = book.rules().empty() ? "A rule of our own" : book.rules(0).name();
    std::vector<std::pair<std::string, const playbook::Step*>> steps;
    const auto take = [&](const std::string& of_rule, const auto& list) {
      for (const playbook::Step& step : list) steps.emplace_back(of_rule, &step);
    };
    for (const auto* list : {&book.checks(), &book.containment(), &book.hardening()})
      take(rule, *list);
    for (const playbook::Rule& own : book.rules()) take(own.name(), own.containment());
    for (const auto& [of_rule, one] : steps) {
      const playbook::Step& step = *one;
      std::vector<std::string> left = templates_of(step);
      for (const Place& place : places()) {
        if (left.empty()) break;
        if (!can_be(file, book, place.name)) continue;
        Story story = story_of(book, of_rule, place, succeeded);
        tell_of(step, story);
        const std::string json = story.json();
        const std::vector<std::string> said = commands_of(json).all;
        const std::size_t before = left.size();
        std::erase_if(left, [&](const std::string& text) {
          return std::any_of(said.begin(), said.end(),
                             [&](const std::string& command) { return is_filled(text, command); });
        });
        if (left.size() < before) visit(json);
      }
      for (const std::string& text : left) never_said.push_back(book.id() + ": " + text);
    }
  }
}

TEST(EveryPlaybook, HasNoCommandThatNoReportEverSays) {
  std::vector<std::string> never_said;
  std::size_t reports = 0;
  for_every_step([&](const std::string&) { ++reports; }, never_said);
  EXPECT_THAT(never_said, IsEmpty());
  EXPECT_GT(reports, 300U);
}

// What tests/report/real_tools gives to the programs themselves.
TEST(EveryPlaybook, IsWrittenDownForTheRealTools) {
  const char* file = std::getenv("GYRE_WRITE_ADVICE");
  if (file == nullptr) GTEST_SKIP() << "for tests/report/real_tools, see ./dev test --full";
  std::set<std::string> lines;
  const auto take = [&](const std::string& json) {
    simdjson::dom::parser parser;
    for (const auto group : simdjson::dom::object(parser.parse(json)["advice"])) {
      for (const auto advice : simdjson::dom::array(group.value))
        lines.insert(
            fmt::format(R"({{"section":"{}","advice":{}}})", group.key, simdjson::minify(advice)));
    }
  };
  for_every_rendering([&](const Rendered& rendered) { take(rendered.json); });
  std::vector<std::string> never_said;
  for_every_step(take, never_said);
  EXPECT_THAT(never_said, IsEmpty());
  std::ofstream out(file);
  for (const std::string& line : lines) out << line << '\n';
  EXPECT_TRUE(out.good()) << file;
}

}  // namespace
}  // namespace gyre::stages
