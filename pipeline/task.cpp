// SPDX-License-Identifier: Apache-2.0
#include "pipeline/task.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <filesystem>
#include <future>
#include <utility>

#include "base/error.h"
#include "pipeline/crash_point.h"

namespace gyre::pipeline {

namespace {

constexpr std::size_t kBuffered = 16 << 20;  // bytes, of all that is restored

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

class Restore {
 public:
  /// More records were read; of all changelogs, in offsets.
  using Progress = std::function<void(std::uint64_t records, std::int64_t read, std::int64_t of)>;

  Restore(Broker& broker, std::span<const Following> tasks, Nanos now, Progress progress)
      : broker_(broker), now_(now), cluster_(broker.cluster_id()), progress_(std::move(progress)) {
    for (const Following& task : tasks)
      tasks_.push_back({.store = *task.store, .changelogs = task.changelogs});
  }

  std::optional<std::vector<Restored>> run() {
    ask_ranges();
    for (Task& task : tasks_) {
      refuse_another_cluster(state::cluster_of(task.store), cluster_);
      task.followed = state::followed_at(task.store);
      if (const Changelog* lost = shorter_than_known(task)) refuse_what_was_lost(*lost, task);
      if (was_away(task.followed, now_)) wipe_away(task);
      task.state_id = state_id(task);
    }
    if (!read([](const Task&) { return true; })) return std::nullopt;
    const auto misled = [](const Task& task) { return task.misled; };
    for (Task& task : tasks_) {
      if (!task.restored.wiped.empty()) continue;
      task.misled = true;
      if (!task.state_id.empty() && task.state_id != state_id(task))
        wipe(task, "it belongs to another changelog");
      else if (was_away(task.followed, task.newest))  // whatever our clock says
        wipe_away(task);
      else
        task.misled = false;
    }
    if (std::ranges::any_of(tasks_, misled) && !read(misled)) return std::nullopt;
    std::vector<Restored> restored;
    for (const Task& task : tasks_) {
      state::set_followed(task.store, cluster_, now_);
      restored.push_back(task.restored);
    }
    GYRE_CRASH_POINT("restored");
    return restored;
  }

 private:
  struct Task {
    state::Store& store;
    const std::vector<Changelog>& changelogs;
    Nanos followed = kNoTime;
    std::string state_id;    // before
    Nanos newest = kNoTime;  // stamp that was met
    bool misled = false;     // what it was restored to is of no use
    Restored restored;
  };
  struct Log {
    Task& task;
    const Changelog& changelog;
    std::int64_t next;
    std::vector<state::Change> changes = {};
  };

  void ask_ranges() {
    std::vector<TopicPartition> logs;
    for (const Task& task : tasks_)
      for (const Changelog& changelog : task.changelogs)
        logs.emplace_back(changelog.topic, changelog.partition);
    ranges_ = broker_.ranges(logs);
  }
  const LogRange& range(const Changelog& changelog) const {
    return ranges_.at({changelog.topic, changelog.partition});
  }

  static std::string state_id(const Task& task) {
    return state::Transaction(task.store).checkpoint().state_id();
  }

  // One that ends before what the store knows of it; null: none does.
  const Changelog* shorter_than_known(const Task& task) const {
    const auto found = std::ranges::find_if(task.changelogs, [&](const Changelog& changelog) {
      return state::restored_offset(task.store, changelog.name) > range(changelog).high;
    });
    return found == task.changelogs.end() ? nullptr : &*found;
  }

  [[noreturn]] void refuse_what_was_lost(const Changelog& changelog, const Task& task) const {
    const std::string without_ids = fmt::format(
        "; or, to go on without, move by_container/{} out of state.directory: copies "
        "of what came within findings.duplicate_horizon count again",
        changelog.partition);
    throw Refusal(fmt::format(
        "{} [{}] ends at offset {}, and the state on disk was made of it up to {}: the topic was "
        "deleted and made anew, or lost its end (power failed, or a replica that lagged became "
        "leader), or the state directory is that of another `name`. The state on disk was left as "
        "it is. Restore the topic, or start anew under another `name`{}",
        changelog.topic, changelog.partition, range(changelog).high,
        state::restored_offset(task.store, changelog.name),
        changelog.name == state::kIds ? without_ids : ""));
  }

  // Compaction leaves the last value of every key, and the log begins where it always did.
  void refuse_what_was_cut(const Changelog& changelog, std::int64_t known) const {
    if (changelog.name != state::kChangelog || range(changelog).low <= known) return;
    throw Refusal(
        fmt::format("{} [{}]: the changelog begins at offset {}, and what stood before is not "
                    "known here: records were deleted, and findings with them. Restore the topic, "
                    "or start anew under another `name`",
                    changelog.topic, changelog.partition, range(changelog).low));
  }

  // Marked as followed: a restore that is broken off is gone on with another day.
  void wipe(Task& task, std::string_view why) {
    task.store.wipe();
    begin_anew(task, why);
  }
  void wipe_away(Task& task) {
    task.store.wipe_all_but_ids();
    begin_anew(task, "it followed its changelog too long ago");
  }
  void begin_anew(Task& task, std::string_view why) {
    state::set_followed(task.store, cluster_, now_);
    task.restored.wiped = why;
  }

