// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "schemas/records.pb.h"
#include "stages/report/judge.h"
#include "state/transaction.h"

namespace gyre::stages {

struct FindingConfig;

using Members = google::protobuf::RepeatedPtrField<records::Member>;

/// Of an incident, and of the findings that may become one. More are left out, and counted.
inline constexpr int kMembers = 100;

/// What an incident has to know of a finding, as the revision just published says it.
records::Member member_of(std::string_view finding_key, const records::Series& series,
                          const records::Episode& episode, const Judgement& judgement);

const records::Member* find_member(std::string_view id, const Members& members);
/// Adds the member or replaces what was known of it; the order is (first, id).
void put_member(const records::Member& member, Members& members);
void forget_member(std::string_view id, Members& members);
/// Takes out one of more than kMembers: of all but the first half, the one of lowest severity and
/// risk, the latest of these. None if there are not more.
std::optional<records::Member> evict_beyond_limit(Members& members);

/// The quiet of an incident begins with its last sighting, or with the opening, which was news. Its
/// findings may be forgotten before it is over.
Second quiet_since(const records::Incident& incident);

/// An incident that opens in that second takes in what was seen since then: findings further apart
/// than the gap do not belong together. What comes late is held to the same.
Nanos oldest_at(Second opened, const FindingConfig& config);
inline Nanos oldest_in(const records::Incident& incident, const FindingConfig& config) {
  return oldest_at(incident.opened_second(), config);
}

/// Calls `look` with every published episode of the entity's live findings, but for its sensor's;
/// those for which it returns true it has changed: they are put into the state.
void each_finding(const records::EntityState& entity, state::Transaction& state,
                  const std::function<bool(records::Episode&)>& look);
/// The newest sighting of a member, published or not, as far as its finding is still kept.
Nanos newest_of(const records::Member& member, const state::Transaction& state);
/// Changes the member's episode in the state, if it is still kept.
void change_episode(const records::Member& member, state::Transaction& state,
                    const std::function<void(records::Episode&)>& change);

}  // namespace gyre::stages
