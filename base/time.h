// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace gyre {

/// Nanoseconds since the epoch, UTC: event times, progress. A plain integer because it goes to
/// wires and disks as one.
using Nanos = std::int64_t;
/// A whole event-time second, floor(nanos / 1e9).
using Second = std::int64_t;

inline constexpr Nanos kNanosPerSecond = 1'000'000'000;
inline constexpr Nanos kNoTime = std::numeric_limits<Nanos>::min();
/// No event time is later: 2261-01-01.
inline constexpr Nanos kLastEventTime = 9'183'110'400 * kNanosPerSecond;
/// The end of time in a tick: nothing will ever come again (the end of a replay). 2261-07-01:
/// behind all that follows from the last event, and far enough from what 64 bits hold to be added
/// to.
inline constexpr Nanos kEndOfTime = 9'198'748'800 * kNanosPerSecond;

/// Floor division, right for times before 1970 as well.
constexpr Second second_of(Nanos time) {
  return time / kNanosPerSecond - (time % kNanosPerSecond < 0 ? 1 : 0);
}

/// RFC 3339 with 0 to 9+ digits of fraction and any offset (`Z`, `+02:00`, `+0000`), `T` or blank
/// between, of the years 1680 to 2261. Nothing else.
std::optional<Nanos> parse_rfc3339(std::string_view text);

/// `2026-01-02T03:04:05.000000006Z`: UTC, nine decimals.
std::string format_rfc3339(Nanos time);
/// `2026-01-02T03:04:05Z`.
std::string format_rfc3339_second(Second second);

}  // namespace gyre
