// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schemas/sighting_bytes.h"

namespace gyre::schemas {

/// What `sighting` says beside its alerts; its finding key is `key`.
inline SightingHead head_of(const records::Sighting& sighting, const Id128& key) {
  return {.finding_key = key,
          .entity = sighting.entity(),
          .rule = sighting.rule(),
          .source = sighting.source(),
          .shape = sighting.shape(),
          .second = sighting.second(),
          .heartbeat = sighting.heartbeat()};
}

}  // namespace gyre::schemas
