// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/places.h"

#include <algorithm>
#include <optional>

#include "base/hash.h"
#include "schemas/alert.h"
#include "schemas/identity.h"
#include "schemas/sighting.h"
#include "stages/by_container/flash.h"
#include "stages/by_container/stage.h"

namespace gyre::stages {

namespace {

auto position(records::EntityState& entity, std::string_view key) {
  auto& places = *entity.mutable_places();
  return std::lower_bound(places.begin(), places.end(), key,
                          [](const records::Place& place, std::string_view name) {
                            return place.finding_key() < name;
                          });
}

bool has_place(records::EntityState& entity, std::string_view key) {
  const auto at = position(entity, key);
  return at != entity.mutable_places()->end() && at->finding_key() == key;
}

void take_place(records::EntityState& entity, const records::Sighting& sighting, bool urgent,
                bool overflow) {
  auto& places = *entity.mutable_places();
  const auto at = position(entity, sighting.finding_key()) - places.begin();
  records::Place& place = *places.Add();
  place.set_finding_key(sighting.finding_key());
  place.set_rule(fast_hash(sighting.rule()));
  place.set_urgent(urgent);
  place.set_overflow(overflow);
  for (int i = places.size() - 1; i > at; --i) places.SwapElements(i, i - 1);
}

// Places by who may have them; of_rule and of_entity are those of the sighting's urgency.
struct Taken {
  bool urgent = false;
  std::uint32_t of_rule = 0;
  std::uint32_t of_entity = 0;
  std::uint32_t overflowing = 0;
};

Taken count_places(const records::EntityState& entity, const records::Sighting& sighting) {
  Taken taken;
  taken.urgent =
      sighting.summary().priority() <= static_cast<std::uint32_t>(schemas::Priority::kCritical);
  const std::uint64_t rule = fast_hash(sighting.rule());
  for (const records::Place& place : entity.places()) {
    if (place.overflow()) {
      ++taken.overflowing;
    } else if (place.urgent() == taken.urgent) {
      ++taken.of_entity;
      if (place.rule() == rule) ++taken.of_rule;
    }
  }
  return taken;
}

// What it was stays as evidence.
void move_to(records::Sighting& sighting, std::string_view rule) {
  if (sighting.rule() != rule)
    schemas::add_value(*sighting.mutable_summary(), "rule", sighting.rule());
  if (sighting.shape() != kOtherShapes)
    schemas::add_value(*sighting.mutable_summary(), "shape", sighting.shape());
  sighting.set_rule(std::string(rule));
  sighting.set_shape(std::string(kOtherShapes));
  const Id128 key = schemas::finding_key(sighting.entity(), rule, kOtherShapes);
  sighting.set_finding_key(std::string(view(key)));
}

// The sighting under the key that its kind has overflowed to.
std::optional<records::Sighting> overflowed_before(const records::Sighting& sighting,
                                                   records::EntityState& entity) {
  records::Sighting moved = sighting;
  for (const std::string& rule : {sighting.rule(), std::string(kOtherRules)}) {
    move_to(moved, rule);
    if (has_place(entity, moved.finding_key())) return moved;
  }
  return std::nullopt;
}

}  // namespace

bool knows_place(const records::Sighting& sighting, records::EntityState& entity) {
  return has_place(entity, sighting.finding_key()) || overflowed_before(sighting, entity);
}

bool find_place(const FindingConfig& config, records::Sighting& sighting,
                records::EntityState& entity) {
  if (has_place(entity, sighting.finding_key())) return false;
  // A copy of what overflowed goes where the first one went.
  if (sighting.counts().alerts() == 0) {
    if (auto moved = overflowed_before(sighting, entity)) {
      sighting = std::move(*moved);
      return true;
    }
  }
  const Taken taken = count_places(entity, sighting);
  const std::string& tenant = sighting.entity().tenant();
  const FindingConfig& own = config.of(tenant, sighting.rule());
  if ((taken.of_rule < own.shapes && taken.of_entity < own.per_entity) ||
      find_flash(sighting.finding_key(), entity) != nullptr) {
    take_place(entity, sighting, taken.urgent, false);
    return false;
  }
  move_to(sighting, std::string(sighting.rule()));
  if (has_place(entity, sighting.finding_key())) return true;
  // The last of these places is that of the other rules.
  if (taken.overflowing + 1 >= config.of(tenant).shapes) {
    move_to(sighting, kOtherRules);
    if (has_place(entity, sighting.finding_key())) return true;
  }
  take_place(entity, sighting, taken.urgent, true);
  return true;
}

bool half_is_free(const FindingConfig& config, const records::Sighting& sighting,
                  const records::EntityState& entity) {
  const FindingConfig& own = config.of(sighting.entity().tenant(), sighting.rule());
  const Taken taken = count_places(entity, sighting);
  const std::uint64_t rule = fast_hash(sighting.rule());
  const auto& flashes = entity.flashes();
  const auto of_rule = std::count_if(flashes.begin(), flashes.end(),
                                     [&](const auto& flash) { return flash.rule() == rule; });
  return taken.of_rule + static_cast<std::uint64_t>(of_rule) < own.shapes / 2 &&
         taken.of_entity + static_cast<std::uint64_t>(flashes.size()) < own.per_entity / 2;
}

void free_place(std::string_view finding_key, records::EntityState& entity) {
  const auto at = position(entity, finding_key);
  if (at != entity.mutable_places()->end() && at->finding_key() == finding_key)
    entity.mutable_places()->erase(at);
}

}  // namespace gyre::stages
