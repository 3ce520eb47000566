// SPDX-License-Identifier: Apache-2.0
#include "stages/report/fill.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/hash.h"
#include "schemas/address.h"
#include "schemas/printable.h"
#include "schemas/sighting.h"

namespace gyre::stages {

namespace {

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

// Values of these forms need no quotes. No pattern lets a word begin with `-`.
const std::map<std::string_view, RE2>& bare_patterns() {
  static const std::map<std::string_view, RE2> patterns = [] {
    constexpr const char* kSecond = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z";
    constexpr const char* kLabel = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
    constexpr const char* kName = "[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?";
    constexpr const char* kAddress = "[0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-9a-f:]*:[0-9a-f:]+";
    std::map<std::string_view, RE2> compiled;
    const auto add = [&](std::initializer_list<std::string_view> names, const char* pattern) {
      for (const std::string_view name : names) compiled.try_emplace(name, pattern);
    };
    add({"since", "until"}, kSecond);
    add({"report", "value"}, "[0-9a-f]{8}");
    add({"node"}, "[A-Za-z0-9]([-.A-Za-z0-9]{0,251}[A-Za-z0-9])?");
    add({"container.id"}, "[0-9a-f]{12}|[0-9a-f]{64}");
    add({"container.image.repository"}, "[a-z0-9][a-z0-9._/:-]{0,254}");
    add({"container.image.tag"}, "[A-Za-z0-9_][A-Za-z0-9._-]{0,127}");
    add({"container.image.digest"}, "sha256:[0-9a-f]{64}");
    add({"k8s.ns.name", "ka.target.namespace"}, kLabel);
    add({"k8s.pod.name", "ka.target.pod.name"}, kName);
    add({"ka.target.resource", "ka.target.subresource", "ka.verb"}, "[a-z]{1,63}");
    add({"proc.pid", "proc.ppid", "proc.vpid", "proc.sid", "user.uid", "user.loginuid",
         "group.gid"},
        "[0-9]{1,10}");
    add({"fd.sport", "fd.cport", "fd.lport", "fd.rport"}, "[0-9]{1,5}");
    add({"fd.sip", "fd.cip", "fd.lip", "fd.rip", "ct.srcip"}, kAddress);
    add({"ct.region"}, "[a-z]{2}(-[a-z]+)+-[0-9]{1,2}");
    return compiled;
  }();
  return patterns;
}

// What an alert was told to run, or may hold secrets: shown, never part of a command.
constexpr std::array<std::string_view, 12> kNever = {
    "proc.cmdline",  "proc.args",  "proc.pcmdline", "proc.acmdline", "proc.env",  "evt.args",
    "proc.cmdnargs", "evt.buffer", "proc.sname",    "proc.pvpid",    "proc.aenv", "proc.exeline"};
constexpr std::array<std::string_view, 13> kClasses = {
    "evt.", "proc.", "fd.", "user.", "group.", "container.", "k8s.",
    "ka.",  "ct.",   "s3.", "gcp.",  "okta.",  "github."};
constexpr std::array<std::string_view, 11> kPaths = {
    "fd.name",         "fd.nameraw",      "fd.directory",     "proc.exepath",
    "proc.pexepath",   "proc.cwd",        "evt.arg.filename", "evt.arg.path",
    "evt.arg.oldpath", "evt.arg.newpath", "evt.arg.linkpath"};

constexpr std::array<std::string_view, 3> kSpecial = {"/dev", "/proc", "/sys"};
constexpr std::array<std::string_view, 8> kOpenNothing = {
    "stat ", "ls ", "dpkg ", "rpm ", "readlink ", "getcap ", "getfacl ", "find "};
constexpr std::array<std::string_view, 5> kAddresses = {"fd.sip", "fd.cip", "fd.lip", "fd.rip",
                                                        "ct.srcip"};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool may_be_quoted(std::string_view name, std::string_view value) {
  static const RE2 text("[A-Za-z0-9_.:/@+%=][A-Za-z0-9_.:/@+%= -]*");
  if (value.empty() || value.size() > schemas::kValueBytes || value == "<NA>") return false;
  if (schemas::printable(value) != value || value.find("…") != std::string_view::npos) return false;
  if (is_one_of(kPaths, name)) return value.front() == '/';
  return RE2::FullMatch(piece(value), text);
}

// `/dev/../dev/sda` and `//dev/sda` are `/dev/sda`.
std::string plain_path(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), part.size() + 1));
    if (part == ".." && !parts.empty()) parts.pop_back();
    if (!part.empty() && part != "." && part != "..") parts.push_back(part);
  }
  return fmt::format("/{}", fmt::join(parts, "/"));
}

