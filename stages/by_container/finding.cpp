// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/finding.h"

#include <algorithm>
#include <limits>

#include "schemas/sighting.h"
#include "stages/by_container/asking.h"
#include "stages/by_container/blind_spots.h"
#include "stages/by_container/episodes.h"
#include "stages/by_container/flash.h"
#include "stages/by_container/members.h"
#include "stages/by_container/places.h"

namespace gyre::stages {

namespace {

constexpr Second kNever = std::numeric_limits<Second>::max();
constexpr Second kLateBackoff = 60;

template <typename Enumeration>
std::uint32_t number(Enumeration value) {
  return static_cast<std::uint32_t>(value);
}

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

// No revision has said it, and it would have had a finding of its own but for the limits.
bool keeps_urgent(const records::Series& series, const records::Episode& episode) {
  return series.overflow() && episode.has_unsaid() &&
         episode.unsaid().priority() <= number(schemas::Priority::kCritical);
}

// Nothing came for the gap, and the watermark says that nothing can come any more.
Second quiet_at(const records::Episode& episode, const FindingConfig& config) {
  return second_of(episode.summary().last()) + config.gap + config.lateness + 1;
}

Second max_age_at(const records::Episode& episode, const FindingConfig& config) {
  return second_of(episode.summary().first()) + config.max_age + config.lateness + 1;
}

Second backoff(const records::Series& series, const records::Episode& episode,
               const FindingConfig& config) {
  if (keeps_urgent(series, episode)) return config.backoff_attention.front();
  const bool record = episode.published().attention() == number(Attention::kRecord);
  const auto& steps = record ? config.backoff_record : config.backoff_attention;
  return steps[std::min<std::size_t>(episode.backoff_step(), steps.size() - 1)];
}

// Lower than what the last revision said: ruling 31 lets it be said only as a change of verdict.
bool fell(const Judgement& judgement, const records::Said& said) {
  return number(judgement.severity) < said.severity() ||
         static_cast<std::uint32_t>(judgement.risk) < said.risk() ||
         number(judgement.attention) < said.attention();
}

// The reason to say it now; empty if the next revision can wait for its back-off. What fell without
// another class of verdict waits: a share of failures may cross a border many times.
std::string_view break_through(const records::Episode& episode, const Judgement& judgement) {
  const records::Published& said = episode.published();
  if (!said.effect() && judgement.effect_observed &&
      (said.blocked() > 0 || number(judgement.attention) > said.attention()))
    return "success";
  if (number(judgement.severity) > said.peak_severity()) return "severity";
  if (users_seen(episode) > said.users()) return "new_actor";
  if (number(judgement.verdict) != said.verdict() ||
      number(judgement.confidence) != said.confidence())
    return "verdict";
  if (magnitude(episode.counts().alerts()) > magnitude(said.alerts())) return "volume";
  return {};
}

// One key at one second.
class KeyDecision {
 public:
  // `settles`: the second of the flash is decided.
  KeyDecision(std::string_view key, records::Series& series, const FindingContext& context,
              bool settles, std::vector<schemas::Report>& reports)
      : key_(key), series_(series), context_(context), settles_(settles), reports_(reports) {}

  void open(records::Episode& episode) { publish(episode, judged(episode), "opened"); }

  // A newer normaliser has opened another.
  bool is_outdated(const records::Episode& episode) const {
    return episode.shape_version() < series_.shape_version();
  }

  // Returns when to look again.
  Second decide(records::Episode& episode) {
    if (!episode.closed() && episode.revision() > 0 && context_.learned == Learned::kSeen) {
      episode.set_card_changed(true);
      episode.set_said_ahead(false);
    }
    return episode.closed() ? decide_closed(episode) : decide_open(episode);
  }

  bool can_drop(const records::Episode& episode) const {
    return episode.closed() &&
           context_.now >= episode.closed_second() + context_.config.keep_closed;
  }

  // Before it is forgotten.
  void say_the_rest(records::Episode& episode) {
    if (has_rest(episode)) say(episode, judged(episode), "late_data");
  }

  std::vector<Told> take_told() { return std::move(told_); }

 private:
  const FindingConfig& config() const { return context_.config; }

  Judgement judged(const records::Episode& episode) const {
    Judgement judgement = judge({series_, episode, context_.entity}, context_.playbooks);
    cover(key_, episode, context_, judgement);
    judgement.joins = joined_incident(episode, context_, judgement);
    return judgement;
  }

  std::vector<records::BlindSpot> blind_spots(const records::Episode& episode) const {
    if (context_.sensor == nullptr || series_.source() == "internal") return {};
    return blind_spots_within(*context_.sensor, episode.summary().first(),
                              episode.summary().last());
  }

  static std::uint64_t seconds_of(const std::vector<records::BlindSpot>& spots) {
    std::uint64_t seconds = 0;
    for (const records::BlindSpot& spot : spots)
      seconds += static_cast<std::uint64_t>(spot.last() - spot.first() + 1);
    return seconds;
  }

