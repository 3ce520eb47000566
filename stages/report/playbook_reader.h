// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "schemas/playbook.pb.h"

namespace gyre::stages {

/// Reads one playbook file (schemas/playbook.proto) and checks all that can be checked within it:
/// form, required keys, ATT&CK pairs, placeholders, Falco snippets, and the lint rules. Appends
/// each problem as `file:line:column: what`.
playbook::File read_playbook_file(const std::string& name, const std::string& text,
                                  std::vector<std::string>& problems);

}  // namespace gyre::stages
