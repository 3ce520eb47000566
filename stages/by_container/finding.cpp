// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/finding.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "base/hash.h"
#include "schemas/sighting.h"

namespace gyre::stages {

namespace {

constexpr Second kNever = std::numeric_limits<Second>::max();
constexpr Second kLateBackoff = 60;

// Everything that one decision needs; lives for the call.
struct Decision {
  std::string_view finding_key;
  records::Series& series;
  const records::EntityState& entity;
  Second now;
  const FindingConfig& config;
  const Playbooks& playbooks;
  const Producer& producer;
  std::int64_t& open_findings;
  std::vector<schemas::Report>& reports;
  std::vector<Told>& told;
};

Second settling(std::uint32_t priority, const FindingConfig& config) {
  switch (static_cast<schemas::Priority>(priority)) {
    case schemas::Priority::kEmergency:
    case schemas::Priority::kAlert:
    case schemas::Priority::kCritical:
      return 0;
    case schemas::Priority::kError:
      return config.settle_error;
    case schemas::Priority::kWarning:
      return config.settle_warning;
    default:
      return config.settle_below;
  }
}

Second backoff(const records::Episode& episode, const FindingConfig& config) {
  const bool record =
      episode.published().attention() == static_cast<std::uint32_t>(Attention::kRecord);
  const auto& steps = record ? config.backoff_record : config.backoff_attention;
  return steps[std::min<std::size_t>(episode.backoff_step(), steps.size() - 1)];
}

// Floor of log10, 0 for fewer than 10: passing it is a reason to say so.
int magnitude(std::uint64_t count) {
  int digits = 0;
  for (; count >= 10; count /= 10) ++digits;
  return digits;
}

std::uint32_t users_of(const records::Episode& episode) {
  const records::Values* users = schemas::find_field(episode.summary(), "user.name");
  return users == nullptr ? 0 : static_cast<std::uint32_t>(users->values_size());
}

// Nothing came for the gap, and the watermark says that nothing can come any more.
Second quiet_at(const records::Episode& episode, const FindingConfig& config) {
  return second_of(episode.summary().last()) + config.gap + config.lateness + 1;
}

Second max_age_at(const records::Episode& episode, const FindingConfig& config) {
  return second_of(episode.summary().first()) + config.max_age + config.lateness + 1;
}

bool touches(const records::Episode& episode, const records::Summary& summary,
             const FindingConfig& config) {
  const Nanos gap = config.gap * kNanosPerSecond;
  return summary.first() >= episode.summary().first() - gap &&
         summary.first() <= episode.summary().last() + gap &&
         summary.first() - episode.summary().first() < config.max_age * kNanosPerSecond;
}

void fold(records::Episode& into, const records::Summary& summary, const records::Counts& counts) {
  schemas::merge(*into.mutable_summary(), summary);
  schemas::merge(*into.mutable_counts(), counts);
  if (counts.alerts() > 0) into.set_dirty(true);
}

// Late alerts can bring two episodes within the gap of each other: an unpublished one is swallowed,
// a published one stays (ruling 21).
void swallow_neighbours(Decision& decision) {
  auto& episodes = *decision.series.mutable_episodes();
  for (int i = 0; i + 1 < episodes.size();) {
    records::Episode& left = episodes[i];
    records::Episode& right = episodes[i + 1];
    const bool mergeable = (left.revision() == 0 || right.revision() == 0) && !left.closed() &&
                           !right.closed() && touches(left, right.summary(), decision.config);
    if (!mergeable) {
      ++i;
      continue;
    }
    if (left.revision() == 0) std::swap(left, right);
    fold(left, right.summary(), right.counts());
    left.set_opened_second(std::min(left.opened_second(), right.opened_second()));
    episodes.erase(episodes.begin() + i + 1);
    --decision.open_findings;
  }
}

void join(Decision& decision, const records::Sighting& sighting) {
  auto& episodes = *decision.series.mutable_episodes();
  const auto found =
      std::find_if(episodes.begin(), episodes.end(), [&](const records::Episode& episode) {
        return touches(episode, sighting.summary(), decision.config);
      });
  if (found != episodes.end()) {
    fold(*found, sighting.summary(), sighting.counts());
  } else {
    records::Episode episode;
    episode.set_opened_second(decision.now);
    episode.set_born_late(sighting.counts().late() > 0);
    fold(episode, sighting.summary(), sighting.counts());
    *episodes.Add() = std::move(episode);
    ++decision.open_findings;
  }
  std::stable_sort(episodes.begin(), episodes.end(),
                   [](const records::Episode& a, const records::Episode& b) {
                     return a.summary().first() < b.summary().first();
                   });
  swallow_neighbours(decision);
}

std::string episode_id(const Decision& decision, const records::Episode& episode) {
  IdHasher hasher;
  hasher.add("finding")
      .add(decision.finding_key)
      .add(second_of(episode.summary().first()) / decision.config.gap);
  // An episode born late may lie in the same unit of time as one that was forgotten (ruling 20).
  if (episode.born_late())
    hasher.add((decision.now - decision.config.lateness) / decision.config.gap);
  return to_hex(view(hasher.finish()));
}

void publish(Decision& decision, records::Episode& episode, const Judgement& judgement,
             std::string_view reason) {
  if (episode.revision() == 0) {
    episode.set_id(episode_id(decision, episode));
    episode.set_previous_id(decision.series.last_id());
    decision.series.set_last_id(episode.id());
  }
  episode.set_revision(episode.revision() + 1);
  episode.set_published_second(decision.now);
  episode.set_dirty(false);
  records::Published& said = *episode.mutable_published();
  said.set_alerts(episode.counts().alerts());
  said.set_duplicates(episode.counts().duplicates());
  said.set_succeeded(episode.counts().outcome().succeeded());
  said.set_blocked(episode.counts().outcome().blocked());
  said.set_severity(static_cast<std::uint32_t>(judgement.severity));
  said.set_verdict(static_cast<std::uint32_t>(judgement.verdict));
  said.set_attention(static_cast<std::uint32_t>(judgement.attention));
  said.set_users(users_of(episode));
  const Revision revision{
      .number = episode.revision(),
      .reason = reason,
      .decided = decision.now,
      .closes_after = std::min(second_of(episode.summary().last()) + decision.config.gap,
                               second_of(episode.summary().first()) + decision.config.max_age)};
  decision.reports.push_back(write_finding(decision.series, episode, decision.entity, judgement,
                                           decision.playbooks, revision, decision.producer));
  decision.told.push_back({std::string(decision.finding_key), episode.id()});
}

// The reason to say it now; empty if the next revision can wait for its back-off.
std::string_view break_through(const records::Episode& episode, const Judgement& judgement) {
  const records::Published& said = episode.published();
  if (static_cast<std::uint32_t>(judgement.severity) > said.severity()) return "severity";
  if (said.succeeded() == 0 && said.blocked() > 0 && episode.counts().outcome().succeeded() > 0)
    return "success";
  if (users_of(episode) > said.users()) return "new_actor";
  if (static_cast<std::uint32_t>(judgement.verdict) != said.verdict()) return "verdict";
  if (magnitude(episode.counts().alerts()) > magnitude(said.alerts())) return "volume";
  return {};
}

void close(Decision& decision, records::Episode& episode, const Judgement& judgement) {
  const bool quiet = quiet_at(episode, decision.config) <= decision.now;
  const bool changed =
      episode.dirty() || episode.counts().duplicates() != episode.published().duplicates();
  const bool noticed =
      episode.published().attention() > static_cast<std::uint32_t>(Attention::kRecord);
  episode.set_closed(true);
  episode.set_closed_because(quiet ? "quiet" : "max_age");
  episode.set_closed_second(decision.now);
  --decision.open_findings;
  if (decision.config.close_all || changed || noticed)
    publish(decision, episode, judgement, "closed");
}

// Decides an open episode; returns when to look again.
Second decide_open(Decision& decision, records::Episode& episode) {
  const Judgement judgement = judge(decision.series, episode, decision.entity, decision.playbooks);
  const Second closes =
      std::min(quiet_at(episode, decision.config), max_age_at(episode, decision.config));
  if (episode.revision() == 0) {
    const Second settled =
        episode.opened_second() + settling(episode.summary().priority(), decision.config);
    if (decision.now < settled && decision.now < closes) return std::min(settled, closes);
    publish(decision, episode, judgement, "opened");
  } else if (episode.dirty()) {
    const std::string_view reason = break_through(episode, judgement);
    const bool due = decision.now >= episode.published_second() + backoff(episode, decision.config);
    if (!reason.empty()) {
      publish(decision, episode, judgement, reason);
    } else if (due) {
      episode.set_backoff_step(episode.backoff_step() + 1);
      publish(decision, episode, judgement, "periodic");
    }
  }
  if (decision.now >= closes) {
    close(decision, episode, judgement);
    return decision.now + decision.config.keep_closed;
  }
  const Second update =
      episode.dirty() ? episode.published_second() + backoff(episode, decision.config) : kNever;
  return std::min(update, closes);
}

// Decides a closed episode; `now` or earlier means that it can be dropped.
Second decide_closed(Decision& decision, records::Episode& episode) {
  const Second drop = episode.closed_second() + decision.config.keep_closed;
  const bool news =
      episode.dirty() || episode.counts().duplicates() != episode.published().duplicates();
  const Second say = episode.dirty() ? episode.published_second() +
                                           std::max(kLateBackoff, backoff(episode, decision.config))
                                     : drop;
  if (news && decision.now >= std::min(say, drop))
    publish(decision, episode, judge(decision.series, episode, decision.entity, decision.playbooks),
            "late_data");
  return episode.dirty() ? std::min(say, drop) : drop;
}

}  // namespace

std::vector<Told> decide_finding(std::string_view finding_key, records::Series& series,
                                 const std::vector<records::Sighting>& sightings,
                                 const records::EntityState& entity, Second now,
                                 const FindingConfig& config, const Playbooks& playbooks,
                                 const Producer& producer, std::int64_t& open_findings,
                                 std::vector<schemas::Report>& reports) {
  std::vector<Told> told;
  Decision decision{finding_key, series,   entity,        now,     config,
                    playbooks,   producer, open_findings, reports, told};
  for (const records::Sighting& sighting : sightings) join(decision, sighting);

  Second due = kNever;
  auto& episodes = *series.mutable_episodes();
  for (int i = 0; i < episodes.size();) {
    records::Episode& episode = episodes[i];
    const Second next =
        episode.closed() ? decide_closed(decision, episode) : decide_open(decision, episode);
    if (episode.closed() && now >= episode.closed_second() + config.keep_closed) {
      episodes.erase(episodes.begin() + i);
      continue;
    }
    due = std::min(due, next);
    ++i;
  }
  series.set_due(due == kNever ? 0 : due);
  return told;
}

}  // namespace gyre::stages
