// SPDX-License-Identifier: Apache-2.0
#include "pipeline/telemetry.h"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <vector>

#include "pipeline/gauges.h"
#include "pipeline/metric_list.h"
#include "stages/report/caps.h"

namespace gyre::pipeline {

namespace {

using Clock = std::chrono::steady_clock;
using CounterFamily = prometheus::Family<prometheus::Counter>;
using HistogramFamily = prometheus::Family<prometheus::Histogram>;

constexpr auto kWarnEvery = std::chrono::seconds(10);
/// Different texts remembered for the rate limit; beyond it a warning is simply logged.
constexpr std::size_t kMaxWarnings = 1000;

constexpr std::string_view kOther = "other";
constexpr std::size_t kMaxRules = 500;  ///< upstream has 93
constexpr std::size_t kMaxClusters = 100;
constexpr std::array<std::string_view, 23> kSources = {
    "syscall",      "k8s_audit",    "aws_cloudtrail", "aws_elb",      "box",       "collector",
    "docker",       "gcp_auditlog", "github",         "gitlab",       "internal",  "journal",
    "kafka",        "keycloak",     "nginx",          "nomad",        "okta",      "salesforce",
    "seccompagent", "syslogsrv",    "coding_agent",   "dnscollector", "edera_zone"};
constexpr std::array<std::string_view, 8> kPriorities = {
    "Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"};
constexpr std::array<std::string_view, 4> kReasons = {"not_json", "not_an_alert", "no_time",
                                                      "too_large"};
constexpr std::array<std::string_view, 4> kKinds = {"finding", "incident", "outbreak",
                                                    "sensor_health"};
constexpr std::array<std::string_view, 3> kAttentions = {"page", "ticket", "record"};
constexpr std::array<std::string_view, 12> kRevisionReasons = {
    "opened",    "settled", "periodic", "volume",  "severity",  "success",
    "new_actor", "tactic",  "members",  "verdict", "late_data", "closed"};

/// What an input can choose must not choose how many series there are: the first so many values
/// are labels, the others `other`. Any thread.
class BoundedLabel {
 public:
  explicit BoundedLabel(std::size_t most) : most_(most) {}

  std::string operator()(const std::string& value) {
    const std::lock_guard lock(mutex_);
    if (seen_.contains(value)) return value;
    if (seen_.size() >= most_) return std::string(kOther);
    seen_.insert(value);
    return value;
  }

 private:
  const std::size_t most_;
  std::mutex mutex_;
  std::set<std::string> seen_;
};

/// The same for values of a fixed list.
std::string known(std::string_view value, std::span<const std::string_view> list) {
  return std::string(std::find(list.begin(), list.end(), value) != list.end() ? value : kOther);
}

/// A batch is due within tens of milliseconds; 30 s is a broker that does not answer.
prometheus::Histogram::BucketBoundaries batch_buckets() {
  return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
}

/// A report is due a fraction of a second to half a minute after its alerts; hours are a backlog
/// that is caught up with.
prometheus::Histogram::BucketBoundaries delay_buckets() {
  return {0.05, 0.1, 0.2, 0.3, 0.5, 1,  2,   3,   4,   5,    7.5,
          10,   15,  30,  45,  60,  90, 120, 300, 900, 3600, 14400};
}

CounterFamily& counter(prometheus::Registry& registry, const std::string& name) {
  return prometheus::BuildCounter().Name(name).Help(help_of(name)).Register(registry);
}

HistogramFamily& histogram(prometheus::Registry& registry, const std::string& name) {
  return prometheus::BuildHistogram().Name(name).Help(help_of(name)).Register(registry);
}

double seconds(std::chrono::nanoseconds took) {
  return std::chrono::duration<double>(took).count();
}

}  // namespace

struct Telemetry::Impl {
  struct Warning {
    Clock::time_point logged;
    std::uint64_t held_back = 0;
  };

  Status status;
  prometheus::Registry registry;
  std::shared_ptr<spdlog::logger> log = make_logger();

