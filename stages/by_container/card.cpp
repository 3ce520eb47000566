// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/card.h"

#include <algorithm>
#include <string_view>

#include "schemas/sighting.h"

namespace gyre::stages {

namespace {

struct CardField {
  std::string_view name;
  bool seen;  // in every report of the container
};

// Sorted, as the card is. k8s.* are the fields of Falco's own enrichment.
constexpr CardField kCardFields[] = {{"container.image.digest", true},
                                     {"container.image.repository", true},
                                     {"container.image.tag", true},
                                     {"container.name", true},
                                     {"container.start_ts", false},
                                     {"k8s.deployment.name", false},
                                     {"k8s.ns.name", true},
                                     {"k8s.pod.name", true},
                                     {"k8s.rs.name", false}};

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

Learned learn_card(const records::Sighting& sighting, records::EntityState& entity) {
  if (sighting.entity().kind() != records::Entity::CONTAINER) return Learned::kNothing;
  Learned learned = Learned::kNothing;
  for (const auto& [field, seen] : kCardFields) {
    const records::Values* values = schemas::find_field(sighting.summary(), field);
    if (values == nullptr) continue;
    records::Values& known = entry(entity, field);
    const records::Values before = known;
    schemas::merge(known, *values);
    const bool same =
        before.capped() == known.capped() && before.values_size() == known.values_size() &&
        std::equal(before.values().begin(), before.values().end(), known.values().begin());
    const bool told = seen || before.capped() != known.capped();  // a cap is named
    if (!same) learned = std::max(learned, told ? Learned::kSeen : Learned::kUnseen);
  }
  return learned;
}

}  // namespace gyre::stages
