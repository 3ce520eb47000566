// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iostream>
#include <map>
#include <set>
#include <string>

#include "pipeline/commands.h"
#include "stages/report/playbook.h"

namespace gyre::pipeline {
namespace {

std::string platforms_of(const stages::Playbook& book) {
  std::set<std::string> names;
  for (const auto* steps : {&book.checks(), &book.containment(), &book.hardening()}) {
    for (const auto& step : *steps) {
      for (const int platform : step.platforms()) {
        std::string name =
            playbook::Step::Platform_Name(static_cast<playbook::Step::Platform>(platform));
        std::transform(name.begin(), name.end(), name.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        names.insert(std::move(name));
      }
    }
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

/// Markdown, kept as docs/coverage.md: which rule has which playbook, and what it offers.
void print_coverage(const stages::Playbooks& playbooks) {
  std::map<std::string, std::string> rows;
  const auto row = [&](const std::string& rule, const stages::Playbook& book, bool strong,
                       playbook::Playbook::FiresOn fires_on, int containment) {
    std::string fires = playbook::Playbook::FiresOn_Name(fires_on);
    for (char& c : fires) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    rows[rule] = fmt::format(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", rule, book.id(), book.family(), fires,
        !strong                ? ""
        : book.has_strong_if() ? "if proven"
                               : "yes",
        book.checks_size(), containment, book.hardening_size(), platforms_of(book));
  };
  for (const auto& [file, book] : playbooks.all()) {
    if (book.has_fallback())
      row("(" + book.id() + ", for rules without a playbook)", book, book.strong(), book.fires_on(),
          book.containment_size());
    for (const playbook::Rule& rule : book.rules())
      row(rule.name(), book, rule.has_strong() ? rule.strong() : book.strong(),
          rule.has_fires_on() ? rule.fires_on() : book.fires_on(),
          rule.containment().empty() ? book.containment_size() : rule.containment_size());
  }
  std::cout << fmt::format(
      "# Which rule has which playbook\n\nPrinted by `gyre check --coverage`: {} rules (older "
      "names "
      "counted as well) and fallbacks, {} playbooks. Numbers are steps. *Fires on*: what an alert "
      "proves that names no result (docs/playbooks.md).\n\n"
      "| rule | playbook | family | fires on | strong | checks | containment | hardening | "
      "platforms |\n|---|---|---|---|---|---|---|---|---|\n",
      rows.size(), playbooks.size());
  for (const auto& [rule, text] : rows) std::cout << text;
  std::cout.flush();
}

}  // namespace

int check(const std::string& config_path, const CheckOptions& options) {
  const Config config = config_path.empty()
                            ? parse_config("", "the defaults", {}, Checked::kAlone, options.flags)
                            : load_config(config_path, {}, Checked::kHere, options.flags);
  const std::string directory = options.playbooks.value_or(config.playbooks);
  if (options.coverage) {
    print_coverage(stages::Playbooks(directory));
    return 0;
  }
  if (!config_path.empty()) std::cout << fmt::format("{}: ok\n", config_path);
  const auto defaults = config_values(Config{});
  for (const auto& [key, value] : config_values(config))
    if (value != defaults.at(key)) std::cout << fmt::format("  {}: {}\n", key, value);
  std::cout.flush();
  const stages::Playbooks playbooks(directory);
  const auto own = std::ranges::count_if(playbooks.all(), [&](const auto& entry) {
    return !directory.empty() && entry.first.starts_with(directory);
  });
  const std::size_t sources =
      directory.empty() ? 0 : playbooks.sources().size() - stages::Playbooks().sources().size();
  std::cout << fmt::format(
      "playbooks: ok ({} built in{})\n", playbooks.size() - static_cast<std::size_t>(own),
      directory.empty()
          ? ""
          : fmt::format(", {} more of {}, and {} more known sources", own, directory, sources));
  std::cout.flush();
  if (options.connect) check_connection(config);
  return 0;
}

}  // namespace gyre::pipeline
