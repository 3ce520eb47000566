// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"

namespace gyre::schemas::envelope {

/// One entry of systemd's journal export format (`journalctl -o export`).
struct JournalEntry {
  std::string_view message;  ///< empty: it has none
  Nanos time = kNoTime;      ///< the last instant that __REALTIME_TIMESTAMP can mean
};

/// The entry at the front, taken off with the empty lines behind it; nothing, if there is none.
std::optional<JournalEntry> take_journal_entry(std::string_view& text);

}  // namespace gyre::schemas::envelope
