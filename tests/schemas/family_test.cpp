// SPDX-License-Identifier: Apache-2.0
#include "schemas/family.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

namespace gyre::schemas {
namespace {

struct Case {
  const char* rule;
  const char* type;
  const char* path;  // or connection
  Family family;
};

// Every rule of Falco's rules repository (stable, incubating, sandbox, deprecated) with an event
// that its condition accepts.
const std::vector<Case>& upstream() {
  constexpr auto kExec = Family::kExec;
  constexpr auto kProcess = Family::kProcess;
  constexpr auto kRead = Family::kRead;
  constexpr auto kWrite = Family::kWrite;
  constexpr auto kFile = Family::kFile;
  constexpr auto kNetwork = Family::kNetwork;
  constexpr const char* kTo = "10.0.0.5:41234->203.0.113.9:443";
  static const std::vector<Case> all = {
      {"Directory traversal monitored file read", "openat", "/etc/passwd", kRead},
      {"Read sensitive file trusted after startup", "open", "/etc/shadow", kRead},
      {"Read sensitive file untrusted", "openat2", "/etc/shadow", kRead},
      {"Run shell untrusted", "execve", "", kExec},
      {"System user interactive", "execve", "", kExec},
      {"Terminal shell in container", "execve", "", kExec},
      {"Contact K8S API Server From Container", "connect", kTo, kNetwork},
      {"Netcat Remote Code Execution in Container", "execve", "", kExec},
      {"Search Private Keys or Passwords", "execve", "", kExec},
      {"Clear Log Activities", "openat", "/var/log/auth.log", kWrite},
      {"Remove Bulk Data from Disk", "execve", "", kExec},
      {"Create Symlink Over Sensitive Files", "symlinkat", "", kWrite},
      {"Create Hardlink Over Sensitive Files", "linkat", "", kWrite},
      {"Packet socket created in container", "socket", "", kNetwork},
      {"Redirect STDOUT/STDIN to Network Connection in Container", "dup2", kTo, kNetwork},
      {"Linux Kernel Module Injection Detected", "finit_module", "", kProcess},
      {"Debugfs Launched in Privileged Container", "execve", "", kExec},
      {"Detect release_agent File Container Escapes", "openat", "/tmp/cg/release_agent", kWrite},
      {"PTRACE attached to process", "ptrace", "", kProcess},
      {"PTRACE anti-debug attempt", "ptrace", "", kProcess},
      {"Find AWS Credentials", "execve", "", kExec},
      {"Execution from /dev/shm", "execve", "", kExec},
      {"Drop and execute new binary in container", "execveat", "", kExec},
      {"Disallowed SSH Connection Non Standard Port", "connect", kTo, kNetwork},
      {"Fileless execution via memfd_create", "execve", "", kExec},
      {"Modify Shell Configuration File", "openat", "/root/.bashrc", kWrite},
      {"Schedule Cron Jobs", "openat", "/etc/cron.d/x", kWrite},
      {"Schedule Cron Jobs", "execve", "", kExec},
      {"Read ssh information", "openat", "/root/.ssh/id_rsa", kRead},
      {"DB program spawned process", "execve", "", kExec},
      {"Change thread namespace", "setns", "", kProcess},
      {"Change namespace privileges via unshare", "unshare", "", kProcess},
      {"Launch Privileged Container", "container", "", kExec},
      {"Launch Excessively Capable Container", "container", "", kExec},
      {"System procs network activity", "sendto", kTo, kNetwork},
      {"Program run with disallowed http proxy env", "execve", "", kExec},
      {"Unexpected UDP Traffic", "sendmsg", kTo, kNetwork},
      {"Non sudo setuid", "setuid", "", kProcess},
      {"User mgmt binaries", "execve", "", kExec},
      {"Create files below dev", "creat", "/dev/x", kWrite},
      {"Create files below dev", "openat", "/dev/x", kWrite},
      {"Contact EC2 Instance Metadata Service From Container", "connect", kTo, kNetwork},
      {"Contact cloud metadata service from container", "connect", kTo, kNetwork},
      {"Launch Package Management Process in Container", "execve", "", kExec},
      {"Launch Suspicious Network Tool in Container", "execve", "", kExec},
      {"Launch Suspicious Network Tool on Host", "execve", "", kExec},
      {"Delete or rename shell history", "unlinkat", "", kWrite},
      {"Delete or rename shell history", "openat", "/root/.bash_history", kWrite},
      {"Set Setuid or Setgid bit", "fchmodat", "", kWrite},
      {"Launch Remote File Copy Tools in Container", "execve", "", kExec},
      {"Network Connection outside Local Subnet", "accept4", kTo, kNetwork},
      {"Mount Launched in Privileged Container", "execve", "", kExec},
      {"Launch Ingress Remote File Copy Tools in Container", "execve", "", kExec},
      {"Read environment variable from /proc files", "openat", "/proc/7/environ", kRead},
      {"Exfiltrating Artifacts via Kubernetes Control Plane", "openat", "/srv/data", kRead},
      {"Adding ssh keys to authorized_keys", "openat", "/root/.ssh/authorized_keys", kWrite},
      {"Potential Local Privilege Escalation via Environment Variables Misuse", "execve", "",
       kExec},
      {"Backdoored library loaded into SSHD (CVE-2024-3094)", "openat", "/lib/liblzma.so.5.6.1",
       kRead},
      {"BPF Program Not Profiled", "bpf", "", kProcess},
      {"Unexpected inbound connection source", "accept", kTo, kNetwork},
      {"Read Shell Configuration File", "openat", "/root/.bashrc", kRead},
      {"Update Package Repository", "openat", "/etc/apt/sources.list", kWrite},
      {"Update Package Repository", "renameat2", "", kWrite},
      {"Write below binary dir", "openat", "/usr/bin/x", kWrite},
      {"Write below monitored dir", "openat", "/boot/x", kWrite},
      {"Write below etc", "openat", "/etc/x", kWrite},
      {"Write below root", "openat", "/x", kWrite},
      {"Write below rpm database", "openat", "/var/lib/rpm/x", kWrite},
      {"Modify binary dirs", "rename", "", kWrite},
      {"Mkdir binary dirs", "mkdirat", "", kWrite},
      {"Launch Sensitive Mount Container", "container", "", kExec},
      {"Launch Disallowed Container", "container", "", kExec},
      {"Interpreted procs inbound network activity", "accept", kTo, kNetwork},
      {"Interpreted procs outbound network activity", "connect", kTo, kNetwork},
      {"Unexpected K8s NodePort Connection", "recvfrom", kTo, kNetwork},
      {"Create Hidden Files or Directories", "openat", "/tmp/.x", kWrite},
      {"Create Hidden Files or Directories", "mkdir", "", kWrite},
      {"Detect outbound connections to common miner pool ports", "sendto", kTo, kNetwork},
      {"Detect crypto miners using the Stratum protocol", "execve", "", kExec},
      {"Kubernetes Client Tool Launched in Container", "execve", "", kExec},
      {"Container Drift Detected (chmod)", "fchmodat2", "", kWrite},
      {"Container Drift Detected (open+create)", "openat", "/srv/x", kWrite},
      {"Container Run as Root User", "execve", "", kExec},
      {"Sudo Potential Privilege Escalation", "execve", "", kExec},
      {"Unprivileged Delegation of Page Faults Handling to a Userspace Process", "userfaultfd", "",
       kProcess},
      {"Polkit Local Privilege Escalation Vulnerability (CVE-2021-4034)", "execve", "", kExec},
      {"Java Process Class File Download", "recvfrom", kTo, kNetwork},
      {"Modify Container Entrypoint", "openat", "/proc/self/exe", kWrite},
      {"Decoding Payload in Container", "execve", "", kExec},
      {"Basic Interactive Reconnaissance", "execve", "", kExec},
      {"Netcat/Socat Remote Code Execution on Host", "execve", "", kExec},
      {"Network Tool Executed During NPM Package Install", "execve", "", kExec},
      {"Known Cryptominer Process Executed", "execve", "", kExec},
      {"Web Server Spawned Shell", "execve", "", kExec},
      {"Web Server Spawned Suspicious Child Process", "execve", "", kExec},
      {"Reverse Shell from Web Server", "execve", "", kExec},
      // Both accept opens for reading and for writing.
      {"Privileged Container Device Access", "openat", "/dev/sda", kFile},
      {"Container Access to Host Sensitive Paths", "openat", "/host/etc/shadow", kFile},
      {"Disallowed SSH Connection", "connect", kTo, kNetwork},
      {"Unexpected outbound connection destination", "connect", kTo, kNetwork},
      {"Outbound or Inbound Traffic not to Authorized Server Process and Port", "connect", kTo,
       kNetwork},
      {"Outbound Connection to C2 Servers", "connect", kTo, kNetwork},
  };
  return all;
}

Alert alert_of(const Case& is) {
  Alert alert;
  alert.rule = is.rule;
  alert.source = "syscall";
  alert.fields = {{"evt.type", is.type}};
  if (*is.path != '\0') alert.fields.set("fd.name", is.path);
  return alert;
}

TEST(Family, OfEveryUpstreamRule) {
  for (const Case& is : upstream())
    EXPECT_EQ(to_string(family_of(alert_of(is))), to_string(is.family))
        << is.rule << " " << is.type;
}

TEST(Family, NoUpstreamRuleIsMissingHere) {
  std::ifstream rules(std::string(GYRE_SOURCE_DIR) + "/../shared/facts/falco-rules.tsv");
  if (!rules) GTEST_SKIP() << "the list of upstream rules is not here";
  std::set<std::string> known;
  for (const Case& is : upstream()) known.insert(is.rule);
  std::string line;
  std::getline(rules, line);
  std::size_t seen = 0;
  for (; std::getline(rules, line); ++seen)
    EXPECT_TRUE(known.contains(line.substr(0, line.find('\t')))) << line;
  EXPECT_GT(seen, 90U);
}

TEST(Family, OfOtherRulesByTheirWords) {
  const auto family = [](const char* rule, const char* type, const char* path) {
    return to_string(family_of(alert_of({rule, type, path, Family::kExec})));
  };
  EXPECT_EQ(family("Unauthorised WRITE to web root", "openat", "/srv/www/x"), "write");
  EXPECT_EQ(family("Secrets read by batch job", "openat", "/srv/key"), "read");
  EXPECT_EQ(family("Spreadsheet touched", "openat", "/srv/a.ods"), "file");
  EXPECT_EQ(family("Read file below /etc", "openat", "/etc/x"), "file");
  EXPECT_EQ(family("Write binary under /usr/local", "", "/usr/local/bin/x"), "write");
  EXPECT_EQ(family("Anything", "", ""), "exec");
  EXPECT_EQ(family("Anything", "", "10.0.0.1:80"), "network");
  EXPECT_EQ(family("Write with a socket's name", "openat", "/tmp/1.2.3.4:80"), "write");
  EXPECT_EQ(family("Data sent", "write", "10.0.0.5:41234->203.0.113.9:443"), "network");
}

TEST(Family, FlagsAndOutcomeHaveNoSay) {
  Alert alert = alert_of({"Some rule", "openat", "/etc/x", Family::kFile});
  alert.fields.set("evt.arg.flags", "O_WRONLY|O_CREAT");
  alert.fields.set("zz", "x");
  EXPECT_EQ(to_string(family_of(alert)), "file");
}

}  // namespace
}  // namespace gyre::schemas
