// SPDX-License-Identifier: Apache-2.0
#include "schemas/redact.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>

#include "base/check.h"
#include "schemas/secrets.h"

namespace gyre::schemas {

namespace {

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

const std::deque<re2::RE2>& expressions() {
  static const auto* const all = [] {
    auto* made = new std::deque<re2::RE2>;
    for (const SecretRow& row : secret_rows()) {
      made->emplace_back(piece(row.expression));
      CHECK(made->back().ok());
    }
    return made;
  }();
  return *all;
}

void redact_in_place(std::string& text) {
  const std::uint32_t rows = rows_hinted_by(text);
  if (rows == 0) return;
  for (std::size_t i = 0; i < secret_rows().size(); ++i)
    if ((rows >> i & 1U) != 0)
      re2::RE2::GlobalReplace(&text, expressions()[i], piece(secret_rows()[i].replacement));
}

bool is_path(std::string_view argument) {
  static constexpr auto kPaths = std::to_array<std::string_view>(
      {"evt.arg.path", "evt.arg.name", "evt.arg.filename", "evt.arg.linkpath", "evt.arg.target",
       "evt.arg.oldpath", "evt.arg.newpath", "evt.arg.flags", "evt.arg.fd"});
  return std::find(kPaths.begin(), kPaths.end(), argument) != kPaths.end();
}

bool says_request(std::string_view name) {
  static constexpr auto kParts =
      std::to_array<std::string_view>({"cmd", "args", "env", "uri", "url", "request", "query"});
  return std::any_of(kParts.begin(), kParts.end(), [&](std::string_view part) {
    return name.find(part) != std::string_view::npos;
  });
}

// Of Falco's own classes by their names.
bool is_told_by_process(std::string_view rest) {
  if (rest.empty() || std::string_view("acep").find(rest[0]) == std::string_view::npos)
    return false;
  return rest.starts_with("cmdline") || rest.starts_with("pcmdline") ||
         rest.starts_with("acmdline") || rest.starts_with("args") || rest.starts_with("env") ||
         rest.starts_with("aenv") || rest.starts_with("exeline");
}
bool is_told_by_event(std::string_view name) {
  const std::string_view rest = name.substr(4);
  if (rest.starts_with("arg.") || rest.starts_with("arg[") || rest.starts_with("rawarg"))
    return !is_path(name);
  return rest == "args" || rest == "buffer";
}

// Command lines, arguments, environment, URIs and request values; never a path or an id.
bool may_be_redacted(std::string_view name) {
  if (name.starts_with("proc.")) return is_told_by_process(name.substr(5));
  if (name.starts_with("evt.")) return is_told_by_event(name);
  if (name.starts_with("container."))
    return name.ends_with("healthcheck") || name.ends_with("_probe");
  for (const std::string_view kind :
       {"fd.", "fs.", "user.", "group.", "thread.", "k8s", "jevt.time"})
    if (name.starts_with(kind)) return false;
  return name.starts_with("ka.req.") || name.starts_with("jevt.") || name.starts_with("json.") ||
         says_request(name);
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
