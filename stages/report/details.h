// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/printable.h"
#include "schemas/utf8.h"
#include "stages/report/facts.h"
#include "stages/report/markdown.h"

// What fields and results mean in plain words: no more than they show.
namespace gyre::stages {

struct Named {
  std::string_view name;
  std::string_view meaning;
};

inline constexpr std::array<Named, 17> kErrors = {{
    {"SUCCESS", "the call came back without an error"},
    {"EACCES",
     "permission denied: a missing right, a file system mounted noexec, or a security module"},
    {"EPERM", "not permitted: a missing capability, or a system-call filter"},
    {"EROFS", "the file system is read-only"},
    {"ENOENT", "not found; nobody refused it"},
    {"ENOTDIR", "a part of the path is no directory; nobody refused it"},
    {"ENOEXEC", "no format that can be run; nobody refused it"},
    {"ELOOP", "too many symbolic links; nobody refused it"},
    {"ENAMETOOLONG", "the path is too long; nobody refused it"},
    {"ETXTBSY", "the file was open for writing at that moment"},
    {"ECONNREFUSED", "the other side did not accept; no connection"},
    {"ETIMEDOUT", "nobody answered; no connection"},
    {"EHOSTUNREACH", "no way to the other side; no connection"},
    {"ENETUNREACH", "no way to the other side's network; no connection"},
    {"EINPROGRESS", "begun, its end is not known"},
    {"EAGAIN", "to be tried again; says nothing"},
    {"EINTR", "interrupted; says nothing"},
}};

inline std::string_view meaning_of_result(std::string_view result) {
  for (const Named& entry : kErrors) {
    if (entry.name == result) return entry.meaning;
  }
  return result.starts_with('E') ? "the call failed" : "";
}

inline constexpr std::array<Named, 28> kEventFields = {{
    {"evt.type", "the system call, or the plugin's event"},
    {"evt.res", "its result"},
    {"evt.arg.flags", "flags of the call; for a failed start they describe the caller's program"},
    {"evt.arg.filename", "the path that was asked for"},
    {"fd.name", "the file, or the two ends of the connection"},
    {"fd.sip", "address of the serving side"},
    {"fd.sport", "port of the serving side"},
    {"fd.cip", "address of the asking side"},
    {"fd.rip", "address of the far side"},
    {"fd.rport", "port of the far side"},
    {"ka.verb", "what was asked of the Kubernetes API"},
    {"ka.uri", "the request's path"},
    {"ka.uri.param[command]",
     "first word of the command that the session was opened with; ka.uri has all of it"},
    {"ka.response.code", "the API's answer"},
    {"ka.sourceips",
     "where the request came from: the last address as the API server saw it, those before it as "
     "the client or a proxy told it"},
    {"ct.name", "what was asked of AWS"},
    {"ct.error", "why AWS refused it"},
    {"ct.srcip", "the address that the request came from, or the AWS service"},
    {"ct.region", "region of the request"},
    {"gcp.methodName", "what was asked of Google Cloud"},
    {"gcp.callerIP", "the address that the request came from, as Google saw it"},
    {"okta.evt.type", "what happened, as Okta names it"},
    {"okta.result", "Okta's answer"},
    {"okta.reason", "Okta's reason for it"},
    {"okta.client.ip", "the address that the request came from, as Okta saw it"},
    {"github.action", "what happened, as GitHub names it"},
    {"github.type", "kind of GitHub's event"},
    {"github.webhook.type", "of whom GitHub's webhook told it"},
}};
inline constexpr std::array<Named, 9> kProcessFields = {{
    {"proc.name", "name of the process; the process can choose it"},
    {"proc.exepath", "the program that ran; for a failed start the one that asked"},
    {"proc.exe", "the program's name as its caller wrote it; freely chosen"},
    {"proc.cmdline", "command line; freely chosen by whoever started it"},
    {"proc.pname", "name of the parent process"},
    {"proc.pcmdline", "command line of the parent"},
    {"proc.aname[2]", "name of the parent's parent"},
    {"proc.cwd", "working directory"},
    {"proc.tty", "terminal; 0 is none, anything else hints at a person"},
}};
inline constexpr std::array<Named, 14> kUserFields = {{
    {"user.name", "user the process ran as, by the container's own table where it has one"},
    {"user.uid", "its number; 0 in a container is not by itself root of the host"},
    {"user.loginuid",
     "who logged in to the host; -1: no login session, which excludes neither people nor "
     "automation"},
    {"user.loginname", "name of who logged in to the host"},
    {"group.name", "group the process ran as"},
    {"group.gid", "its number"},
    {"ka.user.name", "who asked the Kubernetes API"},
    {"ka.impuser.name", "as whom it was asked: with the rights of that user"},
    {"ct.user", "who asked AWS"},
    {"ct.user.arn", "the full name of who asked AWS"},
    {"ct.user.identitytype", "what kind of account asked: Root, IAMUser, AssumedRole"},
    {"gcp.user", "who asked Google Cloud"},
    {"okta.actor.name", "who did it"},
    {"github.user", "who did it"},
}};
inline constexpr std::array<Named, 18> kObjectFields = {{
    {"container.id", "whether it happened in a container, and in which"},
    {"container.name", "the container's name in its runtime"},
    {"container.image.repository", "image, without tag"},
    {"container.image.tag", "tag; it can be moved to another image"},
    {"container.image.digest", "identifies the image's content"},
    {"container.privileged", "true: all capabilities and the host's devices"},
    {"k8s.ns.name", "namespace"},
    {"k8s.pod.name", "pod"},
    {"ka.target.resource", "kind of the object"},
    {"ka.target.subresource", "what of the object was asked for: exec is a session in a pod"},
    {"ka.target.name", "name of the object"},
    {"ka.target.namespace", "its namespace"},
    {"ct.request.name", "what it was asked of"},
    {"s3.bucket", "bucket"},
    {"gcp.resourceName", "resource"},
    {"okta.target.user.name", "whom it was done to"},
    {"github.repo.name", "repository"},
    {"github.org", "organisation"},
}};

struct Detail {
  std::string field;
  std::vector<std::string> values;  ///< some of them
  std::string count = {};           ///< of all, where there are several: `2 values`
  std::string meaning;
  std::string look_for = {};  ///< what of it decides, by the playbook

