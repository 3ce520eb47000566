// SPDX-License-Identifier: Apache-2.0
#include "stages/report/field_scope.h"

#include <algorithm>
#include <array>

namespace gyre::stages {

namespace {

bool is_word_of(std::string_view words, std::string_view word) {
  for (std::size_t at = words.find(word); at != std::string_view::npos;
       at = words.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || words[at - 1] == ' ') && (end == words.size() || words[end] == ' '))
      return true;
  }
  return false;
}

// A field's class, and how the source's name begins that has it.
struct Owner {
  std::string_view prefix;
  std::string_view source;
};
constexpr auto kOwners = std::to_array<Owner>({{"proc.", "syscall"},
                                               {"fd.", "syscall"},
                                               {"fs.", "syscall"},
                                               {"user.", "syscall"},
                                               {"group.", "syscall"},
                                               {"thread.", "syscall"},
                                               {"container.", "syscall"},
                                               {"k8s.", "syscall"},
                                               {"k8smeta.", "syscall"},
                                               {"evt.arg", "syscall"},
                                               {"evt.res", "syscall"},
                                               {"ka.", "k8s_audit"},
                                               {"ct.", "aws_"},
                                               {"s3.", "aws_"},
                                               {"gcp.", "gcp"},
                                               {"okta.", "okta"},
                                               {"github.", "github"}});
constexpr auto kPluginsOnly = std::to_array<std::string_view>({"json.", "jevt.", "evt.plugininfo"});

bool is_of_source(std::string_view source, std::string_view field) {
  const bool calls = source.empty() || source == "syscall";
  for (const std::string_view prefix : kPluginsOnly)
    if (field.starts_with(prefix)) return !calls;
  for (const Owner& owner : kOwners) {
    if (!field.starts_with(owner.prefix)) continue;
    return owner.source == "syscall" ? calls : source.starts_with(owner.source);
  }
  return true;
}

struct Call {
  std::string_view types;
  std::string_view arguments;
  bool descriptor;
};
constexpr auto kCalls = std::to_array<Call>({
    {"execve execveat", "filename exe args flags", false},
    {"open openat openat2 creat", "name flags mode", true},
    {"open_by_handle_at", "path flags", true},
    {"chmod fchmodat", "filename mode", false},
    {"fchmod", "fd mode", true},
    {"mkdir mkdirat", "path mode", false},
    {"rmdir unlink", "path", false},
    {"unlinkat", "name flags", false},
    {"rename renameat renameat2 link linkat", "oldpath newpath flags", false},
    {"symlink symlinkat", "target linkpath", false},
    {"setuid", "uid", false},
    {"setgid", "gid", false},
    {"ptrace", "request pid addr data", false},
    {"unshare", "flags", false},
    {"setns", "fd nstype", true},
    {"bpf", "cmd", false},
    {"mount", "dev dir type flags", false},
    {"init_module finit_module", "fd flags uargs", false},
    {"connect accept accept4 listen sendto sendmsg recvfrom recvmsg", "fd tuple addr", true},
});

constexpr auto kPaths = std::to_array<std::string_view>(
    {"fd.name", "evt.arg.filename", "evt.arg.name", "evt.arg.path", "evt.arg.oldpath",
     "evt.arg.newpath", "evt.arg.linkpath", "evt.arg.target", "evt.arg.fd"});

bool is_of_call(const Facts& facts, std::string_view field) {
  constexpr std::string_view kArgument = "evt.arg.";
  const bool argument = field.starts_with(kArgument);
  const bool descriptor = field.starts_with("fd.");
  if (!argument && !descriptor) return true;
  bool known = false;
  for (const std::string_view type : facts.values("evt.type")) {
    for (const Call& call : kCalls) {
      if (!is_word_of(call.types, type)) continue;
      known = true;
      if (descriptor ? call.descriptor : is_word_of(call.arguments, field.substr(kArgument.size())))
        return true;
    }
  }
  if (known) return false;
  // Which call it was is not said: one path says where, the others are those of other calls.
  const auto is_path = [&](std::string_view name) { return name == field; };
  return std::none_of(kPaths.begin(), kPaths.end(), is_path) ||
         std::none_of(kPaths.begin(), kPaths.end(),
                      [&](std::string_view path) { return facts.has(path); });
}

// Kinds of objects that lie in no namespace.
constexpr std::string_view kOfNoNamespace =
    "namespaces nodes persistentvolumes clusterroles clusterrolebindings storageclasses "
    "customresourcedefinitions apiservices validatingwebhookconfigurations "
    "mutatingwebhookconfigurations certificatesigningrequests priorityclasses";

}  // namespace

bool can_hold(const records::Series& series, const Facts& facts, std::string_view field) {
  // CloudTrail has it only where the request failed.
  if (!is_of_source(series.source(), field) || field == "ct.error") return false;
  const bool of_container = field.starts_with("container.") || field.starts_with("k8s.");
  if (of_container && series.entity().kind() != records::Entity::CONTAINER) return false;
  if (field == "ka.target.namespace" &&
      is_word_of(kOfNoNamespace, facts.single("ka.target.resource")))
    return false;
  // Who attaches names no command.
  if (field == "ka.uri.param[command]" && facts.single("ka.target.subresource") == "attach")
    return false;
  return is_of_call(facts, field);
}

}  // namespace gyre::stages
