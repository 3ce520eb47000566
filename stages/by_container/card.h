// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schemas/records.pb.h"

namespace gyre::stages {

/// What a sighting changed of its container's card.
enum class Learned {
  kNothing,
  kUnseen,  ///< what judges, but stands in no report
  kSeen
};

/// Learns from a sighting what is known of its container (DESIGN 7: name, image, pod arrive late,
/// or in another rule's alert). Values that disagree are all kept, capped as values are.
Learned learn_card(const records::Sighting& sighting, records::EntityState& entity);

}  // namespace gyre::stages
