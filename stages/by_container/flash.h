// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "schemas/records.pb.h"
#include "schemas/report.h"
#include "stages/by_container/stage.h"

namespace gyre::stages {

/// Ruling 18: publishes the first revision of a finding of Critical and above as soon as its
/// sighting arrives, on what is known. `sighting` was folded and waits for its second; `decided` is
/// the last second decided. Its second is settled by a second revision (`Episode.flashed`).
///
/// Nothing is flashed that could turn out otherwise at its second: what may yet join another
/// episode or get another id by what still comes for an undecided second, and what has no place for
/// sure. Nor what waits for more than a few seconds anyway. Returns whether it was published.
bool flash(const records::Sighting& sighting, Second decided, const FindingConfig& config,
           const Playbooks& playbooks, const Producer& producer, state::Transaction& state,
           std::vector<schemas::Report>& reports);

}  // namespace gyre::stages