  CounterFamily& alerts = counter(registry, "gyre_alerts_total");
  CounterFamily& rule_alerts = counter(registry, "gyre_rule_alerts_total");
  CounterFamily& cluster_alerts = counter(registry, "gyre_cluster_alerts_total");
  CounterFamily& without_cluster = counter(registry, "gyre_alerts_without_cluster_total");
  prometheus::Counter& folded = counter(registry, "gyre_alerts_folded_total").Add({});
  prometheus::Counter& duplicates = counter(registry, "gyre_alerts_duplicate_total").Add({});
  prometheus::Counter& overflowed = counter(registry, "gyre_alerts_overflowed_total").Add({});
  prometheus::Counter& late = counter(registry, "gyre_alerts_late_total").Add({});
  prometheus::Counter& heartbeats = counter(registry, "gyre_heartbeats_total").Add({});
  CounterFamily& dead_letters = counter(registry, "gyre_dead_letters_total");
  CounterFamily& reports = counter(registry, "gyre_reports_total");
  CounterFamily& caps = counter(registry, "gyre_report_caps_total");
  HistogramFamily& report_delay = histogram(registry, "gyre_report_delay_seconds");
  HistogramFamily& finding_delay = histogram(registry, "gyre_finding_delay_seconds");
  CounterFamily& records = counter(registry, "gyre_records_read_total");
  CounterFamily& transactions = counter(registry, "gyre_transactions_total");
  CounterFamily& rebalances = counter(registry, "gyre_rebalances_total");
  prometheus::Counter& contributions = counter(registry, "gyre_contributions_total").Add({});
  prometheus::Counter& replays_dropped = counter(registry, "gyre_replays_dropped_total").Add({});
  prometheus::Counter& input_lost = counter(registry, "gyre_input_records_lost_total").Add({});
  HistogramFamily& batch_seconds = histogram(registry, "gyre_batch_duration_seconds");
  HistogramFamily& commit_seconds = histogram(registry, "gyre_commit_duration_seconds");
  CounterFamily& restored = counter(registry, "gyre_restored_records_total");
  CounterFamily& restore_seconds = counter(registry, "gyre_restore_seconds_total");
  prometheus::Family<prometheus::Gauge>& build_info = prometheus::BuildGauge()
                                                          .Name("gyre_build_info")
                                                          .Help(help_of("gyre_build_info"))
                                                          .Register(registry);
  BoundedLabel rule_label{kMaxRules};
  BoundedLabel cluster_label{kMaxClusters};

  mutable std::mutex mutex;
  std::map<std::string, Warning> warnings;
  std::atomic<bool> told_of_cluster = false;

  void write(spdlog::level::level_enum level, std::string_view sentence) const {
    log->log(level, spdlog::string_view_t(sentence.data(), sentence.size()));
  }

