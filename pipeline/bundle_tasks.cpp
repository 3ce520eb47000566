// SPDX-License-Identifier: Apache-2.0
#include "pipeline/bundle_tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "base/time.h"
#include "pipeline/crash_point.h"
#include "pipeline/outputs.h"

namespace gyre::pipeline {

namespace {

constexpr char kBundleVersion = 1;

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

}  // namespace

std::string encode_bundle(const records::Bundle& bundle) {
  std::string value(1, kBundleVersion);
  bundle.AppendToString(&value);
  return value;
}

std::string encode_bundle(std::string bundle) {
  bundle.insert(bundle.begin(), kBundleVersion);
  return bundle;
}

BundleTasks::BundleTasks(const TaskOptions& options, BundleStage stage)
    : options_(options), stage_(std::move(stage)) {}

records::Bundle BundleTasks::decode(const Record& record) const {
  records::Bundle bundle;
  if (!record.value || record.value->empty() || record.value->front() != kBundleVersion ||
      !bundle.ParseFromArray(record.value->data() + 1, static_cast<int>(record.value->size() - 1)))
    throw Refusal(
        fmt::format("{0}: record {1} of partition {2} of {3} is no bundle of version {4}; "
                    "something else writes "
                    "there, or a newer gyre: upgrade {0} before what sends to it",
                    stage_.name, record.offset, record.partition, stage_.input_topic,
                    static_cast<int>(kBundleVersion)));
  return bundle;
}

std::optional<std::vector<PartitionOffset>> BundleTasks::assign(
    std::span<const std::int32_t> partitions, Broker& broker) {
  rollback();
  std::erase_if(tasks_, [&](const auto& task) {
    return std::ranges::find(partitions, task.first) == partitions.end();
  });
  std::vector<std::int32_t> added;
  for (const std::int32_t partition : partitions)
    if (!tasks_.contains(partition)) added.push_back(partition);
  for (auto& [partition, store] : stores_.take(added))
    tasks_[partition] = std::make_unique<Task>(std::move(store));
  const auto all_committed = broker.committed(partitions);
  if (!restore(broker)) return std::nullopt;
  const auto ranges = broker.input_ranges(partitions);
  std::vector<PartitionOffset> offsets;
  for (const std::int32_t partition : partitions) {
    Task& task = *tasks_.at(partition);
    const auto committed = find(all_committed, partition);
    const std::string name = fmt::format("{} {}", stage_.name, partition);
    std::optional<std::int64_t> next;
    refuse_unless_overtaken(broker, partition, committed, name, [&] {
      next = resume_offset(task.transaction, committed, find(ranges, partition), name,
                           how_to_reset(config(), stage_.name, stage_.input_topic, partition));
    });
    task.told = task.transaction.checkpoint().counters();
    offsets.push_back({partition, next ? *next : broker.range(stage_.input_topic, partition).low});
  }
  return offsets;
}

BatchLimits BundleTasks::plan(const BatchLimits& limits, Broker&) {
  BatchLimits plan = limits;
  const auto behind = [&](const auto& task) { return is_behind(task.second->transaction); };
  if (std::any_of(tasks_.begin(), tasks_.end(), behind)) plan.records = 0;
  return plan;
}

Outbox BundleTasks::decide(const std::vector<Record>& records, Broker& broker) {
  std::map<std::int32_t, std::int64_t> next;
  std::map<std::int32_t, std::vector<schemas::Report>> reports;
  stages::Allowance allowance;
  for (auto& [partition, task] : tasks_) {
    if (allowance.is_spent()) break;
    if (!is_behind(task->transaction)) continue;
    next[partition] = task->transaction.checkpoint().next_offset();
    proceed(partition, next[partition], task->transaction, allowance, reports[partition]);
  }
  for (const Record& record : records) {
    process(record.partition, record.offset, decode(record), transaction(record.partition),
            allowance, reports[record.partition]);
    next[record.partition] = record.offset + 1;
  }
  Outbox outbox;
  hand_on(broker, outbox);
  for (const auto& [partition, offset] : next) {
    write(partition, offset, std::move(reports[partition]), outbox);
    outbox.offsets.push_back({partition, offset});
  }
  return outbox;
}

void BundleTasks::apply(const std::map<TopicPartition, std::int64_t>& sent, Nanos now) {
  for (const std::int32_t partition : touched_) {
    Task& task = *tasks_.at(partition);
    const records::Counters counters = task.transaction.checkpoint().counters();
    if (counters.replays_dropped() > task.told.replays_dropped())
      options_.telemetry.replays_dropped(counters.replays_dropped() - task.told.replays_dropped());
    tell(task.told, counters);
    task.told = counters;
    std::optional<std::int64_t> ids;
    if (stage_.ids) {
      const auto last = sent.find({*stage_.ids, partition});
      if (last != sent.end()) ids = last->second + 1;
    }
    task.transaction.commit(sent.at({stage_.changelog, partition}) + 1, ids,
                            follow_time(now, options_.clock()));
    GYRE_CRASH_POINT("applying");
  }
  touched_.clear();
  // An alert may be dated centuries back.
  const auto since = [clock = options_.clock()](Nanos time) {
    Nanos passed = 0;
    if (clock == kNoTime || time >= clock) return std::chrono::nanoseconds(0);
    if (__builtin_sub_overflow(clock, time, &passed)) return std::chrono::nanoseconds::max();
    return std::chrono::nanoseconds(passed);
  };
  for (const schemas::Report& report : published_) {
    Published published{.kind = report.kind,
                        .attention = report.attention,
                        .reason = report.reason,
                        .delay = since(report.time * kNanosPerSecond),
                        .caps = report.caps};
    if (report.kind == "finding" && report.revision == 1)
      published.opened = {report.priority, since(report.first_alert)};
    options_.telemetry.report_published(published);
  }
  published_.clear();
}

void BundleTasks::rollback() {
  for (auto& [partition, task] : tasks_) task->transaction.rollback();
  touched_.clear();
  published_.clear();
}

TaskStatus BundleTasks::status(std::int32_t partition) const {
  const Task& task = *tasks_.at(partition);
  if (!task.transaction.has_checkpoint()) return {};
  const records::Checkpoint checkpoint = task.transaction.checkpoint();
  TaskStatus status{.next_offset = checkpoint.next_offset(),
                    .changelog_offset = state::restored_offset(*task.store, state::kChangelog),
                    .findings_open = checkpoint.counters().findings_open(),
                    .outbreaks_open = checkpoint.counters().outbreaks_open(),
                    .state = task.store->usage()};
  const auto& cursors = checkpoint.cursors();
  if (cursors.empty() || cursors.size() < checkpoint.sources()) return status;
  const auto last =
      std::min_element(cursors.begin(), cursors.end(),
                       [](const auto& a, const auto& b) { return a.progress() < b.progress(); });
  status.stream_time = last->progress();
  status.held_by = last->partition();
  return status;
}

records::Counters BundleTasks::counters() const {
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
    sum.set_overflowed(sum.overflowed() + counters.overflowed());
    sum.set_contributions(sum.contributions() + counters.contributions());
    sum.set_outbreaks_open(sum.outbreaks_open() + counters.outbreaks_open());
  }
  return sum;
}