  // The flash was its first revision, and is still to be settled.
  bool is_flashed(const records::Episode& episode) const {
    return context_.flash != nullptr && episode.id() == context_.flash->id();
  }

  void begin(records::Episode& episode) {
    name(key_, context_.now, config(), series_, episode);
    if (!is_flashed(episode)) return;
    episode.set_revision(1);
    *episode.mutable_said() = context_.flash->said();
  }

  void publish(records::Episode& episode, const Judgement& judgement, std::string_view reason) {
    if (episode.revision() == 0) begin(episode);
    decided(episode, judgement);
    // What the flash said stands until its second is decided; everything else goes its way.
    if (!is_flashed(episode)) write(episode, judgement, reason);
  }

  // A revision as the seconds decide it, whether or not it has to be written.
  void decided(records::Episode& episode, const Judgement& judgement) {
    const bool first = episode.published_second() == 0;
    episode.set_published_second(context_.now);
    episode.set_dirty(false);
    episode.set_card_changed(false);
    episode.set_incident_changed(false);
    episode.set_said_ahead(false);
    if (series_.overflow()) episode.clear_unsaid();  // by_rule is never told of it
    records::Published& said = *episode.mutable_published();
    said.set_alerts(episode.counts().alerts());
    said.set_blocked(episode.counts().outcome().blocked());
    said.set_effect(judgement.effect_observed);
    said.set_severity(number(judgement.severity));
    said.set_peak_severity(std::max(said.peak_severity(), said.severity()));
    said.set_verdict(number(judgement.verdict));
    said.set_confidence(number(judgement.confidence));
    said.set_attention(number(judgement.attention));
    said.set_users(users_seen(episode));
    said.set_counting(judgement.counts_for_incidents);
    // Of two revisions in one second, the second says all.
    std::erase_if(told_, [&](const Told& told) { return told.member.id() == episode.id(); });
    told_.push_back(
        {.member = member_of(key_, series_, episode, judgement),
         .counts_for_incidents = judgement.counts_for_incidents,
         .incident_id = episode.incident_id(),
         .asks_incident = judgement.left_to_incident && first,
         .asked = asked_by(key_, episode, judgement),
         .left_out = episode.has_left_out() ? std::optional(episode.left_out()) : std::nullopt});
  }

  // The second revision of what was flashed: all that is known by now, be it due or not.
  void settle(records::Episode& episode) {
    const Judgement judgement = judged(episode);
    write(episode, judgement, fell(judgement, episode.said()) ? "verdict" : "settled");
    episode.set_said_ahead(episode.dirty() || episode.card_changed() || episode.incident_changed());
  }

  void write(records::Episode& episode, const Judgement& judgement, std::string_view reason) {
    records::Said& said = *episode.mutable_said();
    said.set_duplicates(episode.counts().duplicates());
    said.set_severity(number(judgement.severity));
    said.set_risk(static_cast<std::uint32_t>(judgement.risk));
    said.set_attention(number(judgement.attention));
    said.set_peak_attention(std::max(said.peak_attention(), said.attention()));
    said.set_blind_seconds(seconds_of(blind_spots(episode)));
    episode.set_revision(episode.revision() + 1);
    const Revision revision{
        .number = episode.revision(),
        .reason = reason,
        .decided = context_.now,
        .closes_after = std::min(second_of(episode.summary().last()) + config().gap,
                                 second_of(episode.summary().first()) + config().max_age),
        .closed_because = episode.closed_because(),
        .blind_spots = blind_spots(episode)};
    reports_.push_back(write_finding({series_, episode, context_.entity}, judgement,
                                     context_.playbooks, revision, context_.producer));
  }

  // Says it, and says a fall as what it is.
  void say(records::Episode& episode, const Judgement& judgement, std::string_view reason) {
    const bool again = episode.revision() > 0;
    const bool rose = number(judgement.attention) > episode.said().peak_attention();
    if (again && fell(judgement, episode.said()))
      reason = "verdict";
    else if (again && rose && reason != "success" && reason != "verdict" && !episode.closed())
      reason = "severity";  // of what it asks for
    publish(episode, judgement, reason);
  }

  bool has_news(const records::Episode& episode) const {
    const bool changed = episode.dirty() || episode.card_changed() || episode.incident_changed();
    return (changed && !episode.said_ahead()) ||
           episode.counts().duplicates() != episode.said().duplicates() ||
           seconds_of(blind_spots(episode)) != episode.said().blind_seconds();
  }

