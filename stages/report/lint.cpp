// SPDX-License-Identifier: Apache-2.0
#include "stages/report/lint.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <deque>
#include <string>

#include "stages/report/attack.h"

namespace gyre::stages {

namespace {

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

constexpr unsigned kCommands = 1 | 2 | 4;
constexpr unsigned kCode = kCommands | 8;
constexpr unsigned kWords = 16 | 32;
constexpr unsigned kAll = kCode | kWords;

struct Forbidden {
  const char* id;
  unsigned kinds;
  const char* pattern;
  const char* reason;
};

constexpr Forbidden kForbidden[] = {
    {"F1", kAll, R"(\bfalco\b[^|;&\n]* (--strict|--group|--log-level|--rules|-[TtDAbSk])([= ]|$))",
     "is no option of Falco: it ends, and detection with it"},
    {"F3", kCode, R"(append: *true|evt\.dir|%container\.info|always_true|exceptions: *replace)",
     "is deprecated, does not exist, or drops the user's own exceptions"},
    {"F5", kAll, R"((?i)\b(disable|turn off|switch off|silence|stop) (falco|the rule|this rule)\b)",
     "switching off detection is no remedy"},
    {"F5", kAll, R"(falco_privileged_images|trusted_images|json_output: *false)",
     "these lists silence other rules as well"},
    {"F6", kWords,
     R"((?i)\bfalco (can |will |would )?(block|prevent|kill|terminate|deny|denies)(s|ed)?\b)",
     "Falco detects; it prevents nothing"},
    {"F7", kAll, R"(\bEACCESS\b)", "the error is called EACCES"},
    {"W1", kCode,
     R"(--privileged|privileged: *true|seccomp[=:] *"?[Uu]nconfined|type: *"?Unconfined|apparmor[=:]"?unconfined|label[=:]disable|SYS_ADMIN|SYS_MODULE|SYS_PTRACE|cap-add[ =]ALL|allowPrivilegeEscalation: *true|runAsUser: *0\b|host(PID|IPC|Network): *true|--(pid|ipc|net|network|userns)[= ]host)",
     "weakens the isolation of a container"},
    {"W1", kCode, R"(-v +/(:|var/run/docker\.sock|etc|proc)|path: *"?/("|\s|\}|$))",
     "hands the host to a container"},
    {"W2", kAll,
     R"(setenforce +0|aa-disable|aa-teardown|systemctl +(stop|disable|mask) +(falco|auditd|apparmor|firewalld|ufw|nftables|iptables)|ip6?tables +-F|nft +flush|ufw +disable|chattr +-i|pod-security\S*=privileged|auditctl +-e *0)",
     "switches off a protection"},
    {"W3", kAll,
     R"(chmod +(-R\b|0?777)|chown +-R|ch(mod|own) +\S+ +(/dev/shm|/tmp|/etc|/usr|/bin|/)(\s|$)|remount,(rw,)?exec\b)",
     "takes away rights that programs need, or gives them to everybody"},
    {"W4", kAll,
     R"(PodSecurityPolicy|seccomp\.security\.alpha|container\.apparmor\.security\.beta|docker-machine|docker run[^\n]* --link)",
     "was removed"},
    {"D1", kCode,
     R"((sed +-i|tee|>>?)[^|;&]*/etc/(pam\.d|passwd|shadow|group|sudoers|ssh/sshd_config))",
     "edits an authentication file in place: a mistake locks everybody out"},
    {"D2", kCode,
     R"(\brm +-\w*[rf]|-delete\b|-exec +rm|\btruncate\b|\bshred\b|\bmkfs|\bdd +.*of=|wipefs|system +prune|docker +rm\b|delete +(ns|namespace)\b|kubectl[^|]*delete[^|]*--(all|force)|rmi +--prune)",
     "destroys data or evidence"},
    {"D3", kCode, R"(\bkill +-(9|KILL|1)\b|\bpkill\b|\bkillall\b|\breboot\b|\bshutdown\b)",
     "ends processes without keeping what they hold"},
    {"D5", kCode, R"(--vacuum|\blogrotate(\.service)?(\s|$)|history +-c|> *\S*(/var/log|_history))",
     "clears or rotates away logs"},
    {"I1", kCode, R"((curl|wget)\b[^|]*\| *(sudo +)?(ba|da|z)?sh\b|\beval\b|`|\$\()",
     "runs what somebody else wrote, or the output of a command"},
    {"I2", 1, R"(\b(exec|attach|debug)\b|kubectl[^|]* cp )",
     "enters the container, which changes it and raises alerts of its own"},
    {"I3", kCommands,
     R"(<[a-z][a-z _-]*>|\bYOUR[-_ ]|\b(NAMESPACE|PODNAME|CONTAINER_ID|NODE_NAME)\b)",
     "is a form to be filled in by hand; use a placeholder"},
    {"I5", kAll, R"(\bmd5sum\b|\bsha1sum\b|ps +\S+ *\| *grep)",
     "proves nothing: collisions, or the search finding itself"},
    {"I6", kCode, R"(get +secrets?\b[^|]*-o *(yaml|json)|/proc/\S+/environ)", "prints secrets"},
    {"T1", 16,
     R"((?i)\bfalse[ -]positive|\bmalicious\b|\bcompromised?\b|\bconfirmed\b|\bthe attacker\b|\ban attacker\b|\bis safe\b|\bsafely\b|\bharmless\b|\bhacker)",
     "is a verdict; say what the alert shows"},
    {"T1", 32, R"((?i)\bfalse[ -]positive|\bthe attacker\b|\bhacker)",
     "is a verdict; say what to look for"},
    {"T3", kWords, R"((?i)root (of|on) the host (is|was) )",
     "root in a container is not the host's"},
    {"T5", kWords, R"((?i)driver-kit management|error access)", "is no expansion of that name"},
    {"T5", kAll, R"(dkms +status +--quiet|--since[= ]["']?[0-9]+[smhd]\b)",
     "is no form that the program reads"},
    {"T5", kWords, R"((?i)\b(aufs|btrfs|ext4|logrotate)\b[^.]*\bmonitor)", "monitors nothing"},
    {"T8", kAll,
     R"((?i)regularly (review|monitor|audit|update)|by implementing (this|these)|best practices?\b|stay vigilant|robust security|security posture|it is (important|crucial|essential)|ensure that all)",
     "says nothing that can be done"},
    {"T9", kWords, R"((?i)networkpolic\w+ (that )?(denies|blocks|deny|block)\b)",
     "network policies allow; what nothing allows is refused"},
    {"R2", kWords, R"((?i)https?://|www\.)", "no live links in a report; `source` takes them"},
};

// Programs of read-only commands, each with its arguments. What is not listed is not read-only.
constexpr const char* kReadOnlyForms[] = {
    R"(kubectl( -n \S+| --namespace[= ]\S+| -A)*( --dry-run=server)? (get|describe|logs|top|events|explain|version|api-resources|auth can-i|auth whoami|rollout history|rollout status) .*)",
    R"(kubectl label --dry-run=server .*)",
    R"(docker (inspect|top|diff|logs|events|ps|images|history|info|version|port|image inspect|network inspect|volume inspect|stats --no-stream)( .*)?)",
    R"(docker cp \S+:\S+ \./?\S*)",
    R"(crictl (inspect|inspecti|inspectp|ps|pods|logs|images|info)( .*)?)",
    R"(test -f .+|(ps|ls|stat|sha256sum|sha512sum|file|strings|head|tail|wc|cut|sort|uniq|tr|grep|zgrep|findmnt|lsmod|lsof|ss|getent|id|last|lastlog|who|w|diff|cmp|readlink|getfacl|getcap|lsattr|date|uname|cat|modinfo|ausearch|aureport|dpkg-query)( .*)?)",
    R"(find /?\S* .*|nsenter -t \S+ -n ss .*|ip (-br )?(addr|route|link|neigh)( show.*)?|conntrack -L.*|nft list .*|ip6?tables -S.*)",
    R"(journalctl( .*)?|dmesg( --ctime| -T)?|loginctl (list-sessions|session-status|show-session|list-users)( .*)?)",
    R"(systemctl (status|list-timers|list-units|list-unit-files|cat|show|is-active|is-enabled)( .*)?|crontab -l( .*)?|chage -l .*|passwd -S .*|visudo -c|sshd -[tT])",
    R"(dpkg (-S|-V|-l|-L|-s|--verify) .*|debsums -s( .*)?|apt-cache policy .*|rpm -(q|V)\S*( .*)?|apk info .*)",
    R"(bpftool (prog|map|link|net) (show|list)( .*)?|auditctl -[ls]|sysctl( -n)? [a-z0-9_.]+)",
    R"(cosign verify .*|falco (-V|--dry-run|-L|-l|--list|--support|--version)( .*)?)",
    R"(aws \S+ (get|describe|list|lookup|head)-?\S*( .*)?|gcloud .*(describe|list|read|get-iam-policy)( .*)?|az .*(show|list)( .*)?)",
    R"(gh (repo view|run list|run view|api)( .*)?)",
};

std::deque<RE2> compile(const char* const* begin, const char* const* end) {
  std::deque<RE2> all;
  for (; begin != end; ++begin) all.emplace_back(*begin);
  return all;
}

// The commands of a line, without the shell's operators; quotes keep theirs.
std::vector<std::string> simple_commands(std::string_view line) {
  std::vector<std::string> commands(1);
  char open = 0;
  for (const char byte : line) {
    if (open == 0 && (byte == '|' || byte == ';' || byte == '&')) {
      commands.emplace_back();
      continue;
    }
    if (open == 0 && (byte == '\'' || byte == '"')) {
      open = byte;
    } else if (byte == open) {
      open = 0;
    }
    commands.back() += byte;
  }
  std::vector<std::string> found;
  for (std::string& command : commands) {
    const std::size_t first = command.find_first_not_of(' ');
    if (first == std::string::npos) continue;
    command = command.substr(first, command.find_last_not_of(' ') - first + 1);
    if (command.starts_with("sudo ")) command.erase(0, 5);
    found.push_back(std::move(command));
  }
  return found;
}

// Does the shell redirect anything? What stands in quotes is an argument.
bool redirects(std::string_view command) {
  char open = 0;
  for (const char byte : command) {
    if (open == 0 && byte == '>') return true;
    if (open == 0 && (byte == '\'' || byte == '"')) {
      open = byte;
    } else if (byte == open) {
      open = 0;
    }
  }
  return false;
}

// A result may go to a file in the current directory; `2>/dev/null` is no file.
std::string without_redirection(const std::string& command) {
  static const RE2 redirection(R"( *(2>/dev/null|> *[A-Za-z0-9_{}.-]+$))");
  std::string plain = command;
  RE2::GlobalReplace(&plain, redirection, "");
  return plain;
}

void lint_read_only(std::string_view text, std::vector<std::string>& problems) {
  static const std::deque<RE2> forms =
      compile(std::begin(kReadOnlyForms), std::end(kReadOnlyForms));
  static const RE2 writes(
      R"((^|\s)(--output=|-o ?/|-fprint|-fls|-ok|-exec|-X|--method|-f |-F |--field |-w |--rotate|--flush|--sync))");
  for (const std::string& command : simple_commands(text)) {
    const std::string plain = without_redirection(command);
    const bool known = std::any_of(forms.begin(), forms.end(), [&](const RE2& form) {
      return RE2::FullMatch(piece(plain), form);
    });
    const bool api = plain.starts_with("gh api") || plain.starts_with("find ") ||
                     plain.starts_with("journalctl");
    if (!known || redirects(plain) || (api && RE2::PartialMatch(piece(plain), writes))) {
      problems.push_back(fmt::format("I0: `{}` is not known to change nothing", plain));
    }
  }
}

// What somebody else wrote may hold sequences that a terminal obeys.
void lint_terminal(std::string_view text, std::vector<std::string>& problems) {
  static const RE2 prints(
      R"((cat|tail|head) .*[/{].*|grep .*(-\w*r|[{]).*|zgrep .*[{].*|crontab -l.*|(kubectl .*|docker |crictl )logs .*|docker diff .*)");
  static const RE2 to_a_file(R"(> *[A-Za-z0-9_{}.-]+$)");
  const std::vector<std::string> commands = simple_commands(text);
  if (commands.empty() || RE2::PartialMatch(piece(text), to_a_file)) return;
  if (commands.back().starts_with("cat -v")) return;
  for (const std::string& command : commands) {
    if (RE2::FullMatch(piece(command), prints))
      problems.push_back(
          fmt::format("I7: `{}` gives a terminal what others wrote: cat -v", command));
  }
}

void lint_techniques(std::string_view text, std::vector<std::string>& problems) {
  static const RE2 technique(R"(\b(TA?[0-9]{4}(?:\.[0-9]{3})?)\b)");
  re2::StringPiece rest = piece(text);
  std::string id;
  while (RE2::FindAndConsume(&rest, technique, &id)) {
    if (find_technique(id) == nullptr && tactic_name(id).empty())
      problems.push_back(fmt::format("T4: {} is not in the ATT&CK table", id));
  }
}

// ATT&CK's own names say things that we don't: "Compromise Software Supply Chain".
std::string without_technique_names(std::string_view text) {
  static const RE2 technique(R"((T[0-9]{4}(?:\.[0-9]{3})?))");
  std::string plain(text);
  re2::StringPiece rest = piece(text);
  std::string id;
  while (RE2::FindAndConsume(&rest, technique, &id)) {
    const TechniqueEntry* entry = find_technique(id);
    if (entry == nullptr) continue;
    const std::string named = fmt::format("{} {}", id, entry->name);
    if (const auto at = plain.find(named); at != std::string::npos)
      plain.replace(at, named.size(), id);
  }
  return plain;
}

// The numbers that the upstream rules and their advisories name.
void lint_advisories(std::string_view text, std::vector<std::string>& problems) {
  static const RE2 known(
      "CVE-(2019-5736|2021-3156|2021-4034|2021-44228|2022-0492|2023-4911|2024-3094|2024-21626)");
  static const RE2 any(R"((CVE-[0-9]{4}-[0-9]+))");
  re2::StringPiece rest = piece(text);
  std::string id;
  while (RE2::FindAndConsume(&rest, any, &id)) {
    if (!RE2::FullMatch(id, known))
      problems.push_back(fmt::format("T6: {} is not an advisory this project has checked", id));
  }
}

}  // namespace

std::vector<std::string> lint(std::string_view text, LintOf kind) {
  static const std::deque<RE2> patterns = [] {
    std::deque<RE2> all;
    for (const Forbidden& rule : kForbidden) all.emplace_back(rule.pattern);
    return all;
  }();
  const bool words = (static_cast<unsigned>(kind) & kWords) != 0;
  const std::string plain = words ? without_technique_names(text) : std::string(text);
  std::vector<std::string> problems;
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    const Forbidden& rule = kForbidden[i];
    std::string hit;
    if ((rule.kinds & static_cast<unsigned>(kind)) == 0) continue;
    if (!RE2::PartialMatch(plain, patterns[i])) continue;
    RE2::PartialMatch(plain, RE2("(" + patterns[i].pattern() + ")"), &hit);
    problems.push_back(fmt::format("{}: `{}` {}", rule.id, hit, rule.reason));
  }
  if (kind == LintOf::kReadOnly) lint_read_only(text, problems);
  if ((static_cast<unsigned>(kind) & kCommands) != 0) lint_terminal(text, problems);
  if (words) {
    lint_techniques(text, problems);
    lint_advisories(text, problems);
  }
  return problems;
}

bool is_disruptive(std::string_view command) {
  static const RE2 pattern(
      R"(kubectl .*\b(delete|drain|scale|label|annotate|patch|apply|set|rollout restart|rollout undo)\b|docker (stop|kill|pause|network disconnect|restart|update)|crictl stop|\bkill\b|systemctl (stop|kill|restart)|passwd -l|usermod|loginctl terminate|aws \S+ (update|delete|stop|put|detach|revoke)|gcloud .*(disable|delete|remove|stop)|gh api)");
  return RE2::PartialMatch(piece(command), pattern);
}

}  // namespace gyre::stages