  /// Of several alerts, and nobody knows which value of one field came with which of another.
  bool differs() const { return !count.empty(); }
};

/// What a well-known field says; empty for others.
inline std::string_view meaning_of_field(std::string_view field) {
  const auto find = [&](const auto& fields) -> std::string_view {
    for (const Named& entry : fields)
      if (entry.name == field) return entry.meaning;
    return {};
  };
  for (const std::string_view meaning :
       {find(kEventFields), find(kProcessFields), find(kUserFields), find(kObjectFields)}) {
    if (!meaning.empty()) return meaning;
  }
  return {};
}

/// At most `bytes`, cut at a character, the cut marked.
inline std::string clip(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return std::string(text);
  std::size_t end = bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return std::string(text.substr(0, end)) + "…";
}

/// One line of at most `bytes`, what nobody would see in it visible, its middle left out if it is
/// longer: what follows a padding is not hidden by it.
inline std::string shown(std::string_view text, std::size_t bytes) {
  return schemas::shortened_utf8(schemas::visible(text), bytes);
}

/// Up to three values in one text; all of them stand under evidence.
inline std::string join_values(const std::vector<std::string_view>& values, std::size_t bytes) {
  constexpr std::size_t kShown = 3;
  std::string joined;
  for (std::size_t i = 0; i < values.size() && i < kShown; ++i) {
    if (i > 0) joined += " · ";
    joined += shown(values[i], bytes);
  }
  if (values.size() > kShown) joined += " (+" + std::to_string(values.size() - kShown) + " more)";
  return joined;
}

inline Detail detail_of(const Facts& facts, std::string_view field, std::size_t bytes,
                        std::string meaning) {
  constexpr std::size_t kShown = 3;
  const auto values = facts.values(field);
  Detail detail{.field = std::string(field), .values = {}, .meaning = std::move(meaning)};
  for (std::size_t i = 0; i < std::min(values.size(), kShown); ++i)
    detail.values.push_back(shown(values[i], bytes));
  if (values.size() > 1)
    detail.count =
        std::to_string(values.size()) + (facts.capped(field) ? " or more" : "") + " values";
  return detail;
}

/// `2 values: alice · zoe`
inline std::string value_text(const Detail& detail) {
  std::string text;
  for (const std::string& value : detail.values) text += (text.empty() ? "" : " · ") + value;
  return detail.differs() ? detail.count + ": " + text : text;
}

template <std::size_t N>
std::vector<Detail> details_of(const Facts& facts, const std::array<Named, N>& fields,
                               std::size_t bytes) {
  std::vector<Detail> details;
  for (const Named& entry : fields) {
    const auto values = facts.values(entry.name);
    if (values.empty()) continue;
    std::string meaning(entry.meaning);
    if (entry.name == "evt.res" && values.size() == 1) {
      meaning += ": " + std::string(meaning_of_result(values.front()));
    }
    details.push_back(detail_of(facts, entry.name, bytes, std::move(meaning)));
  }
  return details;
}

}  // namespace gyre::stages
