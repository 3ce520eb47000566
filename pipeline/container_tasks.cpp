// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "base/error.h"
#include "base/hash.h"
#include "base/time.h"
#include "pipeline/task.h"

namespace gyre::pipeline {

namespace {

constexpr char kBundleVersion = 1;

records::Bundle decode_bundle(const Record& record) {
  records::Bundle bundle;
  if (!record.value || record.value->empty() || record.value->front() != kBundleVersion ||
      !bundle.ParseFromArray(record.value->data() + 1, static_cast<int>(record.value->size() - 1)))
    throw Refusal(
        fmt::format("by_container: record {} of partition {} of the inner topic is no bundle of "
                    "version {}; something else "
                    "writes there, or a newer gyre: upgrade by_container before intake",
                    record.offset, record.partition, static_cast<int>(kBundleVersion)));
  return bundle;
}

// Tells one life of the inner topics from another: librdkafka 2.0.2 shows no topic ids.
std::string random_state_id() {
  std::random_device device;
  std::string bytes;
  for (int i = 0; i < 4; ++i) {
    const unsigned int word = device();
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(word >> shift);
  }
  return to_hex(bytes);
}

OutRecord report_record(const Config& config, schemas::Report report) {
  Headers headers = {{"ce_specversion", "1.0"},
                     {"ce_id", fmt::format("{}/{}", report.id, report.revision)},
                     {"ce_type", "gyre.report." + report.kind},
                     {"ce_source", "gyre/" + config.name},
                     {"ce_time", format_rfc3339_second(report.time)},
                     {"content-type", "application/json"}};
  return {.topic = config.output.topic,
          .partition = -1,
          .key = std::move(report.id),
          .value = std::move(report.json),
          .headers = std::move(headers)};
}

class ContainerTasks : public StageTasks {
 public:
  ContainerTasks(const TaskOptions& options, const stages::Playbooks& playbooks)
      : options_(options),
        config_(options.config),
        stage_(config_.findings, playbooks,
               {.version = GYRE_VERSION, .config_hash = config_.semantic_hash()}) {}

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

  bool owns_input() const override { return true; }

  Outbox decide(const std::vector<Record>& records, Broker&) override {
    std::map<std::int32_t, std::int64_t> next;
    std::map<std::int32_t, std::vector<schemas::Report>> reports;
    for (const Record& record : records) {
      Task& task = *tasks_.at(record.partition);
      std::vector<records::Contribution> contributions;
      stage_.process(decode_bundle(record), task.transaction, reports[record.partition],
                     contributions);
      next[record.partition] = record.offset + 1;
    }
    Outbox outbox;
    for (const auto& [partition, offset] : next) {
      write(partition, offset, std::move(reports[partition]), outbox);
      outbox.offsets.push_back({partition, offset});
    }
    return outbox;
  }

  void apply(const std::map<TopicPartition, std::int64_t>& sent, Nanos now) override {
    for (const std::int32_t partition : touched_) {
      Task& task = *tasks_.at(partition);
      const auto ids = sent.find({config_.by_container_ids(), partition});
      tell(task);
      task.transaction.commit(sent.at({config_.by_container_changelog(), partition}) + 1,
                              ids == sent.end() ? std::nullopt : std::optional(ids->second + 1),
                              follow_time(now, options_.clock()));
    }
    touched_.clear();
    for (const auto& [kind, count] : kinds_) options_.telemetry.report_published(kind, count);
    kinds_.clear();
  }

  void rollback() override {
    for (auto& [partition, task] : tasks_) task->transaction.rollback();
    touched_.clear();
    kinds_.clear();
  }

  TaskStatus status(std::int32_t partition) const override {
    const Task& task = *tasks_.at(partition);
    if (!task.transaction.has_checkpoint()) return {};
    const records::Checkpoint checkpoint = task.transaction.checkpoint();
    TaskStatus status{.next_offset = checkpoint.next_offset(),
                      .changelog_offset = state::restored_offset(*task.store, state::kChangelog),
                      .findings_open = checkpoint.counters().findings_open()};
    const auto& cursors = checkpoint.cursors();
    if (cursors.empty() || cursors.size() < checkpoint.sources()) return status;
    const auto last =
        std::min_element(cursors.begin(), cursors.end(),
                         [](const auto& a, const auto& b) { return a.progress() < b.progress(); });
    status.stream_time = last->progress();
    status.held_by = last->partition();
    return status;
  }