bool BundleTasks::restore(Broker& broker) {
  const auto same = [](const std::string& key) { return std::optional(key); };
  std::vector<Following> following;
  for (const auto& [partition, task] : tasks_) {
    following.push_back({.partition = partition,
                         .store = task->store.get(),
                         .changelogs = {{stage_.changelog, partition, state::kChangelog, same}}});
    if (stage_.ids)
      following.back().changelogs.push_back({*stage_.ids, partition, state::kIds, same});
  }
  return restore_tasks(broker, stage_.name, following, options_.clock(), options_.telemetry)
      .has_value();
}

void BundleTasks::write(std::int32_t partition, std::int64_t next_offset,
                        std::vector<schemas::Report> reports, Outbox& outbox) {
  for (schemas::Report& report : reports) {
    std::string json = std::exchange(report.json, {});
    published_.push_back(report);
    report.json = std::move(json);
    append_records(config().outputs, config().name, std::move(report), outbox.records);
  }
  state::Transaction& transaction = tasks_.at(partition)->transaction;
  records::Checkpoint checkpoint = transaction.checkpoint();
  if (checkpoint.state_id().empty()) checkpoint.set_state_id(random_state_id());
  checkpoint.set_next_offset(next_offset);
  checkpoint.set_writer(options_.client_id);
  checkpoint.set_config_hash(config().semantic_hash());
  transaction.put(checkpoint);
  const auto send = [&](const std::string& topic, state::Change change) {
    outbox.records.push_back({.topic = topic,
                              .partition = partition,
                              .key = std::move(change.key),
                              .value = std::move(change.value),
                              .headers = {}});
  };
  if (stage_.ids)
    for (state::Change& change : transaction.ids()) send(*stage_.ids, std::move(change));
  for (state::Change& change : transaction.changelog()) send(stage_.changelog, std::move(change));
  send(stage_.changelog, transaction.checkpoint_change());
  touched_.push_back(partition);
}

}  // namespace gyre::pipeline
