// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "schemas/records.pb.h"

namespace gyre::stages {

struct FindingConfig;

/// What stands for a shape (or a rule and a shape) that found no place of its own.
inline constexpr std::string_view kOtherShapes = "*";
inline constexpr std::string_view kOtherRules = "*";

/// Finds a place for a finding key that has no live series: its own one, while its rule has fewer
/// than `findings.shapes` and its entity fewer than `findings.per_entity` live findings; else the
/// overflow finding of that rule and entity, else (`findings.shapes` rules overflow already) that
/// of the entity. Findings opened by Critical and above have places of their own number, so that
/// noise can't take them; what was flashed has one in any case. Moves `sighting` to the key it is
/// to be folded under; true if that is an overflow finding. Callers ask in the order of the keys'
/// hashes, second by second: the choice is the same for every order of arrival.
bool find_place(const FindingConfig& config, records::Sighting& sighting,
                records::EntityState& entity);

/// Whether a live series would take the sighting's copies: its own, or the overflow finding that
/// its key went to.
bool knows_place(const records::Sighting& sighting, records::EntityState& entity);

/// Whether half of the places of the sighting's rule and entity would be free yet if every flash
/// took one.
bool half_is_free(const FindingConfig& config, const records::Sighting& sighting,
                  const records::EntityState& entity);

/// The series is gone, its place is free.
void free_place(std::string_view finding_key, records::EntityState& entity);

}  // namespace gyre::stages
