// SPDX-License-Identifier: Apache-2.0
#include "schemas/envelope/prefix.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "base/check.h"
#include "schemas/alert_values.h"
#include "schemas/json_text.h"

namespace gyre::schemas::envelope {

namespace {

// Longer than any head with its structured data, short enough that a text without one costs little.
constexpr std::size_t kPrefixBytes = 2048;

// In the patterns: T a time of RFC 3339, H a host, G a program with or without its pid.
struct Form {
  std::string_view name;
  std::string_view pattern;
  std::string_view example;
  bool logstash = false;
};
constexpr std::array kForms = {
    Form{"syslog",
         R"((?:<\d{1,3}>)?(?:T H|[A-Z][a-z]{2} [ \d]?\d \d\d:\d\d:\d\d(?:\.\d{1,9})?(?: H)?) G: ?)",
         "RFC 3164, rsyslog's files, journalctl, libc: <14>Jan  2 03:04:05 node falco[7]: "},
    Form{"syslog", R"((?:<\d{1,3}>)G: ?)", "RFC 3164 without time and host: <14>falco: "},
    Form{
        "syslog",
        R"(<\d{1,3}>1 (?:T|-) \S+ \S+ \S+ \S+ (?:-|(?:\[(?:[^\]"\\]|"(?:[^"\\]|\\.)*")*\])+) ?(?:\xEF\xBB\xBF)?)",
        "RFC 5424: <14>1 2026-01-02T03:04:05.1Z node falco 7 - [a@1 b=\"c\"] "},
    Form{"cri", R"(T std(?:out|err) F )",
         "containerd and CRI-O: 2026-01-02T03:04:05.1Z stdout F ; a part (P) is no whole line"},
    Form{"line", R"(T H )", "Logstash's codec `plain`: 2026-01-02T03:04:05.1Z node "},
    Form{"line", R"(T %?)", "docker logs -t; Logstash that has no host, or an object for one",
         true},
    Form{"line", R"(G: ?)", "falco: , falco[7]: "},
    Form{"line", R"([\w.\-]+ +\| ?)", "docker compose logs: falco-1  | "},
    Form{"line", R"(\[[\w./\-]+\] )", "kubectl logs --prefix: [pod/falco-7pvrx/falco] "},
};

std::string expanded(std::string_view pattern) {
  std::string out;
  for (const char c : pattern) {
    if (c == 'T') {
      out += R"((\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:[Zz]|[+-]\d\d:?\d\d)))";
    } else if (c == 'H') {
      out += R"([\w.:\-]{1,255})";
    } else if (c == 'G') {
      out += R"([A-Za-z_][\w./\-]{0,63}(?:\[\d+\])?)";
    } else {
      out += c;
    }
  }
  return out;
}

// Bytes, not characters: a prefix need not be UTF-8.
class Patterns {
 public:
  Patterns() {
    RE2::Options options(RE2::Latin1);
    options.set_log_errors(false);
    for (std::size_t i = 0; i < kForms.size(); ++i) {
      patterns_[i] = std::make_unique<RE2>(expanded(kForms[i].pattern), options);
      CHECK(patterns_[i]->ok());
    }
  }
  const RE2& operator[](std::size_t i) const { return *patterns_[i]; }

 private:
  std::array<std::unique_ptr<RE2>, kForms.size()> patterns_;
};

// Logstash prints a host that is an object (Beats, its own ECS mode) as JSON, and one that is
// missing as the pattern `%{host}` that asked for it. The text from its first brace on becomes what
// follows.
std::string_view behind_host(std::string_view text) {
  constexpr std::string_view kMissing = "{host} ";
  if (text.starts_with(kMissing)) return text.substr(kMissing.size());
  std::string_view rest = text.substr(0, kPrefixBytes);
  const auto host = take_json(rest);
  if (!host || !rest.starts_with('{') || rest.data() != host->data() + host->size() + 1)
    return text;
  const bool named = member_of(*host, "name").starts_with('"') && member_of(*host, "rule").empty();
  return named ? text.substr(host->size() + 1) : text;
}

}  // namespace

std::optional<Prefix> strip_prefix(std::string_view text) {
  static const Patterns patterns;
  const std::size_t brace = text.substr(0, kPrefixBytes).find('{');
  if (brace == std::string_view::npos) return std::nullopt;
  const re2::StringPiece head(text.data(), brace);
  for (std::size_t i = 0; i < kForms.size(); ++i) {
    re2::StringPiece stamp;
    const bool timed = patterns[i].NumberOfCapturingGroups() > 0;
    if (!(timed ? RE2::FullMatch(head, patterns[i], &stamp) : RE2::FullMatch(head, patterns[i])))
      continue;
    Prefix prefix{kForms[i].name, text.substr(brace), kNoTime};
    if (kForms[i].logstash) prefix.rest = behind_host(prefix.rest);
    if (const auto instant = parse_instant({stamp.data(), stamp.size()}))
      prefix.time = instant->latest();
    return prefix;
  }
  return std::nullopt;
}

bool is_part_of_line(std::string_view text) {
  static const RE2 part(expanded(R"(^T std(?:out|err) P )"), RE2::Latin1);
  CHECK(part.ok());
  return RE2::PartialMatch({text.data(), std::min(text.size(), kPrefixBytes)}, part);
}

}  // namespace gyre::schemas::envelope