  // False: the assignment changed.
  bool read(const std::function<bool(const Task&)>& which) {
    std::vector<Log> logs;
    std::vector<LogPart> parts;
    std::int64_t all = 0;
    for (Task& task : tasks_) {
      if (!which(task)) continue;
      for (const Changelog& changelog : task.changelogs) {
        const std::int64_t known = state::restored_offset(task.store, changelog.name);
        refuse_what_was_cut(changelog, known);
        const std::int64_t from = std::max(known, range(changelog).low);
        all += range(changelog).high - from;
        logs.push_back({task, changelog, from});
        parts.push_back({{changelog.topic, changelog.partition}, from, range(changelog).high});
      }
    }
    const auto read = broker_.restore(parts, [&](std::size_t i, const Record& record) {
      take(logs[i], record);
      if (buffered_ < kBuffered) return;
      std::int64_t left = 0;
      for (Log& log : logs) {
        write(log);
        left += std::max<std::int64_t>(0, range(log.changelog).high - log.next);
      }
      buffered_ = 0;
      progress_(std::exchange(records_, 0), all - left, all);
    });
    GYRE_CRASH_POINT("restoring");
    for (std::size_t i = 0; i < logs.size(); ++i) {
      if (read) logs[i].next = read->at(i);
      write(logs[i]);
    }
    buffered_ = 0;
    progress_(std::exchange(records_, 0), all, all);
    return read.has_value();
  }

  void take(Log& log, const Record& record) {
    log.task.newest = std::max(log.task.newest, record.timestamp);
    ++log.task.restored.records;
    ++records_;
    log.next = record.offset + 1;
    if (!record.key) return;
    auto key = log.changelog.own(*record.key);
    if (!key) return;
    buffered_ += key->size() + (record.value ? record.value->size() : 0);
    log.changes.push_back({std::move(*key), record.value});
  }

  static void write(Log& log) {
    state::restore(log.task.store, std::exchange(log.changes, {}), log.changelog.name, log.next);
  }

  Broker& broker_;
  Nanos now_;
  std::string cluster_;
  Progress progress_;
  std::vector<Task> tasks_;
  std::map<TopicPartition, LogRange> ranges_;
  std::size_t buffered_ = 0;   // bytes
  std::uint64_t records_ = 0;  // that progress was not told of
};

}  // namespace

std::optional<std::vector<Restored>> restore_tasks(Broker& broker, const std::string& stage,
                                                   std::span<const Following> tasks, Nanos now,
                                                   Telemetry& telemetry) {
  const auto began = std::chrono::steady_clock::now();
  const auto progress = [&](std::uint64_t records, std::int64_t read, std::int64_t of) {
    telemetry.restoring(stage, records, read, of);
  };
  auto restored = Restore(broker, tasks, now, progress).run();
  if (!restored) return restored;
  std::uint64_t records = 0;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const Restored& each = restored->at(i);
    records += each.records;
    if (!each.wiped.empty()) telemetry.state_restored(stage, tasks[i].partition, each.wiped);
  }
  telemetry.tasks_recovered(stage, tasks.size(), records, std::chrono::steady_clock::now() - began);
  return restored;
}

std::vector<std::int32_t> stored_partitions(const Config& config, const std::string& stage) {
  std::vector<std::int32_t> partitions;
  std::error_code none;
  for (const auto& entry :
       std::filesystem::directory_iterator(config.state.directory + "/" + stage, none)) {
    const std::string name = entry.path().filename();
    std::int32_t partition = -1;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), partition);
    if (error == std::errc() && end == name.data() + name.size() && partition >= 0)
      partitions.push_back(partition);
  }
  return partitions;
}

// Each waits for the disk some times, so several at once; but few, for the threads of Kafka's
// clients find their group meanwhile, and each of their many short turns waits for a core.
void OpenedStores::open(std::span<const std::int32_t> partitions) {
  std::vector<std::int32_t> missing;
  for (const std::int32_t partition : partitions)
    if (!opened_.contains(partition)) missing.push_back(partition);
  std::vector<std::unique_ptr<state::Store>> opened(missing.size());
  std::atomic<std::size_t> next = 0;
  const auto open = [&] {
    for (std::size_t i = next++; i < opened.size(); i = next++)
      opened[i] = std::make_unique<state::Store>(
          options_.in_memory
              ? std::string()
              : fmt::format("{}/{}/{}", options_.config.state.directory, stage_, missing[i]),
          options_.memory);
  };
  constexpr std::size_t kAtOnce = 4;
  std::vector<std::future<void>> others;
  if (options_.memory.on_disk())
    while (others.size() + 1 < std::min(kAtOnce, opened.size()))
      others.push_back(std::async(std::launch::async, open));
  open();
  for (std::future<void>& other : others) other.get();
  for (std::size_t i = 0; i < opened.size(); ++i) opened_[missing[i]] = std::move(opened[i]);
}

Stores OpenedStores::take(std::span<const std::int32_t> partitions) {
  open(partitions);
  Stores taken;
  for (const std::int32_t partition : partitions) taken.insert(opened_.extract(partition));
  opened_.clear();
  return taken;
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

std::string how_to_reset(const Config& config, const std::string& stage, const std::string& topic,
                         std::int32_t partition) {
  return fmt::format(
      "end every gyre of this group, wait for its session timeout (10 s) and run: "
      "kafka-consumer-groups --bootstrap-server {} --group {} --topic {}:{} --reset-offsets "
      "--execute",
      config.kafka.brokers, config.group(stage), topic, partition);
}

std::optional<std::int64_t> resume_offset(const state::Transaction& state,
                                          std::optional<std::int64_t> committed,
                                          const std::optional<LogRange>& range,
                                          std::string_view task, std::string_view reset) {
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
                    "offsets were reset by hand, or two clusters share one state, or the changelog "
                    "lost its end (power failed, or a replica that lagged became leader), or a "
                    "broker was killed that held it alone. If they were reset, to go on {} "
                    "--to-offset {}. Else restore the topic, or start anew under another `name`: "
                    "read again, alerts would be reported twice",
                    task, *committed, next, reset, next));
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
