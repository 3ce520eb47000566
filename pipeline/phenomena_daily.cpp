// SPDX-License-Identifier: Apache-2.0
#include "pipeline/phenomena_fields.h"

#include <vector>

namespace gyre::pipeline {

namespace {

using namespace fields;  // NOLINT(google-build-using-namespace): its vocabulary is this file's

std::vector<Phenomenon> network_life() {
  return {
      {"Contact K8S API Server From Container", "A container talked to the cluster's API",
       connection("manager", "/manager", "containerd-shim", "manager --leader-elect",
                  {"10.96.0.1", "443", "tcp"}),
       "cert-manager"},
      {"Run shell untrusted", "A shell was started by a program that is no shell",
       process("sh", "/bin/busybox", "java", "sh -c curl -fsS http://localhost:8080/healthz",
               {kSpawned,
                {"proc.pcmdline", "java -jar /srv/app.jar"},
                {"proc.pexepath", "/usr/bin/java"}}),
       "search"},
      {"Launch Package Management Process in Container", "A package manager ran in a container",
       process("apk", "/sbin/apk", "sh", "apk add --no-cache curl ca-certificates", {kSpawned}),
       "ci-runner"},
      {"Contact K8S API Server From Container", "A container talked to the cluster's API",
       connection("cainjector", "/app/cainjector", "containerd-shim", "cainjector --v=2",
                  {"10.96.0.1", "443", "tcp"}),
       "cert-manager"},
      {"Redirect STDOUT/STDIN to Network Connection in Container",
       "A standard stream became a socket",
       process("probe", "/usr/local/bin/probe", "runc", "probe --tcp 127.0.0.1:6379",
               {{"evt.type", "dup2"},
                {"fd.name", "$a:$p->10.96.14.7:6379"},
                {"fd.sip", "10.96.14.7"},
                {"fd.lport", "6379", true},
                {"fd.rport", "$p", true},
                {"fd.type", "ipv4"},
                {"fd.l4proto", "tcp"}}),
       "sessions"},
      {"Read sensitive file untrusted", "A file with secrets was read by an unexpected program",
       file("backup-agent", "/usr/bin/backup-agent", "tini",
            "backup-agent --once --out /tmp/snap-$d", "/etc/shadow"),
       "orders-db"},
      {"Unexpected UDP Traffic", "A datagram left on an unusual port",
       connection("statsd-relay", "/usr/bin/statsd-relay", "tini",
                  "statsd-relay -c /etc/relay.toml", {"10.40.3.9", "8125", "udp"}),
       "cart"},
      {"Packet socket created in container", "A raw packet socket was opened",
       process(
           "keepalived", "/usr/sbin/keepalived", "tini", "keepalived -n -l",
           {{"evt.type", "socket"}, {"evt.args", "domain=17(AF_PACKET) type=3 proto=2048 fd=7"}}),
       "ingress"},
      {"Clear Log Activities", "A log file was emptied",
       file("logrotate", "/usr/sbin/logrotate", "crond", "logrotate /etc/logrotate.d/app",
            "/var/log/app/access.log.$d", {{"evt.arg.flags", "O_TRUNC|O_CREAT|O_WRONLY"}}),
       "ingress"},
      {"Set Setuid or Setgid bit", "A file got the setuid or setgid bit",
       process("chmod", "/usr/bin/chmod", "sh", "chmod g+s /data/tmp.$r",
               {{"evt.type", "fchmodat"},
                {"evt.arg.mode", "S_ISGID"},
                {"evt.arg.filename", "/data/tmp.$r"}}),
       "billing"},

  };
}

std::vector<Phenomenon> file_life() {
  return {
      {"Change thread namespace", "A program entered another namespace",
       process("calico-node", "/usr/bin/calico-node", "runsv", "calico-node -felix",
               {{"evt.type", "setns"}, {"proc.pcmdline", "runsv felix"}}),
       "node-network"},
      {"Create files below dev", "A file appeared below /dev",
       file("agent", "/opt/agent/bin/agent", "tini", "agent run --lock /dev/agent-$r.lock",
            "/dev/agent-$r.lock"),
       "log-shipper"},
      {"Write below etc", "A file below /etc was opened for writing",
       file("confd", "/usr/local/bin/confd", "tini", "confd -interval 30 -backend env",
            "/etc/nginx/conf.d/.site.conf.$r", {{"proc.pcmdline", "tini -- confd"}}),
       "ingress"},
      {"Container Drift Detected (open+create)", "An executable file was created in a container",
       file("make", "/usr/bin/make", "runner", "make -C /tmp/build-$d all", "/tmp/build-$d/worker",
            {{"evt.arg.filename", "/tmp/build-$d/worker"}, {"evt.arg.mode", "S_IXUSR"}}),
       "ci-runner"},
      {"System user interactive", "An account without a person ran an interactive command",
       process("bash", "/usr/bin/bash", "cron", "bash -c /usr/local/bin/report --batch $d",
               {kSpawned, {"user.name", "www-data"}, {"user.uid", "33", true}}),
       "billing"},
      {"Contact cloud metadata service from container",
       "A container asked the cloud's metadata service",
       connection("fluent-bit", "/fluent-bit/bin/fluent-bit", "tini",
                  "fluent-bit -c /etc/fluent-bit.conf", {"169.254.169.254", "80", "tcp"}),
       "log-shipper"},
      {"DB program spawned process", "A database started another program",
       process("sh", "/usr/bin/dash", "postgres",
               "sh -c pg_basebackup --checkpoint=fast -D /tmp/base-$d", {kSpawned}),
       "orders-db"},
      {"Drop and execute new binary in container", "A binary that is not of the image was executed",
       process("preinst", "/tmp/pkg-$d/preinst", "dpkg", "preinst upgrade 1.4.2",
               {kDropped, {"proc.exe", "/tmp/pkg-$d/preinst"}, {"proc.cwd", "/"}}),
       "ci-runner"},
      {"Launch Package Management Process in Container", "A package manager ran in a container",
       process("apt-get", "/usr/bin/apt-get", "bash",
               "apt-get install -y --no-install-recommends jq", {kSpawned}),
       "ci-runner"},
      {"Change namespace privileges via unshare", "A program asked for namespaces of its own",
       process("buildkitd", "/usr/bin/buildkitd", "tini",
               "buildkitd --oci-worker-snapshotter native",
               {{"evt.type", "unshare"}, {"evt.res", "SUCCESS"}}),
       "ci-runner"},
  };
}

}  // namespace

const std::vector<Phenomenon>& daily_life() {
  static const std::vector<Phenomenon> kList = joined(network_life(), file_life());
  return kList;
}

const std::vector<Phenomenon>& machine_life() {
  static const std::vector<Phenomenon> kList = {
      {"Read sensitive file untrusted", "A file with secrets was read by an unexpected program",
       file("fleet-audit", "/opt/fleet/fleet-audit", "systemd", "fleet-audit scan --run $d",
            "/etc/shadow")},
      {"Read sensitive file untrusted", "A file with secrets was read by an unexpected program",
       file("fleet-audit", "/opt/fleet/fleet-audit", "systemd", "fleet-audit scan --run $d",
            "/etc/pam.d/sshd")},
      {"User mgmt binaries", "An account tool ran outside of maintenance",
       process("usermod", "/usr/sbin/usermod", "ansible-worker", "usermod -aG docker deploy-$d",
               {kSpawned})},
      {"Write below etc", "A file below /etc was opened for writing",
       file("node-tuner", "/usr/sbin/node-tuner", "systemd", "node-tuner apply",
            "/etc/sysctl.d/90-tuner.conf.$r")},
  };
  return kList;
}

const std::vector<Phenomenon>& release_life() {
  static const std::vector<Phenomenon> kList = {
      {"Container Drift Detected (open+create)", "An executable file was created in a container",
       file("checkout", "/srv/checkout", "containerd-shim", "checkout --warm-up",
            "/tmp/plugin-$d/pay.so",
            {{"evt.arg.filename", "/tmp/plugin-$d/pay.so"}, {"evt.arg.mode", "S_IXUSR"}})},
      {"Contact K8S API Server From Container", "A container talked to the cluster's API",
       connection("checkout", "/srv/checkout", "containerd-shim", "checkout --warm-up",
                  {"10.96.0.1", "443", "tcp"})},
  };
  return kList;
}

}  // namespace gyre::pipeline
