// SPDX-License-Identifier: Apache-2.0
#include "pipeline/task.h"

#include <fmt/format.h>

#include "base/error.h"
#include "pipeline/crash_point.h"

namespace gyre::pipeline {

namespace {

constexpr std::size_t kRestoreBatch = 10'000;

// Counts what it reads. Returns the newest stamp that it met.
Nanos restore_changelog(Broker& broker, state::Store& store, const Changelog& changelog,
                        std::uint64_t& records) {
  const std::int64_t remembered = state::restored_offset(store, changelog.name);
  const std::int64_t from =
      std::max(remembered, broker.low_watermark(changelog.topic, changelog.partition));
  std::vector<state::Change> changes;
  Nanos newest = kNoTime;
  const std::int64_t reached =
      broker.restore(changelog.topic, changelog.partition, from, [&](const Record& record) {
        newest = std::max(newest, record.timestamp);
        ++records;
        if (!record.key) return;
        auto key = changelog.own(*record.key);
        if (!key) return;
        changes.push_back({std::move(*key), record.value});
        if (changes.size() < kRestoreBatch) return;
        state::restore(store, std::exchange(changes, {}), changelog.name, record.offset + 1);
      });
  GYRE_CRASH_POINT("restoring");
  state::restore(store, std::move(changes), changelog.name, reached);
  return newest;
}

Nanos restore_changelogs(Broker& broker, state::Store& store,
                         const std::vector<Changelog>& changelogs, std::uint64_t& records) {
  Nanos newest = kNoTime;
  for (const Changelog& changelog : changelogs)
    newest = std::max(newest, restore_changelog(broker, store, changelog, records));
  return newest;
}

bool knows_more_than_the_log(Broker& broker, const state::Store& store,
                             const std::vector<Changelog>& changelogs) {
  for (const Changelog& changelog : changelogs)
    if (state::restored_offset(store, changelog.name) >
        broker.high_watermark(changelog.topic, changelog.partition))
      return true;
  return false;
}

// A clock that went back says nothing of how long it was.
bool was_away(Nanos followed, Nanos now) {
  constexpr Nanos kSkew = 600 * kNanosPerSecond;
  if (followed == kNoTime || now == kNoTime) return false;
  return now - followed > kTombstonesKept / 2 || followed - now > kSkew;
}

// It would look like a changelog that has lost everything.
void refuse_another_cluster(const std::string& known, const std::string& here) {
  if (known.empty() || here.empty() || known == here) return;
  throw Refusal(
      fmt::format("the state directory belongs to the Kafka cluster {}, and kafka.brokers lead to "
                  "the cluster {}. Set kafka.brokers right, or give this cluster another "
                  "state.directory",
                  known, here));
}

}  // namespace

Restored restore_task(Broker& broker, state::Store& store, const std::vector<Changelog>& changelogs,
                      Nanos now) {
  const std::string cluster = broker.cluster_id();
  refuse_another_cluster(state::cluster_of(store), cluster);
  constexpr std::string_view kAway = "it followed its changelog too long ago";
  const Nanos followed = state::followed_at(store);
  Restored restored;
  std::string_view& wiped = restored.wiped;
  if (knows_more_than_the_log(broker, store, changelogs))
    wiped = "it knows more than its changelog holds";
  else if (was_away(followed, now))
    wiped = kAway;
  if (!wiped.empty()) store.wipe();
  const std::string before = state::Transaction(store).checkpoint().state_id();
  const Nanos newest = restore_changelogs(broker, store, changelogs, restored.records);
  const std::string after = state::Transaction(store).checkpoint().state_id();
  if (wiped.empty()) {
    if (!before.empty() && before != after)
      wiped = "it belongs to another changelog";
    else if (was_away(followed, newest))  // whatever our clock says
      wiped = kAway;
    if (!wiped.empty()) {
      store.wipe();
      restore_changelogs(broker, store, changelogs, restored.records);
    }
  }
  state::set_followed(store, cluster, now);
  GYRE_CRASH_POINT("restored");
  return restored;
}

void refuse_unless_overtaken(Broker& broker, std::int32_t partition,
                             std::optional<std::int64_t> committed, std::string_view task,
                             const std::function<void()>& decide) {
  try {
    decide();
  } catch (const Refusal&) {
    if (broker.committed(partition) == committed) throw;
    throw Failure(
        fmt::format("{}: another member went on with it while it was restored here", task));
  }
}

std::optional<std::int64_t> resume_offset(const state::Transaction& state,
                                          std::optional<std::int64_t> committed,
                                          const std::optional<LogRange>& range,
                                          std::string_view task) {
  if (!state.has_checkpoint()) {
    if (committed)
      throw Refusal(
          fmt::format("{}: the group has committed offset {} and the changelog holds no "
                      "checkpoint: the changelog was deleted or "
                      "belongs to another `name`. Going on would count alerts twice. Restore the "
                      "topic, or start anew under "
                      "another `name`",
                      task, *committed));
    return std::nullopt;
  }
  const std::int64_t next = state.checkpoint().next_offset();
  if (committed && *committed != next)
    throw Refusal(
        fmt::format("{}: the group's committed offset is {} and the checkpoint says {}: the "
                    "offsets were reset by hand, or two "
                    "clusters share one state. Reset the group to {} to go on",
                    task, *committed, next, next));
  if (range && next > range->high)
    throw Refusal(fmt::format(
        "{}: the checkpoint says that offset {} is next and the topic ends at {}: it was made "
        "anew, or lost records. What it holds now cannot be told from what was counted. Start anew "
        "under another `name`",
        task, next, range->high));
  if (range && next < range->low)
    throw Refusal(
        fmt::format("{}: offsets {} to {} were deleted before they were read. Restore the topic, "
                    "or start anew under another `name`",
                    task, next, range->low - 1));
  return next;
}

}  // namespace gyre::pipeline
