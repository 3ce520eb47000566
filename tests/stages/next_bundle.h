// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"
#include "schemas/records.pb.h"

namespace gyre::stages {

/// What a receiver has to have had before the next bundle of its only source partition.
struct Position {
  std::int64_t next = 0;
  std::uint64_t sent = 0;
};

/// The next bundle, without its `arrivals`; the time of its source is `progress`.
inline records::Bundle next_bundle(std::size_t arrivals, Nanos progress, Position& position) {
  records::Bundle bundle;
  bundle.set_sources(1);
  bundle.set_parts(1);
  records::SourceRange& range = *bundle.add_ranges();
  range.set_first(position.next);
  range.set_next(position.next += static_cast<std::int64_t>(arrivals));
  range.set_progress(progress);
  range.set_arrivals(arrivals);
  range.set_sent(position.sent += arrivals);
  return bundle;
}

}  // namespace gyre::stages
