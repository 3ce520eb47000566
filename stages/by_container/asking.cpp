// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/asking.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/hash.h"
#include "schemas/alert.h"
#include "schemas/sighting.h"
#include "stages/by_container/members.h"

namespace gyre::stages {

namespace {

constexpr Second kAskAgain = 24 * 3600;
constexpr int kAsked = 64;  // kept of an entity; the oldest is forgotten, and asks again
constexpr int kUsers = 16;
constexpr std::string_view kActors[] = {"user.name", "user.uid"};

std::uint32_t number(Severity severity) { return static_cast<std::uint32_t>(severity); }

// Of an entity that stands for many, nobody who looks at one of them sees what another does.
bool is_one_container(const records::Entity& entity) {
  return entity.kind() == records::Entity::CONTAINER && !entity.container_unknown() &&
         !entity.key_incomplete();
}

template <typename Each>
void for_each_user(const records::Episode& episode, const Each& each) {
  for (const std::string_view field : kActors)
    if (const records::Values* users = schemas::find_field(episode.summary(), field))
      for (const std::string& user : users->values()) each(field, user);
}

// More than are kept: whoever comes then cannot be told from those before.
bool has_too_many_users(const records::Episode& episode) {
  return std::any_of(std::begin(kActors), std::end(kActors), [&](std::string_view field) {
    const records::Values* users = schemas::find_field(episode.summary(), field);
    return users != nullptr && users->capped();
  });
}

// As the seconds decide it: a flash must not be seen in what its incident says.
bool asks(const records::Episode& episode) {
  return episode.published().attention() > static_cast<std::uint32_t>(Attention::kRecord);
}

// The incident would be closed by age or quiet in the second in which the finding joins it, or
// before that second, which a flash does not wait for.
bool ends(const records::Incident& incident, const records::Episode& episode,
          const FindingContext& context) {
  const FindingConfig& config = context.incidents;
  const Second waits = config.incident_gap + config.lateness + 1;
  const Second quiet = quiet_since(incident);
  const Second last = std::max(quiet, second_of(episode.summary().last()));
  return context.now > quiet + waits ||
         context.now >= std::min(last + waits, incident.opened_second() + config.incident_max_age);
}

// What is new in a finding asks by itself; its incident asked for what it was before.
bool is_new(const records::Episode& episode, const Judgement& judgement) {
  const records::Published& said = episode.published();
  return (judgement.effect_observed && !said.effect()) ||
         static_cast<std::uint32_t>(judgement.verdict) != said.verdict() ||
         number(judgement.severity) > said.peak_severity() || users_seen(episode) > said.users();
}

// The id of the incident that asks for it; empty: none.
std::string_view asking_incident(const records::Episode& episode, const FindingContext& context,
                                 const Judgement& judgement) {
  // A Critical finding is told before its second, and with it its incident, is decided.
  const bool urgent =
      episode.summary().priority() <= static_cast<std::uint32_t>(schemas::Priority::kCritical);
  if (urgent || !judgement.counts_for_incidents || has_too_many_users(episode) ||
      !is_one_container(context.entity.entity()))
    return {};
  const records::Incident* incident =
      context.entity.has_incident() ? &context.entity.incident() : nullptr;
  if (episode.revision() == 0) {
    const bool lists_it = incident != nullptr && !episode.born_late() &&
                          incident->members_size() + static_cast<int>(context.told) < kMembers;
    return lists_it ? joined_incident(episode, context, judgement) : std::string_view();
  }
  if (is_new(episode, judgement)) return {};
  // Else nothing came since it was told, or it is over.
  if (episode.dirty() && !episode.closed() &&
      (incident == nullptr || incident->id() != episode.incident_id()))
    return {};
  return episode.incident_id();
}

const records::Asked* find_asked(std::string_view finding_key, const records::EntityState& entity) {
  const auto at =
      std::find_if(entity.asked().begin(), entity.asked().end(),
                   [&](const records::Asked& asked) { return asked.finding_key() == finding_key; });
  return at == entity.asked().end() ? nullptr : &*at;
}

std::string hash_of(std::string_view field, std::string_view user) {
  return std::string(view(IdHasher().add(field).add(user).finish()));
}

bool holds(const records::Asked& asked, const std::string& user) {
  return std::find(asked.users().begin(), asked.users().end(), user) != asked.users().end();
}

bool knows(const records::Asked& asked, const records::Episode& episode) {
  if (has_too_many_users(episode)) return false;
  bool all = true;
  bool any = false;
  for_each_user(episode, [&](std::string_view field, const std::string& user) {
    any = true;
    all = all && holds(asked, hash_of(field, user));
  });
  return any ? all : asked.users().empty();
}

// An earlier finding of its key asked for the same proof; null: none.
const records::Asked* earlier_ask(std::string_view finding_key, const records::Episode& episode,
                                  const FindingContext& context, const Judgement& judgement) {
  const records::Asked* asked = find_asked(finding_key, context.entity);
  // What was last seen within that day does not begin to ask when it closes.
  const bool same = asked != nullptr &&
                    second_of(episode.summary().last()) < asked->second() + kAskAgain &&
                    number(judgement.severity) <= asked->severity() &&
                    (asked->effect() || !judgement.effect_observed) && knows(*asked, episode);
  return same ? asked : nullptr;
}

}  // namespace

std::string_view joined_incident(const records::Episode& episode, const FindingContext& context,
                                 const Judgement& judgement) {
  if (!judgement.counts_for_incidents || !episode.incident_id().empty() ||
      !context.entity.has_incident() || ends(context.entity.incident(), episode, context) ||
      episode.summary().last() < oldest_in(context.entity.incident(), context.incidents))
    return {};
  return context.entity.incident().id();
}

Second remembers_until(const records::EntityState& entity) {
  Second until = 0;
  for (const records::Asked& asked : entity.asked())
    until = std::max(until, asked.second() + kAskAgain);
  return until;
}

std::uint32_t users_seen(const records::Episode& episode) {
  std::uint32_t seen = 0;
  for_each_user(episode, [&](std::string_view, const std::string&) { ++seen; });
  return seen;
}

void cover(std::string_view finding_key, const records::Episode& episode,
           const FindingContext& context, Judgement& judgement) {
  if (judgement.attention != Attention::kTicket || asks(episode)) return;
  if (is_known(judgement)) {
    const records::Asked* asked = earlier_ask(finding_key, episode, context, judgement);
    if (asked == nullptr) return;
    judgement.attention_because += fmt::format(
        "; report {} asked for the same in this container, less than a day ago", asked->id());
  } else {
    const std::string_view incident = asking_incident(episode, context, judgement);
    if (incident.empty()) return;
    judgement.attention_because += fmt::format("; incident {} asks for it", incident);
    judgement.left_to_incident = true;
  }
  judgement.attention = Attention::kRecord;
}

std::optional<records::Asked> asked_by(std::string_view finding_key,
                                       const records::Episode& episode,
                                       const Judgement& judgement) {
  if (!is_known(judgement) || judgement.attention == Attention::kRecord) return std::nullopt;
  records::Asked asked;
  asked.set_finding_key(std::string(finding_key));
  asked.set_id(episode.id());
  asked.set_second(episode.opened_second());
  asked.set_severity(number(judgement.severity));
  asked.set_effect(judgement.effect_observed);
  for_each_user(episode, [&](std::string_view field, const std::string& user) {
    if (asked.users_size() < kUsers) asked.add_users(hash_of(field, user));
  });
  return asked;
}

void remember(records::Asked asked, Second now, records::EntityState& entity) {
  auto& all = *entity.mutable_asked();
  if (const records::Asked* before = find_asked(asked.finding_key(), entity);
      before != nullptr && now < before->second() + kAskAgain) {
    if (before->second() > asked.second()) {
      asked.set_id(before->id());
      asked.set_second(before->second());
    }
    asked.set_severity(std::max(asked.severity(), before->severity()));
    asked.set_effect(asked.effect() || before->effect());
    for (const std::string& user : before->users())
      if (asked.users_size() < kUsers && !holds(asked, user)) asked.add_users(user);
  }
  all.erase(std::remove_if(all.begin(), all.end(),
                           [&](const records::Asked& old) {
                             return old.finding_key() == asked.finding_key() ||
                                    now >= old.second() + 2 * kAskAgain;
                           }),
            all.end());
  *all.Add() = std::move(asked);
  std::sort(all.begin(), all.end(), [](const records::Asked& a, const records::Asked& b) {
    return std::pair(a.second(), std::string_view(a.finding_key())) <
           std::pair(b.second(), std::string_view(b.finding_key()));
  });
  if (all.size() > kAsked) all.DeleteSubrange(0, 1);
}

}  // namespace gyre::stages
