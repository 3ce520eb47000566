// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "schemas/alert.h"
#include "schemas/ascii.h"

namespace gyre::schemas {

/// The top-level keys of an alert, each a bit.
enum AlertKey : unsigned {
  kRule = 1,
  kTime = 2,
  kPriority = 4,
  kSource = 8,
  kHostname = 16,
  kOutput = 32,
  kUuid = 64,
  kTags = 128,
  kOutputFields = 256,
  kTimestamp = 512,  ///< `@timestamp`
  kDate = 1024,
  kSpecVersion = 2048,  ///< a CloudEvent's: it is no alert, but may say some of one's keys
  kOther = 0
};
AlertKey alert_key(std::string_view name);

inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  return text;
}

/// A time as its text has it, and the length of the last unit that the text resolves: 1 s for
/// `...:05Z`, 1 µs for six decimals.
struct Instant {
  Nanos time = 0;
  Nanos unit = 1;
  /// The last instant that the text can mean.
  Nanos latest() const { return time + unit - 1; }
};

/// RFC 3339 with any fraction and zone; seconds, milliseconds, microseconds or nanoseconds since
/// the epoch, told apart by magnitude, in any notation of JSON's, exactly. A zone after `Z` (`Z+2`,
/// seen in Falco's documentation) says nothing: `Z` counts.
std::optional<Instant> parse_instant(std::string_view text);

/// protobuf's Timestamp, of Falco's gRPC output: {"seconds":1,"nanos":2}, its numbers as text or
/// not, `nanos` perhaps missing.
std::optional<Instant> parse_timestamp(std::string_view seconds, std::string_view nanos);

/// Falco's names in any case, `Info`, and gRPC's numbers 0 to 7.
std::optional<Priority> parse_priority(std::string_view text);

/// What sources of Falco's own events are called everywhere else: `syscall` where it is missing or
/// falcosidekick's `syscalls`, gRPC's names in any case and its numbers (falco
/// userspace/falco/schema.proto).
void restore_source(std::string& source);

/// Position of the `_` that was a bracket: falcosidekick's bracketReplacer makes `proc.aname_2` of
/// `proc.aname[2]` (types/types.go).
std::optional<std::size_t> replaced_bracket(std::string_view name);

/// null, "" and "<NA>" all mean unknown (ruling 6).
inline bool is_unknown(std::string_view text) { return text.empty() || text == "<NA>"; }

}  // namespace gyre::schemas
