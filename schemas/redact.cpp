// SPDX-License-Identifier: Apache-2.0
#include "schemas/redact.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>

#include "base/check.h"
#include "schemas/ascii.h"
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

std::string replaced(std::string_view text, std::uint32_t rows) {
  std::string out(text);
  for (std::size_t i = 0; i < secret_rows().size(); ++i)
    if ((rows >> i & 1U) != 0)
      re2::RE2::GlobalReplace(&out, expressions()[i], piece(secret_rows()[i].replacement));
  return out;
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
  return begins_with(rest, "cmdline") || begins_with(rest, "pcmdline") ||
         begins_with(rest, "acmdline") || begins_with(rest, "args") || begins_with(rest, "env") ||
         begins_with(rest, "aenv") || begins_with(rest, "exeline");
}
bool is_told_by_event(std::string_view name) {
  const std::string_view rest = name.substr(4);
  if (begins_with(rest, "arg.") || begins_with(rest, "arg[") || begins_with(rest, "rawarg"))
    return !is_path(name);
  return rest == "args" || rest == "buffer";
}

// Command lines, arguments, environment, URIs and request values; never a path or an id.
bool may_be_redacted(std::string_view name) {
  if (begins_with(name, "proc.")) return is_told_by_process(name.substr(5));
  if (begins_with(name, "evt.")) return is_told_by_event(name);
  if (begins_with(name, "container."))
    return name.ends_with("healthcheck") || name.ends_with("_probe");
  if (begins_with(name, "fd.") || begins_with(name, "fs.") || begins_with(name, "user.") ||
      begins_with(name, "group.") || begins_with(name, "thread.") || begins_with(name, "k8s") ||
      begins_with(name, "jevt.time"))
    return false;
  return begins_with(name, "ka.req.") || begins_with(name, "jevt.") || begins_with(name, "json.") ||
         says_request(name);
}

// Upstream's rules print `secret=` and the name of the object, which is no secret.
std::string redacted_output(const Alert& alert) {
  const std::string_view output = alert.output;
  const std::string_view name = alert.source == "k8s_audit" ? alert.field("ka.target.name") : "";
  const std::string said = " secret=" + std::string(name) + ' ';
  const std::size_t at = name.empty() ? output.npos : output.find(said);
  if (at == output.npos) return redact_text(output);
  return redact_text(output.substr(0, at)) + said + redact_text(output.substr(at + said.size()));
}

}  // namespace

std::string redact_text(std::string_view text) { return replaced(text, rows_hinted_by(text)); }

void redact(Alert& alert) {
  static const auto kMayBe = decided_by_number(may_be_redacted);
  if (rows_hinted_by(alert.output) != 0) alert.output = redacted_output(alert);
  for (std::size_t i = 0; i < alert.fields.size(); ++i) {
    const auto& [name, value] = alert.fields[i];
    const FieldNumber number = alert.fields.number(i);
    if (!(number != 0 ? kMayBe[number] : may_be_redacted(name))) continue;
    if (const std::uint32_t rows = rows_hinted_by(value); rows != 0)
      alert.fields.change(i, replaced(value, rows));
  }
}

}  // namespace gyre::schemas
