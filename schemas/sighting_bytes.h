// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/time.h"
#include "schemas/alert.h"
#include "schemas/records.pb.h"

// Sightings as protobuf's bytes, without the objects: most are of one alert, and as a message that
// is a hundred small strings, made only to be written.
namespace gyre::schemas {

/// What a sighting says beside its alerts.
struct SightingHead {
  const Id128& finding_key;
  const records::Entity& entity;
  std::string_view rule;
  std::string_view source;
  std::string_view shape;
  Second second = 0;
  bool heartbeat = false;
};

/// What a sighting says of one alert; `time` is the clamped event time.
struct SightedAlert {
  const Alert& alert;
  Nanos time = 0;
  const Id128& id;
  Outcome outcome = Outcome::kUnknown;
};

/// Whether `summarise` would keep all of the alert, but for the ends of long values.
bool is_plain(const Alert& alert);

/// Appends the sighting of one alert as an element of a Bundle's `sightings`: the bytes that
/// protobuf would write.
void append_sighting(const SightingHead& head, const SightedAlert& alert, std::string& to);

}  // namespace gyre::schemas
