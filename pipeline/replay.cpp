// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <set>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "pipeline/commands.h"
#include "pipeline/memory_broker.h"
#include "pipeline/replay_feed.h"
#include "pipeline/show.h"
#include "pipeline/task.h"
#include "pipeline/worker.h"
#include "schemas/report.h"

namespace gyre::pipeline {

namespace {

// Before anything is read, so that nobody waits for what cannot be written.
std::ofstream opened(const std::optional<std::string>& path) {
  std::ofstream out;
  if (path) out.open(*path, std::ios::binary);
  if (!out) throw Failure(fmt::format("cannot write {}: {}", *path, std::strerror(errno)));
  return out;
}

std::string_view header(const Record& record, std::string_view name) {
  for (const auto& [key, value] : record.headers)
    if (key == name) return value;
  return {};
}

std::int64_t number(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Where a record stood.
struct Origin {
  std::size_t source;  ///< of the feed
  std::uint64_t line;
};

struct Published {
  std::string time;  // RFC 3339 of whole seconds: text order is time order
  int rank;          // whoever is named by another comes first: findings, incidents, outbreaks
  std::string id;
  std::int64_t revision;
  std::string json;

  auto operator<=>(const Published&) const = default;
};

int rank_of(std::string_view type) {
  return type == "gyre.report.outbreak" ? 2 : type == "gyre.report.incident" ? 1 : 0;
}

// The whole of Gyre on the embedded broker, stepped by one thread.
class Replay {
 public:
  Replay(const Config& config, const ReplayOptions& options)
      : config_(config),
        options_(options),
        playbooks_(config.playbooks),
        memory_(config.state.cache_bytes),
        feed_(options) {
    partitions_ =
        options.partitions > 0 ? options.partitions : static_cast<std::int32_t>(feed_.size());
    // Reports go to standard output, whatever the file says of topics.
    config_.outputs = {{.topic = config.outputs.front().topic}};
    config_.inner.partitions =
        options.partitions > 0 ? options.partitions : config.inner.partitions;
    if (options.state) config_.state.directory = *options.state;
    cluster_.create_topic(config_.input.topic, partitions_);
    for (const std::string& topic : inner_topics())
      cluster_.create_topic(topic, config_.inner.partitions);
    cluster_.create_topic(config_.outputs.front().topic, 1);
    cluster_.create_topic(config_.input.dead_letter_topic, 1, kLargestDeadLetter);
    if (!encoding_) show_.emplace(format_of(options.format));
  }

  int run() {
    const auto intake_broker =
        cluster_.connect(config_.group("intake"), config_.input.topic, "intake");
    const auto container_broker = cluster_.connect(config_.group("by_container"),
                                                   config_.by_container_topic(), "by_container");
    TaskOptions task_options{.config = config_,
                             .memory = memory_,
                             .telemetry = telemetry_,
                             .clock = [this] { return clock_; },
                             .client_id = "replay",
                             .in_memory = !options_.state,
                             .replay = true};
    const auto intake_tasks = make_intake_tasks(task_options);
    const auto rule_broker =
        cluster_.connect(config_.group("by_rule"), config_.by_rule_topic(), "by_rule");
    const auto rule_tasks = make_rule_tasks(task_options);
    const auto container_tasks = make_container_tasks(task_options, playbooks_);
    const BatchLimits limits{.records = options_.batch,
                             .bytes = std::numeric_limits<std::size_t>::max()};
    Worker intake({"intake"}, *intake_broker, *intake_tasks, telemetry_, limits);
    Worker by_container({"by_container"}, *container_broker, *container_tasks, telemetry_, limits);
    Worker by_rule({"by_rule"}, *rule_broker, *rule_tasks, telemetry_, limits);
    intake.run_once();  // takes its assignment
    by_container.run_once();
    by_rule.run_once();
    const auto decided = [&] {
      Nanos earliest = kEndOfTime;
      for (std::int32_t partition = 0; partition < config_.inner.partitions; ++partition)
        earliest = std::min(earliest, rule_tasks->status(partition).stream_time);
      return earliest;
    };

    for (bool more = true; more;) {
      more = feed_batch();
      if (!more)
        clock_ = kEndOfTime;  // nothing is unread and nothing will come: the same tick that an idle
                              // input gets
      while (intake.run_once() && more) continue;
      while (by_container.run_once()) continue;
      while (by_rule.run_once()) continue;
      collect();
      print_before(decided());
    }
    print_before(kEndOfTime);
    finish_printing();
    tell_of_dead_letters();
    if (lines_ == 0) std::cerr << "gyre: the input holds no alert, nor anything else\n";
    if (options_.stats) print_stats(intake_tasks->counters(), container_tasks->counters());
    return 0;
  }

 private:
  std::vector<std::string> inner_topics() const {
    return {config_.by_container_topic(),     config_.intake_changelog(),
            config_.by_container_changelog(), config_.by_container_ids(),
            config_.by_rule_topic(),          config_.by_rule_changelog()};
  }

  bool feed_batch() {
    for (std::size_t i = 0; i < options_.batch; ++i) {
      auto fed = feed_.next();
      if (!fed) return i > 0;
      const auto partition =
          options_.partitions > 0
              ? static_cast<std::int32_t>(lines_ % static_cast<std::uint64_t>(partitions_))
              : static_cast<std::int32_t>(fed->source);
      ++lines_;
      if (feed_.timed() && fed->time != kNoTime) clock_ = std::max(clock_, fed->time);
      const std::int64_t offset = cluster_.append(
          config_.input.topic, partition, std::move(fed->text), options_.now.value_or(kNoTime));
      origins_[{partition, offset}] = {fed->source, fed->line};
    }
    return true;
  }

  // Takes what was published, and trims every topic: nobody reads it once more.
  void collect() {
    for (Record& record : cluster_.read(config_.outputs.front().topic, 0)) {
      const std::string_view id = header(record, "ce_id");
      const std::size_t slash = id.rfind('/');
      waiting_.insert({.time = std::string(header(record, "ce_time")),
                       .rank = rank_of(header(record, "ce_type")),
                       .id = std::string(id.substr(0, slash)),
                       .revision = number(id.substr(slash + 1)),
                       .json = std::move(record.value).value_or("")});
    }
    for (const Record& record : cluster_.read(config_.input.dead_letter_topic, 0)) {
      bury(origins_.at({static_cast<std::int32_t>(number(header(record, "gyre-source-partition"))),
                        number(header(record, "gyre-source-offset"))}),
           record);
    }
    origins_.clear();  // whatever was fed has been read
    trim(config_.input.topic, partitions_);
    trim(config_.outputs.front().topic, 1);
    trim(config_.input.dead_letter_topic, 1);
    for (const std::string& topic : inner_topics()) trim(topic, config_.inner.partitions);
  }

  void trim(const std::string& topic, std::int32_t partitions) {
    for (std::int32_t partition = 0; partition < partitions; ++partition)
      cluster_.delete_records(topic, partition, cluster_.last_stable_offset(topic, partition));
  }

  // By time of decision and rank: the same whatever the partitions were. Nothing that is decided
  // later has an earlier time, so what is decided everywhere need not be kept.
  void print_before(Nanos decided) {
    if (decided == kNoTime) return;
    const std::string end = format_rfc3339_second(second_of(decided));
    while (!waiting_.empty() && (decided == kEndOfTime || waiting_.begin()->time < end)) {
      const Published& report = *waiting_.begin();
      CHECK(report.time >= printed_until_);
      if (show_) {
        CHECK(show_->take(report.json));
      } else if (*encoding_ != schemas::Encoding::kFalco || is_worth_an_alert(report.json)) {
        std::cout << schemas::encode(report.json, *encoding_, true) << '\n';
      }
      ++reports_;
      waiting_.erase(waiting_.begin());
    }
    printed_until_ = end;
    if (!std::cout) throw Failure("cannot write the reports to standard output");
  }

  void finish_printing() {
    if (show_) show_->print();
    std::cout.flush();
    if (!std::cout) throw Failure("cannot write the reports to standard output");
    if (!options_.dead_letters) return;
    dead_letters_out_.flush();
    if (!dead_letters_out_) throw Failure(fmt::format("cannot write {}", *options_.dead_letters));
  }

  // Reports alone don't show that there could be more.
  void tell_of_dead_letters() const {
    if (dead_by_error_.empty()) return;
    std::string all;
    std::uint64_t count = 0;
    for (const auto& [error, of_error] : dead_by_error_) {
      all += fmt::format("{}{} {}", all.empty() ? "" : ", ", of_error, error);
      count += of_error;
    }
    std::cerr << fmt::format(
        "gyre: {} could not be read ({}); the first is line {} of {}: {}{}\n", count, all,
        first_dead_.line, feed_.name(first_dead_.source), first_dead_detail_,
        options_.dead_letters ? "" : ". --dead-letters FILE writes each with its reason");
  }

  void bury(const Origin& origin, const Record& record) {
    if (dead_by_error_.empty()) {
      first_dead_ = origin;
      first_dead_detail_ = header(record, "gyre-detail");
    }
    ++dead_by_error_[std::string(header(record, "gyre-error"))];
    if (!options_.dead_letters) return;
    const std::string& value = *record.value;
    const bool ascii = std::all_of(value.begin(), value.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    schemas::JsonWriter json;
    json.begin_object()
        .text("error", header(record, "gyre-error"))
        .text("detail", header(record, "gyre-detail"))
        .text("truncated", header(record, "gyre-truncated"))
        .text("sha256", header(record, "gyre-sha256"));
    json.key("source").value(feed_.name(origin.source));
    json.key("line").number(static_cast<std::int64_t>(origin.line));
    json.key(ascii ? "value" : "value_base64").value(ascii ? value : to_base64(value)).end_object();
    dead_letters_out_ << json.take() << '\n';
  }

  void print_stats(const records::Counters& intake, const records::Counters& container) {
    std::ofstream& out = stats_out_;
    out << fmt::format(
        R"({{"in":{},"folded":{},"duplicate":{},"late":{},"dead":{},"heartbeats":{},"reports":{}}})"
        "\n",
        intake.in(), container.folded(), container.duplicate(), container.late(), intake.dead(),
        container.heartbeats(), reports_);
    out.flush();
    if (!out) throw Failure(fmt::format("cannot write {}", *options_.stats));
  }

  Config config_;
  const ReplayOptions& options_;
  std::ofstream dead_letters_out_ = opened(options_.dead_letters);
  std::ofstream stats_out_ = opened(options_.stats);
  stages::Playbooks playbooks_;
  state::StoreMemory memory_;
  Telemetry telemetry_{true};
  MemoryCluster cluster_;
  ReplayFeed feed_;
  std::int32_t partitions_ = 1;
  Nanos clock_ = kNoTime;
  std::uint64_t lines_ = 0;
  std::map<std::pair<std::int32_t, std::int64_t>, Origin> origins_;  ///< by partition and offset
  std::multiset<Published> waiting_;
  std::string printed_until_;
  std::uint64_t reports_ = 0;
  const std::optional<schemas::Encoding> encoding_ = encoding_of(format_of(options_.format));
  std::optional<Show> show_;  ///< none: reports are printed as `encoding_` says
  std::map<std::string, std::uint64_t> dead_by_error_;
  Origin first_dead_{};
  std::string first_dead_detail_;
};

}  // namespace

int replay(const Config& config, const ReplayOptions& options) {
  return Replay(config, options).run();
}

}  // namespace gyre::pipeline
