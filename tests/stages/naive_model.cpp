// SPDX-License-Identifier: Apache-2.0
#include "tests/stages/naive_model.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

namespace gyre::stages {
namespace {

struct Story {
  Second opened = 0;
  std::vector<Given> alerts;
  std::uint64_t arrivals = 0;
  std::string id;
  std::string previous;
  Second said_at = 0;
  std::size_t said_alerts = 0;
  std::size_t periodic = 0;
  std::optional<Second> closed;

  Nanos first() const { return time_of(alerts.front()); }
  Nanos last() const { return time_of(alerts.back()); }
  schemas::Priority highest() const {
    schemas::Priority highest = schemas::Priority::kDebug;
    for (const Given& alert : alerts) highest = std::min(highest, alert.priority);
    return highest;
  }
};

std::size_t digits(std::size_t count) { return std::to_string(count).size(); }

std::string finding_id(const Given& given, Nanos first, Second gap) {
  const records::Sighting one = sighting(given);
  return to_hex(
      view(IdHasher().add("finding").add(one.finding_key()).add(second_of(first) / gap).finish()));
}

void close_story(Story& story, Second now, bool quiet, Model& model) {
  Final& final = model.finals[story.id];
  final.previous_id = story.previous;
  final.first_seen = format_rfc3339(story.first());
  final.last_seen = format_rfc3339(story.last());
  final.closed_because = quiet ? "quiet" : "max_age";
  final.time = format_rfc3339_second(now);
  final.priority = schemas::to_string(story.highest());
  final.alerts = story.alerts.size();
  final.duplicates = story.arrivals - story.alerts.size();
  for (const Given& alert : story.alerts) {
    final.succeeded += alert.outcome == schemas::Outcome::kSucceeded;
    final.blocked += alert.outcome == schemas::Outcome::kBlocked;
    final.unknown += alert.outcome == schemas::Outcome::kUnknown;
  }
  model.lines.push_back({now, story.id, "closed", story.alerts.size()});
  story.closed = now;
}

void run_key(const std::vector<Given>& alerts, const FindingConfig& config, Model& model) {
  const Second settle[] = {
      0, 0, 0, config.settle_error, config.settle_warning, config.settle_below};
  std::vector<Story> stories;
  std::size_t next = 0;
  for (Second now = kStart; now < kStart + kEnd; ++now) {
    // All of this second's alerts go where its first one belongs (ruling 17: seconds are whole).
    std::vector<Given> fresh;
    std::uint64_t arrivals = 0;
    std::set<std::int64_t> ids;
    for (; next < alerts.size() && kStart + alerts[next].at == now; ++next) {
      ++arrivals;
      if (ids.insert(alerts[next].id).second) fresh.push_back(alerts[next]);
    }
    if (!fresh.empty()) {
      const Nanos t = time_of(fresh.front());
      const bool joins = !stories.empty() && !stories.back().closed &&
                         t <= stories.back().last() + config.gap * kNanosPerSecond &&
                         t - stories.back().first() < config.max_age * kNanosPerSecond;
      if (!joins) {
        Story story;
        story.opened = now;
        story.id = finding_id(fresh.front(), t, config.gap);
        if (!stories.empty() &&
            (!stories.back().closed || now <= *stories.back().closed + config.keep_closed))
          story.previous = stories.back().id;
        stories.push_back(story);
      }
      Story& story = stories.back();
      story.alerts.insert(story.alerts.end(), fresh.begin(), fresh.end());
      story.arrivals += arrivals;
    }
    for (Story& story : stories) {
      if (story.closed) continue;
      const Second quiet = second_of(story.last()) + config.gap + config.lateness + 1;
      const Second old = second_of(story.first()) + config.max_age + config.lateness + 1;
      const std::size_t count = story.alerts.size();
      std::string reason;
      if (story.said_alerts == 0) {
        const Second due =
            story.opened +
            settle[std::min<std::size_t>(static_cast<std::size_t>(story.highest()), 5)];
        if (now >= std::min({due, quiet, old})) reason = "opened";
      } else if (count > story.said_alerts) {
        const Second wait = config.backoff_record[std::min<std::size_t>(story.periodic, 2)];
        if (digits(count) > digits(story.said_alerts)) {
          reason = "volume";
        } else if (now >= story.said_at + wait) {
          reason = "periodic";
          ++story.periodic;
        }
      }
      if (!reason.empty()) {
        model.lines.push_back({now, story.id, reason, count});
        story.said_at = now;
        story.said_alerts = count;
      }
      if (now >= std::min(quiet, old)) close_story(story, now, now >= quiet, model);
    }
    const bool over = next == alerts.size() && (stories.empty() || stories.back().closed);
    if (over) break;
  }
}

}  // namespace

Model run_model(const Case& given) {
  std::map<std::array<std::string, 4>, std::vector<Given>> keys;
  for (const Given& alert : given.alerts)
    if (alert.source != "internal")
      keys[{alert.hostname, alert.container, alert.rule, alert.shape}].push_back(alert);
  Model model;
  for (const auto& [key, alerts] : keys) run_key(alerts, given.config, model);
  std::sort(model.lines.begin(), model.lines.end());
  return model;
}

}  // namespace gyre::stages
