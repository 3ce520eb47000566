// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "base/time.h"
#include "schemas/records.pb.h"

namespace gyre::stages {

/// The host whose sensor sees `entity`; none for what no sensor's host stands in the key of.
std::optional<records::Entity> sensor_host(const records::Entity& entity);

/// Notes in the host's state that its sensor reported a loss in `second`. Reports at most a minute
/// apart are one spot: Falco itself holds them back to one in 30 s. Of more than 32 spots the two
/// nearest become one. Spots that ended before `oldest` are forgotten.
void note_blind_spot(Second second, const records::Loss& loss, Second oldest,
                     records::EntityState& host);

/// The spots that overlap [first, last], both in nanoseconds; a report speaks of the second before
/// it.
std::vector<records::BlindSpot> blind_spots_within(const records::EntityState& host, Nanos first,
                                                   Nanos last);

}  // namespace gyre::stages
