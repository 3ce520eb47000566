// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/episodes.h"

#include <algorithm>

#include "schemas/sighting.h"

namespace gyre::stages {

namespace {

bool touches(const records::Episode& episode, const records::Summary& summary,
             const FindingConfig& config) {
  const Nanos gap = config.gap * kNanosPerSecond;
  const records::Summary& own = episode.summary();
  return summary.last() >= own.first() - gap && summary.first() <= own.last() + gap &&
         summary.first() - own.first() < config.max_age * kNanosPerSecond;
}

void fold(const records::Summary& summary, const records::Counts& counts,
          records::Episode& episode) {
  schemas::merge(*episode.mutable_summary(), summary);
  schemas::merge(*episode.mutable_counts(), counts);
  if (counts.alerts() > 0) episode.set_dirty(true);
}

bool is_published(const records::Episode& episode) { return episode.revision() > 0; }

// Late alerts can bring two episodes within the gap of each other: an unpublished one is swallowed,
// published ones stay (ruling 21).
int swallow_neighbours(const FindingConfig& config, records::Series& series) {
  auto& episodes = *series.mutable_episodes();
  int swallowed = 0;
  for (int i = 0; i + 1 < episodes.size();) {
    records::Episode& left = episodes[i];
    records::Episode& right = episodes[i + 1];
    const bool mergeable = !(is_published(left) && is_published(right)) && !left.closed() &&
                           !right.closed() && touches(left, right.summary(), config);
    if (!mergeable) {
      ++i;
      continue;
    }
    if (!is_published(left)) std::swap(left, right);
    fold(right.summary(), right.counts(), left);
    left.set_opened_second(std::min(left.opened_second(), right.opened_second()));
    left.set_born_late(left.born_late() && right.born_late());
    episodes.erase(episodes.begin() + i + 1);
    ++swallowed;
  }
  return swallowed;
}

}  // namespace

int join(const records::Sighting& sighting, Second now, const FindingConfig& config,
         records::Series& series) {
  auto& episodes = *series.mutable_episodes();
  int opened = 0;
  const auto found = std::find_if(episodes.begin(), episodes.end(), [&](const auto& episode) {
    return touches(episode, sighting.summary(), config);
  });
  if (found != episodes.end()) {
    fold(sighting.summary(), sighting.counts(), *found);
  } else {
    records::Episode& episode = *episodes.Add();
    episode.set_opened_second(now);
    episode.set_born_late(sighting.counts().late() > 0);
    fold(sighting.summary(), sighting.counts(), episode);
    opened = 1;
  }
  std::stable_sort(episodes.begin(), episodes.end(), [](const auto& a, const auto& b) {
    return a.summary().first() < b.summary().first();
  });
  return opened - swallow_neighbours(config, series);
}

}  // namespace gyre::stages
