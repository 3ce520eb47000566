// SPDX-License-Identifier: Apache-2.0
#include "pipeline/alignment.h"

#include <algorithm>

namespace gyre::pipeline {

namespace {

// What every source that is unread, yet has nothing here, allows the others.
Nanos limit_of(std::span<const SourceView> sources, const Alignment& alignment) {
  Nanos limit = alignment.horizon;
  for (const SourceView& source : sources) {
    if (source.next || source.finished || alignment.stopped.contains(source.partition)) continue;
    const auto reached = alignment.reached.find(source.partition);
    if (reached == alignment.reached.end()) return kNoTime;
    limit = std::min(limit, reached->second + kReadAhead);
  }
  return limit;
}

}  // namespace

std::optional<std::size_t> next_source(std::span<const SourceView> sources, std::size_t turn,
                                       const std::optional<Alignment>& alignment) {
  std::optional<std::size_t> first;
  Nanos lowest = kEndOfTime;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const std::size_t at = (turn + i) % sources.size();
    if (!sources[at].next) continue;
    if (!alignment) return at;
    const Nanos stamp =
        alignment->now == kNoTime ? *sources[at].next : std::min(*sources[at].next, alignment->now);
    if (first && stamp >= lowest) continue;
    first = at;
    lowest = stamp;
  }
  if (!first || lowest > limit_of(sources, *alignment)) return std::nullopt;
  return first;
}

}  // namespace gyre::pipeline
