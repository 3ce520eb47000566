// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/card.h"

#include <algorithm>
#include <string_view>

#include "schemas/sighting.h"

namespace gyre::stages {

namespace {

// Sorted, as the card is. k8s.* are the fields of Falco's own enrichment.
constexpr std::string_view kCardFields[] = {"container.image.digest",
                                            "container.image.repository",
                                            "container.image.tag",
                                            "container.name",
                                            "container.start_ts",
                                            "k8s.deployment.name",
                                            "k8s.ns.name",
                                            "k8s.pod.name",
                                            "k8s.rs.name"};

records::Values& entry(records::EntityState& entity, std::string_view field) {
  auto& card = *entity.mutable_card();
  const auto at = std::lower_bound(
      card.begin(), card.end(), field,
      [](const records::Values& have, std::string_view name) { return have.field() < name; });
  if (at != card.end() && at->field() == field) return *at;
  const auto position = at - card.begin();
  card.Add()->set_field(std::string(field));
  for (int i = card.size() - 1; i > position; --i) card.SwapElements(i, i - 1);
  return card[static_cast<int>(position)];
}

}  // namespace

bool learn_card(const records::Sighting& sighting, records::EntityState& entity) {
  if (sighting.entity().kind() != records::Entity::CONTAINER) return false;
  bool changed = false;
  for (const std::string_view field : kCardFields) {
    const records::Values* values = schemas::find_field(sighting.summary(), field);
    if (values == nullptr) continue;
    records::Values& known = entry(entity, field);
    const records::Values before = known;
    schemas::merge(known, *values);
    const bool same =
        before.capped() == known.capped() && before.values_size() == known.values_size() &&
        std::equal(before.values().begin(), before.values().end(), known.values().begin());
    changed = changed || !same;
  }
  return changed;
}

}  // namespace gyre::stages
