// SPDX-License-Identifier: Apache-2.0
#include "schemas/redact.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>

#include "base/check.h"
#include "schemas/ascii.h"
#include "schemas/program_secrets.h"
#include "schemas/request.h"
#include "schemas/secret_value.h"
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

// `Basic` in `Authorization: Basic <redacted>`, which was done already.
bool names_the_redacted(std::string_view value, std::string_view behind) {
  if (!behind.starts_with(" <redacted>")) return false;
  const std::string word = lowered(value);
  return word == "basic" || word == "bearer" || word == "token" || word == "digest" ||
         word == "negotiate";
}

// Like RE2's own, but for what cannot be a secret: that stays, and what is quoted in it is looked
// through.
void replace_all(std::string& text, const re2::RE2& expression, const SecretRow& row) {
  std::array<re2::StringPiece, 4> groups;
  const int used = 1 + expression.NumberOfCapturingGroups();
  CHECK(used <= static_cast<int>(groups.size()));
  std::string out;
  std::size_t copied = 0;
  std::size_t at = 0;
  while (at < text.size() &&
         expression.Match(text, at, text.size(), re2::RE2::UNANCHORED, groups.data(), used)) {
    const auto place = [&](const char* inside) {
      return static_cast<std::size_t>(inside - text.data());
    };
    const re2::StringPiece whole = groups[0];
    at = place(whole.data()) + whole.size();
    if (row.value != 0) {
      const re2::StringPiece value = groups[static_cast<std::size_t>(row.value)];
      if (names_the_redacted({value.data(), value.size()}, std::string_view(text).substr(at)))
        continue;
      if (!may_be_secret({value.data(), value.size()})) {
        if (value[0] == '"' || value[0] == '\'') at = place(value.data()) + 1;
        continue;
      }
    }
    out.append(text, copied, place(whole.data()) - copied);
    CHECK(expression.Rewrite(&out, piece(row.replacement), groups.data(), used));
    copied = at;
  }
  if (copied == 0) return;
  out.append(text, copied);
  text.swap(out);
}

std::string replaced(std::string_view text, std::uint32_t rows) {
  std::string out(text);
  for (std::size_t i = 0; i < secret_rows().size(); ++i) {
    if ((rows >> i & 1U) == 0) continue;
    const SecretRow& row = secret_rows()[i];
    if (row.expression.empty())
      out = hide_program_secrets(out);
    else
      replace_all(out, expressions()[i], row);
  }
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

// A field says more than the message around it: where its command begins. By memmem, which is
// linear whatever the texts.
void replace_everywhere(std::string& text, std::string_view before, std::string_view after) {
  std::string out;
  std::size_t copied = 0;
  const auto next = [&]() -> const char* {
    return static_cast<const char*>(
        memmem(text.data() + copied, text.size() - copied, before.data(), before.size()));
  };
  for (const char* found = next(); found != nullptr; found = next()) {
    const auto at = static_cast<std::size_t>(found - text.data());
    out.append(text, copied, at - copied).append(after);
    copied = at + before.size();
  }
  if (copied > 0) text = out.append(text, copied);
}

std::string redacted_field(std::string_view name, std::string_view value) {
  std::string text = redact_text(value);
  return name == "ka.uri" ? with_command(text, redact_text) : text;
}

}  // namespace

std::string redact_text(std::string_view text) { return replaced(text, rows_hinted_by(text)); }

void redact(Alert& alert) {
  static const auto kMayBe = decided_by_number(may_be_redacted);
  constexpr int kMostInMessage = 16;
  int changed = 0;
  for (std::size_t i = 0; i < alert.fields.size(); ++i) {
    const auto& [name, value] = alert.fields[i];
    const FieldNumber number = alert.fields.number(i);
    if (!(number != 0 ? kMayBe[number] : may_be_redacted(name))) continue;
    if (rows_hinted_by(value) == 0 && name != "ka.uri") continue;
    std::string redacted = redacted_field(name, value);
    if (redacted == value) continue;
    // No message of Falco's holds more of them.
    if (++changed <= kMostInMessage) replace_everywhere(alert.output, value, redacted);
    alert.fields.change(i, std::move(redacted));
  }
  if (rows_hinted_by(alert.output) != 0) alert.output = redacted_output(alert);
}

}  // namespace gyre::schemas
