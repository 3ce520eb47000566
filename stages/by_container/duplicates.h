// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/time.h"
#include "schemas/records.pb.h"
#include "state/transaction.h"

namespace gyre::stages {

/// Which alerts of `sighting` were never seen: counts them (alerts, outcome, duplicates) into
/// `counted` and remembers their ids. Ids live in blocks by entity and minute of the alert's own
/// time, split at 512 (DESIGN 5), so a flood costs no key per alert. Native ids lie in blocks by
/// hour instead, of which all within the horizon are asked: two readers stamp one event with their
/// own clocks. An alert older than `watermark` - `horizon` is not asked for: it counts as new and
/// may repeat (ruling 6); so does one whose own time is more than 8 days ahead of its record: its
/// id would stay for as long. Returns whether such an alert was among them.
bool count_distinct(const records::Sighting& sighting, std::string_view entity_hash,
                    Nanos watermark, Second horizon, state::Transaction& state,
                    records::Counts& counted);

/// Drops the blocks that no alert within the horizon can ask for.
void forget_expired(Nanos watermark, Second horizon, state::Transaction& state);

}  // namespace gyre::stages
