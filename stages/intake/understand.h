// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/hash.h"
#include "base/time.h"
#include "schemas/alert.h"
#include "schemas/identity.h"
#include "schemas/records.pb.h"

namespace gyre::stages {

/// What one alert is, alone: all that decides which finding it joins and what it counts as.
struct Understanding {
  records::Entity entity;
  schemas::EntityBasis basis;  ///< what decided each part of the entity
  Id128 duplicate_id;
  bool native_id = false;  ///< schemas::has_native_id
  schemas::OutcomeBasis outcome;
  std::string rule;    ///< of all alerts in which a sensor speaks of itself the same (ruling 2)
  std::string source;  ///< `internal` for these
  std::string shape;
  Id128 finding_key;
  bool heartbeat = false;  ///< counted, never published
  Nanos time = 0;          ///< event time, clamped
};

/// Event time is the alert's own, but never later than `record_time` (ruling 7; kNoTime: as it is).
/// Leaves in `alert` what may be kept of it: secrets replaced (the id was taken before), the
/// image's parts apart. All of `is` is set; a reused object keeps its memory.
void understand(schemas::Alert& alert, Nanos record_time, const schemas::Origin& origin,
                IdHasher& hasher, Understanding& is);

}  // namespace gyre::stages
