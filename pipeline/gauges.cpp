// SPDX-License-Identifier: Apache-2.0
#include "pipeline/gauges.h"

#include <prometheus/client_metric.h>

#include <map>
#include <string>
#include <utility>

#include "pipeline/metric_list.h"
#include "pipeline/process_usage.h"

namespace gyre::pipeline {

namespace {

prometheus::MetricFamily family(const std::string& name) {
  return {.name = name, .help = help_of(name), .type = prometheus::MetricType::Gauge, .metric = {}};
}

void add(prometheus::MetricFamily& family, std::vector<prometheus::ClientMetric::Label> labels,
         double value) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = value;
  family.metric.push_back(std::move(metric));
}

struct StateOfStage {
  std::uint64_t bytes = 0;
  std::uint64_t compaction = 0;
  int delayed = 0;
};

std::vector<prometheus::MetricFamily> task_gauges(const Status& status) {
  auto open = family("gyre_findings_open");
  auto lag = family("gyre_consumer_lag_records");
  auto stream = family("gyre_stream_timestamp_seconds");
  auto stopped = family("gyre_source_stopped");
  auto outbreaks = family("gyre_outbreaks_open");
  auto state = family("gyre_state_bytes");
  auto compaction = family("gyre_state_compaction_pending_bytes");
  auto delayed = family("gyre_state_delayed_stores");
  std::int64_t findings = 0;
  std::int64_t open_outbreaks = 0;
  std::map<std::string, StateOfStage> states;
  for (const Status::Task& task : status.tasks()) {
    const std::vector<prometheus::ClientMetric::Label> labels = {
        {"partition", std::to_string(task.partition)}, {"stage", task.stage}};
    if (task.lag) add(lag, labels, static_cast<double>(*task.lag));
    if (!task.at) continue;
    findings += task.at->findings_open;
    StateOfStage& of = states[task.stage];
    of.bytes += task.at->state.bytes;
    of.compaction += task.at->state.compaction;
    of.delayed += task.at->state.delayed ? 1 : 0;
    if (task.at->stopped) add(stopped, {{"partition", std::to_string(task.partition)}}, 1);
    open_outbreaks += task.at->outbreaks_open;
    if (task.at->stream_time != kNoTime)
      add(stream, labels, static_cast<double>(task.at->stream_time) / 1e9);
  }
  add(open, {}, static_cast<double>(findings));
  add(outbreaks, {}, static_cast<double>(open_outbreaks));
  for (const auto& [stage, of] : states) {
    add(state, {{"stage", stage}}, static_cast<double>(of.bytes));
    add(compaction, {{"stage", stage}}, static_cast<double>(of.compaction));
    add(delayed, {{"stage", stage}}, of.delayed);
  }
  auto ready = family("gyre_ready");
  add(ready, {}, status.ready().first ? 1 : 0);
  return {std::move(ready), std::move(open),       std::move(outbreaks),
          std::move(lag),   std::move(stream),     std::move(stopped),
          std::move(state), std::move(compaction), std::move(delayed)};
}

std::vector<prometheus::MetricFamily> kafka_metrics(const Status& status) {
  auto round_trip = family("gyre_kafka_round_trip_seconds");
  auto throttled = family("gyre_kafka_throttled_seconds");
  auto queued = family("gyre_kafka_queued_bytes");
  auto timeouts = family("gyre_kafka_request_timeouts_total");
  auto disconnects = family("gyre_kafka_disconnects_total");
  timeouts.type = disconnects.type = prometheus::MetricType::Counter;
  for (const auto& [whose, at] : status.kafka()) {
    const auto& [stage, client] = whose;
    const std::vector<prometheus::ClientMetric::Label> labels = {{"client", client},
                                                                 {"stage", stage}};
    // A consumer's requests wait at the broker until there is something.
    if (client == "producer") add(round_trip, {{"stage", stage}}, at.round_trip);
    add(throttled, labels, at.throttled);
    add(queued, labels, static_cast<double>(at.queued));
    for (const auto& [total, value] :
         {std::pair{&timeouts, at.timeouts}, std::pair{&disconnects, at.disconnects}}) {
      prometheus::ClientMetric& metric = total->metric.emplace_back();
      metric.label = labels;
      metric.counter.value = static_cast<double>(value);
    }
  }
  return {std::move(round_trip), std::move(throttled), std::move(queued), std::move(timeouts),
          std::move(disconnects)};
}

/// Names and units as every client library of Prometheus has them.
std::vector<prometheus::MetricFamily> process_metrics() {
  std::vector<prometheus::MetricFamily> families;
  const auto usage = process_usage();
  if (!usage) return families;
  const auto gauge = [&](const std::string& name, double value) {
    add(families.emplace_back(family(name)), {}, value);
  };
  auto cpu = family("process_cpu_seconds_total");
  cpu.type = prometheus::MetricType::Counter;
  cpu.metric.emplace_back().counter.value = usage->cpu_seconds;
  families.push_back(std::move(cpu));
  gauge("process_resident_memory_bytes", usage->resident_bytes);
  gauge("process_virtual_memory_bytes", usage->virtual_bytes);
  gauge("process_open_fds", usage->open_files);
  gauge("process_max_fds", usage->max_files);
  gauge("process_threads", usage->threads);
  gauge("process_start_time_seconds", usage->start_time);
  return families;
}

}  // namespace

std::vector<prometheus::MetricFamily> gauges(const Status& status) {
  std::vector<prometheus::MetricFamily> families = task_gauges(status);
  for (auto& family : kafka_metrics(status)) families.push_back(std::move(family));
  for (auto& family : process_metrics()) families.push_back(std::move(family));
  return families;
}

}  // namespace gyre::pipeline
