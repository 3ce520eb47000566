// SPDX-License-Identifier: Apache-2.0
#include "tests/scenarios/run.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "tests/contract/contract.h"
#include "tests/pipeline/house.h"

namespace gyre::scenarios {
namespace {

using nlohmann::json;
using pipeline::MemoryCluster;
using pipeline::Process;

constexpr Nanos kMinute = 60 * kNanosPerSecond;

struct Arrival {
  Nanos at;
  Nanos time;  ///< of the event, as its sensor has it
  std::uint32_t series;
  std::uint32_t container;
  std::uint32_t repetition;
};

std::vector<Arrival> arrivals_of(const Scenario& scenario) {
  std::vector<Arrival> all;
  for (std::uint32_t n = 0; n < scenario.alerts.size(); ++n) {
    const Series& series = scenario.alerts[n];
    Nanos delivery = scenario.start + series.delivered.value_or(0);
    for (std::int64_t i = 0; i < series.times; ++i)
      for (std::int64_t c = 0; c < series.hosts * series.containers; ++c) {
        // A nanosecond apart, so that two series are no copies of each other.
        const Nanos time = scenario.start + series.at + i * series.every + c * series.stagger + n;
        delivery += 1'000'000;
        for (std::int64_t copy = 0; copy <= series.copies; ++copy)
          all.push_back({series.delivered ? delivery : time + series.lag, time + series.clock, n,
                         static_cast<std::uint32_t>(c), static_cast<std::uint32_t>(i)});
      }
  }
  std::ranges::stable_sort(all, {}, &Arrival::at);
  return all;
}

std::string filled(const std::string& text, const Place& place, const Series& series,
                   const Arrival& arrival) {
  if (text.find('{') == std::string::npos) return text;
  try {
    return fmt::format(fmt::runtime(text), fmt::arg("i", arrival.repetition),
                       fmt::arg("c", arrival.container),
                       fmt::arg("h", arrival.container / series.containers));
  } catch (const fmt::format_error& error) {
    throw ConfigError(fmt::format("{}: `{}`: {}", place, text, error.what()));
  }
}

std::string alert_of(const Scenario& scenario, const Arrival& arrival) {
  const Series& series = scenario.alerts[arrival.series];
  const Template& alert = series.alert;
  const auto text = [&](const std::string& value, const Place& place) {
    return filled(value, place, series, arrival);
  };
  json fields = json::object();
  for (const auto& [name, value] : alert.fields) {
    const std::string with = text(value.text, value.place);
    if (value.number)
      fields[name] = std::stoll(with);
    else
      fields[name] = with;
  }
  if (series.age)
    fields["container.start_ts"] = scenario.start + series.at + arrival.container * series.stagger +
                                   series.clock - *series.age;
  return json{{"hostname", text(alert.host, alert.place)},
              {"output", alert.rule},
              {"output_fields", fields},
              {"priority", alert.priority},
              {"rule", alert.rule},
              {"source", alert.source},
              {"tags", alert.tags},
              {"time", format_rfc3339(arrival.time)}}
      .dump();
}

class Run {
 public:
  Run(const Scenario& scenario, const Way& way)
      : scenario_(scenario), way_(way), config_(scenario.config), clock_(scenario.start) {
    config_.inner.partitions = way.partitions;
    sources_ = scenario.sources > 0 ? scenario.sources : way.partitions;
    pipeline::create_topics(cluster_, config_, sources_);
    restarts_ = std::ranges::any_of(scenario.events,
                                    [](const Event& event) { return event.act == Act::kRestart; });
  }

  Outcome play() {
    const std::vector<Arrival> arrivals = arrivals_of(scenario_);
    auto event = scenario_.events.begin();
    if (!way_.backlog) begin();
    for (std::size_t next = 0; next < arrivals.size() || event != scenario_.events.end();) {
      const Nanos arrival = next < arrivals.size() ? arrivals[next].at : kEndOfTime;
      const Nanos happens =
          event != scenario_.events.end() ? scenario_.start + event->at : kEndOfTime;
      pass_until(std::min(arrival, happens));
      for (; event != scenario_.events.end() && scenario_.start + event->at <= clock_; ++event)
        happen(*event);
      const Nanos limit =
          event != scenario_.events.end() ? scenario_.start + event->at - 1 : kEndOfTime;
      for (const Nanos end = std::min(arrival + way_.slice, limit);
           next < arrivals.size() && arrivals[next].at <= end; ++next) {
        clock_ = std::max(clock_, arrivals[next].at);
        append(arrivals[next]);
      }
      settle();
    }
    if (way_.backlog) begin();
    for (const Nanos later : {30 * kNanosPerSecond, 10 * kMinute, 20 * kMinute, 90 * kMinute,
                              26 * 60 * kMinute, 26 * 60 * kMinute})
      pass_until(clock_ + later);
    return std::move(outcome_);
  }

