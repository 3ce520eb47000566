// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/episodes.h"

#include <algorithm>

#include "base/check.h"
#include "base/hash.h"
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
  if (counts.alerts() == 0) return;
  episode.set_dirty(true);
  episode.set_said_ahead(false);
  records::Span span;
  span.set_first(summary.first());
  span.set_last(summary.last());
  span.set_priority(summary.priority());
  schemas::widen(*episode.mutable_unsaid(), span);
}

bool is_published(const records::Episode& episode) { return episode.revision() > 0; }
bool is_late(const records::Episode& episode) { return episode.born_late(); }

// Nanoseconds between them; 0: they overlap.
std::uint64_t distance(const records::Summary& a, const records::Summary& b) {
  const auto between = [](Nanos from, Nanos to) {
    return to <= from ? 0 : static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
  };
  return std::max(between(a.last(), b.first()), between(b.last(), a.first()));
}

records::Episode& nearest(google::protobuf::RepeatedPtrField<records::Episode>& episodes,
                          const records::Summary& summary, bool of_late) {
  records::Episode* best = nullptr;
  for (records::Episode& episode : episodes) {
    if (of_late && !is_late(episode)) continue;
    if (best == nullptr ||
        distance(episode.summary(), summary) < distance(best->summary(), summary))
      best = &episode;
  }
  CHECK(best != nullptr);
  return *best;
}

// Late alerts can bring two episodes within the gap of each other: an unpublished one is swallowed,
// published ones stay (ruling 21).
int swallow_neighbours(const FindingConfig& config, records::Series& series) {
  auto& episodes = *series.mutable_episodes();
  int swallowed = 0;
  for (int i = 0; i + 1 < episodes.size();) {
    records::Episode& left = episodes[i];
    records::Episode& right = episodes[i + 1];
    const bool mergeable = !(is_published(left) && is_published(right)) && !left.closed() &&
                           !right.closed() && left.shape_version() == right.shape_version() &&
                           touches(left, right.summary(), config);
    if (!mergeable) {
      ++i;
      continue;
    }
    if (!is_published(left)) std::swap(left, right);
    fold(right.summary(), right.counts(), left);
    left.set_opened_second(std::min(left.opened_second(), right.opened_second()));
    left.set_born_late(left.born_late() && right.born_late());
    left.set_late_rest(left.late_rest() || right.late_rest());
    episodes.erase(episodes.begin() + i + 1);
    ++swallowed;
  }
  return swallowed;
}

// `again`: how many of that unit there are already.
std::string id_of(std::string_view key, const records::Episode& episode, Second now,
                  const FindingConfig& config, const records::Series& series, std::int64_t again) {
  IdHasher hasher;
  hasher.add("finding").add(key).add(second_of(episode.summary().first()) / config.gap);
  // An episode born late may lie in the same unit of time as one that was forgotten (ruling 20).
  if (episode.born_late()) hasher.add((now - config.lateness) / config.gap);
  // So may one that ended another for its newer normaliser (ruling 32).
  const auto& all = series.episodes();
  if (std::any_of(all.begin(), all.end(), [&](const records::Episode& other) {
        return other.shape_version() < episode.shape_version();
      }))
    hasher.add(static_cast<std::int64_t>(episode.shape_version()));
  if (again > 0) hasher.add("again").add(again);
  return to_hex(view(hasher.finish()));
}

bool has_id(const records::Series& series, const std::string& id) {
  const auto& all = series.episodes();
  return series.last_id() == id ||
         std::any_of(all.begin(), all.end(),
                     [&](const records::Episode& other) { return other.id() == id; });
}

}  // namespace

Joined join(const records::Sighting& sighting, Second now, const FindingConfig& config,
            records::Series& series) {
  auto& episodes = *series.mutable_episodes();
  Joined joined;
  const bool late = sighting.counts().late() > 0;
  // What is late, or a copy, may be of an episode that is over. What is in time is not: only late
  // alerts can have drawn that episode's end so near.
  const bool of_closed = late || sighting.counts().alerts() == 0;
  const auto found = std::find_if(episodes.begin(), episodes.end(), [&](const auto& episode) {
    return (of_closed || !episode.closed()) &&
           sighting.shape_version() <= episode.shape_version() &&
           touches(episode, sighting.summary(), config);
  });
  if (found != episodes.end()) {
    fold(sighting.summary(), sighting.counts(), *found);
  } else if (sighting.counts().alerts() == 0) {
    schemas::merge(*nearest(episodes, sighting.summary(), false).mutable_counts(),
                   sighting.counts());
  } else if (late && std::count_if(episodes.begin(), episodes.end(), is_late) >= kLateEpisodes) {
    records::Episode& rest = nearest(episodes, sighting.summary(), true);
    fold(sighting.summary(), sighting.counts(), rest);
    rest.set_late_rest(true);
    joined.rest = true;
  } else {
    records::Episode& episode = *episodes.Add();
    episode.set_opened_second(now);
    episode.set_born_late(late);
    episode.set_shape_version(sighting.shape_version());
    series.set_shape_version(std::max(series.shape_version(), sighting.shape_version()));
    fold(sighting.summary(), sighting.counts(), episode);
    joined.opened = 1;
  }
  std::stable_sort(episodes.begin(), episodes.end(), [](const auto& a, const auto& b) {
    return a.summary().first() < b.summary().first();
  });
  joined.opened -= swallow_neighbours(config, series);
  return joined;
}

void name(std::string_view key, Second now, const FindingConfig& config, records::Series& series,
          records::Episode& episode) {
  std::string id = id_of(key, episode, now, config, series, 0);
  // Late alerts stretch an episode down, past the beginning that named it.
  for (std::int64_t again = 1; has_id(series, id); ++again)
    id = id_of(key, episode, now, config, series, again);
  episode.set_id(id);
  const Nanos first = episode.summary().first();
  const bool newest = series.last_id().empty() || series.last_first() < first;
  if (newest && !series.last_id().empty())
    episode.set_previous_id(series.last_id());
  else
    for (const records::Episode& other : series.episodes())
      if (other.revision() > 0 && other.summary().first() < first)
        episode.set_previous_id(other.id());
  if (!newest) return;
  series.set_last_id(episode.id());
  series.set_last_first(first);
}

int one_too_many(const records::Series& series) {
  const auto& episodes = series.episodes();
  if (episodes.size() <= kEpisodes) return -1;
  for (int i = 0; i < episodes.size(); ++i)
    if (episodes[i].closed() && !episodes[i].born_late()) return i;
  return -1;
}

void bound(records::Series& series) {
  constexpr std::size_t kSeriesBytes = 240 << 10;
  // One episode is smaller, whatever it holds (schemas/sighting.h).
  if (series.episodes_size() < 2) return;
  for (records::Episode& episode : *series.mutable_episodes()) {
    if (series.ByteSizeLong() <= kSeriesBytes) return;
    schemas::thin(*episode.mutable_summary());
  }
}

}  // namespace gyre::stages
