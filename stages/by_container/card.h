// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schemas/records.pb.h"

namespace gyre::stages {

/// Learns from a sighting what is known of its container (DESIGN 7: name, image, pod arrive late,
/// or in another rule's alert). Values that disagree are all kept, capped as values are.
enum class Learned {
  kNothing,
  kUnseen,  ///< what judges, but stands in no report
  kSeen
};
Learned learn_card(const records::Sighting& sighting, records::EntityState& entity);

}  // namespace gyre::stages
