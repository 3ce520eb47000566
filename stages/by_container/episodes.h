// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/time.h"
#include "schemas/records.pb.h"
#include "stages/by_container/stage.h"

namespace gyre::stages {

/// Puts a sighting into the episode that it belongs to (ruling 21), or opens another one at the
/// decision of `now`. A sighting is never divided: that of the second in which a gap or the longest
/// age ends belongs as a whole to where its first alert belongs. Returns by how much the number of
/// open episodes changed.
int join(const records::Sighting& sighting, Second now, const FindingConfig& config,
         records::Series& series);

}  // namespace gyre::stages
