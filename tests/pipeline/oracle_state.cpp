// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <set>
#include <string_view>

#include "base/hash.h"
#include "schemas/identity.h"
#include "stages/sources.h"
#include "state/keys.h"
#include "state/transaction.h"
#include "tests/pipeline/oracle.h"

namespace gyre::pipeline {

void expect_equal(std::vector<std::string>& wrong, const std::string& what, std::uint64_t is,
                  std::uint64_t should) {
  if (is != should) wrong.push_back(fmt::format("{}: {}, not {}", what, is, should));
}

namespace {

using Wrong = std::vector<std::string>;

using Checkpoints = std::map<std::int32_t, records::Checkpoint>;

// The last of each input partition. Intake names it in the key, the others keep to their own.
Checkpoints checkpoints(const MemoryCluster& cluster, const std::string& changelog) {
  Checkpoints last;
  for (std::int32_t partition = 0; partition < cluster.partitions(changelog); ++partition)
    for (const Record& record : cluster.read(changelog, partition)) {
      std::int32_t of = partition;
      const std::string& key = *record.key;
      if (key != state::checkpoint_key() &&
          std::from_chars(key.data(), key.data() + key.size(), of).ec != std::errc())
        continue;
      last[of] = state::decode_checkpoint(*record.value);
    }
  return last;
}

void compare_offsets(const MemoryCluster& cluster, const std::string& group,
                     const Checkpoints& checkpoints, Wrong& wrong) {
  for (const auto& [partition, checkpoint] : checkpoints)
    if (cluster.committed(group, partition) != checkpoint.next_offset())
      wrong.push_back(fmt::format("{}, partition {}: committed {}, checkpoint {}", group, partition,
                                  cluster.committed(group, partition).value_or(-1),
                                  checkpoint.next_offset()));
}

std::uint64_t received(const records::Checkpoint& checkpoint, std::int32_t source) {
  for (const records::Cursor& cursor : checkpoint.cursors())
    if (cursor.partition() == source) return cursor.sent();
  return 0;
}

void compare_sent(const Checkpoints& senders, const Checkpoints& receivers, const char* hop,
                  Wrong& wrong) {
  for (const auto& [source, sender] : senders)
    for (std::int32_t target = 0; target < sender.sent_to_size(); ++target) {
      const auto receiver = receivers.find(target);
      const std::uint64_t had =
          receiver == receivers.end() ? 0 : received(receiver->second, source);
      expect_equal(wrong, fmt::format("{}: sent from {} to {}", hop, source, target), had,
                   sender.sent_to(target));
    }
}

records::Counters sum(const Checkpoints& checkpoints) {
  records::Counters sum;
  for (const auto& [partition, checkpoint] : checkpoints) {
    const records::Counters& more = checkpoint.counters();
    sum.set_in(sum.in() + more.in());
    sum.set_sent(sum.sent() + more.sent());
    sum.set_dead(sum.dead() + more.dead());
    sum.set_folded(sum.folded() + more.folded());
    sum.set_duplicate(sum.duplicate() + more.duplicate());
    sum.set_contributions(sum.contributions() + more.contributions());
    sum.set_replays_dropped(sum.replays_dropped() + more.replays_dropped());
  }
  return sum;
}

}  // namespace

std::vector<std::string> miscounted(const MemoryCluster& cluster, const Config& config,
                                    const std::vector<Sent>& sent) {
  Wrong wrong;
  std::uint64_t alerts = 0;
  std::set<std::string_view> distinct;
  for (const Sent& record : sent) {
    if (!record.value.starts_with('{')) continue;
    ++alerts;
    distinct.insert(record.value);
  }
  const Checkpoints intake = checkpoints(cluster, config.intake_changelog());
  const Checkpoints by_container = checkpoints(cluster, config.by_container_changelog());
  const Checkpoints by_rule = checkpoints(cluster, config.by_rule_changelog());
  compare_offsets(cluster, config.group("intake"), intake, wrong);
  compare_offsets(cluster, config.group("by_container"), by_container, wrong);
  compare_offsets(cluster, config.group("by_rule"), by_rule, wrong);
  compare_sent(intake, by_container, "by-container", wrong);
  compare_sent(by_container, by_rule, "by-rule", wrong);

  expect_equal(wrong, "in", sum(intake).in(), sent.size());
  expect_equal(wrong, "sent on", sum(intake).sent(), alerts);
  expect_equal(wrong, "dead", sum(intake).dead(), sent.size() - alerts);
  expect_equal(wrong, "folded", sum(by_container).folded(), distinct.size());
  expect_equal(wrong, "duplicate", sum(by_container).duplicate(), alerts - distinct.size());
  std::uint64_t contributed = 0;
  for (const auto& [partition, checkpoint] : by_container)
    for (const std::uint64_t count : checkpoint.sent_to()) contributed += count;
  expect_equal(wrong, "contributions", sum(by_rule).contributions(), contributed);
  expect_equal(wrong, "replays dropped by by_container", sum(by_container).replays_dropped(), 0);
  expect_equal(wrong, "replays dropped by by_rule", sum(by_rule).replays_dropped(), 0);
  return wrong;
}

namespace {

using Values = std::map<std::string, std::string>;

struct Folded {
  Values values;
  std::set<std::string> gone_on;  // keys of which the log says more
};

Folded fold(const MemoryCluster& cluster, const std::string& topic, std::int32_t partition,
            std::int64_t until, const std::optional<std::string>& only) {
  Folded folded;
  for (const Record& record : cluster.read(topic, partition)) {
    if (only && record.key != only) continue;
    const std::string key = only ? state::checkpoint_key() : *record.key;
    if (record.offset >= until)
      folded.gone_on.insert(key);
    else if (record.value)
      folded.values[key] = *record.value;
    else
      folded.values.erase(key);
  }
  return folded;
}

std::optional<std::string> timer_of(const std::string& key, const std::string& value) {
  const state::Kind kind = state::kind_of(key);
  const std::string name = key.substr(1);
  std::uint64_t home = 0;
  const auto armed = [&](auto message) {
    message.ParseFromString(value.substr(1));
    if constexpr (requires { message.entity(); })
      home = schemas::entity_home(message.entity());
    else
      home = static_cast<std::uint64_t>(state::number_at(name, 0));
    return message.armed();
  };
  const Second second = kind == state::Kind::kSeries   ? armed(records::Series())
                        : kind == state::Kind::kEntity ? armed(records::EntityState())
                        : kind == state::Kind::kGroup  ? armed(records::Group())
                                                       : 0;
  return second == 0 ? std::nullopt : std::optional(state::timer_key(second, home, kind, name));
}

// The oldest event time of which a copy is still known.
Nanos horizon_of(const Values& on_disk, const Config& config) {
  const auto checkpoint = on_disk.find(state::checkpoint_key());
  if (checkpoint == on_disk.end()) return kEndOfTime;
  const Nanos stream = stages::stream_time(state::decode_checkpoint(checkpoint->second));
  const Second kept = config.findings.lateness + config.findings.duplicate_horizon;
  return stream == kNoTime ? kNoTime : stream - kept * kNanosPerSecond;
}

}  // namespace

std::vector<std::string> unlike_changelog(const MemoryCluster& cluster, const Config& config,
                                          const std::string& stage, std::int32_t partition,
                                          const state::StoreMemory& disk) {
  const state::Store store(fmt::format("{}/{}/{}", config.state.directory, stage, partition), disk);
  Values on_disk;
  store.scan(std::string_view("\0", 1), "\xff", [&](std::string_view key, std::string_view value) {
    on_disk.emplace(key, value);
    return true;
  });
  const std::string changelog = stage == "intake"         ? config.intake_changelog()
                                : stage == "by_container" ? config.by_container_changelog()
                                                          : config.by_rule_changelog();
  const std::int32_t log = partition % config.inner.partitions;
  const std::int64_t known = state::restored_offset(store, state::kChangelog);
  const std::int64_t known_ids = state::restored_offset(store, state::kIds);
  if (known > cluster.last_stable_offset(changelog, log)) return {};
  const Folded folded =
      fold(cluster, changelog, log, known,
           stage == "intake" ? std::optional(std::to_string(partition)) : std::nullopt);
  Folded ids;
  if (stage == "by_container") {
    if (known_ids > cluster.last_stable_offset(config.by_container_ids(), log)) return {};
    ids = fold(cluster, config.by_container_ids(), log, known_ids, std::nullopt);
  }

  Wrong wrong;
  const auto differs = [&](const std::string& key, const char* how) {
    wrong.push_back(
        fmt::format("{} {}: {} {} {}", stage, partition, key.front(), to_hex(key.substr(1)), how));
  };
  for (const auto& [key, value] : on_disk) {
    const state::Kind kind = state::kind_of(key);
    if (kind == state::Kind::kMeta || kind == state::Kind::kTimer) continue;
    const Folded& truth = kind == state::Kind::kIdBlock ? ids : folded;
    if (truth.gone_on.contains(key)) continue;
    const auto found = truth.values.find(key);
    if (found == truth.values.end())
      differs(key, "is on disk and not in the changelog");
    else if (found->second != value)
      differs(key, "is not what the changelog says");
    if (const auto timer = timer_of(key, value); timer && !on_disk.contains(*timer))
      differs(key, "asks for a timer that is not there");
  }
  for (const auto& [key, value] : folded.values)
    if (!folded.gone_on.contains(key) && !on_disk.contains(key))
      differs(key, "is in the changelog and not on disk");
  const Nanos horizon = horizon_of(on_disk, config);
  for (const auto& [key, value] : ids.values)
    if (!ids.gone_on.contains(key) && !on_disk.contains(key) &&
        state::number_at(key, 1) * 60 * kNanosPerSecond >= horizon)
      differs(key, "is on the topic of ids, within the horizon, and not on disk");
  return wrong;
}

}  // namespace gyre::pipeline
