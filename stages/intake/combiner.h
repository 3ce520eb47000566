// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/time.h"
#include "schemas/alert.h"
#include "schemas/sighting_draft.h"
#include "schemas/wire.h"
#include "stages/intake/understand.h"

namespace gyre::stages {

/// Merges a batch's alerts by entity, rule, shape and second of event time (DESIGN 3): what a flood
/// costs further on is one sighting a second. The first alert of a sighting is written where it
/// will be sent from; only where a second one comes, there is a draft for a while.
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
  // Where the sighting is written, or, once it has another alert, what it is.
  struct Place {
    Key key;
    std::int32_t target = 0;
    std::size_t part = 0;
    std::size_t at = 0;
    std::size_t size = 0;
    std::unique_ptr<schemas::SightingDraft> merged;
  };

  Place write(const schemas::Alert& alert, const Understanding& is, const Key& key);
  void append_to(Place& place);
  void close_gaps();

  std::uint32_t& slot_of(const Key& key);

  schemas::wire::Writer writer_;                ///< of the sighting in hand
  std::pmr::monotonic_buffer_resource memory_;  ///< of the drafts
  std::vector<Place> places_;
  std::vector<std::uint32_t> slots_;  ///< open addressing: position in places_ from 1; 0: none
  std::vector<Parts> parts_;
  std::vector<std::size_t>
      expected_;  ///< bytes of a target, what the batch before had and an eighth
};

}  // namespace gyre::stages
