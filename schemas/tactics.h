// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

namespace gyre::schemas {

/// The version of MITRE ATT&CK (mitre/cti) whose names are used.
inline constexpr std::string_view kAttackVersion = "18.1";

struct Tactic {
  std::string_view id;
  std::string_view name;
  std::string_view tag;  ///< Falco's
};

/// In the order of the matrix.
inline constexpr std::array<Tactic, 14> kTactics = {{
    {"TA0043", "Reconnaissance", "mitre_reconnaissance"},
    {"TA0042", "Resource Development", "mitre_resource_development"},
    {"TA0001", "Initial Access", "mitre_initial_access"},
    {"TA0002", "Execution", "mitre_execution"},
    {"TA0003", "Persistence", "mitre_persistence"},
    {"TA0004", "Privilege Escalation", "mitre_privilege_escalation"},
    {"TA0005", "Defense Evasion", "mitre_defense_evasion"},
    {"TA0006", "Credential Access", "mitre_credential_access"},
    {"TA0007", "Discovery", "mitre_discovery"},
    {"TA0008", "Lateral Movement", "mitre_lateral_movement"},
    {"TA0009", "Collection", "mitre_collection"},
    {"TA0011", "Command and Control", "mitre_command_and_control"},
    {"TA0010", "Exfiltration", "mitre_exfiltration"},
    {"TA0040", "Impact", "mitre_impact"},
}};

/// Empty for an unknown one.
constexpr Tactic tactic_of(std::string_view id) {
  for (const Tactic& tactic : kTactics)
    if (tactic.id == id) return tactic;
  return {};
}

}  // namespace gyre::schemas
