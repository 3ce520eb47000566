// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "schemas/playbook.pb.h"

namespace gyre::stages {

struct Place {
  std::string key;
  int index = -1;  ///< in a list; -1: the value itself
};
using Path = std::vector<Place>;
using OnProblem = std::function<void(const Path& path, const std::string& what)>;

/// What a playbook must and must not say, beyond its form: required keys, ATT&CK pairs,
/// placeholders, Falco snippets, lint rules.
void check_playbook_file(const playbook::File& file, const OnProblem& problem);

}  // namespace gyre::stages
