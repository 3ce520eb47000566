// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/flash.h"

#include <algorithm>
#include <optional>
#include <string>

#include "schemas/alert.h"
#include "schemas/identity.h"
#include "schemas/sighting.h"
#include "stages/by_container/blind_spots.h"
#include "stages/by_container/finding.h"
#include "stages/by_container/places.h"

namespace gyre::stages {

namespace {

// Undecided seconds of a live input; more, and nobody waits for milliseconds.
constexpr Second kNear = 10;

bool is_urgent(const records::Sighting& sighting) {
  return sighting.summary().priority() <=
             static_cast<std::uint32_t>(schemas::Priority::kCritical) &&
         sighting.counts().alerts() > 0 && sighting.source() != "internal";
}

// Whatever still comes belongs to a second after `decided`: may it bridge the gap to an episode?
bool could_join(const records::Series& series, Second decided, const FindingConfig& config) {
  return std::any_of(series.episodes().begin(), series.episodes().end(), [&](const auto& episode) {
    return second_of(episode.summary().last()) + config.gap > decided;
  });
}

// Everything of the key that waits for its second, this sighting included.
records::Episode known_episode(const records::Sighting& sighting, Second decided,
                               const state::Transaction& state) {
  records::Episode episode;
  episode.set_opened_second(sighting.second());
  episode.set_flashed(sighting.second());
  for (Second second = decided + 1; second <= sighting.second(); ++second) {
    const auto waiting = state.pending(second, sighting.finding_key(), second);
    if (!waiting) continue;
    schemas::merge(*episode.mutable_summary(), waiting->summary());
    schemas::merge(*episode.mutable_counts(), waiting->counts());
    episode.set_opened_second(std::min(episode.opened_second(), second));
  }
  return episode;
}

}  // namespace

bool flash(const records::Sighting& sighting, Second decided, const FindingConfig& config,
           const Playbooks& playbooks, const Producer& producer, state::Transaction& state,
           std::vector<schemas::Report>& reports) {
  const Second second = sighting.second();
  if (!is_urgent(sighting) || second <= decided || second - decided > kNear) return false;
  // The id is made of the opening time in units of the gap (ruling 20).
  if ((decided + 1) / config.gap != second / config.gap) return false;
  const auto stored = state.series(sighting.finding_key());
  if (stored && could_join(*stored, decided, config)) return false;
  const std::string hash(view(schemas::entity_hash(sighting.entity())));
  records::EntityState entity = state.entity(hash).value_or(records::EntityState());
  if (!take_place_early(config, sighting, entity)) return false;
  if (!entity.has_entity()) {
    *entity.mutable_entity() = sighting.entity();
    entity.set_touched(second);
  }

  records::Series series = stored.value_or(records::Series());
  if (!stored) describe(sighting, series);
  records::Episode& episode = *series.add_episodes();
  episode = known_episode(sighting, decided, state);
  const auto host = sensor_host(sighting.entity());
  const auto sensor = host ? state.entity(view(schemas::entity_hash(*host))) : std::nullopt;
  const FindingContext context{.now = second,
                               .config = config,
                               .playbooks = playbooks,
                               .producer = producer,
                               .entity = entity,
                               .sensor = sensor ? &*sensor : nullptr,
                               .card_changed = false};
  publish_first(sighting.finding_key(), series, episode, context, reports);
  // It is counted with its second, like everything else.
  episode.clear_counts();
  series.set_due(series.due() == 0 ? second : std::min(series.due(), second));
  state.put(sighting.finding_key(), series);
  state.put(hash, entity);
  return true;
}

}  // namespace gyre::stages
