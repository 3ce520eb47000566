// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"

namespace gyre::schemas::envelope {

/// What a line of a log has before its JSON object.
struct Prefix {
  std::string_view name;  ///< `syslog`, `cri`, `line`
  std::string_view rest;  ///< from the first `{` on
  Nanos time = kNoTime;   ///< the last instant that the line's time stamp can mean
};

/// Only the heads that log systems write are taken off, never any text: what a process may choose
/// could else stand before an alert of its own making (ruling 13). Nothing, if the text has no
/// object or no known head before it.
std::optional<Prefix> strip_prefix(std::string_view text);

/// A line of containerd or CRI-O that they have cut for its length: `<time> stdout P ...`.
bool is_part_of_line(std::string_view text);

}  // namespace gyre::schemas::envelope
