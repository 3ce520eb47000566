// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/records.pb.h"

// How Falco is told to add fields to its alerts (`append_output` in falco.yaml, Falco 0.39 or
// newer).
namespace gyre::stages {

inline std::string yaml_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  return quoted + "'";
}

/// Worth having in every alert over system calls; any other field is asked for one rule only.
inline bool is_for_every_rule(std::string_view field) {
  constexpr std::array<std::string_view, 14> kFields = {"container.image.repository",
                                                        "container.image.tag",
                                                        "container.image.digest",
                                                        "container.privileged",
                                                        "container.start_ts",
                                                        "k8s.ns.name",
                                                        "k8s.pod.name",
                                                        "proc.pid",
                                                        "proc.ppid",
                                                        "proc.pname",
                                                        "proc.pcmdline",
                                                        "proc.exepath",
                                                        "evt.res",
                                                        "user.uid"};
  return std::find(kFields.begin(), kFields.end(), field) != kFields.end();
}

/// The stanza that brings the fields: one entry for the source, one for the rule.
inline std::string append_output(std::string_view source, std::string_view rule,
                                 const std::vector<std::string>& fields) {
  if (source.empty()) source = "syscall";
  std::vector<std::string> everywhere;
  std::vector<std::string> here;
  for (const std::string& field : fields) {
    const std::string name = field.find('[') == std::string::npos ? field : yaml_quoted(field);
    (is_for_every_rule(field) ? everywhere : here).push_back(name);
  }
  std::string stanza = "append_output:\n";
  if (!everywhere.empty())
    stanza += fmt::format("  - match:\n      source: {}\n    extra_fields: [{}]\n",
                          yaml_quoted(source), fmt::join(everywhere, ", "));
  if (!here.empty())
    stanza += fmt::format("  - match:\n      source: {}\n      rule: {}\n    extra_fields: [{}]\n",
                          yaml_quoted(source), yaml_quoted(rule), fmt::join(here, ", "));
  return stanza;
}

}  // namespace gyre::stages
