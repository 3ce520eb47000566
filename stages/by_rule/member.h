// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "schemas/records.pb.h"
#include "stages/by_rule/stage.h"

namespace gyre::stages {

/// Whether it runs on a host; what plugins tell of does not.
bool is_on_host(const records::Entity& entity);

/// Hash of whom a contribution is about, for Group's lists; 16 bytes, or empty: it has none. A
/// scheduled job's containers run wherever there is room: they have a workload, but no host.
std::string host_of(const records::Contribution& contribution);
std::string workload_of(const records::Contribution& contribution);

/// What counts against the threshold of workloads: the workload, of a plugin's alert the object.
std::string place_of(const records::Contribution& contribution);

/// Adds those that `into` (Judged or Outbreak) does not hold yet, up to a limit.
template <typename Into>
void add_techniques(const google::protobuf::RepeatedPtrField<records::Technique>& from,
                    Into& into) {
  constexpr int kTechniques = 32;
  for (const records::Technique& technique : from) {
    const auto same = [&](const records::Technique& known) {
      return known.tactic() == technique.tactic() && known.technique() == technique.technique() &&
             known.source() == technique.source();
    };
    if (std::any_of(into.attack().begin(), into.attack().end(), same)) continue;
    if (into.attack_size() == kTechniques)
      into.set_techniques_left_out(true);
    else
      *into.add_attack() = technique;
  }
}

/// Within which so many have to be seen that the group's outbreak opens.
Second window_of(const records::Group& group, const OutbreakConfig& config);

/// When an outbreak begins to count whose window begins at `time`. Sightings of one twenty-fourth
/// of a window are not told apart, so that a member stays small however often it contributes.
Nanos count_from(Nanos time, Second window);

/// A member's account with groups of this one's kind.
const records::Account& account_of(const records::OutbreakMember& member,
                                   const records::Group& group);

/// What a contribution adds to what is known of its member. That a finding closes, is judged anew
/// or had copies is no sighting: such a tally has no alerts.
records::Tally tally_of(const records::Contribution& contribution);

/// Adds to what no outbreak tells of the member yet. `everywhere` is the group of its rule.
void note(const records::Tally& tally, const records::Group& everywhere, Second now,
          const OutbreakConfig& config, records::OutbreakMember& member);

/// What a finding was judged stays with what it contributed, since another one follows, or followed
/// already. `workload`: the group of its workload, if there is one.
void keep_judgement(const records::Contribution& finding, const records::Group& everywhere,
                    const records::Group* workload, records::OutbreakMember& member);

/// The highest that the findings were judged of which the group's outbreak tells; nothing: all of
/// them are known as test or benign.
std::optional<records::Judged> judged_in(const records::Group& group,
                                         const records::OutbreakMember& member);

/// Whether the group's open outbreak tells of the member. It does until it closes: counts never
/// fall (ruling 31).
bool belongs(const records::OutbreakMember& member, const records::Group& group);

/// Lets the group's open outbreak tell what none has told: of a member that belongs to it, or that
/// counts and was seen since it began. One over hosts and workloads tells of whom it was seen with,
/// too, without the counts that the outbreak of a workload has. Whether the member belongs now.
bool tell(const records::Group& group, records::OutbreakMember& member);

/// The newest sighting that counts for opening the group's outbreak, or for holding it open. What
/// an outbreak of before told is neither, nor for one of a workload what one over hosts told.
std::optional<Nanos> newest_sighting(const records::OutbreakMember& member,
                                     const records::Group& group);

/// Whether all of it is too old for every outbreak that is not open yet.
bool is_old(const records::OutbreakMember& member, const OutbreakConfig& config, Second now);

}  // namespace gyre::stages
