// SPDX-License-Identifier: Apache-2.0
#include "pipeline/telemetry.h"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

namespace gyre::pipeline {

namespace {

using Clock = std::chrono::steady_clock;
using CounterFamily = prometheus::Family<prometheus::Counter>;
using GaugeFamily = prometheus::Family<prometheus::Gauge>;
using HistogramFamily = prometheus::Family<prometheus::Histogram>;

constexpr auto kWarnEvery = std::chrono::seconds(10);
constexpr auto kAliveWithin = std::chrono::seconds(60);
/// Different texts remembered for the rate limit; beyond it a warning is simply logged.
constexpr std::size_t kMaxWarnings = 1000;

constexpr std::string_view kOther = "other";
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

/// A label value that an input can choose must not choose how many series there are.
std::string known(std::string_view value, std::span<const std::string_view> list) {
  return std::string(std::find(list.begin(), list.end(), value) != list.end() ? value : kOther);
}

/// A batch is due within tens of milliseconds; 30 s is a broker that does not answer.
prometheus::Histogram::BucketBoundaries batch_buckets() {
  return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
}

CounterFamily& counter(prometheus::Registry& registry, const std::string& name,
                       const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

GaugeFamily& gauge(prometheus::Registry& registry, const std::string& name,
                   const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

/// One line, whatever is in it: values come from brokers and from alerts, and a newline would forge
/// an entry.
std::string one_line(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

std::string quoted(std::string_view value) {
  const bool plain = !value.empty() && value.find_first_of(" =\"\\") == std::string_view::npos;
  if (plain) return one_line(value);
  std::string out = "\"";
  for (const char c : one_line(value)) {
    if (c == '"') out += '\\';
    out += c;
  }
  return out + '"';
}

double seconds(std::chrono::nanoseconds took) {
  return std::chrono::duration<double>(took).count();
}

std::shared_ptr<spdlog::logger> make_logger() {
  auto logger =
      std::make_shared<spdlog::logger>("gyre", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      "%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc));
  logger->flush_on(spdlog::level::info);
  return logger;
}

}  // namespace

struct Telemetry::Impl {
  struct Readiness {
    bool ready = false;
    std::string why_not = "is starting";
  };
  struct Warning {
    Clock::time_point logged;
    std::uint64_t held_back = 0;
  };
  using StagePartition = std::pair<std::string, std::int32_t>;

  prometheus::Registry registry;
  std::shared_ptr<spdlog::logger> log = make_logger();

  CounterFamily& alerts = counter(registry, "gyre_alerts_total", "Alerts read from the input.");
  prometheus::Counter& folded =
      counter(registry, "gyre_alerts_folded_total",
              "Alerts counted in a report or as a heartbeat; late ones and heartbeats included.")
          .Add({});
  prometheus::Counter& duplicates =
      counter(registry, "gyre_duplicates_total", "Exact copies of an alert that was counted.")
          .Add({});
  prometheus::Counter& late =
      counter(registry, "gyre_alerts_late_total", "Alerts folded after their window had passed.")
          .Add({});
  prometheus::Counter& heartbeats =
      counter(registry, "gyre_heartbeats_total", "Sensor alerts that say that all is well.")
          .Add({});
  CounterFamily& dead_letters =
      counter(registry, "gyre_dead_letters_total", "Records that are no alert, by reason.");
  prometheus::Gauge& open =
      gauge(registry, "gyre_findings_open", "Findings open on the partitions of this process.")
          .Add({});
  CounterFamily& reports =
      counter(registry, "gyre_reports_total", "Report revisions published, by kind.");
  GaugeFamily& lag = gauge(registry, "gyre_consumer_lag_records",
                           "Records between the committed offset and the partition's end.");
  CounterFamily& transactions =
      counter(registry, "gyre_transactions_total", "Batches by how their transaction ended.");
  prometheus::Counter& replays_dropped =
      counter(registry, "gyre_replays_dropped_total",
              "Bundles that came again after a restart and were not counted twice.")
          .Add({});
  HistogramFamily& batch_seconds =
      prometheus::BuildHistogram()
          .Name("gyre_batch_seconds")
          .Help("Time of a committed batch from its first record to the commit.")
          .Register(registry);
  CounterFamily& restored =
      counter(registry, "gyre_restored_records_total", "Changelog records read to rebuild state.");
  GaugeFamily& build_info = gauge(registry, "gyre_build_info", "Version; always 1.");

  mutable std::mutex mutex;
  std::map<StagePartition, std::int64_t> open_findings;
  std::map<StagePartition, prometheus::Gauge*> lags;
  std::map<std::string, Readiness> stages;
  std::map<std::string, Clock::time_point> loops;
  std::map<std::string, Warning> warnings;

  void write(spdlog::level::level_enum level, std::string_view sentence) const {
    log->log(level, spdlog::string_view_t(sentence.data(), sentence.size()));
  }

  void set_open() {
    std::int64_t sum = 0;
    for (const auto& [place, count] : open_findings) sum += count;
    open.Set(static_cast<double>(sum));
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

Telemetry::Telemetry() : impl_(std::make_unique<Impl>()) {
  for (const auto reason : kReasons) impl_->dead_letters.Add({{"reason", std::string(reason)}});
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

void Telemetry::replays_dropped(std::uint64_t bundles) {
  impl_->replays_dropped.Increment(static_cast<double>(bundles));
}

void Telemetry::report_published(const std::string& kind, std::uint64_t count) {
  impl_->reports.Add({{"kind", known(kind, kKinds)}}).Increment(static_cast<double>(count));
}

void Telemetry::findings_open(std::string_view stage, std::int32_t partition, std::int64_t open) {
  const std::lock_guard lock(impl_->mutex);
  impl_->open_findings[{std::string(stage), partition}] = open;
  impl_->set_open();
}

void Telemetry::batch_committed(std::string_view stage, std::size_t records,
                                std::chrono::nanoseconds took) {
  const std::string name(stage);
  impl_->transactions.Add({{"stage", name}, {"result", "committed"}}).Increment();
  impl_->batch_seconds.Add({{"stage", name}}, batch_buckets()).Observe(seconds(took));
  impl_->log->debug("Batch committed stage={} records={} seconds={:.6f}", name, records,
                    seconds(took));
}

void Telemetry::batch_failed(std::string_view stage, std::string_view what) {
  impl_->transactions.Add({{"stage", std::string(stage)}, {"result", "failed"}}).Increment();
  warn(fmt::format("Batch failed and is rolled back stage={} what={}", stage, quoted(what)));
}

void Telemetry::assigned(std::string_view stage, std::size_t partitions) {
  {
    // What left with the old assignment is another process's to tell; what stayed is told again by
    // its next batch.
    const std::lock_guard lock(impl_->mutex);
    std::erase_if(impl_->open_findings, [&](const auto& e) { return e.first.first == stage; });
    impl_->set_open();
    std::erase_if(impl_->lags, [&](const auto& entry) {
      if (entry.first.first != stage) return false;
      impl_->lag.Remove(entry.second);
      return true;
    });
  }
  info(fmt::format("Partitions assigned stage={} partitions={}", stage, partitions));
}

void Telemetry::task_recovered(std::string_view stage, std::int32_t partition,
                               std::uint64_t records, std::chrono::nanoseconds took) {
  impl_->restored.Add({{"stage", std::string(stage)}}).Increment(static_cast<double>(records));
  info(fmt::format("Task recovered stage={} partition={} records={} seconds={:.3f}", stage,
                   partition, records, seconds(took)));
}

void Telemetry::lag(std::string_view stage, std::int32_t partition, std::int64_t records) {
  const std::lock_guard lock(impl_->mutex);
  prometheus::Gauge*& known_gauge = impl_->lags[{std::string(stage), partition}];
  if (known_gauge == nullptr) {
    known_gauge =
        &impl_->lag.Add({{"stage", std::string(stage)}, {"partition", std::to_string(partition)}});
  }
  known_gauge->Set(static_cast<double>(records));
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

void Telemetry::expect_stage(std::string_view stage) {
  const std::lock_guard lock(impl_->mutex);
  impl_->stages.try_emplace(std::string(stage));
}

void Telemetry::set_ready(std::string_view stage, bool ready, std::string_view why_not) {
  const std::lock_guard lock(impl_->mutex);
  impl_->stages[std::string(stage)] = {.ready = ready, .why_not = one_line(why_not)};
}

std::pair<bool, std::string> Telemetry::ready() const {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->stages.empty()) return {false, "no stage has started"};
  std::string why;
  for (const auto& [stage, state] : impl_->stages) {
    if (state.ready) continue;
    why += fmt::format("{}{}: {}", why.empty() ? "" : "; ", stage, state.why_not);
  }
  return {why.empty(), why};
}

void Telemetry::alive(std::string_view loop) {
  const std::lock_guard lock(impl_->mutex);
  const auto now = Clock::now();
  impl_->loops[std::string(loop)] = now;
  impl_->sweep_warnings(now);
}

std::pair<bool, std::string> Telemetry::healthy() const {
  const auto now = Clock::now();
  const std::lock_guard lock(impl_->mutex);
  std::string why;
  for (const auto& [loop, last] : impl_->loops) {
    if (now - last <= kAliveWithin) continue;
    const auto silent = std::chrono::duration_cast<std::chrono::seconds>(now - last);
    why += fmt::format("{}{}: silent for {} s", why.empty() ? "" : "; ", loop, silent.count());
  }
  return {why.empty(), why};
}

std::string Telemetry::metrics() const {
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace gyre::pipeline
