// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gyre::pipeline {

/// What a Falco rule is called and how it is graded; facts of the rule set of Falco 0.44.
struct RuleFacts {
  std::string_view name;
  std::string_view priority;  ///< as an alert spells it
  std::string_view tags;      ///< separated by blanks
};

/// One output field. Values may hold the placeholders of Fleet: `$r` random letters, `$d` digits,
/// `$p` port, `$a` own address.
struct FieldSpec {
  std::string_view name;
  std::string value;
  bool number = false;
};

/// Something that happens on a machine again and again and makes one rule fire each time.
struct Phenomenon {
  std::string_view rule;
  std::string_view text;           ///< the sentence of `output`, our own
  std::vector<FieldSpec> fields;   ///< beyond the container's, which every alert carries
  std::string_view workload = {};  ///< of daily life: whose habit it is
};

/// Facts of a rule named in the lists below.
const RuleFacts& rule_facts(std::string_view rule);

/// What a healthy fleet's workloads do all day; each with its workload.
const std::vector<Phenomenon>& daily_life();
/// What happens on the machines themselves, outside containers.
const std::vector<Phenomenon>& machine_life();
/// What the new version of a workload does when it starts.
const std::vector<Phenomenon>& release_life();
/// One round of Falco's event-generator, in its order.
const std::vector<Phenomenon>& test_run();
/// An intrusion into one container: access, reconnaissance, execution, persistence, escape, in this
/// order.
const std::vector<Phenomenon>& intrusion();

}  // namespace gyre::pipeline
