// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "base/time.h"
#include "schemas/alert.h"
#include "schemas/records.pb.h"
#include "stages/intake/understand.h"

namespace gyre::stages {

/// A sighting in the making. As long as it is of one alert it is bytes only.
struct Combined {
  std::int32_t target = 0;  ///< partition of by-container
  std::string rule;
  std::string cluster;
  std::uint64_t arrivals = 0;

  std::string head;                          ///< encoded: what all its alerts have in common
  std::string summary;                       ///< encoded, of the first alert
  std::unique_ptr<records::Summary> merged;  ///< once there is another; then that counts
  std::string alerts;
  bool heartbeat = false;
};

/// Merges a batch's alerts by entity, rule, shape and second of event time (DESIGN 3): what a flood
/// costs further on is one sighting a second.
class Combiner {
 public:
  explicit Combiner(std::int32_t targets) : targets_(targets) {}

  /// The sighting that the alert went into.
  const Combined& add(const schemas::Alert& alert, const Understanding& is);
  /// All of them, encoded as a Bundle's `sightings`, and forgets them. `each(sighting, bytes)`
  /// takes one whole field of a Bundle.
  template <typename Each>
  void finish(Each each) {
    for (Combined& sighting : sightings_) each(sighting, encoded(sighting));
    clear();
  }
  void clear();

 private:
  struct Key {
    Id128 finding_key;
    Second second;
    bool operator==(const Key&) const = default;
  };
  // A finding key is a hash already.
  struct Hash {
    std::size_t operator()(const Key& key) const {
      std::size_t hash = 0;
      std::memcpy(&hash, key.finding_key.data(), sizeof hash);
      return hash ^ static_cast<std::size_t>(key.second);
    }
  };

  Combined& open(const Understanding& is, Second second);
  std::string_view encoded(Combined& sighting);

  std::int32_t targets_;
  std::unordered_map<Key, std::size_t, Hash> index_;  ///< position in sightings_
  std::vector<Combined> sightings_;
  std::string buffer_;
};

}  // namespace gyre::stages