  void close(records::Episode& episode) {
    const Judgement judgement = judged(episode);
    const bool news = has_news(episode);
    const bool noticed = episode.said().peak_attention() > number(Attention::kRecord);
    if (news && fell(judgement, episode.said())) publish(episode, judgement, "verdict");
    episode.set_closed(true);
    episode.set_closed_because(quiet_at(episode, config()) <= context_.now     ? "quiet"
                               : max_age_at(episode, config()) <= context_.now ? "max_age"
                                                                               : "upgrade");
    episode.set_closed_second(context_.now);
    if (config().close_all || news || noticed) publish(episode, judgement, "closed");
  }

  Second decide_open(records::Episode& episode) {
    const Second now = context_.now;
    const Second closes =
        is_outdated(episode) ? now
                             : std::min(quiet_at(episode, config()), max_age_at(episode, config()));
    if (episode.revision() == 0) {
      const Second settled =
          episode.opened_second() + settling(episode.summary().priority(), config());
      if (now < settled && now < closes) return std::min(settled, closes);
      open(episode);
    } else if (waits(episode) || context_.learned != Learned::kNothing) {
      update(episode);
    }
    if (settles_ && is_flashed(episode)) settle(episode);
    if (now >= closes) {
      close(episode);
      return now + config().keep_closed;
    }
    return waits(episode)
               ? std::min(episode.published_second() + backoff(series_, episode, config()), closes)
               : closes;
  }

  // For its back-off, with something to say.
  static bool waits(const records::Episode& episode) {
    return episode.dirty() || episode.card_changed();
  }

  void update(records::Episode& episode) {
    const Judgement judgement = judged(episode);
    if (const auto reason = break_through(episode, judgement); !reason.empty()) {
      say(episode, judgement, reason);
    } else if (waits(episode) &&
               context_.now >= episode.published_second() + backoff(series_, episode, config())) {
      episode.set_backoff_step(episode.backoff_step() + 1);
      if (episode.said_ahead())
        decided(episode, judgement);
      else
        say(episode, judgement, "periodic");
    }
  }

  // What a closed episode has not said yet.
  static bool has_rest(const records::Episode& episode) {
    return episode.dirty() || episode.counts().duplicates() != episode.said().duplicates();
  }

  Second decide_closed(records::Episode& episode) {
    const Second drop = episode.closed_second() + config().keep_closed;
    const Second due =
        episode.dirty()
            ? std::min(drop, episode.published_second() +
                                 std::max(kLateBackoff, backoff(series_, episode, config())))
            : drop;
    if (!has_rest(episode) || context_.now < due) return due;
    if (episode.dirty()) episode.set_backoff_step(episode.backoff_step() + 1);
    say(episode, judged(episode), "late_data");
    return drop;
  }

  std::string_view key_;
  records::Series& series_;
  const FindingContext& context_;
  bool settles_;
  std::vector<schemas::Report>& reports_;
  std::vector<Told> told_;
};

}  // namespace

void describe(const records::Sighting& sighting, records::Series& series) {
  *series.mutable_entity() = sighting.entity();
  series.set_rule(sighting.rule());
  series.set_source(sighting.source());
  series.set_shape(sighting.shape());
  series.set_shape_version(sighting.shape_version());
  series.set_overflow(sighting.shape() == kOtherShapes);
}

FindingDecision decide_finding(std::string_view finding_key, records::Series& series,
                               const std::vector<records::Sighting>& sightings,
                               const FindingContext& context, records::Counters& counters,
                               std::vector<schemas::Report>& reports) {
  std::int64_t open = counters.findings_open();
  for (const records::Sighting& sighting : sightings) {
    const Joined joined = join(sighting, context.now, context.config, series);
    open += joined.opened;
    if (joined.rest) counters.set_overflowed(counters.overflowed() + sighting.counts().alerts());
  }

  const bool settles = context.flash != nullptr && settles_flash(*context.flash, sightings);
  KeyDecision decision(finding_key, series, context, settles, reports);
  Second due = kNever;
  auto& episodes = *series.mutable_episodes();
  std::vector<records::Episode> dropped;
  const auto drop = [&](int at) {
    dropped.push_back(std::move(episodes[at]));
    episodes.erase(episodes.begin() + at);
  };
  for (int i = 0; i < episodes.size();) {
    records::Episode& episode = episodes[i];
    const bool was_open = !episode.closed();
    const Second next = decision.decide(episode);
    if (was_open && episode.closed()) --open;
    if (decision.can_drop(episode)) {
      drop(i);
      continue;
    }
    due = std::min(due, next);
    ++i;
  }
  for (int i = one_too_many(series); i >= 0; i = one_too_many(series)) {
    decision.say_the_rest(episodes[i]);
    drop(i);
  }
  bound(series);
  counters.set_findings_open(open);
  series.set_due(due == kNever ? 0 : due);
  return {decision.take_told(), std::move(dropped)};
}

void publish_first(std::string_view finding_key, records::Series& series, records::Episode& episode,
                   const FindingContext& context, std::vector<schemas::Report>& reports) {
  KeyDecision(finding_key, series, context, false, reports).open(episode);
}

}  // namespace gyre::stages