 private:
  void begin() {
    process_.emplace(cluster_, config_, playbooks_, "gyre", clock_, pipeline::make_disk(),
                     pipeline::BatchLimits{.records = way_.batch});
    settle();
  }

  // While a source is stopped time passes in steps: it is by their silence that they are known.
  void pass_until(Nanos end) {
    if (way_.backlog && !process_) clock_ = std::max(clock_, end);
    while (clock_ < end) {
      clock_ = stopped_ > 0 ? std::min(end, clock_ + kMinute) : end;
      settle();
    }
  }

  void happen(const Event& event) {
    switch (event.act) {
      case Act::kStop:
      case Act::kResume:
        stopped_ += event.act == Act::kStop ? 1 : -1;
        cluster_.set_reachable(config_.input.topic, event.partition, event.act == Act::kResume);
        return;
      case Act::kPause:
      case Act::kContinue:
        paused_ = event.act == Act::kPause;
        return;
      case Act::kRestart:
        process_.reset();
        begin();
    }
  }

  void append(const Arrival& arrival) {
    const Series& series = scenario_.alerts[arrival.series];
    const std::int32_t partition =
        series.partition.value_or(static_cast<std::int32_t>(dealt_++ % sources_));
    cluster_.append(config_.input.topic, partition, alert_of(scenario_, arrival), arrival.at);
    ++sent_;
    const bool copy = last_ && last_->series == arrival.series &&
                      last_->container == arrival.container &&
                      last_->repetition == arrival.repetition;
    ++(copy ? outcome_.copies : outcome_.alerts);
    last_ = arrival;
  }

  // Until nothing is left to do now. Bounded: whoever hangs fails.
  void settle() {
    if (!process_ || paused_) return;
    const std::uint64_t most = 1'000'000 + sent_;
    std::uint64_t steps = 0;
    for (int idle = 0; idle < 2; ++steps) {
      if (steps > most) throw Failure("no end in sight");
      idle = process_->step() ? 0 : idle + 1;
    }
    collect();
    trim();
  }

  void collect() {
    for (std::int32_t partition = 0; partition < cluster_.partitions(config_.outputs.front().topic);
         ++partition) {
      for (const pipeline::Record& record :
           cluster_.read(config_.outputs.front().topic, partition)) {
        const std::string& text = record.value.value();
        if (outcome_.reports.size() < 500)
          for (const std::string& violation : tests::violations("report", text))
            ADD_FAILURE() << violation << " in " << text;
        auto& revisions = outcome_.reports[record.key.value()];
        if (!revisions.empty()) revisions.back().erase("markdown");
        revisions.push_back(json::parse(text));
      }
      cluster_.delete_records(
          config_.outputs.front().topic, partition,
          cluster_.last_stable_offset(config_.outputs.front().topic, partition));
    }
  }

  // What was read will not be read again: a long scenario need not be kept.
  void trim() {
    const auto inputs = [&](const std::string& topic, const pipeline::StageTasks& tasks) {
      for (std::int32_t partition = 0; partition < cluster_.partitions(topic); ++partition)
        cluster_.delete_records(topic, partition, tasks.status(partition).next_offset);
    };
    inputs(config_.input.topic, *process_->intake_tasks);
    inputs(config_.by_container_topic(), *process_->container_tasks);
    inputs(config_.by_rule_topic(), *process_->rule_tasks);
    if (restarts_) return;
    for (const std::string& topic : {config_.by_container_changelog(), config_.by_container_ids(),
                                     config_.by_rule_changelog(), config_.intake_changelog()})
      for (std::int32_t partition = 0; partition < cluster_.partitions(topic); ++partition)
        cluster_.delete_records(topic, partition, cluster_.last_stable_offset(topic, partition));
  }

  const Scenario& scenario_;
  const Way& way_;
  pipeline::Config config_;
  stages::Playbooks playbooks_;
  MemoryCluster cluster_;
  Nanos clock_;
  std::int32_t sources_ = 1;
  bool restarts_ = false;
  bool paused_ = false;
  int stopped_ = 0;  ///< sources
  std::int64_t dealt_ = 0;
  std::uint64_t sent_ = 0;
  std::optional<Arrival> last_;
  std::optional<Process> process_;
  Outcome outcome_;
};

}  // namespace

std::string Way::name() const {
  return fmt::format("{} partitions, batches of {}, slices of {} ms{}", partitions, batch,
                     slice / 1'000'000, backlog ? ", a backlog" : "");
}

Outcome run(const Scenario& scenario, const Way& way) { return Run(scenario, way).play(); }

}  // namespace gyre::scenarios
