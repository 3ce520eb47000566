// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <set>
#include <string_view>

#include "schemas/address.h"
#include "schemas/playbook.pb.h"
#include "schemas/records.pb.h"
#include "schemas/request.h"
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

/// A dry run changes nothing, whatever the API server answers. The shape keeps them apart.
inline bool was_dry_run(const Facts& facts) {
  const auto uris = facts.values("ka.uri");
  return !uris.empty() && std::all_of(uris.begin(), uris.end(), schemas::is_dry_run);
}

/// Nothing got through, or nothing was to be changed.
inline bool none_took_effect(const Facts& facts, const records::OutcomeCounts& outcome,
                             bool effect_observed) {
  return was_dry_run(facts) || all_refused(outcome, effect_observed);
}

/// Of an address, or of either end of a connection: whether it is one of these kinds.
template <typename Kinds>
bool has_address_of(std::string_view value, const Kinds& kinds) {
  const auto is_one = [&](std::string_view text) {
    const auto end = schemas::endpoint(text);
    if (end) text = end->address;
    return !text.empty() && schemas::address_length(text) == text.size() &&
           std::find(kinds.begin(), kinds.end(), schemas::address_class(text)) != kinds.end();
  };
  const std::size_t arrow = value.find("->");
  return is_one(value.substr(0, arrow)) ||
         (arrow != std::string_view::npos && is_one(value.substr(arrow + 2)));
}

inline bool value_fits(const playbook::Condition& condition, std::string_view value) {
  const auto any = [&](const auto& list, const auto& fits) {
    return std::any_of(list.begin(), list.end(), fits);
  };
  if (condition.one_of_size() + condition.starts_with_size() + condition.contains_size() +
          condition.address_size() ==
      0) {
    return true;
  }
  return any(condition.one_of(), [&](std::string_view text) { return value == text; }) ||
         any(condition.starts_with(),
             [&](std::string_view text) { return value.starts_with(text); }) ||
         any(condition.contains(),
             [&](std::string_view text) { return value.find(text) != std::string_view::npos; }) ||
         (!condition.address().empty() && has_address_of(value, condition.address()));
}

/// `effect`: whether ruling 25's effect was observed; false while that itself is being found out.
inline bool is_proven(const playbook::Condition& condition, const Facts& facts,
                      const records::OutcomeCounts& outcome, bool effect) {
  if (condition.outcome() != playbook::Condition::NONE &&
      condition.outcome() != playbook::Condition::BLOCKED && was_dry_run(facts))
    return false;
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

/// What alerts prove together, one of them may not: that something happened, and a value that only
/// an alert of another result holds. Where results differ, a claim about one of them needs a field
/// whose every value fits.
template <typename List>
bool can_claim(const List& conditions, const Facts& facts, const records::OutcomeCounts& outcome,
               bool effect) {
  if (!all_proven(conditions, facts, outcome, effect)) return false;
  const int results = (outcome.succeeded() > 0) + (outcome.blocked() > 0) + (outcome.unknown() > 0);
  const auto of_result = [](const auto& condition) {
    return condition.outcome() != playbook::Condition::NONE;
  };
  if (results < 2 || std::none_of(conditions.begin(), conditions.end(), of_result)) return true;
  return std::all_of(conditions.begin(), conditions.end(), [&](const auto& condition) {
    if (of_result(condition)) return true;
    const auto values = facts.values(condition.field());
    return !facts.capped(condition.field()) &&
           std::all_of(values.begin(), values.end(),
                       [&](std::string_view value) { return value_fits(condition, value); });
  });
}

/// All of `when`, and one of `any` if it has some: of an effect, of what makes a rule strong.
template <typename Proof>
bool is_shown(const Proof& proof, const Facts& facts, const records::OutcomeCounts& outcome,
              bool effect) {
  return all_proven(proof.when(), facts, outcome, effect) &&
         (proof.any().empty() ||
          std::any_of(proof.any().begin(), proof.any().end(),
                      [&](const auto& one) { return is_proven(one, facts, outcome, effect); }));
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
