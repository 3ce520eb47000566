// SPDX-License-Identifier: Apache-2.0
#include "schemas/shape.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>
#include <optional>

#include "base/hash.h"
#include "schemas/identity.h"

namespace gyre::schemas {

namespace {

constexpr std::size_t kShapeBytes = 512;
constexpr std::string_view kGenerator = "falco-event-generator";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_alnum(char c) { return is_digit(c) || is_lower(c) || is_upper(c); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (is_upper(c)) c = static_cast<char>(c - 'A' + 'a');
  return out;
}

template <typename Predicate>
bool all(std::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}
template <typename Predicate>
bool any(std::string_view text, Predicate predicate) {
  return std::any_of(text.begin(), text.end(), predicate);
}

std::size_t run_length(std::string_view text, std::size_t from) {
  std::size_t end = from;
  while (end < text.size() && is_alnum(text[end])) ++end;
  return end - from;
}

// 8-4-4-4-12 hex digits, and nothing alphanumeric after them.
bool is_uuid_at(std::string_view text, std::size_t at) {
  constexpr std::size_t kLength = 36;
  if (text.size() - at < kLength) return false;
  for (std::size_t i = 0; i < kLength; ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[at + i] != '-' : !is_hex(text[at + i])) return false;
  }
  return at + kLength == text.size() || !is_alnum(text[at + kLength]);
}

// Words written togetherLikeThis: capitals, each followed by three or more small letters. A random
// string of six looks so once in two hundred; a class name hidden as random would be two programs
// in one.
bool is_camel_case(std::string_view run) {
  std::size_t small = 3;
  for (const char c : run) {
    if (is_upper(c)) {
      if (small < 3) return false;
      small = 0;
    } else if (is_lower(c)) {
      ++small;
    } else {
      return false;
    }
  }
  // Small letters in front count only if there are three of them too.
  const auto first = std::find_if(run.begin(), run.end(), is_upper) - run.begin();
  return small >= 3 && (first == 0 || first >= 3);
}

bool is_known_word(std::string_view run) {
  static constexpr auto kWords = std::to_array<std::string_view>(
      {"sha224", "sha256", "sha384", "sha512", "base32", "base64", "aarch64", "ppc64le", "riscv64",
       "python2", "python3", "v1alpha1", "v1beta1", "v2beta1", "v2beta2"});
  return std::find(kWords.begin(), kWords.end(), run) != kWords.end();
}

bool looks_random(std::string_view run) {
  if (run.size() < 6 || is_known_word(run)) return false;
  if (any(run, is_digit)) return true;
  return any(run, is_lower) && any(run, is_upper) && !is_camel_case(run);
}

// The last part of a pod's name: five of the characters that Kubernetes draws from.
bool is_pod_suffix(std::string_view run) {
  return run.size() == 5 && all(run, [](char c) {
           return std::string_view("bcdfghjklmnpqrstvwxz2456789").find(c) != std::string_view::npos;
         });
}

class Normaliser {
 public:
  explicit Normaliser(std::string_view text) : text_(text) { out_.reserve(text.size()); }

  std::string take() {
    while (at_ < text_.size()) {
      if (!is_alnum(text_[at_])) {
        out_ += text_[at_++];
      } else if (!generator()) {
        run();
      }
    }
    return std::move(out_);
  }

 private:
  // `falco-event-generator-syscall-<action>-<suffix>` keeps the action and always loses the suffix.
  bool generator() {
    if (!text_.substr(at_).starts_with(kGenerator)) return false;
    std::size_t end = at_ + kGenerator.size();
    const std::size_t number = run_length(text_, end);
    if (number != 0) {  // its older spelling
      if (!all(text_.substr(end, number), is_digit)) return false;
      return replace(end, number);
    }
    for (int part = 0; part < 2; ++part) {
      if (end == text_.size() || text_[end] != '-') return false;
      end += 1 + run_length(text_, end + 1);
    }
    if (!text_.substr(at_ + kGenerator.size()).starts_with("-syscall-")) return false;
    if (end == text_.size() || text_[end] != '-') return replace(end, 0);
    return replace(end + 1, run_length(text_, end + 1));
  }

