// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/records.pb.h"
#include "schemas/sighting.h"

namespace gyre::stages {

/// What is known of a finding: the evidence of its alerts, and for the container's own fields the
/// card as well.
class Facts {
 public:
  Facts(const records::Summary& summary, const records::EntityState& entity)
      : summary_(summary), entity_(entity) {}

  /// All values, sorted; of the card only where no alert of the finding says it itself, or both are
  /// asked.
  std::vector<std::string_view> values(std::string_view field) const {
    std::vector<std::string_view> found;
    if (const records::Values* own = schemas::find_field(summary_, field)) {
      found.assign(own->values().begin(), own->values().end());
    }
    for (const records::Values& known : entity_.card()) {
      if (known.field() == field)
        found.insert(found.end(), known.values().begin(), known.values().end());
    }
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
  }

  bool capped(std::string_view field) const {
    const records::Values* own = schemas::find_field(summary_, field);
    if (own != nullptr && own->capped()) return true;
    return std::any_of(entity_.card().begin(), entity_.card().end(),
                       [&](const auto& known) { return known.field() == field && known.capped(); });
  }

  /// Of what is known of the entity.
  bool card_capped() const {
    return std::any_of(entity_.card().begin(), entity_.card().end(),
                       [](const auto& known) { return known.capped(); });
  }

  bool has(std::string_view field) const { return !values(field).empty(); }

  /// The only value; empty if unknown or several.
  std::string_view single(std::string_view field) const {
    const auto all = values(field);
    return all.size() == 1 && !capped(field) ? all.front() : std::string_view{};
  }

  /// The value that is one of `wanted`, if any is.
  std::string_view any_of(std::string_view field,
                          std::initializer_list<std::string_view> wanted) const {
    for (const std::string_view value : values(field)) {
      if (std::find(wanted.begin(), wanted.end(), value) != wanted.end()) return value;
    }
    return {};
  }

  std::string_view starting_with(std::string_view field, std::string_view prefix) const {
    for (const std::string_view value : values(field)) {
      if (value.starts_with(prefix)) return value;
    }
    return {};
  }

  const records::Summary& summary() const { return summary_; }

 private:
  const records::Summary& summary_;
  const records::EntityState& entity_;
};

/// The field that says how a call ended, in the order of ruling 24; empty where none does.
inline std::string_view result_field(const Facts& facts) {
  for (const std::string_view field :
       {"evt.res", "evt.failed", "evt.rawres", "ka.response.code", "ct.error", "okta.result"}) {
    if (facts.has(field)) return field;
  }
  return {};
}

/// About the sensor, not about a workload (ruling 2).
inline bool is_about_sensor(const records::Series& series) {
  return series.source() == "internal" || series.rule() == "Test rule";
}

/// Everything failed. A success that is only the starting program's (ruling 25) is no refusal: of
/// what it started nothing is known, and whatever failed later may have failed on purpose.
inline bool all_refused(const records::OutcomeCounts& outcome, bool effect_observed) {
  return !effect_observed && outcome.blocked() > 0 && outcome.unknown() + outcome.succeeded() == 0;
}

}  // namespace gyre::stages
