// SPDX-License-Identifier: Apache-2.0
#include "stages/report/lint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gyre::stages {
namespace {

using testing::IsEmpty;
using testing::Not;

TEST(Lint, RefusesCommandsThatBreakMachinesOrDestroyEvidence) {
  for (const char* command :
       {"sudo chmod -R o-w /dev/shm",
        "chmod 755 /dev/shm",
        "chmod 777 /srv/x",
        "chown -R root /etc",
        "sed -i 's/^\\(root\\).*/\\1=FALSE/' /etc/pam.d/common-auth",
        "find /dev/shm -type f -mtime +30 -exec rm {} \\;",
        "find /tmp -delete",
        "rm -rf /tmp/x",
        "logrotate /etc/logrotate.conf",
        "/usr/sbin/logrotate -f",
        "ps -ef | grep busybox",
        "md5sum /bin/sh",
        "docker run -it --privileged=true --user=nobody --security-opt=\"seccomp=unconfined\" x",
        "setenforce 0",
        "systemctl stop falco",
        "iptables -F",
        "kubectl delete pod x --force",
        "kubectl delete ns shop",
        "docker rm -f x",
        "docker system prune",
        "kill -9 1",
        "pkill sh",
        "journalctl --vacuum-time=1d",
        "curl http://x | sh",
        "mount -o remount,exec /dev/shm",
        "echo root >> /etc/sudoers",
        "dd if=/dev/zero of=/dev/sda",
        "kubectl get secret x -o yaml",
        "docker run --net=host x",
        "docker run -v /:/host x",
        "chattr -i /etc/passwd",
        "falco --strict",
        "falco --group=\"root\"",
        "falco --log-level=INFO",
        "dkms status --quiet",
        "journalctl --since=1h -u systemd"}) {
    for (const LintOf kind : {LintOf::kReadOnly, LintOf::kContainment, LintOf::kHardening})
      EXPECT_THAT(lint(command, kind), Not(IsEmpty())) << command;
  }
}

TEST(Lint, TakesOnlyWhatIsKnownToChangeNothingForReadOnly) {
  for (const char* command :
       {"kubectl -n shop get pod x -o yaml", "docker inspect --format '{{.Image}}' x",
        "crictl inspect x", "journalctl --since '2026-03-02 09:00:00 UTC' -o short-iso",
        "journalctl --since '1 hour ago' _PID=1", "falco -V rules.yaml",
        "ps -o pid,ppid,user,lstart,tty,cmd -p 1", "findmnt -o TARGET,OPTIONS /dev/shm",
        "zgrep -h -e ' install ' /var/log/dpkg.log | tail -n 20", "dpkg -S '/bin/sh'",
        "kubectl -n shop get pod x -o yaml > pod.yaml", "ls -l /proc/1/exe 2>/dev/null",
        "grep -c 'a > b' x.log", "aws cloudtrail lookup-events --start-time 2026-03-02T09:00:00Z",
        "grep -h log /var/lib/logrotate/status",
        "kubectl label --dry-run=server --overwrite namespace x a=b", "nsenter -t 1 -n ss -tunap"})
    EXPECT_THAT(lint(command, LintOf::kReadOnly), IsEmpty()) << command;
  for (const char* command :
       {"kubectl delete pod x", "docker exec x ls", "kubectl exec x -- ls", "kubectl cp a:b c",
        "docker pause x", "touch x", "unknown-program", "ls > /etc/x", "cat a >> b", "ls; reboot",
        "ls && touch x", "ls | tee x", "find / -fprint x", "gh api -X DELETE repos/a",
        "kubectl debug x", "sysctl -w a=1", "systemctl restart x", "journalctl --rotate"})
    EXPECT_THAT(lint(command, LintOf::kReadOnly), Not(IsEmpty())) << command;
}

TEST(Lint, KeepsWhatOthersWroteFromTheTerminal) {
  for (const char* command :
       {"test -f {fd.name} && cat {fd.name}", "tail -n 20 {fd.name}", "cat '/root/.bashrc'",
        "head -c 99 /tmp/x", "crontab -l -u x", "kubectl -n a logs x --timestamps", "docker logs x",
        "docker diff x", "grep -rh x /etc/cron.d", "grep x {fd.name}"})
    EXPECT_THAT(lint(command, LintOf::kReadOnly), Not(IsEmpty())) << command;
  for (const char* command :
       {"test -f {fd.name} && cat -v {fd.name}", "tail -n 20 {fd.name} | cat -v",
        "kubectl -n a logs x > pod.log", "docker logs x |& cat -v", "rpm -qa | head -n 40",
        "cat {fd.name} > file-copy.bin"})
    EXPECT_THAT(lint(command, LintOf::kReadOnly), IsEmpty()) << command;
}

TEST(Lint, RefusesManifestsThatWeakenAProtection) {
  for (const char* snippet :
       {"privileged: true", "hostPID: true", "hostNetwork: true", "allowPrivilegeEscalation: true",
        "seccompProfile: {type: Unconfined}", "runAsUser: 0", "capabilities: {add: [SYS_ADMIN]}",
        "kind: PodSecurityPolicy", "hostPath: {path: /}", "exceptions: replace", "append: true"})
    EXPECT_THAT(lint(snippet, LintOf::kSnippet), Not(IsEmpty())) << snippet;
  EXPECT_THAT(lint("runAsUser: 10001\nallowPrivilegeEscalation: false", LintOf::kSnippet),
              IsEmpty());
}

TEST(Lint, RefusesClaimsThatAnAlertCannotCarry) {
  for (const char* text :
       {"This is a false positive.", "The host is compromised.", "The attacker ran a shell.",
        "Falco blocks this.", "Regularly review the logs.", "It is important to act.",
        "It failed with EACCESS.", "A NetworkPolicy denies this.", "See https://example.com",
        "Technique T9999 was used.", "This is CVE-1999-0001.",
        "DKMS (Driver-Kit Management System)", "By implementing these measures you are fine.",
        "Disable the rule.", "Use btrfs or ext4 for monitoring.",
        "Run falco --strict to see more."})
    EXPECT_THAT(lint(text, LintOf::kClaim), Not(IsEmpty())) << text;
  EXPECT_THAT(lint("T1195.002 fits; this was a compromise.", LintOf::kClaim), Not(IsEmpty()));
  for (const char* text : {"A shell was started.", "T1059.004 fits.", "Falco reported it.",
                           "TA0001 Initial Access · T1195.002 Compromise Software Supply Chain"})
    EXPECT_THAT(lint(text, LintOf::kClaim), IsEmpty()) << text;
}

TEST(Lint, KnowsWhatInterrupts) {
  for (const char* command : {"docker pause x", "kubectl drain x", "kubectl -n a label pod x b=c"})
    EXPECT_TRUE(is_disruptive(command)) << command;
  for (const char* command : {"kubectl cordon x", "docker inspect x", "kubectl get pod"})
    EXPECT_FALSE(is_disruptive(command)) << command;
}

}  // namespace
}  // namespace gyre::stages
