// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/time.h"
#include "pipeline/dead_letter.h"
#include "pipeline/task.h"
#include "schemas/alert.h"

namespace gyre::pipeline {

namespace {

constexpr char kBundleVersion = 1;

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

  std::vector<PartitionOffset> assign(std::span<const std::int32_t> partitions,
                                      Broker& broker) override {
    rollback();
    std::erase_if(tasks_, [&](const auto& task) {
      return std::ranges::find(partitions, task.first) == partitions.end();
    });
    std::vector<PartitionOffset> offsets;
    for (const std::int32_t partition : partitions) {
      auto& task = tasks_[partition];
      if (!task) task = std::make_unique<Task>(open(partition));
      offsets.push_back({partition, recover(partition, *task, broker)});
    }
    return offsets;
  }

  Outbox decide(const std::vector<Record>& records, Broker& broker) override {
    std::map<std::int32_t, stages::SourceState> batch;
    const Nanos now = options_.clock();
    for (const Record& record : records) {
      stages::SourceState& source = source_in(batch, record.partition);
      // A producer's clock ahead of ours must not carry event time into the future.
      const bool ahead = !record.log_append_time && now != kNoTime && record.timestamp > now;
      intake_.add({.partition = record.partition,
                   .offset = record.offset,
                   .record_time = ahead ? now : record.timestamp,
                   .value = record.value ? std::string_view(*record.value) : std::string_view(),
                   .key = record.key,
                   .headers = record.headers,
                   .tenant = header(record.headers, "gyre-tenant"),
                   .cluster = header(record.headers, "gyre-cluster")},
                  source);
    }
    tick(batch, now, broker);
    Outbox outbox;
    if (batch.empty()) return outbox;
    write(batch, intake_.finish(batch, broker.input_partitions(), options_.client_id), outbox);
    return outbox;
  }

  void apply(const std::map<TopicPartition, std::int64_t>& sent) override {
    for (const std::int32_t partition : touched_) {
      Task& task = *tasks_.at(partition);
      task.transaction.commit(
          sent.at({config_.intake_changelog(), changelog_partition(partition)}) + 1, std::nullopt);
    }
    touched_.clear();
    const stages::Intake::Seen seen = intake_.take_seen();
    for (const auto& [key, count] : seen.alerts)
      options_.telemetry.alerts_read(key.first, schemas::to_string(key.second), count);
    if (seen.without_cluster > 0 && !options_.in_memory)  // a file may well be of one cluster
      options_.telemetry.alerts_without_cluster(config_.input.topic, seen.without_cluster);
    for (const auto& [error, count] : dead_) options_.telemetry.dead_letter(error, count);
    dead_.clear();
  }

  void rollback() override {
    intake_.reset();
    for (auto& [partition, task] : tasks_) task->transaction.rollback();
    touched_.clear();
    dead_.clear();
    last_tick_ = kNoTime;
  }

  TaskStatus status(std::int32_t partition) const override {
    const Task& task = *tasks_.at(partition);
    if (!task.transaction.has_checkpoint()) return {};
    const records::Checkpoint checkpoint = task.transaction.checkpoint();
    return {.next_offset = checkpoint.next_offset(),
            .changelog_offset = state::restored_offset(*task.store, state::kChangelog),
            .stream_time = checkpoint.progress(),
            .held_by = partition};
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
    std::unique_ptr<state::Store> store;
    state::Transaction transaction;
    std::int64_t start = 0;  ///< where the first start begins, while there is no checkpoint
  };

  std::int32_t changelog_partition(std::int32_t partition) const {
    return partition % config_.inner.partitions;
  }

  Task open(std::int32_t partition) const {
    auto store = std::make_unique<state::Store>(
        options_.in_memory ? std::string()
                           : fmt::format("{}/intake/{}", config_.state.directory, partition),
        options_.memory);
    state::Transaction transaction(*store);
    return {std::move(store), std::move(transaction)};
  }

  std::int64_t recover(std::int32_t partition, Task& task, Broker& broker) {
    const auto committed = broker.committed(partition);
    restore_task(broker, *task.store,
                 {{config_.intake_changelog(), changelog_partition(partition), state::kChangelog,
                   [own = std::to_string(partition)](const std::string& key) {
                     return key == own ? std::optional(state::checkpoint_key()) : std::nullopt;
                   }}});
    const auto next = resume_offset(task.transaction, committed,
                                    fmt::format("intake {}-{}", config_.input.topic, partition));
    task.start = next ? *next : first_offset(partition, broker);
    return task.start;
  }

  std::int64_t first_offset(std::int32_t partition, Broker& broker) const {
    const std::string& start = config_.input.start;
    if (start == "earliest") return broker.low_watermark(config_.input.topic, partition);
    if (start == "latest") return broker.high_watermark(config_.input.topic, partition);
    const auto time = parse_rfc3339(start);
    if (!time)
      throw ConfigError("input.start: `" + start +
                        "` is neither earliest, latest nor an RFC 3339 time");
    return broker.offset_at(partition, *time);
  }

  stages::SourceState& source_in(std::map<std::int32_t, stages::SourceState>& batch,
                                 std::int32_t partition) const {
    const auto [at, added] = batch.try_emplace(partition);
    if (added) {
      const Task& task = *tasks_.at(partition);
      const records::Checkpoint checkpoint = task.transaction.checkpoint();
      const bool known = task.transaction.has_checkpoint();
      at->second.next_offset = known ? checkpoint.next_offset() : task.start;
      at->second.progress = known ? checkpoint.progress() : kNoTime;
      at->second.counters = checkpoint.counters();
      at->second.sent_to.assign(checkpoint.sent_to().begin(), checkpoint.sent_to().end());
    }
    return at->second;
  }

  // Where nothing is unread, time still passes: the clock is read first and the end of the
  // partition asked after it (DESIGN 6).
  void tick(std::map<std::int32_t, stages::SourceState>& batch, Nanos now, Broker& broker) {
    if (now == kNoTime || (last_tick_ != kNoTime && now - last_tick_ < kNanosPerSecond)) return;
    last_tick_ = now;
    for (const auto& [partition, task] : tasks_)
      if (broker.at_end(partition))
        intake_.tick(partition, now - config_.findings.disorder * kNanosPerSecond,
                     source_in(batch, partition));
  }

  void write(std::map<std::int32_t, stages::SourceState>& batch, stages::IntakeOutput output,
             Outbox& outbox) {
    for (auto& [target, bundle] : output.bundles) {
      std::string value(1, kBundleVersion);
      bundle.AppendToString(&value);
      outbox.records.push_back({.topic = config_.by_container_topic(),
                                .partition = target,
                                .key = {},
                                .value = std::move(value),
                                .headers = {}});
    }
    for (stages::DeadLetter& dead : output.dead_letters) {
      ++dead_[dead.error];
      outbox.records.push_back(
          to_dead_letter(config_.output.dead_letter_topic, config_.input.topic, std::move(dead)));
    }
    for (auto& [partition, source] : batch) {
      records::Checkpoint checkpoint = tasks_.at(partition)->transaction.checkpoint();
      checkpoint.set_next_offset(source.next_offset);
      checkpoint.set_progress(source.progress);
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
  std::map<std::int32_t, std::unique_ptr<Task>> tasks_;
  std::vector<std::int32_t> touched_;
  std::map<std::string, std::uint64_t> dead_;
  Nanos last_tick_ = kNoTime;
};

}  // namespace

std::unique_ptr<StageTasks> make_intake_tasks(const TaskOptions& options) {
  return std::make_unique<IntakeTasks>(options);
}

}  // namespace gyre::pipeline
