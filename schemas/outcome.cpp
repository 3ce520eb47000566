// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include "schemas/alert.h"

namespace gyre::schemas {

namespace {

std::optional<std::int64_t> integer(std::string_view text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (text.empty() || result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return value;
}

bool is_errno(std::string_view text) {
  return text.size() >= 3 && text[0] == 'E' && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
         });
}

bool has_flag(std::string_view flags, std::string_view wanted) {
  while (!flags.empty()) {
    const auto bar = flags.find('|');
    if (flags.substr(0, bar) == wanted) return true;
    if (bar == std::string_view::npos) break;
    flags.remove_prefix(bar + 1);
  }
  return false;
}

// Of a call that returns this. Falco's SUCCESS means any return that is not negative.
Outcome outcome_of_return(std::int64_t value) {
  const bool undecided = value == -115 || value == -11 || value == -4;
  if (value >= 0) return Outcome::kSucceeded;
  return undecided ? Outcome::kUnknown : Outcome::kBlocked;
}

// Of `res=-13(EACCES) ...` or `fd=3(<f>/etc/x) ...`, only where Falco itself puts it, first: a file
// name further on may hold ` fd=3`, and after `res=` a descriptor is an argument.
std::optional<Outcome> outcome_in(std::string_view args) {
  if (!args.starts_with("res=")) {
    const bool descriptor =
        args.starts_with("fd=") && args.size() > 3 && args[3] >= '0' && args[3] <= '9';
    return descriptor ? std::optional(Outcome::kSucceeded) : std::nullopt;
  }
  const auto value = integer(args.substr(4, args.find_first_of(" (", 4) - 4));
  return value ? std::optional(outcome_of_return(*value)) : std::nullopt;
}

}  // namespace

OutcomeBasis outcome_of(const Alert& alert) {
  const auto res = alert.field("evt.res");
  if (res == "SUCCESS") return {Outcome::kSucceeded, 1, "evt.res"};
  if (res == "EINPROGRESS" || res == "EAGAIN" || res == "EINTR")
    return {Outcome::kUnknown, 1, "evt.res"};
  if (is_errno(res)) return {Outcome::kBlocked, 1, "evt.res"};

  const auto failed = alert.field("evt.failed");
  if (failed == "true") return {Outcome::kBlocked, 2, "evt.failed"};
  if (failed == "false") return {Outcome::kSucceeded, 2, "evt.failed"};

  if (const auto raw = integer(alert.field("evt.rawres")))
    return {outcome_of_return(*raw), 3, "evt.rawres"};

  const auto flags = alert.field("evt.arg.flags");
  for (const auto* flag : {"O_F_CREATED", "FD_UPPER_LAYER", "FD_LOWER_LAYER"})
    if (has_flag(flags, flag)) return {Outcome::kSucceeded, 4, "evt.arg.flags"};
  if (const auto outcome = outcome_in(alert.field("evt.args"))) return {*outcome, 5, "evt.args"};

  if (const auto code = integer(alert.field("ka.response.code"))) {
    if (*code >= 100 && *code < 400) return {Outcome::kSucceeded, 6, "ka.response.code"};
    if (*code >= 400 && *code < 600) return {Outcome::kBlocked, 6, "ka.response.code"};
  }
  if (!alert.field("ct.error").empty()) return {Outcome::kBlocked, 6, "ct.error"};
  const auto okta = alert.field("okta.result");
  if (okta == "SUCCESS" || okta == "ALLOW") return {Outcome::kSucceeded, 6, "okta.result"};
  if (okta == "FAILURE" || okta == "DENY") return {Outcome::kBlocked, 6, "okta.result"};
  return {};
}

}  // namespace gyre::schemas
