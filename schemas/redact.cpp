// SPDX-License-Identifier: Apache-2.0
#include "schemas/redact.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include "base/check.h"

namespace gyre::schemas {

namespace {

// One value: quoted, quoted inside quoted JSON, or up to the next separator.
#define GYRE_VALUE R"((?:"[^"]*"|'[^']*'|\\+"[^"\\]*\\+"|[^\s"'&,;\\]+))"

struct Pattern {
  Pattern(const char* source, const char* by) : expression(source), replacement(by) {}
  re2::RE2 expression;
  std::string replacement;
};

const std::deque<Pattern>& patterns() {
  static const auto* const all = [] {
    static constexpr std::pair<const char*, const char*> kSources[] = {
        {R"((?is)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z))",
         "<redacted>"},
        {R"((?i)\b([a-z][a-z0-9+.-]*://)[^\s/@:"']*:[^\s/"']+@)", R"(\1<redacted>@)"},
        {R"((?i)\b(authorization\\*["']?\s*[:=]\s*\\*["']?(?:(?:bearer|basic|token|digest|negotiate)\s+)?)[^\s"',;\\<]+)",
         R"(\1<redacted>)"},
        {R"((?i)\b(bearer\s+)[a-z0-9._~+/=-]{8,})", R"(\1<redacted>)"},
        {R"(\b(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{16}\b)", "<redacted>"},
        {R"(\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{30,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?))",
         "<redacted>"},
        {R"((?i)(^|[^\w/.-])(-{0,2}(?:[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|_pass|_pwd)[\w.-]*|pass)\\*["']?\s?[=:]\s?))" GYRE_VALUE,
         R"(\1\2<redacted>)"},
        {R"((?i)(^|\s)(--?(?:[a-z]+-)*(?:password|passwd|passphrase|pass|token|secret|api-?key|access-?key|secret-?key|private-?key)\s+)(?:"[^"]*"|'[^']*'|[^\s"'-][^\s"']*))",
         R"(\1\2<redacted>)"},
        {R"((?i)(\b(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump)\b[^|;&]*?\s-p)[^\s]+)",
         R"(\1<redacted>)"},
        {R"((?i)(\b(?:sshpass|(?:docker|podman|helm|nerdctl|oc|az)\b[^|;&]*?\blogin)\b[^|;&]*?\s-p\s*)[^\s]+)",
         R"(\1<redacted>)"},
        {R"((?i)(\b(?:curl|wget)\b[^|;&]*?\s(?:-u|--user|--proxy-user)[\s=]*["']?[^\s:"'-][^\s:"']*:)[^\s"']+)",
         R"(\1<redacted>)"},
        {R"((?i)(\bredis-cli\b[^|;&]*?\s-a\s*)[^\s]+)", R"(\1<redacted>)"},
        {R"((?i)(\bsmbclient\b[^|;&]*?\s-U\s*[^\s%]+%)[^\s]+)", R"(\1<redacted>)"},
        {R"((?i)(\becho\s+["']?[\w.-]+:)[^\s"'|]+(["']?\s*\|\s*(?:sudo\s+)?chpasswd))",
         R"(\1<redacted>\2)"},
    };
    auto* made = new std::deque<Pattern>;
    for (const auto& [source, replacement] : kSources) {
      made->emplace_back(source, replacement);
      CHECK(made->back().expression.ok());
    }
    return made;
  }();
  return *all;
}

// Whether a pattern can match at all: one pass instead of fourteen for nearly every string.
bool may_hold_secret(std::string_view text) {
  static const re2::RE2 hint(
      R"((?i)private key|://[^\s/@]*:|authoriz|bearer|AKIA|ASIA|AROA|AIDA|gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|AIza|eyJ|pass|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|_pwd|mysql|mariadb|login|curl|wget|redis-cli|smbclient)");
  CHECK(hint.ok());
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), hint);
}

void redact_in_place(std::string& text) {
  if (!may_hold_secret(text)) return;
  for (const auto& pattern : patterns())
    re2::RE2::GlobalReplace(&text, pattern.expression, pattern.replacement);
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Command lines, arguments, environment, URIs and request values; never a path or an id.
bool may_be_redacted(std::string_view name) {
  static constexpr auto kParts = std::to_array<std::string_view>(
      {"cmdline", "cmd", "args", "env", "uri", "url", "request", "query", "evt.buffer"});
  static constexpr auto kPaths = std::to_array<std::string_view>(
      {"evt.arg.path", "evt.arg.name", "evt.arg.filename", "evt.arg.linkpath", "evt.arg.target",
       "evt.arg.oldpath", "evt.arg.newpath", "evt.arg.flags", "evt.arg.fd"});
  if (name == "ka.uri.param" || name.starts_with("ka.req.") || name.starts_with("jevt.") ||
      name.starts_with("json."))
    return !name.starts_with("jevt.time");
  if (name.starts_with("evt.arg.") || name.starts_with("evt.arg[") ||
      name.starts_with("evt.rawarg"))
    return std::find(kPaths.begin(), kPaths.end(), name) == kPaths.end();
  return std::any_of(kParts.begin(), kParts.end(),
                     [&](std::string_view part) { return contains(name, part); });
}

}  // namespace

std::string redact_text(std::string_view text) {
  std::string out(text);
  redact_in_place(out);
  return out;
}

void redact(Alert& alert) {
  redact_in_place(alert.output);
  for (auto& [name, value] : alert.fields)
    if (may_be_redacted(name)) redact_in_place(value);
}

}  // namespace gyre::schemas
