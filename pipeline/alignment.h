// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "base/time.h"

namespace gyre::pipeline {

/// How far ahead of its slowest unfinished source partition a member reads.
inline constexpr Nanos kReadAhead = 10 * kNanosPerSecond;
/// How far ahead of the slowest source partition of the other members.
inline constexpr Nanos kReadAheadOfOthers = 60 * kNanosPerSecond;

/// Source partitions are read side by side in time (DESIGN 6): what one is ahead of the others
/// would only wait on disk until they have caught up. All times are of record timestamps.
struct Alignment {
  Nanos now = kNoTime;         ///< a record stamped later counts as stamped now; kNoTime: none is
  Nanos horizon = kEndOfTime;  ///< nothing stamped later is read
  std::map<std::int32_t, Nanos>
      reached;                     ///< by source partition, what was read; absent: nothing yet
  std::set<std::int32_t> stopped;  ///< sources that hold nobody up, though unread (ruling 19)
};

/// A source partition, as far as a consumer knows it now.
struct SourceView {
  std::int32_t partition = 0;
  std::optional<Nanos> next;  ///< stamp of the record to be handed out next; none: none is here
  bool finished = false;      ///< nothing is unread
};

/// Which source to take the next record of: of those with the lowest stamp the first in a circle
/// that begins at `turn`. None: there is nothing that may be read now. Without an alignment any
/// source with a record will do.
std::optional<std::size_t> next_source(std::span<const SourceView> sources, std::size_t turn,
                                       const std::optional<Alignment>& alignment);

}  // namespace gyre::pipeline
