// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <set>
#include <string_view>

#include "schemas/playbook.pb.h"
#include "schemas/records.pb.h"
#include "stages/report/facts.h"

namespace gyre::stages {

/// What the alerts' results say once the rule's own knowledge is added: a rule that fires only on
/// success proves it where an alert names no result (ruling 24, 7).
inline records::OutcomeCounts outcome_under(const playbook::Playbook& playbook,
                                            const records::OutcomeCounts& seen) {
  records::OutcomeCounts outcome = seen;
  if (playbook.fires_on() != playbook::Playbook::SUCCESS) return outcome;
  outcome.set_succeeded(seen.succeeded() + seen.unknown());
  outcome.set_unknown(0);
  return outcome;
}

inline bool value_fits(const playbook::Condition& condition, std::string_view value) {
  const auto any = [&](const auto& list, const auto& fits) {
    return std::any_of(list.begin(), list.end(), fits);
  };
  if (condition.one_of_size() + condition.starts_with_size() + condition.contains_size() == 0) {
    return true;
  }
  return any(condition.one_of(), [&](std::string_view text) { return value == text; }) ||
         any(condition.starts_with(),
             [&](std::string_view text) { return value.starts_with(text); }) ||
         any(condition.contains(),
             [&](std::string_view text) { return value.find(text) != std::string_view::npos; });
}

/// `effect`: whether ruling 25's effect was observed; false while that itself is being found out.
inline bool is_proven(const playbook::Condition& condition, const Facts& facts,
                      const records::OutcomeCounts& outcome, bool effect) {
  switch (condition.outcome()) {
    case playbook::Condition::SUCCEEDED:
      return outcome.succeeded() > 0;
    case playbook::Condition::BLOCKED:
      return outcome.blocked() > 0;
    case playbook::Condition::UNKNOWN:
      return outcome.unknown() > 0;
    case playbook::Condition::EFFECT:
      return effect;
    case playbook::Condition::NOT_REFUSED:
      return outcome.succeeded() + outcome.unknown() > 0;
    default:
      break;
  }
  const auto values = facts.values(condition.field());
  if (values.empty() && condition.or_absent()) return true;
  if (!condition.none_of().empty()) {
    const auto& refused = condition.none_of();
    return !values.empty() &&
           std::none_of(values.begin(), values.end(), [&](std::string_view value) {
             return std::find(refused.begin(), refused.end(), value) != refused.end();
           });
  }
  return std::any_of(values.begin(), values.end(),
                     [&](std::string_view value) { return value_fits(condition, value); });
}

template <typename List>
bool all_proven(const List& conditions, const Facts& facts, const records::OutcomeCounts& outcome,
                bool effect) {
  return std::all_of(conditions.begin(), conditions.end(), [&](const auto& condition) {
    return is_proven(condition, facts, outcome, effect);
  });
}

/// Which of a playbook's steps and explanations can be about this entity.
inline std::set<playbook::Step::Platform> platforms_of(const records::Entity& entity,
                                                       const Facts& facts) {
  std::set<playbook::Step::Platform> platforms = {playbook::Step::ANY};
  switch (entity.kind()) {
    case records::Entity::CONTAINER:
      platforms.insert({playbook::Step::CONTAINER, playbook::Step::KUBERNETES});
      // Without a pod it may be either: metadata comes late or never.
      if (!facts.has("k8s.pod.name")) platforms.insert(playbook::Step::DOCKER);
      break;
    case records::Entity::HOST:
      // Not on the host, only nobody knows in which container: commands that name it fall away.
      if (entity.container_unknown()) {
        platforms.insert({playbook::Step::CONTAINER, playbook::Step::DOCKER});
        if (facts.has("k8s.ns.name") || facts.has("k8s.pod.name"))
          platforms.insert(playbook::Step::KUBERNETES);
      } else {
        platforms.insert(playbook::Step::HOST);
      }
      break;
    case records::Entity::K8S_OBJECT:
      platforms.insert(playbook::Step::KUBERNETES);
      break;
    default:
      platforms.insert(playbook::Step::CLOUD);
  }
  return platforms;
}

/// `wanted`: platforms of a step or an explanation; none means everywhere.
template <typename List>
bool is_here(const List& wanted, const std::set<playbook::Step::Platform>& here) {
  return wanted.empty() || std::any_of(wanted.begin(), wanted.end(), [&](int platform) {
           return here.contains(static_cast<playbook::Step::Platform>(platform));
         });
}

}  // namespace gyre::stages