  records::Counters counters() const override {
    records::Counters sum;
    for (const auto& [partition, task] : tasks_) {
      const records::Counters counters = task->transaction.checkpoint().counters();
      sum.set_folded(sum.folded() + counters.folded());
      sum.set_duplicate(sum.duplicate() + counters.duplicate());
      sum.set_late(sum.late() + counters.late());
      sum.set_heartbeats(sum.heartbeats() + counters.heartbeats());
      sum.set_replays_dropped(sum.replays_dropped() + counters.replays_dropped());
      sum.set_reports(sum.reports() + counters.reports());
      sum.set_findings_open(sum.findings_open() + counters.findings_open());
    }
    return sum;
  }

 private:
  struct Task {
    std::unique_ptr<state::Store> store;
    state::Transaction transaction;
    records::Counters told;  ///< counters as last given to the metrics
  };

  Task open(std::int32_t partition) const {
    auto store = std::make_unique<state::Store>(
        options_.in_memory ? std::string()
                           : fmt::format("{}/by_container/{}", config_.state.directory, partition),
        options_.memory);
    state::Transaction transaction(*store);
    return {std::move(store), std::move(transaction), {}};
  }

  std::int64_t recover(std::int32_t partition, Task& task, Broker& broker) {
    const auto committed = broker.committed(partition);
    const auto same = [](const std::string& key) { return std::optional(key); };
    const std::string_view wiped =
        restore_task(broker, *task.store,
                     {{config_.by_container_changelog(), partition, state::kChangelog, same},
                      {config_.by_container_ids(), partition, state::kIds, same}},
                     options_.clock());
    if (!wiped.empty()) options_.telemetry.state_restored("by_container", partition, wiped);
    const auto next = resume_offset(task.transaction, committed, broker.input_range(partition),
                                    fmt::format("by_container {}", partition));
    task.told = task.transaction.checkpoint().counters();
    return next ? *next : broker.low_watermark(config_.by_container_topic(), partition);
  }

  void write(std::int32_t partition, std::int64_t next_offset, std::vector<schemas::Report> reports,
             Outbox& outbox) {
    for (schemas::Report& report : reports) {
      ++kinds_[report.kind];
      outbox.records.push_back(report_record(config_, std::move(report)));
    }
    state::Transaction& transaction = tasks_.at(partition)->transaction;
    records::Checkpoint checkpoint = transaction.checkpoint();
    if (checkpoint.state_id().empty()) checkpoint.set_state_id(random_state_id());
    checkpoint.set_next_offset(next_offset);
    checkpoint.set_writer(options_.client_id);
    checkpoint.set_config_hash(config_.semantic_hash());
    transaction.put(checkpoint);
    const auto send = [&](const std::string& topic, state::Change change) {
      outbox.records.push_back({.topic = topic,
                                .partition = partition,
                                .key = std::move(change.key),
                                .value = std::move(change.value),
                                .headers = {}});
    };
    for (state::Change& change : transaction.ids())
      send(config_.by_container_ids(), std::move(change));
    for (state::Change& change : transaction.changelog())
      send(config_.by_container_changelog(), std::move(change));
    send(config_.by_container_changelog(), transaction.checkpoint_change());
    touched_.push_back(partition);
  }

  void tell(Task& task) {
    const records::Counters now = task.transaction.checkpoint().counters();
    const records::Counters& before = task.told;
    options_.telemetry.folded(now.folded() - before.folded(), now.duplicate() - before.duplicate(),
                              now.late() - before.late(), now.heartbeats() - before.heartbeats());
    options_.telemetry.overflowed(now.overflowed() - before.overflowed());
    if (now.replays_dropped() > before.replays_dropped())
      options_.telemetry.replays_dropped(now.replays_dropped() - before.replays_dropped());
    task.told = now;
  }

  TaskOptions options_;
  const Config& config_;
  stages::ByContainer stage_;
  std::map<std::int32_t, std::unique_ptr<Task>> tasks_;
  std::vector<std::int32_t> touched_;
  std::map<std::string, std::uint64_t> kinds_;
};

}  // namespace

std::unique_ptr<StageTasks> make_container_tasks(const TaskOptions& options,
                                                 const stages::Playbooks& playbooks) {
  return std::make_unique<ContainerTasks>(options, playbooks);
}

}  // namespace gyre::pipeline
