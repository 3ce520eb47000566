// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "schemas/records.pb.h"
#include "schemas/report.h"
#include "stages/by_container/stage.h"

namespace gyre::stages {

/// Ruling 18: publishes the first revision of a finding of Critical and above as soon as its
/// sighting arrives, on what is known. `sighting` was folded and waits for its second; `decided` is
/// the last second decided. Nothing is flashed that could get another id or another predecessor
/// from what still comes for an undecided second, what might find no place, and what waits for more
/// than a few seconds anyway.
///
/// A flash is kept with its entity until the sighting's second is decided. Until then everything is
/// decided as without it, but no revision of its finding is written; then one is, the second
/// (`settled`).
void flash(const records::Sighting& sighting, std::string_view entity_hash, Second decided,
           const Basis& basis, state::Transaction& state, std::vector<schemas::Report>& reports);

/// When to decide a sighting that may be of another episode than the flash of its key, if there is
/// one, though that was said without knowing of it: after it, else at `decision`.
Second after_flash(const records::Sighting& sighting, std::string_view entity_hash, Second decision,
                   const state::Transaction& state);

/// Null: nothing of this key was flashed, or it is settled.
const records::Flash* find_flash(std::string_view finding_key, const records::EntityState& entity);
/// Whether what was flashed is among the sightings to be decided now.
bool settles_flash(const records::Flash& flash, const std::vector<records::Sighting>& sightings);
void forget_flash(std::string_view finding_key, records::EntityState& entity);

}  // namespace gyre::stages
