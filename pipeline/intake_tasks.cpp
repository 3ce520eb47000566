// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <set>

#include "base/error.h"
#include "base/time.h"
#include "pipeline/bundle_tasks.h"
#include "pipeline/crash_point.h"
#include "pipeline/dead_letter.h"
#include "pipeline/input_start.h"
#include "pipeline/task.h"
#include "schemas/alert.h"

namespace gyre::pipeline {

namespace {

/// Ruling 19: an unread source, or another member's checkpoint, that brings nothing for this long
/// holds nobody up.
constexpr Nanos kStopped = 600 * kNanosPerSecond;

std::string_view header(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

class IntakeTasks : public StageTasks {
 public:
  explicit IntakeTasks(const TaskOptions& options)
      : options_(options),
        config_(options.config),
        intake_(config_.limits, config_.input.tenant, config_.input.cluster,
                config_.inner.partitions) {}

  void open(std::span<const std::int32_t> partitions) override { stores_.open(partitions); }

  std::optional<std::vector<PartitionOffset>> assign(std::span<const std::int32_t> partitions,
                                                     Broker& broker) override {
    rollback();
    std::erase_if(tasks_, [&](const auto& task) {
      return std::ranges::find(partitions, task.first) == partitions.end();
    });
    std::vector<std::int32_t> added;
    for (const std::int32_t partition : partitions)
      if (!tasks_.contains(partition)) added.push_back(partition);
    for (auto& [partition, store] : stores_.take(added))
      tasks_[partition] = std::make_unique<Task>(std::move(store));
    const auto committed = broker.committed(partitions);
    if (!restore(broker)) return std::nullopt;
    const auto ranges = broker.input_ranges(partitions);
    const auto last = last_records(ranges, broker);
    std::vector<PartitionOffset> offsets;
    for (const std::int32_t partition : partitions) {
      const InputFacts facts{find(committed, partition), find(ranges, partition),
                             find(last, partition)};
      offsets.push_back({partition, begin(partition, facts, broker)});
    }
    sources_ = broker.input_partitions();
    return offsets;
  }

  BatchLimits plan(const BatchLimits& limits, Broker& broker) override {
    BatchLimits plan = limits;
    Alignment& alignment = plan.alignment.emplace();
    alignment.now = options_.clock();
    for (const auto& [partition, task] : tasks_) {
      if (task->read_until != kNoTime) alignment.reached[partition] = task->read_until;
      if (task->stopped) alignment.stopped.insert(partition);
    }
    if (alignment.now != kNoTime) alignment.horizon = horizon(alignment.now, broker);
    return plan;
  }

  bool owns_input() const override { return false; }

  Outbox decide(const std::vector<Record>& records, Broker& broker) override {
    std::map<std::int32_t, stages::SourceState> batch;
    const Nanos now = held(options_.clock(), broker);
    std::map<std::int32_t, const Record*> last;
    for (const Record& record : records) {
      stages::SourceState& source = source_in(batch, record.partition);
      last[record.partition] = &record;
      Task& task = *tasks_.at(record.partition);
      task.heard = now;
      task.stopped = false;
      reach(task, record.timestamp, now);
      intake_.add({.partition = record.partition,
                   .offset = record.offset,
                   .record_time = record_time(record, now),
                   .value = record.value ? std::string_view(*record.value) : std::string_view(),
                   .key = record.key,
                   .headers = record.headers,
                   .tenant = header(record.headers, "gyre-tenant"),
                   .cluster = header(record.headers, "gyre-cluster")},
                  source);
    }
    for (const auto& [partition, record] : last)
      tasks_.at(partition)->last_record = fingerprint(*record);
    // From where the first start began must not be asked twice: `latest` is another place then.
    for (const auto& [partition, task] : tasks_)
      if (task->unwritten) source_in(batch, partition);
    if (now != kNoTime) {
      if (records.empty()) promise(batch, now, broker);
      tick(batch, now, broker);
    }
    Outbox outbox;
    if (batch.empty()) return outbox;
    write(batch, intake_.finish(batch, sources_, options_.client_id), outbox);
    return outbox;
  }

  void apply(const std::map<TopicPartition, std::int64_t>& sent, Nanos now) override {
    for (const std::int32_t partition : touched_) {
      Task& task = *tasks_.at(partition);
      task.transaction.commit(
          sent.at({config_.intake_changelog(), changelog_partition(partition)}) + 1, std::nullopt,
          follow_time(now, options_.clock()));
      GYRE_CRASH_POINT("applying");
      task.unwritten = false;
      if (task.start.lost > 0) options_.telemetry.input_lost(std::exchange(task.start.lost, 0));
    }
    touched_.clear();
    const stages::Intake::Seen seen = intake_.take_seen();
    for (const auto& [key, count] : seen.alerts)
      options_.telemetry.alerts_read(key.first, schemas::to_string(key.second), count);
    for (const auto& [rule, count] : seen.rules) options_.telemetry.alerts_of_rule(rule, count);
    for (const auto& [cluster, count] : seen.clusters)
      options_.telemetry.alerts_of_cluster(cluster, count);
    if (seen.without_cluster > 0 && !options_.replay)  // a file may well be of one cluster
      options_.telemetry.alerts_without_cluster(config_.input.topic, seen.without_cluster);
    for (const auto& [error, count] : dead_) options_.telemetry.dead_letter(error, count);
    dead_.clear();
  }

  void rollback() override {
    intake_.reset();
    for (auto& [partition, task] : tasks_) task->transaction.rollback();
    touched_.clear();
    dead_.clear();
  }

  TaskStatus status(std::int32_t partition) const override {
    const Task& task = *tasks_.at(partition);
    if (!task.transaction.has_checkpoint()) return {};
    const records::Checkpoint checkpoint = task.transaction.checkpoint();
    return {.next_offset = checkpoint.next_offset(),
            .changelog_offset = state::restored_offset(*task.store, state::kChangelog),
            .stream_time = checkpoint.progress(),
            .held_by = partition,
            .state = task.store->usage(),
            .stopped = task.stopped};
  }

  records::Counters counters() const override {
    records::Counters sum;
    for (const auto& [partition, task] : tasks_) {
      const records::Counters counters = task->transaction.checkpoint().counters();
      sum.set_in(sum.in() + counters.in());
      sum.set_sent(sum.sent() + counters.sent());
      sum.set_dead(sum.dead() + counters.dead());
    }
    return sum;
  }

 private:
  struct Task {
    explicit Task(std::unique_ptr<state::Store> of) : store(std::move(of)), transaction(*store) {}
    std::unique_ptr<state::Store> store;
    state::Transaction transaction;
    InputStart start;
    bool unwritten = false;      ///< `start` is not in a checkpoint yet
    std::string last_record;     ///< fingerprint; empty: as the checkpoint has it
    Nanos read_until = kNoTime;  ///< as its next checkpoint will have it
    Nanos heard = kNoTime;  ///< the clock when it last brought something, or had nothing to bring
    bool stopped = false;
  };
  /// A source partition of another member, as its checkpoints tell.
  struct Other {
    Nanos read_until = kNoTime;
    Nanos heard = kNoTime;
  };

  std::int32_t changelog_partition(std::int32_t partition) const {
    return intake_changelog_partition(config_, partition);
  }

  // A host's clock may be wrong by years; what it says goes into event time for ever. The brokers'
  // is as good as the stamps of the records.
  static Nanos held(Nanos now, Broker& broker) {
    const Nanos brokers = broker.time();
    return now == kNoTime || brokers == kNoTime ? now : std::min(now, brokers);
  }

  // No producer's clock ahead of ours may carry event time into the future, nor a record without a
  // usable stamp.
  Nanos record_time(const Record& record, Nanos now) const {
    if (record.log_append_time || now == kNoTime || options_.replay) return record.timestamp;
    if (record.timestamp == kNoTime) return now;
    return std::min(record.timestamp, now);
  }

  bool restore(Broker& broker) {
    std::vector<Following> following;
    for (const auto& [partition, task] : tasks_)
      following.push_back(
          {.partition = partition,
           .store = task->store.get(),
           .changelogs = {
               {config_.intake_changelog(), changelog_partition(partition), state::kChangelog,
                [own = std::to_string(partition)](const std::string& key) {
                  return key == own ? std::optional(state::checkpoint_key()) : std::nullopt;
                }}}});
    return restore_tasks(broker, "intake", following, options_.clock(), options_.telemetry)
        .has_value();
  }

  std::map<std::int32_t, Record> last_records(const std::map<std::int32_t, LogRange>& ranges,
                                              Broker& broker) const {
    std::vector<PartitionOffset> offsets;
    for (const auto& [partition, range] : ranges)
      if (const auto at =
              last_record_of(tasks_.at(partition)->transaction.checkpoint(), partition, range);
          at && at->next_offset < range.high)
        offsets.push_back(*at);
    return broker.records_at(offsets);
  }

  std::int64_t begin(std::int32_t partition, const InputFacts& facts, Broker& broker) {
    Task& task = *tasks_.at(partition);
    refuse_unless_overtaken(
        broker, partition, facts.committed,
        fmt::format("intake {}-{}", config_.input.topic, partition),
        [&] { task.start = input_start(options_, task.transaction, facts, partition, broker); });
    task.unwritten = task.start.fresh || task.start.lost > 0;
    task.last_record.clear();
    if (task.start.lost > 0)
      options_.telemetry.loss_accepted(config_.input.topic, partition,
                                       task.start.next_offset - task.start.lost,
                                       task.start.next_offset);
    const std::int64_t read_until = task.transaction.checkpoint().read_until();
    task.read_until = read_until == 0 ? kNoTime : read_until;
    if (task.heard == kNoTime) task.heard = options_.clock();
    return task.start.next_offset;
  }

  stages::SourceState& source_in(std::map<std::int32_t, stages::SourceState>& batch,
                                 std::int32_t partition) const {
    const auto [at, added] = batch.try_emplace(partition);
    if (added) {
      const Task& task = *tasks_.at(partition);
      const records::Checkpoint checkpoint = task.transaction.checkpoint();
      const bool known = task.transaction.has_checkpoint();
      at->second.next_offset = task.unwritten ? task.start.next_offset : checkpoint.next_offset();
      at->second.progress = known ? checkpoint.progress() : kNoTime;
      at->second.counters = checkpoint.counters();
      at->second.counters.set_lost(checkpoint.counters().lost() +
                                   static_cast<std::uint64_t>(task.start.lost));
      at->second.sent_to.assign(checkpoint.sent_to().begin(), checkpoint.sent_to().end());
    }
    return at->second;
  }

  static void reach(Task& task, Nanos stamp, Nanos now) {
    task.read_until = std::max(task.read_until, now == kNoTime ? stamp : std::min(stamp, now));
  }

  // What the slowest of the other members allows. A member that is silent for long allows all.
  Nanos horizon(Nanos now, Broker& broker) {
    if (static_cast<std::size_t>(sources_) == tasks_.size()) return kEndOfTime;
    std::set<std::int32_t> changelogs;
    for (std::int32_t source = 0; source < sources_; ++source)
      if (!tasks_.contains(source)) changelogs.insert(changelog_partition(source));
    broker.follow(config_.intake_changelog(),
                  std::vector<std::int32_t>(changelogs.begin(), changelogs.end()),
                  [&](const Record& record) { hear(record, now); });
    Nanos horizon = kEndOfTime;
    for (const auto& [source, other] : others_)
      if (!tasks_.contains(source) && other.read_until != kNoTime && now - other.heard < kStopped)
        horizon = std::min(horizon, other.read_until + kReadAheadOfOthers);
    return horizon;
  }

  void hear(const Record& record, Nanos now) {
    std::int32_t source = -1;
    const std::string key = record.key.value_or("");
    std::from_chars(key.data(), key.data() + key.size(), source);
    if (!record.value || source < 0 || tasks_.contains(source)) return;
    const auto checkpoint = state::decode_checkpoint(*record.value);
    const Nanos read_until = checkpoint.read_until() == 0 ? kNoTime : checkpoint.read_until();
    Other& other = others_[source];
    if (other.heard == kNoTime || read_until > other.read_until) other.heard = now;
    other.read_until = read_until;
  }

  // Nothing was to be read now. How far the next record of each source is away is what the other
  // members may be waiting for.
  void promise(std::map<std::int32_t, stages::SourceState>& batch, Nanos now, Broker& broker) {
    if (static_cast<std::size_t>(sources_) == tasks_.size()) return;
    for (const auto& [partition, task] : tasks_) {
      const auto next = broker.next_time(partition);
      if (!next || std::min(*next, now) <= task->read_until) continue;
      reach(*task, *next, now);
      source_in(batch, partition);
    }
  }

  // Where nothing is unread, time still passes: the clock is read first and the end of the
  // partition asked after it (DESIGN 6). So it does where what is unread does not come (ruling 19).
  void tick(std::map<std::int32_t, stages::SourceState>& batch, Nanos now, Broker& broker) {
    if (last_tick_ != kNoTime && std::abs(now - last_tick_) < kNanosPerSecond) return;
    last_tick_ = now;
    if (broker.time() == kNoTime) {
      // Nobody has confirmed the clock; the commit of a checkpoint makes a broker tell its own.
      if (!tasks_.empty()) source_in(batch, tasks_.begin()->first);
      return;
    }
    for (const auto& [partition, task] : tasks_) {
      const Unread unread = broker.unread(partition);
      const bool finished = unread.known && unread.records == 0;
      if (finished || unread.next || task->heard == kNoTime) {
        task->heard = now;
        task->stopped = false;
      } else if (now - task->heard >= kStopped) {
        task->stopped = true;
      }
      if (!finished && !task->stopped) continue;
      reach(*task, now, now);
      intake_.tick(partition, now - config_.findings.disorder * kNanosPerSecond,
                   source_in(batch, partition));
    }
  }

  void write(std::map<std::int32_t, stages::SourceState>& batch, stages::IntakeOutput output,
             Outbox& outbox) {
    for (auto& [target, bundle] : output.bundles) {
      outbox.records.push_back({.topic = config_.by_container_topic(),
                                .partition = target,
                                .key = {},
                                .value = encode_bundle(std::move(bundle)),
                                .headers = {}});
    }
    for (stages::DeadLetter& dead : output.dead_letters) {
      ++dead_[dead.error];
      outbox.records.push_back(to_dead_letter(config_, std::move(dead)));
    }
    for (auto& [partition, source] : batch) {
      const Task& task = *tasks_.at(partition);
      records::Checkpoint checkpoint = task.transaction.checkpoint();
      checkpoint.set_topic(config_.input.topic);
      if (checkpoint.first_sources() == 0) checkpoint.set_first_sources(sources_);
      if (task.unwritten) checkpoint.clear_last_record();
      if (!task.last_record.empty()) checkpoint.set_last_record(task.last_record);
      checkpoint.set_next_offset(source.next_offset);
      checkpoint.set_progress(source.progress);
      const Nanos read_until = task.read_until;
      checkpoint.set_read_until(read_until == kNoTime ? 0 : read_until);
      *checkpoint.mutable_counters() = source.counters;
      checkpoint.mutable_sent_to()->Assign(source.sent_to.begin(), source.sent_to.end());
      checkpoint.set_writer(options_.client_id);
      checkpoint.set_config_hash(config_.semantic_hash());
      state::Transaction& transaction = tasks_.at(partition)->transaction;
      transaction.put(checkpoint);
      outbox.records.push_back({.topic = config_.intake_changelog(),
                                .partition = changelog_partition(partition),
                                .key = std::to_string(partition),
                                .value = transaction.checkpoint_change().value,
                                .headers = {}});
      outbox.offsets.push_back({partition, source.next_offset});
      touched_.push_back(partition);
    }
  }

  TaskOptions options_;
  const Config& config_;
  stages::Intake intake_;
  OpenedStores stores_{options_, "intake"};
  std::map<std::int32_t, std::unique_ptr<Task>> tasks_;
  std::vector<std::int32_t> touched_;
  std::map<std::string, std::uint64_t> dead_;
  Nanos last_tick_ = kNoTime;
  std::int32_t sources_ = 0;  ///< partitions of the input topic
  std::map<std::int32_t, Other> others_;
};

}  // namespace

std::unique_ptr<StageTasks> make_intake_tasks(const TaskOptions& options) {
  return std::make_unique<IntakeTasks>(options);
}

}  // namespace gyre::pipeline
