// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include "base/time.h"

#include "schemas/records.pb.h"
#include "stages/by_container/stage.h"

namespace gyre::stages {

/// Episodes of a key that were born late; what is late and touches none of them is folded into the
/// nearest.
inline constexpr int kLateEpisodes = 4;
/// All episodes of a key. Of more, the oldest that has closed in its time is forgotten early.
inline constexpr int kEpisodes = 12;

/// What a sighting did to the episodes of its key.
struct Joined {
  int opened = 0;     ///< by how much the number of open episodes changed
  bool rest = false;  ///< it was folded into an episode that it does not touch: a limit bit
};

/// Puts a sighting into the episode that it belongs to (ruling 21), or opens another one at the
/// decision of `now`. One of a newer version of the normaliser joins none of an older one: it opens
/// another, which ends those (ruling 32). A sighting is never divided: that of the second in which
/// a gap or the longest age ends belongs as a whole to where its first alert belongs. Copies alone
/// open nothing: those that touch no episode are counted in the nearest, of which there must be
/// one.
Joined join(const records::Sighting& sighting, Second now, const FindingConfig& config,
            records::Series& series);

/// Names an episode of `series` that is published for the first time, for ever, and the one before
/// it in time.
void name(std::string_view key, Second now, const FindingConfig& config, records::Series& series,
          records::Episode& episode);

/// The oldest closed episode of more than kEpisodes, -1 if there is none to be forgotten. Those
/// born late stay: their ids could come again.
int one_too_many(const records::Series& series);

/// Leaves of the oldest episodes' evidence as much as keeps the value of the series below 256 KiB
/// (DESIGN 5).
void bound(records::Series& series);

}  // namespace gyre::stages
