// SPDX-License-Identifier: Apache-2.0
#include "schemas/known_fields.h"

#include <algorithm>
#include <cstring>

namespace gyre::schemas {

namespace {

// What the rules of falcosecurity/rules print, and what shippers and deployments append to that.
constexpr auto kNames = std::to_array<std::string_view>({
    "container.duration",
    "container.id",
    "container.image",
    "container.image.digest",
    "container.image.id",
    "container.image.repository",
    "container.image.tag",
    "container.ip",
    "container.mounts",
    "container.name",
    "container.privileged",
    "container.start_ts",
    "container.type",
    "evt.arg.filename",
    "evt.arg.flags",
    "evt.arg.linkpath",
    "evt.arg.mode",
    "evt.arg.name",
    "evt.arg.newpath",
    "evt.arg.oldpath",
    "evt.arg.path",
    "evt.arg.target",
    "evt.args",
    "evt.category",
    "evt.dir",
    "evt.failed",
    "evt.hostname",
    "evt.num",
    "evt.rawres",
    "evt.rawtime",
    "evt.res",
    "evt.source",
    "evt.time",
    "evt.time.iso8601",
    "evt.type",
    "fd.cip",
    "fd.cport",
    "fd.directory",
    "fd.filename",
    "fd.l4proto",
    "fd.lip",
    "fd.lport",
    "fd.name",
    "fd.nameraw",
    "fd.num",
    "fd.rip",
    "fd.rport",
    "fd.sip",
    "fd.sip.name",
    "fd.sport",
    "fd.type",
    "fd.typechar",
    "fs.path.name",
    "fs.path.source",
    "fs.path.target",
    "group.gid",
    "group.name",
    "k8s.deployment.name",
    "k8s.ns.name",
    "k8s.pod.id",
    "k8s.pod.ip",
    "k8s.pod.labels",
    "k8s.pod.name",
    "k8s.pod.uid",
    "k8s.rs.name",
    "k8smeta.deployment.name",
    "k8smeta.ns.name",
    "k8smeta.pod.name",
    "proc.acmdline[2]",
    "proc.acmdline[3]",
    "proc.aexepath[2]",
    "proc.aexepath[3]",
    "proc.aname[2]",
    "proc.aname[3]",
    "proc.aname[4]",
    "proc.aname[5]",
    "proc.aname[6]",
    "proc.aname[7]",
    "proc.args",
    "proc.cmdline",
    "proc.cmdnargs",
    "proc.cwd",
    "proc.duration",
    "proc.env",
    "proc.exe",
    "proc.exe_ino.ctime",
    "proc.exe_ino.ctime_duration_proc_start",
    "proc.exe_ino.mtime",
    "proc.exeline",
    "proc.exepath",
    "proc.is_exe_upper_layer",
    "proc.is_exe_writable",
    "proc.loginshellid",
    "proc.name",
    "proc.pcmdline",
    "proc.pexe",
    "proc.pexepath",
    "proc.pid",
    "proc.pname",
    "proc.ppid",
    "proc.sid",
    "proc.sid.exepath",
    "proc.sname",
    "proc.tty",
    "proc.vpgid",
    "proc.vpgid.name",
    "proc.vpid",
    "thread.cap_effective",
    "thread.cap_inheritable",
    "thread.cap_permitted",
    "thread.tid",
    "thread.vtid",
    "user.homedir",
    "user.loginname",
    "user.loginuid",
    "user.name",
    "user.shell",
    "user.uid",
});
static_assert(kNames.size() < 256);
static_assert(std::is_sorted(kNames.begin(), kNames.end()));

constexpr unsigned kSlotBits = 9;
constexpr std::size_t kSlots = 1U << kSlotBits;
constexpr std::size_t kShortest = 4;
static_assert(kNames.size() * 3 < kSlots);
static_assert(std::all_of(kNames.begin(), kNames.end(),
                          [](std::string_view name) { return name.size() >= kShortest; }));

// Without a call: most names are short, and each of an alert's is compared.
bool are_equal(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  std::size_t left = a.size();
  const auto eight = [](std::string_view text, std::size_t at) {
    std::uint64_t letters = 0;
    std::memcpy(&letters, text.data() + at, sizeof letters);
    return letters;
  };
  if (left < 8) return a == b;
  for (; left > 8; left -= 8)
    if (eight(a, a.size() - left) != eight(b, a.size() - left)) return false;
  return eight(a, a.size() - 8) == eight(b, a.size() - 8);
}

constexpr std::uint64_t four(const char* text) {
  const auto at = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i]));
  };
  return at(0) | at(1) << 8 | at(2) << 16 | at(3) << 24;
}

// Names differ most at their ends.
constexpr std::size_t slot_of(std::string_view name) {
  const char* const end = name.data() + name.size();
  const std::uint64_t letters = four(name.size() < 8 ? name.data() : end - 8) | four(end - 4) << 32;
  return (letters ^ name.size() << 24) * 0x9E3779B97F4A7C15U >> (64 - kSlotBits);
}

constexpr auto kNumbers = [] {
  std::array<FieldNumber, kSlots> numbers{};
  FieldNumber number = 0;
  for (const std::string_view name : kNames) {
    std::size_t slot = slot_of(name);
    while (numbers[slot] != 0) slot = (slot + 1) % kSlots;
    numbers[slot] = ++number;
  }
  return numbers;
}();

}  // namespace

FieldNumber field_number(std::string_view name) {
  if (name.size() < kShortest) return 0;
  for (std::size_t slot = slot_of(name);; slot = (slot + 1) % kSlots) {
    const FieldNumber number = kNumbers[slot];
    if (number == 0 || are_equal(kNames[number - 1U], name)) return number;
  }
}

std::span<const std::string_view> known_fields() { return kNames; }

}  // namespace gyre::schemas
