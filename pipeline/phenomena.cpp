// SPDX-License-Identifier: Apache-2.0
#include "pipeline/phenomena.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace gyre::pipeline {

namespace {

// Names, priorities and tags are those of the upstream rules, so that what reads real alerts reads
// these.
constexpr std::array kRules = {
    RuleFacts{"Terminal shell in container", "Notice",
              "T1059 container maturity_stable mitre_execution shell"},
    RuleFacts{"Run shell untrusted", "Notice",
              "T1059.004 container host maturity_stable mitre_execution process shell"},
    RuleFacts{"System user interactive", "Informational",
              "NIST_800-53_AC-2 T1059 container host maturity_stable mitre_execution users"},
    RuleFacts{"Read sensitive file untrusted", "Warning",
              "T1555 container filesystem host maturity_stable mitre_credential_access"},
    RuleFacts{"Read sensitive file trusted after startup", "Warning",
              "T1555 container filesystem host maturity_stable mitre_credential_access"},
    RuleFacts{"Directory traversal monitored file read", "Warning",
              "T1555 container filesystem host maturity_stable mitre_credential_access"},
    RuleFacts{"Contact K8S API Server From Container", "Notice",
              "T1565 container k8s maturity_stable mitre_discovery network"},
    RuleFacts{"Netcat Remote Code Execution in Container", "Warning",
              "T1059 container maturity_stable mitre_execution network process"},
    RuleFacts{
        "Search Private Keys or Passwords", "Warning",
        "T1552.001 container filesystem host maturity_stable mitre_credential_access process"},
    RuleFacts{"Clear Log Activities", "Warning",
              "NIST_800-53_AU-10 T1070 container filesystem host maturity_stable "
              "mitre_defense_evasion"},
    RuleFacts{"Remove Bulk Data from Disk", "Warning",
              "T1485 container filesystem host maturity_stable mitre_impact process"},
    RuleFacts{"Create Symlink Over Sensitive Files", "Warning",
              "T1555 container filesystem host maturity_stable mitre_credential_access"},
    RuleFacts{"Create Hardlink Over Sensitive Files", "Warning",
              "T1555 container filesystem host maturity_stable mitre_credential_access"},
    RuleFacts{"Packet socket created in container", "Notice",
              "T1557.002 container maturity_stable mitre_credential_access network"},
    RuleFacts{"Redirect STDOUT/STDIN to Network Connection in Container", "Notice",
              "T1059 container maturity_stable mitre_execution network process"},
    RuleFacts{"Debugfs Launched in Privileged Container", "Warning",
              "T1611 cis container maturity_stable mitre_privilege_escalation process"},
    RuleFacts{"Detect release_agent File Container Escapes", "Critical",
              "T1611 container maturity_stable mitre_privilege_escalation process"},
    RuleFacts{"PTRACE attached to process", "Warning",
              "T1055.008 container host maturity_stable mitre_privilege_escalation process"},
    RuleFacts{"Find AWS Credentials", "Warning",
              "T1552 aws container host maturity_stable mitre_credential_access process"},
    RuleFacts{"Execution from /dev/shm", "Warning",
              "T1059.004 container host maturity_stable mitre_execution"},
    RuleFacts{"Drop and execute new binary in container", "Critical",
              "PCI_DSS_11.5.1 TA0003 container maturity_stable mitre_persistence process"},
    RuleFacts{"Fileless execution via memfd_create", "Critical",
              "T1620 container host maturity_stable mitre_defense_evasion process"},
    RuleFacts{"Modify Shell Configuration File", "Warning",
              "T1546.004 container filesystem host maturity_incubating mitre_persistence"},
    RuleFacts{"Schedule Cron Jobs", "Notice",
              "T1053.003 container filesystem host maturity_incubating mitre_execution"},
    RuleFacts{"DB program spawned process", "Notice",
              "T1190 container database host maturity_incubating mitre_execution process"},
    RuleFacts{"Change thread namespace", "Notice",
              "T1611 container host maturity_incubating mitre_privilege_escalation process"},
    RuleFacts{"Change namespace privileges via unshare", "Notice",
              "T1611 container maturity_incubating mitre_privilege_escalation process"},
    RuleFacts{"Unexpected UDP Traffic", "Notice",
              "TA0011 container host maturity_incubating mitre_exfiltration network"},
    RuleFacts{"User mgmt binaries", "Notice",
              "T1098 host maturity_incubating mitre_persistence software_mgmt users"},
    RuleFacts{"Create files below dev", "Error",
              "T1543 filesystem host maturity_incubating mitre_persistence"},
    RuleFacts{"Contact cloud metadata service from container", "Notice",
              "T1565 container maturity_incubating mitre_discovery network"},
    RuleFacts{"Launch Package Management Process in Container", "Error",
              "T1505 container maturity_incubating mitre_persistence process software_mgmt"},
    RuleFacts{"Delete or rename shell history", "Warning",
              "T1070 container filesystem host maturity_incubating mitre_defense_evasion process"},
    RuleFacts{"Set Setuid or Setgid bit", "Notice",
              "T1548.001 container host maturity_incubating mitre_privilege_escalation process "
              "users"},
    RuleFacts{"Mount Launched in Privileged Container", "Warning",
              "T1611 cis container filesystem maturity_incubating mitre_privilege_escalation"},
    RuleFacts{"Launch Ingress Remote File Copy Tools in Container", "Notice",
              "TA0011 container maturity_incubating mitre_command_and_control network process"},
    RuleFacts{"Write below etc", "Error",
              "T1098 container filesystem host maturity_sandbox mitre_persistence"},
    RuleFacts{"Container Drift Detected (chmod)", "Error",
              "T1059 container filesystem maturity_sandbox mitre_execution process"},
    RuleFacts{"Container Drift Detected (open+create)", "Error",
              "T1059 container filesystem maturity_sandbox mitre_execution process"},
    RuleFacts{"Basic Interactive Reconnaissance", "Notice",
              "TA0043 container host maturity_sandbox mitre_reconnaissance process"},
    RuleFacts{"Web Server Spawned Shell", "Critical",
              "T1505.003 container host maturity_sandbox mitre_execution mitre_persistence "
              "process"},
};

}  // namespace

const RuleFacts& rule_facts(std::string_view rule) {
  const auto* found =
      std::find_if(kRules.begin(), kRules.end(), [&](const auto& r) { return r.name == rule; });
  CHECK(found != kRules.end());
  return *found;
}

}  // namespace gyre::pipeline
