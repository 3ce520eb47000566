// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "base/time.h"
#include "schemas/fields.h"

namespace gyre::schemas {

/// Falco's priorities with its own numbers (userspace/engine/falco_common.h): smaller is more
/// severe.
enum class Priority : std::uint8_t {
  kEmergency,
  kAlert,
  kCritical,
  kError,
  kWarning,
  kNotice,
  kInformational,
  kDebug
};

/// As Falco spells it: `Critical`, `Informational`.
std::string_view to_string(Priority priority);

/// Did what the alert is about happen? Ruling 24; from fields that say so, never guessed.
enum class Outcome : std::uint8_t { kUnknown, kSucceeded, kBlocked };

enum AlertFlag : std::uint32_t {
  kRepaired = 1,         ///< invalid UTF-8 or a lone surrogate became U+FFFD (ruling 12)
  kPriorityUnknown = 2,  ///< folded as Warning
  kClockSkew = 4,        ///< the alert's own time was more than 5 s ahead of its record
  kTruncated = 8,        ///< fields or strings beyond the limits were left out
  kMayRepeat =
      16,  ///< came after the duplicate horizon: may repeat an alert already counted (ruling 6)
  kEffectSeen = 32,  ///< of an overflow finding's alerts one showed its own playbook's effect
};

/// One Falco alert, whoever wrapped it. Strings are valid UTF-8 and owned by the alert. A reused
/// object keeps its memory.
struct Alert {
  std::string rule;  ///< never empty; control and bidirectional characters still in it
  Nanos time = 0;    ///< the alert's own `time`, unclamped
  Priority priority = Priority::kWarning;
  std::string
      source;  ///< `syscall`, `k8s_audit` ...; `syscalls` and absent become `syscall`; `internal`
  std::string hostname;  ///< may be empty
  std::string output;
  std::string uuid;  ///< falcosidekick's; identifies one pass through it, not the event
  std::vector<std::string> tags;
  /// `output_fields`. Scalars as text (numbers as they stand in the JSON), arrays as their elements
  /// joined by ", ", nested objects flattened with dots. null, "", "<NA>" are left out: all mean
  /// unknown (ruling 6). Bracketed names are normalised: `proc.aname[2]` and falcosidekick's
  /// `proc.aname_2` are both `proc.aname[2]`.
  Fields fields;
  std::uint32_t flags = 0;  ///< AlertFlag

  /// The field's text, or empty when unknown.
  std::string_view field(std::string_view name) const { return fields.find(name); }
};

/// Why a record is dead; the fixed list of `gyre-error` (DESIGN 8.1).
enum class ParseError : std::uint8_t {
  kNotJson,     ///< no JSON object in it, or a broken one
  kNotAnAlert,  ///< JSON, but no object with `rule`
  kNoTime,      ///< no `time` that can be read
  kTooLarge,    ///< above `limits.record_bytes`
};
inline constexpr std::array kParseErrors = {ParseError::kNotJson, ParseError::kNotAnAlert,
                                            ParseError::kNoTime, ParseError::kTooLarge};
std::string_view to_string(
    ParseError error);  ///< `not_json`, `not_an_alert`, `no_time`, `too_large`

struct Rejection {
  ParseError error;
  std::string detail;  ///< what was found where, for people
};

struct ParseLimits {
  std::size_t record_bytes = 1'000'000;
  std::size_t fields = 256;  ///< of output_fields; more are left out, flagged kTruncated
  std::size_t string_bytes =
      65'536;  ///< of one string; the rest is cut at a character, flagged kTruncated
};

/// Reads one alert as Falco and falcosidekick write it (falco userspace/engine/formats.cpp,
/// falcosidekick types/types.go), its keys in any order beside any others; what wraps an alert is
/// AlertReader's. Where `time` is missing, `@timestamp` or `date` beside the alert's own keys is
/// its time: Fluent Bit moves it there. Of equal keys the first that says something counts. Keeps
/// its buffers between calls. One thread. Never throws on any input.
class AlertParser {
 public:
  explicit AlertParser(ParseLimits limits = {});
  ~AlertParser();
  AlertParser(const AlertParser&) = delete;
  AlertParser& operator=(const AlertParser&) = delete;

  /// Parses one JSON object, and nothing beside it but white space, into `alert`, whose content is
  /// undefined when a rejection is returned.
  tl::expected<void, Rejection> parse(std::string_view json, Alert& alert);

 private:
  struct Impl;
  Impl* impl_;
};

/// What happened, and which clause of ruling 24 said so by which field; clause 8, without a field,
/// when none did.
struct OutcomeBasis {
  Outcome outcome = Outcome::kUnknown;
  int clause = 8;
  std::string_view field = {};
};

/// Ruling 24, clauses 1 to 6 (7 is the playbook's). A pure function of the fields.
OutcomeBasis outcome_of(const Alert& alert);

}  // namespace gyre::schemas
