// SPDX-License-Identifier: Apache-2.0
#include "pipeline/task.h"

#include <fmt/format.h>

#include "base/error.h"

namespace gyre::pipeline {

namespace {

constexpr std::size_t kRestoreBatch = 10'000;

void restore_changelog(Broker& broker, state::Store& store, const Changelog& changelog) {
  const std::int64_t remembered = state::restored_offset(store, changelog.name);
  const std::int64_t from =
      std::max(remembered, broker.low_watermark(changelog.topic, changelog.partition));
  std::vector<state::Change> changes;
  const std::int64_t reached =
      broker.restore(changelog.topic, changelog.partition, from, [&](const Record& record) {
        if (!record.key) return;
        auto key = changelog.own(*record.key);
        if (!key) return;
        changes.push_back({std::move(*key), record.value});
        if (changes.size() < kRestoreBatch) return;
        state::restore(store, std::exchange(changes, {}), changelog.name, record.offset + 1);
      });
  state::restore(store, std::move(changes), changelog.name, reached);
}

bool knows_more_than_the_log(Broker& broker, const state::Store& store,
                             const std::vector<Changelog>& changelogs) {
  for (const Changelog& changelog : changelogs)
    if (state::restored_offset(store, changelog.name) >
        broker.high_watermark(changelog.topic, changelog.partition))
      return true;
  return false;
}

}  // namespace

void restore_task(Broker& broker, state::Store& store, const std::vector<Changelog>& changelogs) {
  if (knows_more_than_the_log(broker, store, changelogs)) store.wipe();
  const std::string before = state::Transaction(store).checkpoint().state_id();
  for (const Changelog& changelog : changelogs) restore_changelog(broker, store, changelog);
  const std::string after = state::Transaction(store).checkpoint().state_id();
  if (before.empty() || before == after) return;
  store.wipe();  // the directory was another log's
  for (const Changelog& changelog : changelogs) restore_changelog(broker, store, changelog);
}

std::optional<std::int64_t> resume_offset(const state::Transaction& state,
                                          std::optional<std::int64_t> committed,
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
  return next;
}

}  // namespace gyre::pipeline
