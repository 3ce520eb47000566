// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "schemas/tactics.h"

// MITRE ATT&CK v18.1 (mitre/cti): the tactics in the order of the matrix, and to which of them a
// technique belongs, for the techniques that Falco's rules and the playbooks name. A tag pair that
// disagrees with ATT&CK is not repeated as if it were right.
namespace gyre::stages {

using schemas::kAttackVersion;
using schemas::kTactics;
using schemas::Tactic;

struct TechniqueEntry {
  std::string_view id;
  std::string_view name;
  std::string_view tactics;  ///< blank-separated
};

inline constexpr std::array<TechniqueEntry, 122> kTechniques = {{
    {"T1003.008", "/etc/passwd and /etc/shadow", "TA0006"},
    {"T1005", "Data from Local System", "TA0009"},
    {"T1014", "Rootkit", "TA0005"},
    {"T1020", "Automated Exfiltration", "TA0010"},
    {"T1021.004", "SSH", "TA0008"},
    {"T1033", "System Owner/User Discovery", "TA0007"},
    {"T1036", "Masquerading", "TA0005"},
    {"T1036.005", "Match Legitimate Resource Name or Location", "TA0005"},
    {"T1036.010", "Masquerade Account Name", "TA0005"},
    {"T1040", "Network Sniffing", "TA0006 TA0007"},
    {"T1046", "Network Service Discovery", "TA0007"},
    {"T1048", "Exfiltration Over Alternative Protocol", "TA0010"},
    {"T1053", "Scheduled Task/Job", "TA0002 TA0003 TA0004"},
    {"T1053.003", "Cron", "TA0002 TA0003 TA0004"},
    {"T1053.007", "Container Orchestration Job", "TA0002 TA0003 TA0004"},
    {"T1055.008", "Ptrace System Calls", "TA0004 TA0005"},
    {"T1059", "Command and Scripting Interpreter", "TA0002"},
    {"T1059.001", "PowerShell", "TA0002"},
    {"T1059.003", "Windows Command Shell", "TA0002"},
    {"T1059.004", "Unix Shell", "TA0002"},
    {"T1059.005", "Visual Basic", "TA0002"},
    {"T1059.006", "Python", "TA0002"},
    {"T1059.007", "JavaScript", "TA0002"},
    {"T1059.013", "Container CLI/API", "TA0002"},
    {"T1068", "Exploitation for Privilege Escalation", "TA0004"},
    {"T1069", "Permission Groups Discovery", "TA0007"},
    {"T1070", "Indicator Removal", "TA0005"},
    {"T1070.002", "Clear Linux or Mac System Logs", "TA0005"},
    {"T1070.003", "Clear Command History", "TA0005"},
    {"T1071", "Application Layer Protocol", "TA0011"},
    {"T1072", "Software Deployment Tools", "TA0002 TA0008"},
    {"T1078", "Valid Accounts", "TA0001 TA0003 TA0004 TA0005"},
    {"T1078.001", "Default Accounts", "TA0001 TA0003 TA0004 TA0005"},
    {"T1078.003", "Local Accounts", "TA0001 TA0003 TA0004 TA0005"},
    {"T1078.004", "Cloud Accounts", "TA0001 TA0003 TA0004 TA0005"},
    {"T1082", "System Information Discovery", "TA0007"},
    {"T1083", "File and Directory Discovery", "TA0007"},
    {"T1090", "Proxy", "TA0011"},
    {"T1095", "Non-Application Layer Protocol", "TA0011"},
    {"T1098", "Account Manipulation", "TA0003 TA0004"},
    {"T1098.001", "Additional Cloud Credentials", "TA0003 TA0004"},
    {"T1098.003", "Additional Cloud Roles", "TA0003 TA0004"},
    {"T1098.004", "SSH Authorized Keys", "TA0003 TA0004"},
    {"T1098.006", "Additional Container Cluster Roles", "TA0003 TA0004"},
    {"T1105", "Ingress Tool Transfer", "TA0011"},
    {"T1110", "Brute Force", "TA0006"},
    {"T1110.001", "Password Guessing", "TA0006"},
    {"T1110.003", "Password Spraying", "TA0006"},
    {"T1110.004", "Credential Stuffing", "TA0006"},
    {"T1132", "Data Encoding", "TA0011"},
    {"T1133", "External Remote Services", "TA0001 TA0003"},
    {"T1136", "Create Account", "TA0003"},
    {"T1136.001", "Local Account", "TA0003"},
    {"T1136.003", "Cloud Account", "TA0003"},
    {"T1140", "Deobfuscate/Decode Files or Information", "TA0005"},
    {"T1190", "Exploit Public-Facing Application", "TA0001"},
    {"T1195.001", "Compromise Software Dependencies and Development Tools", "TA0001"},
    {"T1195.002", "Compromise Software Supply Chain", "TA0001"},
    {"T1204", "User Execution", "TA0002"},
    {"T1204.003", "Malicious Image", "TA0002"},
    {"T1205.001", "Port Knocking", "TA0003 TA0005 TA0011"},
    {"T1210", "Exploitation of Remote Services", "TA0008"},
    {"T1212", "Exploitation for Credential Access", "TA0006"},
    {"T1213.003", "Code Repositories", "TA0009"},
    {"T1222.002", "Linux and Mac File and Directory Permissions Modification", "TA0005"},
    {"T1485", "Data Destruction", "TA0040"},
    {"T1489", "Service Stop", "TA0040"},
    {"T1490", "Inhibit System Recovery", "TA0040"},
    {"T1496", "Resource Hijacking", "TA0040"},
    {"T1496.001", "Compute Hijacking", "TA0040"},
    {"T1496.002", "Bandwidth Hijacking", "TA0040"},
    {"T1498", "Network Denial of Service", "TA0040"},
    {"T1499", "Endpoint Denial of Service", "TA0040"},
    {"T1505", "Server Software Component", "TA0003"},
    {"T1505.003", "Web Shell", "TA0003"},
    {"T1525", "Implant Internal Image", "TA0003"},
    {"T1528", "Steal Application Access Token", "TA0006"},
    {"T1530", "Data from Cloud Storage", "TA0009"},
    {"T1531", "Account Access Removal", "TA0040"},
    {"T1535", "Unused/Unsupported Cloud Regions", "TA0005"},
    {"T1537", "Transfer Data to Cloud Account", "TA0010"},
    {"T1543", "Create or Modify System Process", "TA0003 TA0004"},
    {"T1543.005", "Container Service", "TA0003 TA0004"},
    {"T1546.004", "Unix Shell Configuration Modification", "TA0003 TA0004"},
    {"T1547.006", "Kernel Modules and Extensions", "TA0003 TA0004"},
    {"T1548.001", "Setuid and Setgid", "TA0004 TA0005"},
    {"T1548.003", "Sudo and Sudo Caching", "TA0004 TA0005"},
    {"T1550", "Use Alternate Authentication Material", "TA0005 TA0008"},
    {"T1550.001", "Application Access Token", "TA0005 TA0008"},
    {"T1552", "Unsecured Credentials", "TA0006"},
    {"T1552.001", "Credentials In Files", "TA0006"},
    {"T1552.004", "Private Keys", "TA0006"},
    {"T1552.005", "Cloud Instance Metadata API", "TA0006"},
    {"T1552.007", "Container API", "TA0006"},
    {"T1555", "Credentials from Password Stores", "TA0006"},
    {"T1556", "Modify Authentication Process", "TA0003 TA0005 TA0006"},
    {"T1556.006", "Multi-Factor Authentication", "TA0003 TA0005 TA0006"},
    {"T1557", "Adversary-in-the-Middle", "TA0006 TA0009"},
    {"T1557.002", "ARP Cache Poisoning", "TA0006 TA0009"},
    {"T1562", "Impair Defenses", "TA0005"},
    {"T1562.001", "Disable or Modify Tools", "TA0005"},
    {"T1562.007", "Disable or Modify Cloud Firewall", "TA0005"},
    {"T1562.008", "Disable or Modify Cloud Logs", "TA0005"},
    {"T1564.001", "Hidden Files and Directories", "TA0005"},
    {"T1565", "Data Manipulation", "TA0040"},
    {"T1567", "Exfiltration Over Web Service", "TA0010"},
    {"T1571", "Non-Standard Port", "TA0011"},
    {"T1572", "Protocol Tunneling", "TA0011"},
    {"T1574.006", "Dynamic Linker Hijacking", "TA0003 TA0004 TA0005"},
    {"T1578", "Modify Cloud Compute Infrastructure", "TA0005"},
    {"T1578.002", "Create Cloud Instance", "TA0005"},
    {"T1595", "Active Scanning", "TA0043"},
    {"T1609", "Container Administration Command", "TA0002"},
    {"T1610", "Deploy Container", "TA0002 TA0005"},
    {"T1611", "Escape to Host", "TA0004"},
    {"T1612", "Build Image on Host", "TA0005"},
    {"T1613", "Container and Resource Discovery", "TA0007"},
    {"T1619", "Cloud Storage Object Discovery", "TA0007"},
    {"T1620", "Reflective Code Loading", "TA0005"},
    {"T1621", "Multi-Factor Authentication Request Generation", "TA0006"},
    {"T1622", "Debugger Evasion", "TA0005 TA0007"},
    {"T1648", "Serverless Execution", "TA0002"},
}};

inline std::string_view tactic_name(std::string_view id) {
  for (const Tactic& tactic : kTactics) {
    if (tactic.id == id) return tactic.name;
  }
  return {};
}

/// The tactic of `mitre_execution` or `TA0002-execution`; else empty.
inline std::string_view tactic_of_tag(std::string_view tag) {
  for (const Tactic& tactic : kTactics) {
    if (tactic.tag == tag || tag.starts_with(tactic.id)) return tactic.id;
  }
  return {};
}

/// Position in the matrix; behind all others when unknown.
inline std::size_t tactic_order(std::string_view id) {
  const auto* found = std::find_if(kTactics.begin(), kTactics.end(),
                                   [&](const Tactic& tactic) { return tactic.id == id; });
  return static_cast<std::size_t>(found - kTactics.begin());
}

inline const TechniqueEntry* find_technique(std::string_view id) {
  const auto* found = std::find_if(kTechniques.begin(), kTechniques.end(),
                                   [&](const TechniqueEntry& entry) { return entry.id == id; });
  return found == kTechniques.end() ? nullptr : found;
}

/// The tactics of a technique, blank-separated; empty when it is not in the table.
inline std::string_view tactics_of_technique(std::string_view technique) {
  const TechniqueEntry* entry = find_technique(technique);
  return entry == nullptr ? std::string_view{} : entry->tactics;
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
