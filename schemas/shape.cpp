// SPDX-License-Identifier: Apache-2.0
#include "schemas/shape.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "base/hash.h"
#include "schemas/address.h"
#include "schemas/ascii.h"
#include "schemas/family.h"
#include "schemas/identity.h"
#include "schemas/normalise.h"
#include "schemas/printable.h"
#include "schemas/request.h"
#include "schemas/shape_fields.h"

namespace gyre::schemas {

namespace {

constexpr std::size_t kShapeBytes = 512;
constexpr std::size_t kCommBytes = 15;  // the kernel cuts a process's name here
constexpr std::string_view kRuntime = "<runtime>";

// `family name=value name="a value"`. A value can't end early or look like another one.
class Writer {
 public:
  explicit Writer(std::string_view family) {
    text_.reserve(256);
    text_ += family;
  }

  /// As it stands; nothing if it is empty.
  Writer& add(std::string_view name, std::string_view value) {
    if (value.empty()) return *this;
    text_ += ' ';
    text_ += name;
    text_ += '=';
    std::uint8_t needs = 0;
    for (const char c : value) needs |= kNeeds[static_cast<unsigned char>(c)];
    if (needs == 0) {
      text_ += value;
      return *this;
    }
    if (needs == kQuotes) {
      quote(value);
      return *this;
    }
    const std::string shown = printable(value);
    const bool altered = shown.size() != value.size();
    if (altered || shown.find_first_of(" \"\\=") != std::string::npos)
      quote(shown);
    else
      text_ += shown;
    // Two values that only look alike stay two shapes; behind the quotes, where no value reaches.
    if (altered) text_ += "#" + hash_of(value);
    return *this;
  }

  Writer& add_normalised(std::string_view name, std::string_view value) {
    if (value.empty()) return *this;
    scratch_.clear();
    normalise_to(value, scratch_);
    return add(name, scratch_);
  }

  std::string take() {
    if (text_.size() <= kShapeBytes) return std::move(text_);
    const std::string mark = " #" + hash_of(text_);
    std::size_t size = kShapeBytes - mark.size();
    while ((static_cast<unsigned char>(text_[size]) & 0xC0) == 0x80) --size;
    return text_.substr(0, size) + mark;
  }

 private:
  enum Need : std::uint8_t { kQuotes = 1, kLook = 2 };
  static constexpr auto kNeeds = [] {
    std::array<std::uint8_t, 256> needs{};
    for (std::size_t c = 0; c < needs.size(); ++c)
      if (c < ' ' || c >= 0x7F) needs[c] = kLook;
    for (const char c : {' ', '"', '\\', '='}) needs[static_cast<unsigned char>(c)] = kQuotes;
    return needs;
  }();

  void quote(std::string_view value) {
    text_ += '"';
    std::size_t copied = 0;
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (value[i] != '"' && value[i] != '\\') continue;
      text_.append(value, copied, i - copied);
      text_ += '\\';
      copied = i;
    }
    text_.append(value, copied);
    text_ += '"';
  }

  static std::string hash_of(std::string_view text) {
    thread_local IdHasher hasher;
    return to_hex(view(hasher.add(text).finish()));
  }

