// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/time.h"
#include "schemas/alert.h"
#include "schemas/sighting_bytes.h"
#include "schemas/sighting_draft.h"
#include "schemas/wire.h"
#include "stages/intake/understand.h"

namespace gyre::stages {

/// Merges a batch's alerts by entity, rule, shape and second of event time (DESIGN 3): what a flood
/// costs further on is one sighting a second. The first alert of a sighting is written where it
/// will be sent from, further ones aside, and they become one when the batch ends: one after the
/// other in the same memory.
class Combiner {
 public:
  /// Sightings as elements of a Bundle's `sightings`; a part stays below 512 KiB, unless it holds
  /// one sighting only.
  using Parts = std::vector<std::string>;

  explicit Combiner(std::int32_t targets);

  /// The target, a partition of by-container, whose sighting the alert went into.
  std::int32_t add(const schemas::Alert& alert, const Understanding& is);
  /// All sightings since the last call, by target, and forgets them.
  std::vector<Parts> finish();
  void clear();

 private:
  struct Key {
    Id128 finding_key;
    Second second;
    bool operator==(const Key&) const = default;
  };
  static constexpr std::uint32_t kNone = UINT32_MAX;
  // Where the sighting of a first alert is written, and which others belong to it.
  struct Place {
    Key key;
    std::int32_t target = 0;
    std::uint32_t alerts = 1;
    std::size_t part = 0;
    std::size_t at = 0;
    std::size_t size = 0;
    std::uint32_t first_other = kNone;
    std::uint32_t last_other = kNone;
  };
  struct Other {
    std::size_t at;
    std::size_t size;
    std::uint32_t next;
  };

  void open(const schemas::Alert& alert, const Understanding& is, const Key& key);
  void join(const schemas::SightedAlert& alert, std::uint32_t position);
  void append(Parts& parts, std::size_t expected, std::string_view sighting);
  void merge(std::size_t target);
  void close_gaps(Parts& parts, const std::vector<std::uint32_t>& gaps);

  std::uint32_t& slot_of(const Key& key);

  schemas::wire::Writer writer_;  ///< of the sighting in hand, or of a target's merged ones
  schemas::wire::Writer others_;  ///< of alerts that were not the first of their sighting
  schemas::SightingDraft draft_;
  std::vector<Place> places_;
  std::vector<Other> other_places_;
  std::vector<std::vector<std::uint32_t>> joined_;  ///< by target: positions of those with others
  std::vector<std::uint32_t> slots_;  ///< open addressing: position in places_ from 1; 0: none
  std::vector<Parts> parts_;
  std::vector<std::size_t>
      expected_;  ///< bytes of a target, what the batch before had and an eighth
};

}  // namespace gyre::stages
