// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/flash.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/hash.h"
#include "schemas/alert.h"
#include "schemas/identity.h"
#include "schemas/shape.h"
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
         sighting.counts().alerts() > 0 && sighting.source() != "internal" &&
         sighting.shape_version() == schemas::kShapeVersion;
}

// Whatever comes for the undecided seconds up to the sighting's: it is of one episode, whose id is
// made of its opening time in units of the gap (ruling 20).
bool has_one_id(Second second, Second decided, const FindingConfig& config) {
  return second > decided && second <= decided + std::min(kNear, config.gap) &&
         (decided + 1) / config.gap == second / config.gap;
}

// No sighting of an undecided second reaches the episode, and it will be the new one's predecessor.
bool is_over(const records::Episode& episode, Second second, Second decided,
             const FindingConfig& config) {
  const bool kept = !episode.closed() || episode.closed_second() + config.keep_closed > second;
  return episode.revision() > 0 && kept &&
         second_of(episode.summary().last()) + config.gap <= decided;
}

// Everything of the key that waits for its second, the sighting included; none if some of it could
// open or join another episode: it is older, or of an older normaliser. Copies before its first
// alert are left out: their second gives them to an episode before, or lets them wait.
std::optional<records::Episode> known_episode(const records::Sighting& sighting, Second decided,
                                              const state::Transaction& state) {
  records::Episode episode;
  episode.set_shape_version(sighting.shape_version());
  for (Second second = decided + 1; second <= sighting.second(); ++second) {
    const auto first = state.first_pending(second, sighting);
    if (!first) continue;
    const auto waiting = state.pending(second, sighting, second);
    if (*first != second || waiting->shape_version() != sighting.shape_version())
      return std::nullopt;
    if (episode.counts().alerts() == 0 && waiting->counts().alerts() == 0) continue;
    schemas::merge(*episode.mutable_summary(), waiting->summary());
    schemas::merge(*episode.mutable_counts(), waiting->counts());
  }
  return episode;
}

}  // namespace

void flash(const records::Sighting& sighting, std::string_view entity_hash, Second decided,
           const Basis& basis, state::Transaction& state, std::vector<schemas::Report>& reports) {
  const Second second = sighting.second();
  const std::string& tenant = sighting.entity().tenant();
  const FindingConfig& config = basis.config.of(tenant, sighting.rule());
  if (!is_urgent(sighting) || !has_one_id(second, decided, config)) return;
  records::EntityState entity = state.entity(entity_hash).value_or(records::EntityState());
  if (find_flash(sighting.finding_key(), entity) != nullptr ||
      !half_is_free(basis.config, sighting, entity))
    return;
  auto stored = state.series(sighting.finding_key());
  if (stored &&
      !std::all_of(stored->episodes().begin(), stored->episodes().end(),
                   [&](const auto& episode) { return is_over(episode, second, decided, config); }))
    return;
  const auto known = known_episode(sighting, decided, state);
  if (!known) return;

  // Said on a draft: the alert is counted with its second, like everything else.
  records::Series draft = stored ? std::move(*stored) : records::Series();
  if (!stored) describe(sighting, draft);
  records::Episode& episode = *draft.add_episodes();
  episode = *known;
  draft.set_shape_version(sighting.shape_version());
  records::EntityState card = entity;
  if (!card.has_entity()) *card.mutable_entity() = sighting.entity();
  const auto host = sensor_host(sighting.entity());
  const auto sensor = host ? state.entity(view(schemas::entity_hash(*host))) : std::nullopt;
  publish_first(sighting.finding_key(), draft, episode,
                {.now = second,
                 .config = config,
                 .playbooks = basis.playbooks,
                 .producer = basis.producer,
                 .entity = card,
                 .sensor = sensor ? &*sensor : nullptr,
                 .flash = nullptr,
                 .learned = Learned::kNothing,
                 .incidents = basis.config.of(tenant)},
                reports);

  records::Flash& flash = *entity.add_flashes();
  flash.set_finding_key(sighting.finding_key());
  flash.set_rule(fast_hash(sighting.rule()));
  flash.set_id(episode.id());
  flash.set_second(second);
  *flash.mutable_said() = episode.said();
  state.put(entity_hash, entity);
}

Second after_flash(const records::Sighting& sighting, std::string_view entity_hash, Second decision,
                   const state::Transaction& state) {
  const auto entity = state.entity(entity_hash);
  const records::Flash* flash = entity ? find_flash(sighting.finding_key(), *entity) : nullptr;
  return flash == nullptr ? decision : std::max(decision, flash->second() + 1);
}

const records::Flash* find_flash(std::string_view finding_key, const records::EntityState& entity) {
  const auto at =
      std::find_if(entity.flashes().begin(), entity.flashes().end(),
                   [&](const auto& flash) { return flash.finding_key() == finding_key; });
  return at == entity.flashes().end() ? nullptr : &*at;
}

bool settles_flash(const records::Flash& flash, const std::vector<records::Sighting>& sightings) {
  return std::any_of(sightings.begin(), sightings.end(), [&](const records::Sighting& sighting) {
    return sighting.second() == flash.second();
  });
}

void forget_flash(std::string_view finding_key, records::EntityState& entity) {
  auto& flashes = *entity.mutable_flashes();
  flashes.erase(
      std::remove_if(flashes.begin(), flashes.end(),
                     [&](const auto& flash) { return flash.finding_key() == finding_key; }),
      flashes.end());
}

}  // namespace gyre::stages
