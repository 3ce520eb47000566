// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/hash.h"
#include "base/time.h"
#include "schemas/alert.h"
#include "schemas/records.pb.h"
#include "schemas/wire.h"

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
  bool native_id = false;  ///< has_native_id
  Outcome outcome = Outcome::kUnknown;
};

/// Whether `summarise` would keep all of the alert, but for the ends of long values.
bool is_plain(const Alert& alert);

/// Writes the sighting of one alert as an element of a Bundle's `sightings`: the bytes that
/// protobuf would write.
void write_sighting(const SightingHead& head, const SightedAlert& alert, wire::Writer& to);

/// What such a sighting says of its alert, without the element and the head around it.
void write_alert(const SightedAlert& alert, wire::Writer& to);

}  // namespace gyre::schemas
