// SPDX-License-Identifier: Apache-2.0
#include "pipeline/metric_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace gyre::pipeline {

namespace {

constexpr auto kMetrics = std::to_array<Metric>({
    {"gyre_alerts_total", "counter", "source priority", "Alerts read from the input."},
    {"gyre_rule_alerts_total", "counter", "rule",
     "The same by rule: the first 500 rules that the process meets, the others as other."},
    {"gyre_cluster_alerts_total", "counter", "cluster",
     "The same by cluster: the first 100, the others as other."},
    {"gyre_alerts_without_cluster_total", "counter", "topic",
     "Alerts whose cluster neither a header, a field nor input.cluster names."},
    {"gyre_alerts_folded_total", "counter", "",
     "Alerts counted in a report or as a heartbeat; late ones and heartbeats are part of it."},
    {"gyre_alerts_duplicate_total", "counter", "",
     "Exact copies of an alert that was counted; they are counted when their second is decided."},
    {"gyre_alerts_late_total", "counter", "", "Alerts folded after their window had passed."},
    {"gyre_alerts_overflowed_total", "counter", "",
     "Alerts folded into an overflow finding, since their container has more patterns than "
     "findings.shapes or findings.per_entity, or into a late finding with others further from them "
     "than findings.gap; part of those folded."},
    {"gyre_heartbeats_total", "counter", "",
     "Sensor alerts that say that all is well: snapshots of metrics without a new loss."},
    {"gyre_dead_letters_total", "counter", "reason",
     "Records that are no alert: not_json, not_an_alert, no_time or too_large."},
    {"gyre_findings_open", "gauge", "", "Findings open on the partitions of this process."},
    {"gyre_outbreaks_open", "gauge", "", "Outbreaks open on the partitions of this process."},
    {"gyre_contributions_total", "counter", "", "Summaries of findings that stage by_rule folded."},
    {"gyre_reports_total", "counter", "kind attention reason",
     "Report revisions published, by whom they call (page, ticket or nobody: record) and why they "
     "were written."},
    {"gyre_report_caps_total", "counter", "cap",
     "Report revisions that say, under caps, that a limit of what is kept or said was reached; no "
     "count is lost by one."},
    {"gyre_report_delay_seconds", "histogram", "kind",
     "Time from the second of event time whose decision a revision is, to its commit."},
    {"gyre_finding_delay_seconds", "histogram", "priority",
     "Time from the first alert of a finding, as the sensor stamped it, to the commit of its first "
     "report, by Falco's priority: with the way to Gyre, and with the time that its priority waits "
     "for more alerts."},
    {"gyre_consumer_lag_records", "gauge", "stage partition",
     "Records between the committed offset and the end of the partition."},
    {"gyre_stream_timestamp_seconds", "gauge", "stage partition",
     "Unix time that the event time of a task has reached: what is younger is not decided yet."},
    {"gyre_source_stopped", "gauge", "partition",
     "1 for a source partition that is unread and has brought nothing for 10 minutes: it no longer "
     "holds the stream time up, and what it brings later is late. No series where there is none."},
    {"gyre_ready", "gauge", "", "1 while /readyz says 200."},
    {"gyre_records_read_total", "counter", "stage", "Records of the committed batches."},
    {"gyre_transactions_total", "counter", "stage result",
     "Batches by how their transaction ended: committed or failed."},
    {"gyre_batch_duration_seconds", "histogram", "stage",
     "Time of a committed batch from its first record to the commit."},
    {"gyre_commit_duration_seconds", "histogram", "stage",
     "The part of it that Kafka took: from the transaction's begin to its commit."},
    {"gyre_rebalances_total", "counter", "stage", "Assignments of partitions to a loop."},
    {"gyre_replays_dropped_total", "counter", "",
     "Bundles that came again after a restart and were not counted twice."},
    {"gyre_input_records_lost_total", "counter", "",
     "Records of the input that its retention deleted before they were read, after somebody "
     "accepted the loss."},
    {"gyre_restored_records_total", "counter", "stage", "Changelog records read to rebuild state."},
    {"gyre_restore_seconds_total", "counter", "stage",
     "Time spent on bringing tasks up to their changelog."},
    {"gyre_state_bytes", "gauge", "stage",
     "State of the tasks of this process: files of the database and what is not yet in one."},
    {"gyre_state_compaction_pending_bytes", "gauge", "stage",
     "What RocksDB is still to rewrite in these files, an estimate: the disk is too slow where it "
     "keeps growing."},
    {"gyre_state_delayed_stores", "gauge", "stage",
     "Databases that RocksDB lets nobody write to at full speed, until it has rewritten enough."},
    {"gyre_kafka_round_trip_seconds", "gauge", "stage",
     "Time in which the slowest broker answers 99 of 100 requests of the stage's producer, of the "
     "last 5 s."},
    {"gyre_kafka_throttled_seconds", "gauge", "stage client",
     "The longest that a quota of a broker's made a client (consumer or producer) wait, of the "
     "last 5 s."},
    {"gyre_kafka_queued_bytes", "gauge", "stage client",
     "Records that the consumer has fetched and its stage has not yet read, or that the producer "
     "has not yet delivered."},
    {"gyre_kafka_request_timeouts_total", "counter", "stage client",
     "Requests that no broker answered in time."},
    {"gyre_kafka_disconnects_total", "counter", "stage client",
     "Connections to a broker that ended; a few an hour are idle ones."},
    {"gyre_build_info", "gauge", "version", "Always 1."},
    {"process_cpu_seconds_total", "counter", "", "User and system time of the process."},
    {"process_resident_memory_bytes", "gauge", "", "Resident memory."},
    {"process_virtual_memory_bytes", "gauge", "", "Virtual memory."},
    {"process_open_fds", "gauge", "", "Open file descriptors."},
    {"process_max_fds", "gauge", "", "The most file descriptors that it may open."},
    {"process_threads", "gauge", "", "Threads."},
    {"process_start_time_seconds", "gauge", "", "Unix time of its start."},
});

std::string quoted_labels(std::string_view labels) {
  std::string out;
  while (!labels.empty()) {
    const std::string_view label = labels.substr(0, labels.find(' '));
    labels.remove_prefix(std::min(labels.size(), label.size() + 1));
    out += fmt::format("{}`{}`", out.empty() ? "" : ", ", label);
  }
  return out;
}

}  // namespace

std::span<const Metric> metric_list() { return kMetrics; }

std::string help_of(std::string_view name) {
  const auto found = std::ranges::find(kMetrics, name, &Metric::name);
  CHECK(found != kMetrics.end());
  return std::string(found->help);
}

std::string metric_table() {
  std::string table = "| metric | type | labels | what |\n| --- | --- | --- | --- |\n";
  for (const Metric& metric : kMetrics)
    table += fmt::format("| `{}` | {} | {} | {} |\n", metric.name, metric.type,
                         quoted_labels(metric.labels), metric.help);
  return table;
}

}  // namespace gyre::pipeline
