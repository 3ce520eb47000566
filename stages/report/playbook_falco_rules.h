// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gyre::stages {

/// Why Falco would refuse this rules file, or read it as something else than it looks like: the
/// checks of its loader (`userspace/engine/rule_loader_reader.cpp`, `rule_loader_collector.cpp`)
/// and of its JSON Schema that can be made without its rules. Empty: it loads after the file that
/// defines the rules it names.
std::vector<std::string> wrong_in_falco_rules(const std::string& yaml);

/// Would an exception for one value of it blind the rule: everything of a namespace, of a user, of
/// a process name?
bool is_too_wide(std::string_view field);

/// Is its value a list? Falco compares those by `in` and `intersects`, and refuses the rule where
/// another operator stands.
bool is_list_field(std::string_view field);

}  // namespace gyre::stages