  // Copies up to `from` and puts `<random>` for the `length` characters there.
  bool replace(std::size_t from, std::size_t length) {
    out_ += text_.substr(at_, from - at_);
    if (length != 0) out_ += "<random>";
    at_ = from + length;
    replaced_to_ = length != 0 ? at_ : std::string_view::npos;
    return true;
  }

  void run() {
    const std::size_t length = run_length(text_, at_);
    const std::string_view run = text_.substr(at_, length);
    if (length == 8 && is_uuid_at(text_, at_)) {
      put("<uuid>", 36);
    } else if (is_suffix() && (looks_random(run) || (after_replaced() && is_pod_suffix(run)))) {
      put("<random>", length);
    } else if (all(run, is_digit)) {
      const bool of_proc = out_.ends_with("/proc/");
      if (length >= 6 || of_proc) return put("<pid>", length);
      copy(length);
    } else if (is_hex_number(run)) {
      put("<hex>", length);
    } else {
      copy(length);
    }
  }

  static bool is_hex_number(std::string_view run) {
    if (run.starts_with("0x") && run.size() >= 8) return all(run.substr(2), is_hex);
    return run.size() >= 8 && any(run, is_digit) && all(run, is_hex);
  }

  // After `name-`, `name.` or `name_`: an option or a hidden file has no name in front of it.
  bool is_suffix() const {
    if (at_ < 2) return false;
    const char separator = text_[at_ - 1];
    return (separator == '-' || separator == '.' || separator == '_') && is_alnum(text_[at_ - 2]);
  }
  bool after_replaced() const { return text_[at_ - 1] == '-' && replaced_to_ == at_ - 1; }

  void put(std::string_view placeholder, std::size_t length) {
    out_ += placeholder;
    at_ += length;
    replaced_to_ = at_;
  }
  void copy(std::size_t length) {
    out_ += text_.substr(at_, length);
    at_ += length;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t replaced_to_ = std::string_view::npos;
  std::string out_;
};

// `family name=value name="a value"`. A value can't end early or look like another one.
class Writer {
 public:
  explicit Writer(std::string_view family) : text_(family) {}

  Writer& add(std::string_view name, std::string_view value) {
    if (value.empty()) return *this;
    text_ += ' ';
    text_ += name;
    text_ += '=';
    const std::string shown = printable(value);
    const bool plain = shown.find_first_of(" \"\\=") == std::string::npos;
    if (!plain) text_ += '"';
    for (const char c : shown) {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += c;
    }
    if (!plain) text_ += '"';
    // Two values that only look alike stay two shapes.
    if (shown.size() != value.size()) text_ += "#" + hash_of(value);
    return *this;
  }

  std::string take() {
    if (text_.size() <= kShapeBytes) return std::move(text_);
    const std::string mark = " #" + hash_of(text_);
    std::size_t size = kShapeBytes - mark.size();
    while ((static_cast<unsigned char>(text_[size]) & 0xC0) == 0x80) --size;
    return text_.substr(0, size) + mark;
  }

 private:
  static std::string hash_of(std::string_view text) {
    thread_local IdHasher hasher;
    return to_hex(view(hasher.add(text).finish()));
  }

  std::string text_;
};

std::string_view first_known(const Alert& alert, std::initializer_list<std::string_view> names) {
  for (const auto name : names)
    if (const auto value = alert.field(name); !value.empty()) return value;
  return {};
}

std::string_view without_memfd_slash(std::string_view text) {
  if (text.starts_with("/memfd:")) text.remove_prefix(1);
  return text;
}

std::string process(const Alert& alert) {
  return normalise(without_memfd_slash(alert.field("proc.name")));
}

// Under a container runtime the parent is whoever happened to be alive.
std::string parent(const Alert& alert) {
  const auto name = alert.field("proc.pname");
  for (const auto* prefix : {"runc", "containerd-shim", "conmon"})
    if (name.starts_with(prefix)) return "<runtime>";
  for (const auto* whole : {"", "<NA>", "crio", "dockerd-shim", "systemd", "init"})
    if (name == whole) return "<runtime>";
  return normalise(without_memfd_slash(name));
}

bool has_word(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return text.find(word) != std::string_view::npos;
  });
}

struct Peer {
  std::string_view address;
  std::string_view port;
};

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 && all(text, is_digit);
}

