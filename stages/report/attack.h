// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

// MITRE ATT&CK v18.1: the tactics in the order of the matrix, and to which of them a technique
// belongs, for the techniques that Falco's rules name. A tag pair that disagrees with ATT&CK is not
// repeated as if it were right.
namespace gyre::stages {

inline constexpr std::string_view kAttackVersion = "18.1";

struct Tactic {
  std::string_view id;
  std::string_view name;
  std::string_view tag;  ///< Falco's
};

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

struct TechniqueTactics {
  std::string_view technique;
  std::string_view tactics;
};

inline constexpr std::array<TechniqueTactics, 97> kTechniques = {{
    {"T1003.008", "TA0006"},
    {"T1005", "TA0009"},
    {"T1014", "TA0005"},
    {"T1020", "TA0010"},
    {"T1021.004", "TA0008"},
    {"T1033", "TA0007"},
    {"T1036.005", "TA0005"},
    {"T1040", "TA0006 TA0007"},
    {"T1046", "TA0007"},
    {"T1048", "TA0010"},
    {"T1053.003", "TA0002 TA0003 TA0004"},
    {"T1055.008", "TA0004 TA0005"},
    {"T1059", "TA0002"},
    {"T1059.004", "TA0002"},
    {"T1068", "TA0004"},
    {"T1070", "TA0005"},
    {"T1070.002", "TA0005"},
    {"T1070.003", "TA0005"},
    {"T1071", "TA0011"},
    {"T1072", "TA0002 TA0008"},
    {"T1078", "TA0001 TA0003 TA0004 TA0005"},
    {"T1078.001", "TA0001 TA0003 TA0004 TA0005"},
    {"T1078.003", "TA0001 TA0003 TA0004 TA0005"},
    {"T1078.004", "TA0001 TA0003 TA0004 TA0005"},
    {"T1082", "TA0007"},
    {"T1083", "TA0007"},
    {"T1090", "TA0011"},
    {"T1095", "TA0011"},
    {"T1098", "TA0003 TA0004"},
    {"T1098.001", "TA0003 TA0004"},
    {"T1098.003", "TA0003 TA0004"},
    {"T1098.004", "TA0003 TA0004"},
    {"T1098.006", "TA0003 TA0004"},
    {"T1105", "TA0011"},
    {"T1110", "TA0006"},
    {"T1132", "TA0011"},
    {"T1133", "TA0001 TA0003"},
    {"T1136", "TA0003"},
    {"T1136.001", "TA0003"},
    {"T1136.003", "TA0003"},
    {"T1140", "TA0005"},
    {"T1190", "TA0001"},
    {"T1195.001", "TA0001"},
    {"T1195.002", "TA0001"},
    {"T1204", "TA0002"},
    {"T1205.001", "TA0003 TA0005 TA0011"},
    {"T1213.003", "TA0009"},
    {"T1222.002", "TA0005"},
    {"T1485", "TA0040"},
    {"T1489", "TA0040"},
    {"T1490", "TA0040"},
    {"T1496", "TA0040"},
    {"T1496.001", "TA0040"},
    {"T1498", "TA0040"},
    {"T1499", "TA0040"},
    {"T1505", "TA0003"},
    {"T1505.003", "TA0003"},
    {"T1530", "TA0009"},
    {"T1531", "TA0040"},
    {"T1535", "TA0005"},
    {"T1537", "TA0010"},
    {"T1543", "TA0003 TA0004"},
    {"T1546.004", "TA0003 TA0004"},
    {"T1547.006", "TA0003 TA0004"},
    {"T1548.001", "TA0004 TA0005"},
    {"T1548.003", "TA0004 TA0005"},
    {"T1550", "TA0005 TA0008"},
    {"T1552", "TA0006"},
    {"T1552.001", "TA0006"},
    {"T1552.004", "TA0006"},
    {"T1552.005", "TA0006"},
    {"T1552.007", "TA0006"},
    {"T1555", "TA0006"},
    {"T1556", "TA0003 TA0005 TA0006"},
    {"T1556.006", "TA0003 TA0005 TA0006"},
    {"T1557", "TA0006 TA0009"},
    {"T1557.002", "TA0006 TA0009"},
    {"T1562", "TA0005"},
    {"T1562.001", "TA0005"},
    {"T1562.007", "TA0005"},
    {"T1562.008", "TA0005"},
    {"T1564.001", "TA0005"},
    {"T1565", "TA0040"},
    {"T1567", "TA0010"},
    {"T1571", "TA0011"},
    {"T1572", "TA0011"},
    {"T1578", "TA0005"},
    {"T1578.002", "TA0005"},
    {"T1609", "TA0002"},
    {"T1610", "TA0002 TA0005"},
    {"T1611", "TA0004"},
    {"T1613", "TA0007"},
    {"T1619", "TA0007"},
    {"T1620", "TA0005"},
    {"T1621", "TA0006"},
    {"T1622", "TA0005 TA0007"},
    {"T1648", "TA0002"},
}};

inline std::string_view tactic_name(std::string_view id) {
  for (const Tactic& tactic : kTactics) {
    if (tactic.id == id) return tactic.name;
  }
  return {};
}

inline std::string_view tactic_of_tag(std::string_view tag) {
  for (const Tactic& tactic : kTactics) {
    if (tactic.tag == tag) return tactic.id;
  }
  return {};
}

/// Position in the matrix; behind all others when unknown.
inline std::size_t tactic_order(std::string_view id) {
  const auto* found = std::find_if(kTactics.begin(), kTactics.end(),
                                   [&](const Tactic& tactic) { return tactic.id == id; });
  return static_cast<std::size_t>(found - kTactics.begin());
}

/// The tactics of a technique, blank-separated; empty when it is not in the table.
inline std::string_view tactics_of_technique(std::string_view technique) {
  for (const TechniqueTactics& entry : kTechniques) {
    if (entry.technique == technique) return entry.tactics;
  }
  return {};
}

/// `T1059` and `T1059.004`, also at the front of `T1562-impair-defenses`; else empty.
inline std::string_view technique_of_tag(std::string_view tag) {
  const auto digits = [&](std::size_t from, std::size_t count) {
    if (tag.size() < from + count) return false;
    return std::all_of(tag.begin() + static_cast<std::ptrdiff_t>(from),
                       tag.begin() + static_cast<std::ptrdiff_t>(from + count),
                       [](char c) { return c >= '0' && c <= '9'; });
  };
  if (tag.empty() || tag.front() != 'T' || !digits(1, 4)) return {};
  const std::size_t length = tag.size() > 5 && tag[5] == '.' && digits(6, 3) ? 9 : 5;
  const bool ends = tag.size() == length || tag[length] == '-';
  return ends ? tag.substr(0, length) : std::string_view{};
}

}  // namespace gyre::stages