// Devices and the kernel's own files: to open one may wait for ever, set off something, or read a
// disk from end to end.
bool is_special(std::string_view path) {
  const std::string plain = plain_path(path);
  if (plain.starts_with("/dev/shm/")) return false;
  return std::any_of(kSpecial.begin(), kSpecial.end(), [&](std::string_view place) {
    return plain == place || (plain.starts_with(place) && plain[place.size()] == '/');
  });
}

// Does it look at the name only, and open nothing?
bool opens_nothing(std::string_view command) {
  return std::any_of(kOpenNothing.begin(), kOpenNothing.end(),
                     [&](std::string_view front) { return command.starts_with(front); });
}

// May this host's firewall refuse it? Not what the host needs to be one, nor itself.
bool may_be_refused(std::string_view command, std::string_view peer, const ValuesOf& values_of) {
  if ((peer.find(':') != std::string_view::npos) != command.starts_with("ip6tables")) return false;
  const std::string_view kind = schemas::address_class(peer);
  if ((kind != "public" && kind != "private") || peer.starts_with("255.") || peer.starts_with("0."))
    return false;
  const auto is_value_of = [&](std::string_view field) {
    const auto values = values_of(field);
    return std::find(values.begin(), values.end(), peer) != values.end();
  };
  return !is_value_of("fd.lip") && !(is_value_of("fd.cip") && is_value_of("fd.sip"));
}

// Can it be switched off by this command, and is it the customer's to switch off? Google's own
// service agents hold its services up.
bool is_service_account(std::string_view account) {
  static const RE2 own(
      R"([a-z][-a-z0-9]{0,28}[a-z0-9]@[a-z][-a-z0-9]{0,28}[a-z0-9](\.[-.a-z0-9]+)?\.iam\.gserviceaccount\.com|[0-9]+-compute@developer\.gserviceaccount\.com|[-a-z0-9]+@appspot\.gserviceaccount\.com)");
  static const RE2 agent(R"(service-[0-9]+@.*|[^@]*@gcp-sa-.*)");
  return RE2::FullMatch(piece(account), own) && !RE2::FullMatch(piece(account), agent);
}

// Can a policy be attached to it? Not to the root user, nor to roles that AWS keeps itself.
bool is_iam_name(std::string_view name, std::string_view command) {
  if (name == "root" || name == "Root") return false;
  return command.find("-role-") == std::string_view::npos ||
         (!name.starts_with("AWSReservedSSO_") && !name.starts_with("AWSServiceRoleFor"));
}

// What a value's form does not say: whether this command may have it.
bool may_have(std::string_view command, std::string_view name, std::string_view value,
              const ValuesOf& values_of) {
  if (is_one_of(kPaths, name)) return opens_nothing(command) || !is_special(value);
  if (command.starts_with("gcloud iam service-accounts ") &&
      (name == "gcp.user" || name == "gcp.iam.serviceAccount")) {
    return is_service_account(value);
  }
  if (command.starts_with("aws iam ") && name == "ct.user") return is_iam_name(value, command);
  const bool firewall = command.starts_with("iptables") || command.starts_with("ip6tables");
  return !firewall || !is_one_of(kAddresses, name) || may_be_refused(command, value, values_of);
}

std::string quoted(std::string_view value) {
  std::string word = "'";
  for (const char byte : value) word += byte == '\'' ? std::string("'\\''") : std::string(1, byte);
  return word + "'";
}

