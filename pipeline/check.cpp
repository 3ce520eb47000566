// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <iostream>

#include "pipeline/commands.h"
#include "stages/report/playbook.h"

namespace gyre::pipeline {

int check(const std::string& config_path) {
  const Config config = load_config(config_path);
  std::cout << fmt::format("{}: ok\n", config_path);
  const auto defaults = config_values(Config{});
  for (const auto& [key, value] : config_values(config))
    if (value != defaults.at(key)) std::cout << fmt::format("  {}: {}\n", key, value);
  std::cout.flush();
  const stages::Playbooks playbooks(config.playbooks);
  std::cout << fmt::format(
      "playbooks: ok ({}{})\n", playbooks.size(),
      config.playbooks.empty() ? ", built in" : ", with those of " + config.playbooks);
  std::cout.flush();
  return 0;
}

}  // namespace gyre::pipeline
