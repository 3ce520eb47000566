// SPDX-License-Identifier: Apache-2.0
#include "stages/report/playbook_objects.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <set>

#include "stages/report/fill.h"

namespace gyre::stages {

namespace {

using playbook::Condition;
using playbook::Playbook;
using playbook::Step;
using Problems = std::vector<std::string>;
using Steps = google::protobuf::RepeatedPtrField<Step>;

constexpr auto kOfRequests =
    std::to_array<std::string_view>({"ka.", "ct.", "s3.", "gcp.", "okta.", "github."});
constexpr auto kOfCalls = std::to_array<std::string_view>({"fd.", "evt.arg."});
constexpr auto kWhoAndWhere = std::to_array<std::string_view>(
    {"ka.user.name", "ka.verb", "ct.user", "ct.region", "ct.srcip", "gcp.user", "gcp.projectId",
     "okta.actor.name", "okta.client.ip", "github.user", "github.org"});
// One of them only in all alerts of a finding: they make its entity, or its time.
constexpr auto kOfEntity = std::to_array<std::string_view>(
    {"report", "value", "since", "until", "since_utc", "until_utc", "node", "container.id",
     "k8s.ns.name", "k8s.pod.name", "ka.target.name", "ka.target.namespace", "ka.target.resource",
     "ka.resp.name", "ka.req.configmap.name"});

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

template <std::size_t N>
bool begins_with_one_of(const std::array<std::string_view, N>& fronts, std::string_view name) {
  return std::any_of(fronts.begin(), fronts.end(),
                     [&](std::string_view front) { return name.starts_with(front); });
}

bool is_of_request(std::string_view field) {
  return begins_with_one_of(kOfRequests, field) && !is_one_of(kWhoAndWhere, field);
}

bool asks_for(const Step& step, Condition::Outcome outcome) {
  return std::any_of(step.when().begin(), step.when().end(),
                     [&](const Condition& condition) { return condition.outcome() == outcome; });
}

// A file that the command writes: `> pod.yaml`, `docker cp ... ./pod`.
std::string file_of(const std::string& command) {
  static const RE2 file(R"((?:> *|^docker cp \S+ +\./)([A-Za-z0-9_{}.-]+)$)");
  std::string name;
  return RE2::PartialMatch(command, file, &name) ? name : std::string();
}

void check_files(const Step& step, Problems& problems) {
  for (const std::string& command : step.record()) {
    const std::string file = file_of(command);
    if (file.empty()) continue;
    if (file.find("{report}") == std::string::npos)
      problems.push_back(
          fmt::format("O3: `{}` is the same for every report; put {{report}} into the name", file));
    const auto names = placeholders(command);
    const bool several = std::any_of(names.begin(), names.end(), [](const std::string& name) {
      return !is_one_of(kOfEntity, name);
    });
    if (several && file.find("{value}") == std::string::npos)
      problems.push_back(fmt::format(
          "O3: of several values the second writes over `{}`; put {{value}} into the name", file));
  }
  static const RE2 named(R"(\b[a-z0-9]+[a-z0-9-]*\.(yaml|json|txt|bin|diff|log)\b)");
  if (RE2::PartialMatch(step.undo(), named))
    problems.emplace_back("O3: the file's name is made by code; in `undo` say `the saved file`");
}

void check_places(const Step& step, Problems& problems) {
  static const RE2 regional("aws (cloudtrail|ec2|ecs|eks|lambda|logs|rds) ");
  for (const auto* list : {&step.record(), &step.commands()}) {
    for (const std::string& command : *list) {
      if (command.find("auth can-i") != std::string::npos &&
          command.find(" -n ") == std::string::npos)
        problems.push_back("O5: rights are asked for in one namespace: name it with -n");
      if (RE2::PartialMatch(command, regional) && command.find("--region") == std::string::npos &&
          step.text().find("region") == std::string::npos)
        problems.push_back("O5: AWS answers per region: --region, or say so in `text`");
    }
  }
}

// Of what a request names, only what it is shown to have made may be taken away.
void check_outcome(const Playbook& book, const Step& step, Problems& problems) {
  const auto objects = objects_of(step);
  if (objects.empty() || asks_for(step, Condition::SUCCEEDED) || asks_for(step, Condition::EFFECT))
    return;
  const bool of_request = std::any_of(objects.begin(), objects.end(), is_of_request);
  if (asks_for(step, Condition::NOT_REFUSED)) {
    const auto names_check = [&](const std::string& text) {
      return std::any_of(book.checks().begin(), book.checks().end(), [&](const Step& check) {
        return text.find(check.title()) != std::string::npos;
      });
    };
    if (!of_request ||
        std::any_of(step.preconditions().begin(), step.preconditions().end(), names_check))
      return;
  }
  problems.push_back(fmt::format(
      "O1: `{}` acts on {{{}}}, which a refused request names as well: `outcome: succeeded`{}",
      step.title(), objects.front(),
      of_request ? ", or not_refused and a precondition with the title of the check that shows it"
                 : ", effect or not_refused"));
}

void check_kind(const Step& step, Problems& problems) {
  static const RE2 kind(R"(\b(cluster)?role(binding)?s? \{ka\.target\.name\})");
  const bool asked = std::any_of(
      step.when().begin(), step.when().end(),
      [](const Condition& condition) { return condition.field() == "ka.target.resource"; });
  if (asked) return;
  for (const auto* list : {&step.record(), &step.commands()}) {
    for (const std::string& command : *list) {
      if (!RE2::PartialMatch(command, kind)) continue;
      problems.push_back(
          fmt::format("O4: `{}`: roles and bindings are of a namespace or of the cluster: a `when` "
                      "on ka.target.resource",
                      step.title()));
      return;
    }
  }
}

// What one step has kept, the next one must not write over: it comes after the first has acted.
void check_steps_files(const Steps& steps, Problems& problems) {
  std::set<std::string> files;
  for (const Step& step : steps) {
    for (const std::string& command : step.record()) {
      const std::string file = file_of(command);
      if (!file.empty() && !files.insert(file).second)
        problems.push_back(fmt::format("O3: `{}` writes over `{}`, which another step has kept",
                                       step.title(), file));
    }
  }
}

// Who answers a deletion brings back; what is there now, somebody has put back.
void check_deleted(const std::string& rule, const Steps& containment, Problems& problems) {
  static const RE2 deleted(R"((?i)\b(deleted?|deleting|removed?|removing|disconnected)\b)");
  static const RE2 changed(R"((?i)\b(modified|changed|created|updated)\b)");
  if (!RE2::PartialMatch(rule, deleted) || RE2::PartialMatch(rule, changed)) return;
  static const RE2 takes_away(R"(\b(delete|remove|disable|detach|revoke)\b)");
  static const RE2 of_the_new(R"(\bthe new\b)");
  for (const Step& step : containment) {
    const bool away =
        !objects_of(step).empty() &&
        std::any_of(step.commands().begin(), step.commands().end(), [](const std::string& command) {
          return RE2::PartialMatch(command, takes_away);
        });
    if (away || RE2::PartialMatch(step.title(), of_the_new))
      problems.push_back(fmt::format(
          "O2: `{}` takes away what somebody put back after the rule `{}` fired: give the rule "
          "`containment` of its own",
          step.title(), rule));
  }
}

}  // namespace

bool names_object(std::string_view field) {
  return is_of_request(field) || begins_with_one_of(kOfCalls, field);
}

std::vector<std::string> objects_of(const Step& step) {
  std::vector<std::string> objects;
  for (const std::string& command : step.commands()) {
    for (std::string& name : placeholders(command))
      if (names_object(name)) objects.push_back(std::move(name));
  }
  return objects;
}

std::vector<std::string> wrong_in_step(const Step& step) {
  Problems problems;
  check_files(step, problems);
  check_places(step, problems);
  if (!step.undo_commands().empty() && step.record().empty())
    problems.emplace_back("O6: `undo_commands` put back what `record` has kept, and there is none");
  return problems;
}

std::vector<std::string> wrong_in_playbook(const Playbook& book) {
  Problems problems;
  const auto containment = [&](const Steps& steps) {
    for (const Step& step : steps) check_outcome(book, step, problems);
    check_steps_files(steps, problems);
  };
  containment(book.containment());
  for (const playbook::Rule& rule : book.rules()) {
    containment(rule.containment());
    check_deleted(rule.name(), rule.containment().empty() ? book.containment() : rule.containment(),
                  problems);
  }
  for (const auto* steps : {&book.checks(), &book.containment()})
    for (const Step& step : *steps) check_kind(step, problems);
  return problems;
}

}  // namespace gyre::stages
