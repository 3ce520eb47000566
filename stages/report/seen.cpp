// SPDX-License-Identifier: Apache-2.0
#include "stages/report/seen.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>

#include "schemas/address.h"
#include "schemas/request.h"
#include "stages/report/details.h"
#include "stages/report/markdown.h"

namespace gyre::stages {

namespace {

constexpr std::string_view kCommand = "ka.uri.param[command]";

void sort_unique(std::vector<std::string>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

// What stands in each list before the address that the API server saw.
std::vector<std::string> told_sources(const Facts& facts) {
  std::vector<std::string> told;
  for (const std::string_view list : facts.values("ka.sourceips")) {
    const auto addresses = schemas::addresses_in(list);
    for (std::size_t i = 0; i + 1 < addresses.size(); ++i) told.emplace_back(addresses[i]);
  }
  sort_unique(told);
  return told;
}

// Google's audit log names the object in the request where it has no name of its own.
std::vector<std::string> requested_objects(const Facts& facts) {
  static const auto* const kNames =
      new std::array<RE2, 5>{{RE2(R"re("sinkName"\s*:\s*"([^"\\]{1,200})")re"),
                              RE2(R"re("subscription"\s*:\s*"([^"\\]{1,200})")re"),
                              RE2(R"re("topic"\s*:\s*"([^"\\]{1,200})")re"),
                              RE2(R"re("resource"\s*:\s*"([^"\\]{1,200})")re"),
                              RE2(R"re("name"\s*:\s*"([^"\\]{1,200})")re")}};
  std::vector<std::string> names;
  if (facts.has("gcp.resourceName")) return names;
  for (const std::string_view request : facts.values("gcp.request")) {
    std::string name;
    for (const RE2& pattern : *kNames)
      if (RE2::PartialMatch(re2::StringPiece(request.data(), request.size()), pattern, &name))
        break;
    if (!name.empty()) names.push_back(std::move(name));
  }
  sort_unique(names);
  return names;
}

struct Part {
  std::string_view label;
  std::initializer_list<std::string_view> fields;
};

// The first of the fields that is known.
Seen first_of(const Facts& facts, const Part& part) {
  for (const std::string_view field : part.fields) {
    const auto values = facts.values(field);
    if (!values.empty()) return {part.label, {values.begin(), values.end()}, facts.capped(field)};
  }
  return {part.label, {}};
}

}  // namespace

std::vector<std::string> seen_sources(const Facts& facts) {
  std::vector<std::string> sources;
  for (const std::string_view list : facts.values("ka.sourceips")) {
    const auto addresses = schemas::addresses_in(list);
    sources.emplace_back(addresses.empty() ? list : addresses.back());
  }
  sort_unique(sources);
  return sources;
}

std::vector<std::string> session_commands(const Facts& facts) {
  std::vector<std::string> commands;
  for (const std::string_view uri : facts.values("ka.uri"))
    if (std::string command = schemas::command_of_uri(uri); !command.empty())
      commands.push_back(std::move(command));
  if (commands.empty())
    for (const std::string_view word : facts.values(kCommand)) commands.emplace_back(word);
  sort_unique(commands);
  return commands;
}

std::vector<Seen> seen_of(const Facts& facts) {
  const bool sources_capped = facts.capped("ka.sourceips");
  std::vector<Seen> seen = {
      first_of(facts,
               {"by", {"ka.user.name", "ct.user", "gcp.user", "okta.actor.name", "github.user"}}),
      first_of(facts, {"as", {"ka.impuser.name"}}),
      {"from", seen_sources(facts), sources_capped},
      {"forwarded for", told_sources(facts), sources_capped},
      first_of(facts, {"from", {"ct.srcip", "gcp.callerIP", "okta.client.ip"}}),
      first_of(facts,
               {"did", {"ka.verb", "ct.name", "gcp.methodName", "okta.evt.type", "github.action"}}),
      first_of(facts, {"process", {"proc.name"}}),
      first_of(facts, {"command line", {"proc.cmdline"}}),
      first_of(facts, {"parent", {"proc.pname"}}),
      first_of(facts, {"user", {"user.name", "user.uid"}}),
      first_of(facts, {"on",
                       {"fd.name", "evt.arg.filename", "evt.arg.path", "evt.arg.newpath",
                        "evt.arg.linkpath"}}),
      first_of(facts,
               {"on", {"ka.target.resource", "s3.bucket", "gcp.resourceName", "github.repo.name"}}),
      first_of(facts, {"named", {"ka.target.name", "ct.request.name", "okta.target.user.name"}}),
      {"named", requested_objects(facts), facts.capped("gcp.request")},
      {"command", session_commands(facts), facts.capped("ka.uri") || facts.capped(kCommand)},
      first_of(facts, {"for", {"ka.req.binding.subjects"}})};
  std::erase_if(seen, [](const Seen& one) { return one.values.empty(); });
  return seen;
}

std::string seen_line(const Facts& facts) {
  const std::vector<Seen> seen = seen_of(facts);
  const auto differing = std::count_if(seen.begin(), seen.end(),
                                       [](const Seen& one) { return one.values.size() > 1; }) +
                         (facts.values(result_field(facts)).size() > 1 ? 1 : 0);
  // Where two fields differ, one of them maybe the result, nobody knows which values belong
  // together.
  const std::string_view joint = differing > 1 ? "or" : "and";
  std::string line;
  for (const Seen& one : seen) {
    line += fmt::format("{}{} {}", line.empty() ? "" : " · ", one.label,
                        markdown_code(shown(one.values.front(), 160)));
    if (one.values.size() == 2)
      line += fmt::format(" {} {}", joint, markdown_code(shown(one.values[1], 160)));
    if (one.values.size() > 2)
      line += fmt::format(" {} {}{} others", joint, one.values.size() - 1,
                          one.capped ? " or more" : "");
  }
  return line;
}

std::vector<std::string> seen_in_short(const Facts& facts) {
  constexpr std::size_t kBytes = 80;
  constexpr std::size_t kMost = 5;
  std::vector<std::string> words;
  const std::vector<Seen> seen = seen_of(facts);
  const bool has_line = std::any_of(seen.begin(), seen.end(),
                                    [](const Seen& one) { return one.label == "command line"; });
  for (const Seen& one : seen) {
    // What was asked of an API stands in the rule's name; of a hundred findings little is kept.
    if (one.label == "parent" || one.label == "from" || one.label == "forwarded for" ||
        one.label == "did" || (has_line && one.label == "process"))
      continue;
    std::string value = shown(one.values.front(), kBytes);
    if (one.values.size() > 1) value += fmt::format(" (+{} more)", one.values.size() - 1);
    words.emplace_back(one.label);
    words.push_back(std::move(value));
    if (words.size() == 2 * kMost) break;
  }
  return words;
}

}  // namespace gyre::stages