std::optional<Peer> endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  const Peer peer{text.substr(0, colon), text.substr(colon + 1)};
  const bool address = all(peer.address, [](char c) {
    return is_hex(c) || c == '.' || c == ':' || c == '[' || c == ']';
  });
  if (!address || !is_port(peer.port) || peer.address.find_first_of(".:") == std::string_view::npos)
    return std::nullopt;
  return peer;
}

// The right side of `client->server`, or a lone endpoint.
std::optional<Peer> server_in(std::string_view name) {
  const auto arrow = name.find("->");
  if (arrow == std::string_view::npos) return endpoint(name);
  return endpoint(name.substr(0, arrow)) ? endpoint(name.substr(arrow + 2)) : std::nullopt;
}

int number(std::string_view text) {
  int value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// fd.lport and fd.rport change sides for the clients in containers: the server's is the one below
// the range of ephemeral ports, else the lower.
Peer server_of(const Alert& alert) {
  if (const auto peer = server_in(alert.field("fd.name"))) return *peer;
  const auto server = alert.field("fd.sport");
  if (!server.empty()) return {alert.field("fd.sip"), server};
  const auto local = alert.field("fd.lport");
  const auto remote = alert.field("fd.rport");
  const bool use_local = remote.empty() || (!local.empty() && number(local) < number(remote));
  const auto ip = first_known(alert, {"fd.sip", use_local ? "fd.lip" : "fd.rip"});
  return {ip, use_local ? local : remote};
}

std::string_view address_class(std::string_view address) {
  if (address.empty()) return {};
  if (address.starts_with("::ffff:") && address.find('.') != std::string_view::npos)
    address.remove_prefix(7);
  if (address == "169.254.169.254" || address == "fd00:ec2::254") return "metadata";
  if (address.find(':') != std::string_view::npos) {
    const std::string low = lowered(address);
    if (low == "::1") return "loopback";
    if (low == "::") return "unspecified";
    if (has_word(low.substr(0, 4), {"fe8", "fe9", "fea", "feb"})) return "link_local";
    if (low.starts_with("fc") || low.starts_with("fd")) return "private";
    return low.starts_with("ff") ? "multicast" : "public";
  }
  const int first = number(address);
  const auto dot = address.find('.');
  const int second = dot == std::string_view::npos ? -1 : number(address.substr(dot + 1));
  if (address == "0.0.0.0") return "unspecified";
  if (first == 127) return "loopback";
  if (first == 169 && second == 254) return "link_local";
  if (first == 10 || (first == 172 && second >= 16 && second <= 31) ||
      (first == 192 && second == 168) || (first == 100 && second >= 64 && second <= 127))
    return "private";
  return first >= 224 ? "multicast" : "public";
}

enum class Family { kExec, kRead, kWrite, kNetwork };

Family family_of(const Alert& alert, std::string_view rule) {
  const auto type = alert.field("evt.type");
  if (type.starts_with("exec")) return Family::kExec;
  const auto descriptor = alert.field("fd.type");
  const auto protocol = alert.field("fd.l4proto");
  if (descriptor.starts_with("ipv") || protocol == "tcp" || protocol == "udp" ||
      protocol == "icmp" || server_in(alert.field("fd.name")))
    return Family::kNetwork;
  const bool opens = type.starts_with("open") || type == "creat";
  const bool changes = has_word(type, {"rename", "unlink", "link", "mkdir", "rmdir", "chmod",
                                       "chown", "truncate", "mknod", "write"});
  const bool path =
      alert.field("fd.name").starts_with('/') || !first_known(alert, {"fs.path.name"}).empty();
  if (!opens && !changes && !(path && type.empty())) return Family::kExec;
  const bool says_write =
      has_word(rule, {"writ", "creat", "modif", "drift", "delet", "remov", "clear", "tamper",
                      "rename", "link", "chmod", "mkdir", "setuid", "schedule", "adding", "update",
                      "change", "below"});
  if (changes || says_write) return Family::kWrite;
  return Family::kRead;
}

bool is_dropped_code(std::string_view rule) {
  return (has_word(rule, {"drop"}) && has_word(rule, {"execut"})) ||
         has_word(rule, {"fileless", "memfd"});
}

// Whether a shell is root's is part of its shape; other users' names are evidence.
std::string_view shell_owner(const Alert& alert) {
  static constexpr auto kShells = std::to_array<std::string_view>(
      {"sh", "bash", "dash", "ash", "zsh", "ksh", "csh", "tcsh", "fish", "busybox"});
  const auto name = alert.field("proc.name");
  if (std::find(kShells.begin(), kShells.end(), name) == kShells.end()) return {};
  const auto uid = alert.field("user.uid");
  const auto user = alert.field("user.name");
  if (uid.empty() && user.empty()) return "unknown";
  return uid == "0" || (uid.empty() && user == "root") ? "yes" : "no";
}

std::string system_call_shape(const Alert& alert) {
  const std::string rule = lowered(alert.rule);
  const Family family = family_of(alert, rule);
  if (family == Family::kNetwork) {
    const Peer peer = server_of(alert);
    return Writer("network")
        .add("proc", process(alert))
        .add("cmdline", normalise(alert.field("proc.cmdline")))
        .add("port", peer.port)
        .add("proto", alert.field("fd.l4proto"))
        .add("to", address_class(peer.address))
        .take();
  }
  if (family == Family::kExec) {
    const bool dropped = is_dropped_code(rule);
    return Writer("exec")
        .add("proc", process(alert))
        .add("cmdline", normalise(alert.field("proc.cmdline")))
        .add("exe", dropped ? normalise(without_memfd_slash(alert.field("proc.exepath"))) : "")
        .add("parent", parent(alert))
        .add("root", shell_owner(alert))
        .take();
  }
  const auto path =
      first_known(alert, {"fd.name", "fs.path.name", "evt.arg.linkpath", "evt.arg.newpath",
                          "evt.arg.path", "evt.arg.name", "evt.arg.filename"});
  const auto slash = path.rfind('/');
  const std::string whole = normalise(path);
  const auto cut = whole.rfind('/');
  const std::string directory = slash == std::string_view::npos
                                    ? std::string()
                                    : whole.substr(0, std::max<std::size_t>(cut, 1));
  if (family == Family::kRead) {
    return Writer("read")
        .add("proc", process(alert))
        .add("parent", parent(alert))
        .add("dir", directory)
        .take();
  }
  return Writer("write")
      .add("proc", process(alert))
      .add("dir", directory)
      .add("file", slash == std::string_view::npos ? whole : whole.substr(cut + 1))
      .add("target", normalise(first_known(alert, {"evt.arg.target", "evt.arg.oldpath"})))
      .take();
}

std::string audit_shape(const Alert& alert) {
  std::string resource(alert.field("ka.target.resource"));
  if (const auto sub = alert.field("ka.target.subresource"); !sub.empty())
    resource.append("/").append(sub);
  return Writer("k8s")
      .add("user", normalise(alert.field("ka.user.name")))
      .add("verb", alert.field("ka.verb"))
      .add("resource", resource)
      .add("namespace", normalise(first_known(alert, {"ka.target.namespace", "ka.req.namespace"})))
      .take();
}

std::string cloud_shape(const Alert& alert) {
  auto actor = first_known(alert, {"ct.user", "ct.user.arn", "gcp.user", "okta.actor.alternateid",
                                   "okta.actor.name", "github.user", "keycloak.userId"});
  // assumed-role/<role>/<session>: the session is new every time.
  if (const auto role = actor.find("assumed-role/"); role != std::string_view::npos)
    actor = actor.substr(0, actor.find('/', role + sizeof "assumed-role/" - 1));
  return Writer("cloud")
      .add("actor", normalise(actor))
      .add("action", first_known(alert, {"ct.name", "gcp.methodName", "okta.evt.type",
                                         "github.action", "docker.action", "keycloak.eventType"}))
      .add("object", first_known(alert, {"ct.src", "gcp.serviceName", "gcp.resourceType",
                                         "okta.target.type", "github.type", "docker.type"}))
      .take();
}

}  // namespace

std::string normalise(std::string_view text) { return Normaliser(text).take(); }

std::string shape_of(const Alert& alert) {
  if (is_sensor_health(alert)) return "sensor";
  if (alert.source == "k8s_audit") return audit_shape(alert);
  return alert.source == "syscall" ? system_call_shape(alert) : cloud_shape(alert);
}

}  // namespace gyre::schemas
