// SPDX-License-Identifier: Apache-2.0
#include "schemas/family.h"

#include <algorithm>
#include <array>

#include "schemas/address.h"
#include "schemas/ascii.h"
#include "schemas/shape_fields.h"

namespace gyre::schemas {

namespace {

enum class Call : std::uint8_t { kExec, kOpen, kChange, kNetwork, kOther, kUnknown };

struct NamedCall {
  std::string_view name;
  Call call;
};

// System calls by their names in Falco (libs: driver/event_table.c); variants (`at`, `2`, `64`)
// are listed, since they share their first letters with others. What is not here is kOther.
constexpr auto kCalls = std::to_array<NamedCall>({
    {"accept", Call::kNetwork},
    {"accept4", Call::kNetwork},
    {"bind", Call::kNetwork},
    {"chmod", Call::kChange},
    {"chown", Call::kChange},
    {"clone", Call::kExec},
    {"clone3", Call::kExec},
    {"connect", Call::kNetwork},
    {"container", Call::kExec},
    {"creat", Call::kChange},
    {"execve", Call::kExec},
    {"execveat", Call::kExec},
    {"fchmod", Call::kChange},
    {"fchmodat", Call::kChange},
    {"fchmodat2", Call::kChange},
    {"fchown", Call::kChange},
    {"fchownat", Call::kChange},
    {"fork", Call::kExec},
    {"ftruncate", Call::kChange},
    {"lchown", Call::kChange},
    {"link", Call::kChange},
    {"linkat", Call::kChange},
    {"listen", Call::kNetwork},
    {"mkdir", Call::kChange},
    {"mkdirat", Call::kChange},
    {"mknod", Call::kChange},
    {"mknodat", Call::kChange},
    {"open", Call::kOpen},
    {"open_by_handle_at", Call::kOpen},
    {"openat", Call::kOpen},
    {"openat2", Call::kOpen},
    {"recvfrom", Call::kNetwork},
    {"recvmmsg", Call::kNetwork},
    {"recvmsg", Call::kNetwork},
    {"rename", Call::kChange},
    {"renameat", Call::kChange},
    {"renameat2", Call::kChange},
    {"rmdir", Call::kChange},
    {"sendmmsg", Call::kNetwork},
    {"sendmsg", Call::kNetwork},
    {"sendto", Call::kNetwork},
    {"socket", Call::kNetwork},
    {"symlink", Call::kChange},
    {"symlinkat", Call::kChange},
    {"truncate", Call::kChange},
    {"unlink", Call::kChange},
    {"unlinkat", Call::kChange},
    {"vfork", Call::kExec},
});

Call call_of(std::string_view type) {
  if (type.empty()) return Call::kUnknown;
  const auto* found = std::lower_bound(
      kCalls.begin(), kCalls.end(), type,
      [](const NamedCall& call, std::string_view name) { return call.name < name; });
  return found != kCalls.end() && found->name == type ? found->call : Call::kOther;
}

struct Stem {
  std::string_view text;
  bool write;
};

// Beginnings of words in the names of rules about files. Rules that are about both (upstream's
// "Privileged Container Device Access") say neither.
constexpr auto kStems = std::to_array<Stem>(
    {{"add", true},     {"append", true},        {"backdoored", false}, {"below", true},
     {"brows", false},  {"chang", true},         {"clear", true},       {"creat", true},
     {"delet", true},   {"disclos", false},      {"drift", true},       {"drop", true},
     {"dump", false},   {"edit", true},          {"encrypt", true},     {"enumerat", false},
     {"exfil", false},  {"harvest", false},      {"hidden", true},      {"implant", true},
     {"inject", true},  {"install", true},       {"leak", false},       {"list", false},
     {"load", false},   {"modif", true},         {"overwr", true},      {"persist", true},
     {"read", false},   {"release_agent", true}, {"remov", true},       {"renam", true},
     {"replac", true},  {"schedul", true},       {"scrap", false},      {"search", false},
     {"setuid", true},  {"steal", false},        {"tamper", true},      {"travers", false},
     {"truncat", true}, {"updat", true},         {"view", false},       {"wipe", true},
     {"writ", true},    {"wrote", true}});

static_assert(std::is_sorted(kStems.begin(), kStems.end(),
                             [](const Stem& a, const Stem& b) { return a.text < b.text; }));

// Where those begin that begin with a letter, and behind `z` the end.
constexpr auto kStemsOf = [] {
  std::array<std::uint8_t, 27> first{};
  for (std::size_t letter = 0; letter < first.size(); ++letter)
    for (const Stem& stem : kStems)
      if (static_cast<std::size_t>(stem.text[0] - 'a') < letter) ++first[letter];
  return first;
}();

struct Said {
  bool write = false;
  bool read = false;
};

Said said_by(std::string_view rule) {
  Said said;
  for (std::size_t at = 0; at < rule.size(); ++at) {
    const char first = lower(rule[at]);
    if (!is_lower(first) || (at > 0 && is_alnum(rule[at - 1]))) continue;
    const auto letter = static_cast<std::size_t>(first - 'a');
    for (std::size_t i = kStemsOf[letter]; i < kStemsOf[letter + 1]; ++i) {
      const std::string_view stem = kStems[i].text;
      const std::string_view word = rule.substr(at, stem.size());
      if (std::equal(stem.begin(), stem.end(), word.begin(), word.end(),
                     [](char a, char b) { return a == lower(b); }))
        (kStems[i].write ? said.write : said.read) = true;
    }
  }
  return said;
}

// "Read file below /etc" says both: all of it goes into the shape.
Family open_of(std::string_view rule) {
  const Said said = said_by(rule);
  if (said.write == said.read) return Family::kFile;
  return said.write ? Family::kWrite : Family::kRead;
}

bool is_socket(const Alert& alert) {
  const auto type = alert.field("fd.type");
  if (type == "ipv4" || type == "ipv6" || type == "unix") return true;
  const auto protocol = alert.field("fd.l4proto");
  if (protocol == "tcp" || protocol == "udp" || protocol == "icmp") return true;
  const auto name = alert.field("fd.name");
  const auto arrow = name.find("->");
  return !name.starts_with('/') &&
         endpoint(arrow == std::string_view::npos ? name : name.substr(arrow + 2)).has_value();
}

}  // namespace

std::string_view to_string(Family family) {
  switch (family) {
    case Family::kExec:
      return "exec";
    case Family::kProcess:
      return "process";
    case Family::kRead:
      return "read";
    case Family::kWrite:
      return "write";
    case Family::kFile:
      return "file";
    case Family::kNetwork:
      return "network";
  }
  return {};
}

Family family_of(const Alert& alert) {
  switch (call_of(alert.field("evt.type"))) {
    case Call::kExec:
      return Family::kExec;
    case Call::kOpen:
      return open_of(alert.rule);
    case Call::kChange:
      return Family::kWrite;
    case Call::kNetwork:
      return Family::kNetwork;
    case Call::kOther:
      // dup, read, write and ioctl work on anything.
      if (is_socket(alert)) return Family::kNetwork;
      return alert.field("fd.name").starts_with('/') ? open_of(alert.rule) : Family::kProcess;
    case Call::kUnknown:
      if (is_socket(alert)) return Family::kNetwork;
      return path_of(alert).starts_with('/') ? open_of(alert.rule) : Family::kExec;
  }
  return Family::kProcess;
}

}  // namespace gyre::schemas