  std::string text_;
  std::string scratch_;
};

std::string_view without_memfd_slash(std::string_view text) {
  if (text.starts_with("/memfd:")) text.remove_prefix(1);
  return text;
}

std::string_view basename_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// The process's name with what is random in it taken out. The path of its program knows more: the
// name is cut, and doesn't say that it lies in a temporary place.
std::string process_of(const Alert& alert) {
  const std::string_view name = without_memfd_slash(alert.field("proc.name"));
  const std::string_view path = alert.field("proc.exepath");
  const std::string_view file = basename_of(path);
  if (!name.empty() && (file == name || (name.size() == kCommBytes && file.starts_with(name)))) {
    const std::string whole = normalise(path);
    const std::string_view known = basename_of(whole);
    if (known != file) return std::string(known);
  }
  return normalise(name);
}

// proc.cmdline is the process's name, a blank, its arguments.
std::string command_line_of(const Alert& alert, std::string_view process) {
  std::string_view line = alert.field("proc.cmdline");
  // Older sensors print the blank even where no arguments follow.
  while (line.ends_with(' ')) line.remove_suffix(1);
  const std::string_view name = alert.field("proc.name");
  if (name.empty() || !line.starts_with(name) ||
      (line.size() > name.size() && line[name.size()] != ' '))
    return normalise(line);
  std::string out(process);
  normalise_to(line.substr(name.size()), out);
  return out;
}

// Under a container runtime the parent is whoever happened to be alive (ruling 9).
std::string parent_of(const Alert& alert) {
  const std::string_view name = alert.field("proc.pname");
  for (const std::string_view prefix : {"runc", "containerd-shim", "conmon"})
    if (name.starts_with(prefix)) return std::string(kRuntime);
  for (const std::string_view whole : {"", "<NA>", "crio", "dockerd-shim", "systemd", "init"})
    if (name == whole) return std::string(kRuntime);
  return normalise(without_memfd_slash(name));
}

bool is_dropped_code(std::string_view rule) {
  const std::string low = lowered(rule);
  const auto says = [&](std::string_view word) { return low.find(word) != std::string::npos; };
  return (says("drop") && says("execut")) || says("fileless") || says("memfd");
}

// Whether a shell is root's is part of its shape; other users' names are evidence.
std::string_view shell_owner(const Alert& alert) {
  static constexpr auto kShells = std::to_array<std::string_view>(
      {"sh", "bash", "dash", "ash", "zsh", "ksh", "csh", "tcsh", "fish", "busybox"});
  if (std::find(kShells.begin(), kShells.end(), alert.field("proc.name")) == kShells.end())
    return {};
  const auto uid = alert.field("user.uid");
  const auto user = alert.field("user.name");
  if (uid.empty() && user.empty()) return "unknown";
  return uid == "0" || (uid.empty() && user == "root") ? "yes" : "no";
}

std::string process_shape(const Alert& alert, Family family) {
  const std::string process = process_of(alert);
  const bool dropped = family == Family::kExec && is_dropped_code(alert.rule);
  return Writer(to_string(family))
      .add("proc", process)
      .add("cmdline", command_line_of(alert, process))
      .add_normalised(
          "exe", dropped ? without_memfd_slash(alert.field("proc.exepath")) : std::string_view())
      .add("parent", parent_of(alert))
      .add("root", shell_owner(alert))
      .take();
}

std::string network_shape(const Alert& alert) {
  const std::string process = process_of(alert);
  const Peer server = server_of(alert);
  const std::string_view name = alert.field("fd.name");
  // A Unix socket: addresses of the kernel, a blank, the path.
  const bool local = alert.field("fd.type") == "unix" && name.find('/') != std::string_view::npos;
  const bool inbound = alert.field("evt.type").starts_with("accept");
  return Writer(to_string(Family::kNetwork))
      .add("proc", process)
      .add("cmdline", command_line_of(alert, process))
      .add("port", server.port)
      .add("proto", alert.field("fd.l4proto"))
      .add("to", address_class(server.address))
      .add("from", inbound ? address_class(client_of(alert).address) : std::string_view())
      .add_normalised("socket", local ? name.substr(name.find('/')) : std::string_view())
      .take();
}

std::string file_shape(const Alert& alert, Family family) {
  const std::string path = normalise(path_of(alert));
  const auto slash = path.rfind('/');
  std::string_view directory;
  std::string_view file = path;
  if (slash != std::string::npos) {
    directory = std::string_view(path).substr(0, std::max<std::size_t>(slash, 1));
    file = std::string_view(path).substr(slash + 1);
  }
  Writer writer(to_string(family));
  writer.add("proc", process_of(alert));
  if (family != Family::kWrite) writer.add("parent", parent_of(alert));
  writer.add("dir", directory);
  if (family == Family::kRead) return writer.take();
  return writer.add("file", file).add_normalised("target", target_of(alert)).take();
}

std::string system_call_shape(const Alert& alert) {
  const Family family = family_of(alert);
  switch (family) {
    case Family::kExec:
    case Family::kProcess:
      return process_shape(alert, family);
    case Family::kNetwork:
      return network_shape(alert);
    case Family::kRead:
    case Family::kWrite:
    case Family::kFile:
      return file_shape(alert, family);
  }
  return {};
}

// Who it is never changes; what a role's session or key is called, does. Anything else in it stays:
// two ids are two actors.
std::string_view without_session(std::string_view actor) {
  constexpr std::string_view kRole = "assumed-role/";
  if (const auto role = actor.find(kRole); role != std::string_view::npos)
    return actor.substr(0, actor.find('/', role + kRole.size()));
  if (actor.starts_with("AROA")) return actor.substr(0, actor.find(':'));  // an AWS principal id
  return actor;
}

// `/apis/group/version/namespaces/prod/pods/web-1/log?follow=1`: what ka.target.* would say.
struct Requested {
  std::string resource;
  std::string_view namespace_name;
};

Requested requested_by(std::string_view uri) {
  uri = uri.substr(0, uri.find('?'));
  std::string_view rest = uri;
  const auto next = [&] {
    if (rest.starts_with('/')) rest.remove_prefix(1);
    const std::string_view part = rest.substr(0, rest.find('/'));
    rest.remove_prefix(part.size());
    return part;
  };
  const std::string_view root = next();
  if (root == "apis") next();
  if (root != "api" && root != "apis") return {normalise(uri), {}};
  next();  // the version
  Requested requested;
  std::string_view resource = next();
  if (resource == "namespaces" && std::count(rest.begin(), rest.end(), '/') > 1) {
    requested.namespace_name = next();
    resource = next();
  }
  if (resource.empty()) return {normalise(uri), {}};
  requested.resource = resource;
  next();  // the object's name
  if (const std::string_view sub = next(); !sub.empty()) requested.resource.append("/").append(sub);
  return requested;
}

std::string audit_shape(const Alert& alert) {
  Requested target{std::string(alert.field("ka.target.resource")),
                   first_known(alert, {"ka.target.namespace", "ka.req.namespace"})};
  if (const auto sub = alert.field("ka.target.subresource"); !sub.empty())
    target.resource.append("/").append(sub);
  if (target.resource.empty()) {
    const std::string_view known = target.namespace_name;
    target = requested_by(alert.field("ka.uri"));
    if (!known.empty()) target.namespace_name = known;
  }
  const std::string_view uri = alert.field("ka.uri");
  std::string command = command_of_uri(uri);
  if (command.empty()) command = alert.field("ka.uri.param[command]");
  return Writer("k8s")
      .add("user", without_session(alert.field("ka.user.name")))
      .add("as", without_session(alert.field("ka.impuser.name")))
      .add("verb", alert.field("ka.verb"))
      .add("resource", target.resource)
      .add_normalised("namespace", target.namespace_name)
      .add_normalised("command", command)
      .add("dry_run", is_dry_run(uri) ? "yes" : "")
      .take();
}

std::string cloud_shape(const Alert& alert) {
  const Act act = act_of(alert);
  return Writer("cloud")
      .add("actor", without_session(act.actor))
      .add_normalised("action", act.action)
      .add_normalised("object", act.object)
      .take();
}

}  // namespace

std::string shape_of(const Alert& alert) {
  if (is_sensor_health(alert)) return "sensor";
  // A plugin may bring system calls under a name of its own; sensors before 0.30 name no source.
  const bool process = !first_known(alert, {"proc.name", "proc.cmdline"}).empty();
  if (alert.source == "k8s_audit" || (!process && !alert.field("ka.user.name").empty()))
    return audit_shape(alert);
  return alert.source == "syscall" || process ? system_call_shape(alert) : cloud_shape(alert);
}

}  // namespace gyre::schemas
