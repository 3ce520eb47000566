// SPDX-License-Identifier: Apache-2.0
// Whether a finding's ticket asks for what another report asks for already
// (docs/decisions/0027-one-ticket.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.h"
#include "schemas/records.pb.h"
#include "stages/by_container/finding.h"
#include "stages/report/judge.h"

namespace gyre::stages {

/// Makes of a ticket a record where the entity's open incident asks for it, with a revision of its
/// own in the second in which the finding joins it; or where an earlier finding of this key asked
/// for the same proof within a day. What has asked itself goes on, and what is new asks itself.
void cover(std::string_view finding_key, const records::Episode& episode,
           const FindingContext& context, Judgement& judgement);

/// The id of the entity's open incident, where it takes up the finding in this second, in which the
/// finding is published; empty where there is none.
std::string_view joined_incident(const records::Episode& episode, const FindingContext& context,
                                 const Judgement& judgement);

/// How long the entity has to be kept for what it asked for; 0: it asked for nothing.
Second remembers_until(const records::EntityState& entity);

/// How many names and ids of users were seen in it, as far as they are kept.
std::uint32_t users_seen(const records::Episode& episode);

/// What later findings of the same key need not ask again; none for most.
std::optional<records::Asked> asked_by(std::string_view finding_key,
                                       const records::Episode& episode, const Judgement& judgement);
void remember(records::Asked asked, Second now, records::EntityState& entity);

}  // namespace gyre::stages