// A word in single braces: `{gcp.projectId}`, also one that names no field, so that a slip is
// found. What stands in double braces is Go's, what begins otherwise is JSONPath, YAML or JSON.
std::optional<std::string> next_placeholder(std::string_view& rest) {
  static const RE2 hole(R"(\{([A-Za-z][A-Za-z0-9_.\[\]]*)\})");
  while (true) {
    const std::size_t open = rest.find('{');
    if (open == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(open);
    if (rest.starts_with("{{")) {
      const std::size_t end = rest.find("}}");
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
      continue;
    }
    re2::StringPiece next = piece(rest);
    std::string name;
    if (RE2::Consume(&next, hole, &name)) {
      rest.remove_prefix(rest.size() - next.size());
      return name;
    }
    rest.remove_prefix(1);
  }
}

using Words = std::map<std::string, std::vector<std::string>, std::less<>>;

const std::string& word(const std::vector<std::string>& of_name, std::size_t line) {
  return of_name[std::min(line, of_name.size() - 1)];
}

// Tells the files of one value from those of another, in every revision alike.
std::string of_line(const Words& words, std::size_t line) {
  IdHasher hasher;
  for (const auto& [name, of_name] : words) {
    if (name != "report" && name != "since" && name != "until") hasher.add(word(of_name, line));
  }
  return to_hex(view(hasher.finish())).substr(0, 8);
}

// Is the byte at `at` inside quotes of a shell?
bool in_quotes(std::string_view text, std::size_t at) {
  char open = 0;
  for (std::size_t i = 0; i < at; ++i) {
    if (open == 0 && (text[i] == '\'' || text[i] == '"')) {
      open = text[i];
    } else if (text[i] == open) {
      open = 0;
    }
  }
  return open != 0;
}

}  // namespace

bool is_bare(std::string_view name) { return bare_patterns().contains(name); }

bool is_placeholder(std::string_view name) {
  if (is_bare(name) || name == "since_utc" || name == "until_utc") return true;
  const std::string_view field = name.substr(0, name.find('['));
  if (is_one_of(kNever, field)) return false;
  return std::any_of(kClasses.begin(), kClasses.end(), [&](std::string_view prefix) {
    return name.size() > prefix.size() && name.starts_with(prefix);
  });
}

std::optional<std::string> shell_word(std::string_view name, std::string_view value) {
  if (!is_placeholder(name)) return std::nullopt;
  if (const auto bare = bare_patterns().find(name); bare != bare_patterns().end()) {
    return RE2::FullMatch(piece(value), bare->second) ? std::optional(std::string(value))
                                                      : std::nullopt;
  }
  if (!may_be_quoted(name, value)) return std::nullopt;
  return quoted(value);
}

std::vector<std::string> placeholders(std::string_view text) {
  std::vector<std::string> names;
  while (auto name = next_placeholder(text)) names.push_back(std::move(*name));
  return names;
}

std::vector<std::string> wrong_placeholders(std::string_view text, bool snippet) {
  std::vector<std::string> problems;
  for (const std::string& name : placeholders(text)) {
    const std::string hole = "{" + name + "}";
    if (!is_placeholder(name)) {
      problems.push_back(fmt::format("unknown placeholder `{}`", hole));
    } else if (snippet && !is_bare(name)) {
      problems.push_back(fmt::format("`{}` may hold anything and cannot stand in a snippet", hole));
    } else if (snippet && text.find("\"" + hole + "\"") == std::string_view::npos) {
      problems.push_back(fmt::format("`{}` needs double quotes around it in a snippet", hole));
    } else if (!snippet && !is_bare(name) && in_quotes(text, text.find(hole))) {
      problems.push_back(fmt::format("`{}` brings its own quotes; take away those around", hole));
    }
  }
  return problems;
}

std::vector<std::string> fill(std::string_view text, const ValuesOf& values_of, std::size_t limit) {
  Words words;
  std::size_t lines = 1;
  std::size_t ambiguous = 0;
  for (const std::string& name : placeholders(text)) {
    if (name == "value") continue;
    std::vector<std::string>& of_name = words[name];
    if (!of_name.empty()) continue;
    for (const std::string& value : values_of(name)) {
      if (!may_have(text, name, value, values_of)) continue;
      if (auto word = shell_word(name, value)) of_name.push_back(std::move(*word));
    }
    if (of_name.empty()) return {};
    if (of_name.size() > 1) ++ambiguous;
    lines = std::max(lines, std::min(of_name.size(), limit));
  }
  if (ambiguous > 1) return {};  // nobody knows which of one belongs to which of the other
  std::vector<std::string> filled;
  for (std::size_t i = 0; i < lines; ++i) {
    // One pass: what stands in a value is no placeholder.
    std::string line;
    std::string_view rest = text;
    for (const std::string& name : placeholders(text)) {
      const std::size_t at = rest.find("{" + name + "}");
      line.append(rest.substr(0, at))
          .append(name == "value" ? of_line(words, i) : word(words.find(name)->second, i));
      rest.remove_prefix(at + name.size() + 2);
    }
    filled.push_back(line.append(rest));
  }
  return filled;
}

}  // namespace gyre::stages