  /// Tells of what was held back in a window that is over, so that no count is lost when a text
  /// does not come again.
  void sweep_warnings(Clock::time_point now) {
    std::erase_if(warnings, [&](const auto& entry) {
      const auto& [text, warning] = entry;
      if (now - warning.logged < kWarnEvery) return false;
      if (warning.held_back > 0) {
        write(spdlog::level::warn, fmt::format("{} repeated={}", text, warning.held_back));
      }
      return true;
    });
  }
};

Telemetry::Telemetry(bool quiet) : impl_(std::make_unique<Impl>()) {
  if (quiet) impl_->log->set_level(spdlog::level::warn);
  for (const auto reason : kReasons) impl_->dead_letters.Add({{"reason", std::string(reason)}});
  for (const auto& cap : stages::kCaps) impl_->caps.Add({{"cap", std::string(cap.what)}});
  // The increase to the first page is one, too.
  for (const auto kind : kKinds)
    for (const auto attention : kAttentions)
      for (const auto reason : kRevisionReasons)
        impl_->reports.Add({{"kind", std::string(kind)},
                            {"attention", std::string(attention)},
                            {"reason", std::string(reason)}});
}

Telemetry::~Telemetry() { impl_->sweep_warnings(Clock::time_point::max()); }

void Telemetry::started(std::string_view version) {
  impl_->build_info.Add({{"version", std::string(version)}}).Set(1);
  info(fmt::format("Started version={}", quoted(version)));
}

void Telemetry::stopping(std::string_view why) {
  info(fmt::format("Stopping why={}", quoted(why)));
}

void Telemetry::alerts_read(const std::string& source, std::string_view priority,
                            std::uint64_t count) {
  impl_->alerts
      .Add({{"source", known(source, kSources)}, {"priority", known(priority, kPriorities)}})
      .Increment(static_cast<double>(count));
}

void Telemetry::alerts_of_rule(const std::string& rule, std::uint64_t count) {
  impl_->rule_alerts.Add({{"rule", impl_->rule_label(rule)}}).Increment(static_cast<double>(count));
}

void Telemetry::alerts_of_cluster(const std::string& cluster, std::uint64_t count) {
  impl_->cluster_alerts.Add({{"cluster", impl_->cluster_label(cluster)}})
      .Increment(static_cast<double>(count));
}

void Telemetry::alerts_without_cluster(const std::string& topic, std::uint64_t count) {
  impl_->without_cluster.Add({{"topic", topic}}).Increment(static_cast<double>(count));
  if (impl_->told_of_cluster.exchange(true)) return;
  warn(
      fmt::format("Alerts name no cluster, so machines of one name in two clusters look like one: "
                  "set input.cluster, or falcosidekick's CUSTOMFIELDS=cluster:NAME topic={}",
                  quoted(topic)));
}

void Telemetry::dead_letter(const std::string& reason, std::uint64_t count) {
  impl_->dead_letters.Add({{"reason", known(reason, kReasons)}})
      .Increment(static_cast<double>(count));
}

void Telemetry::folded(std::uint64_t alerts, std::uint64_t duplicates, std::uint64_t late,
                       std::uint64_t heartbeats) {
  impl_->folded.Increment(static_cast<double>(alerts));
  impl_->duplicates.Increment(static_cast<double>(duplicates));
  impl_->late.Increment(static_cast<double>(late));
  impl_->heartbeats.Increment(static_cast<double>(heartbeats));
}

void Telemetry::overflowed(std::uint64_t alerts) {
  impl_->overflowed.Increment(static_cast<double>(alerts));
}

void Telemetry::contributions(std::uint64_t count) {
  impl_->contributions.Increment(static_cast<double>(count));
}

void Telemetry::replays_dropped(std::uint64_t bundles) {
  impl_->replays_dropped.Increment(static_cast<double>(bundles));
}

void Telemetry::report_published(const Published& report) {
  const std::string kind = known(report.kind, kKinds);
  impl_->reports
      .Add({{"kind", kind},
            {"attention", known(report.attention, kAttentions)},
            {"reason", known(report.reason, kRevisionReasons)}})
      .Increment();
  impl_->report_delay.Add({{"kind", kind}}, delay_buckets()).Observe(seconds(report.delay));
  for (const std::string_view cap : report.caps)
    impl_->caps.Add({{"cap", std::string(cap)}}).Increment();
  if (!report.opened) return;
  const auto& [priority, age] = *report.opened;
  impl_->finding_delay.Add({{"priority", known(priority, kPriorities)}}, delay_buckets())
      .Observe(seconds(age));
}

void Telemetry::batch_committed(std::string_view stage, std::size_t records,
                                std::chrono::nanoseconds took, std::chrono::nanoseconds commit) {
  const std::string name(stage);
  impl_->records.Add({{"stage", name}}).Increment(static_cast<double>(records));
  impl_->commit_seconds.Add({{"stage", name}}, batch_buckets()).Observe(seconds(commit));
  impl_->transactions.Add({{"stage", name}, {"result", "committed"}}).Increment();
  impl_->batch_seconds.Add({{"stage", name}}, batch_buckets()).Observe(seconds(took));
  impl_->log->debug("Batch committed stage={} records={} seconds={:.6f}", name, records,
                    seconds(took));
}

void Telemetry::batch_failed(std::string_view stage, std::string_view what) {
  impl_->transactions.Add({{"stage", std::string(stage)}, {"result", "failed"}}).Increment();
  warn(fmt::format("Batch failed and is rolled back stage={} what={}", stage, quoted(what)));
}

void Telemetry::assigned(const LoopId& loop, std::size_t partitions) {
  impl_->rebalances.Add({{"stage", loop.stage}}).Increment();
  // From now on a rate shows the first failure, too.
  for (const char* result : {"committed", "failed"})
    impl_->transactions.Add({{"stage", loop.stage}, {"result", result}});
  info(fmt::format("Partitions assigned stage={} worker={} partitions={}", loop.stage, loop.worker,
                   partitions));
}

void Telemetry::tasks_recovered(std::string_view stage, std::size_t tasks, std::uint64_t records,
                                std::chrono::nanoseconds took) {
  const std::string name(stage);
  impl_->restore_seconds.Add({{"stage", name}}).Increment(seconds(took));
  info(fmt::format("Tasks recovered stage={} tasks={} records={} seconds={:.3f}", stage, tasks,
                   records, seconds(took)));
}

void Telemetry::restoring(std::string_view stage, std::uint64_t records, std::int64_t read,
                          std::int64_t of) {
  impl_->restored.Add({{"stage", std::string(stage)}}).Increment(static_cast<double>(records));
  if (read < of) info(fmt::format("Restoring state stage={} read={} of={}", stage, read, of));
}

void Telemetry::state_restored(std::string_view stage, std::int32_t partition,
                               std::string_view because) {
  warn(fmt::format("State was wiped and restored from the start stage={} partition={} because={}",
                   stage, partition, quoted(because)));
}

void Telemetry::loss_accepted(const std::string& topic, std::int32_t partition, std::int64_t first,
                              std::int64_t next) {
  warn(
      fmt::format("Input was deleted before it was read, the loss is accepted topic={} "
                  "partition={} first_offset={} next_offset={}",
                  topic, partition, first, next));
}

void Telemetry::input_lost(std::int64_t records) {
  impl_->input_lost.Increment(static_cast<double>(records));
}

void Telemetry::info(std::string_view sentence) {
  impl_->write(spdlog::level::info, one_line(sentence));
}

void Telemetry::warn(std::string_view sentence) {
  const std::string text = one_line(sentence);
  const auto now = Clock::now();
  const std::lock_guard lock(impl_->mutex);
  impl_->sweep_warnings(now);
  const auto found = impl_->warnings.find(text);
  if (found != impl_->warnings.end()) {
    ++found->second.held_back;
    return;
  }
  if (impl_->warnings.size() < kMaxWarnings) impl_->warnings[text] = {.logged = now};
  impl_->write(spdlog::level::warn, text);
}

void Telemetry::error(std::string_view sentence) {
  impl_->write(spdlog::level::err, one_line(sentence));
}

Status& Telemetry::status() { return impl_->status; }
const Status& Telemetry::status() const { return impl_->status; }

std::string Telemetry::metrics() const {
  std::vector<prometheus::MetricFamily> families = impl_->registry.Collect();
  for (auto& family : gauges(impl_->status)) families.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace gyre::pipeline
