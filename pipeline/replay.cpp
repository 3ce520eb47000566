// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "pipeline/commands.h"
#include "pipeline/memory_broker.h"
#include "pipeline/show.h"
#include "pipeline/task.h"
#include "pipeline/worker.h"
#include "schemas/reader.h"
#include "schemas/report.h"

namespace gyre::pipeline {

namespace {

// A line of a file, with the event time by which the files are woven together.
struct Line {
  std::string text;
  Nanos time = kNoTime;
  std::uint64_t number = 0;  ///< in its file, from 1
};

// One FILE: a source of lines. A line without a time takes its predecessor's, so that garbage stays
// where it stood.
class Source {
 public:
  Source(std::string name, bool timed) : name_(std::move(name)), timed_(timed) {
    if (name_ == "-") return;
    file_.open(name_, std::ios::binary);
    if (!file_) throw Failure(fmt::format("cannot read {}: no such file, or not readable", name_));
    if (std::filesystem::is_directory(name_))
      throw Failure(fmt::format("cannot read {}: it is a directory; name its files", name_));
  }

  const std::string& name() const { return name_; }
  const Line* peek() {
    if (!next_) read();
    return next_ ? &*next_ : nullptr;
  }
  Line take() {
    Line line = std::move(*next_);
    next_.reset();
    return line;
  }

 private:
  void read() {
    std::istream& in = name_ == "-" ? std::cin : file_;
    Line line;
    if (!std::getline(in, line.text)) {
      if (in.bad()) throw Failure(fmt::format("cannot read {} behind line {}", name_, lines_));
      return;
    }
    line.number = ++lines_;
    if (timed_) last_time_ = time_of(line.text).value_or(last_time_);
    line.time = last_time_;
    next_ = std::move(line);
  }
  // Of the first alert in the record.
  std::optional<Nanos> time_of(std::string_view record) {
    reader_.open(record);
    while (const schemas::Reading* reading = reader_.next()) {
      if (reading->rejection) continue;
      const Nanos at_most = reading->envelope_time;
      return at_most == kNoTime ? reading->alert.time : std::min(reading->alert.time, at_most);
    }
    return std::nullopt;
  }

  std::string name_;
  bool timed_;
  std::ifstream file_;
  std::optional<Line> next_;
  Nanos last_time_ = kNoTime;
  std::uint64_t lines_ = 0;
  schemas::AlertReader reader_;
};

// The order in which the files' lines are fed: the lowest next event time first (ruling 22).
class Feed {
 public:
  Feed(const ReplayOptions& options) : timed_(options.files.size() > 1 || options.shuffle > 0) {
    for (const std::string& file : options.files)
      sources_.push_back(std::make_unique<Source>(file, timed_));
    if (options.shuffle > 0) shuffle(options.shuffle, options.seed);
  }

  struct Fed {
    std::size_t source;
    Line line;
  };

  std::optional<Fed> next() {
    if (shuffled_) {
      if (queue_.empty()) return std::nullopt;
      Fed fed = std::move(queue_.front());
      queue_.pop_front();
      return fed;
    }
    std::optional<std::size_t> lowest;
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      const Line* line = sources_[i]->peek();
      if (line != nullptr && (!lowest || line->time < sources_[*lowest]->peek()->time)) lowest = i;
    }
    if (!lowest) return std::nullopt;
    return Fed{*lowest, sources_[*lowest]->take()};
  }

  bool timed() const { return timed_; }
  const std::string& name(std::size_t source) const { return sources_[source]->name(); }
  std::size_t size() const { return sources_.size(); }

 private:
  // Each line moves by less than `seconds` of event time: disorder that no report may show.
  void shuffle(Second seconds, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<std::pair<Nanos, Fed>> lines;
    while (auto fed = next()) {
      const auto moved =
          static_cast<Nanos>(random() % static_cast<std::uint64_t>(seconds * kNanosPerSecond));
      const Nanos at = fed->line.time == kNoTime ? kNoTime : fed->line.time + moved;
      lines.emplace_back(at, std::move(*fed));
    }
    std::stable_sort(lines.begin(), lines.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [at, fed] : lines) queue_.push_back(std::move(fed));
    shuffled_ = true;
  }

  bool timed_;
  std::vector<std::unique_ptr<Source>> sources_;
  std::deque<Fed> queue_;
  bool shuffled_ = false;
};

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
    config_.inner.partitions =
        options.partitions > 0 ? options.partitions : config.inner.partitions;
    cluster_.create_topic(config_.input.topic, partitions_);
    for (const std::string& topic : inner_topics())
      cluster_.create_topic(topic, config_.inner.partitions);
    cluster_.create_topic(config_.output.topic, 1);
    cluster_.create_topic(config_.output.dead_letter_topic, 1, kLargestDeadLetter);
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
                             .in_memory = true};
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

    for (bool more = true; more;) {
      more = feed_batch();
      if (!more)
        clock_ = kEndOfTime;  // nothing is unread and nothing will come: the same tick that an idle
                              // input gets
      while (intake.run_once() && more) continue;
      while (by_container.run_once()) continue;
      while (by_rule.run_once()) continue;
      collect();
    }
    print_reports();
    print_dead_letters();
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
      if (feed_.timed() && fed->line.time != kNoTime) clock_ = std::max(clock_, fed->line.time);
      const std::int64_t offset =
          cluster_.append(config_.input.topic, partition, std::move(fed->line.text),
                          options_.now.value_or(kNoTime));
      origins_[{partition, offset}] = {fed->source, fed->line.number};
    }
    return true;
  }

  // Takes what was published, and trims every topic: nobody will read it again.
  void collect() {
    for (const Record& record : take(config_.output.topic, 0)) {
      const std::string_view id = header(record, "ce_id");
      const std::size_t slash = id.rfind('/');
      reports_.push_back({.time = std::string(header(record, "ce_time")),
                          .rank = rank_of(header(record, "ce_type")),
                          .id = std::string(id.substr(0, slash)),
                          .revision = number(id.substr(slash + 1)),
                          .json = record.value.value_or("")});
    }
    for (Record& record : take(config_.output.dead_letter_topic, 0)) {
      const Origin& origin =
          origins_.at({static_cast<std::int32_t>(number(header(record, "gyre-source-partition"))),
                       number(header(record, "gyre-source-offset"))});
      dead_letters_.emplace_back(origin, std::move(record));
    }
    origins_.clear();  // whatever was fed has been read
    trim(config_.input.topic, partitions_);
    for (const std::string& topic : inner_topics()) trim(topic, config_.inner.partitions);
  }

  std::vector<Record> take(const std::string& topic, std::int32_t partition) {
    std::int64_t& from = taken_[{topic, partition}];
    std::vector<Record> records = cluster_.read(topic, partition, from);
    if (!records.empty()) from = records.back().offset + 1;
    return records;
  }

  void trim(const std::string& topic, std::int32_t partitions) {
    for (std::int32_t partition = 0; partition < partitions; ++partition)
      cluster_.delete_records(topic, partition, cluster_.last_stable_offset(topic, partition));
  }

  // By time of decision and rank: the same whatever the partitions were.
  void print_reports() {
    const auto rank = [](const Published& report) {
      return std::tie(report.time, report.rank, report.id, report.revision);
    };
    std::sort(reports_.begin(), reports_.end(),
              [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
    if (options_.format == "json") {
      for (const Published& report : reports_) std::cout << report.json << '\n';
    } else {
      Show show(format_of(options_.format));
      for (const Published& report : reports_) CHECK(show.take(report.json));
      show.print();
    }
    std::cout.flush();
    if (!std::cout) throw Failure("cannot write the reports to standard output");
  }

  void print_dead_letters() {
    if (!options_.dead_letters) return;
    std::ofstream out(*options_.dead_letters, std::ios::binary);
    for (const auto& [origin, record] : dead_letters_) {
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
      json.key(ascii ? "value" : "value_base64")
          .value(ascii ? value : to_base64(value))
          .end_object();
      out << json.take() << '\n';
    }
    out.flush();
    if (!out) throw Failure(fmt::format("cannot write {}", *options_.dead_letters));
  }

  void print_stats(const records::Counters& intake, const records::Counters& container) const {
    std::ofstream out(*options_.stats);
    out << fmt::format(
        R"({{"in":{},"folded":{},"duplicate":{},"late":{},"dead":{},"heartbeats":{},"reports":{}}})"
        "\n",
        intake.in(), container.folded(), container.duplicate(), container.late(), intake.dead(),
        container.heartbeats(), reports_.size());
    out.flush();
    if (!out) throw Failure(fmt::format("cannot write {}", *options_.stats));
  }

  Config config_;
  const ReplayOptions& options_;
  stages::Playbooks playbooks_;
  state::StoreMemory memory_;
  Telemetry telemetry_;
  MemoryCluster cluster_;
  Feed feed_;
  std::int32_t partitions_ = 1;
  Nanos clock_ = kNoTime;
  std::uint64_t lines_ = 0;
  std::map<std::pair<std::int32_t, std::int64_t>, Origin> origins_;  ///< by partition and offset
  std::map<TopicPartition, std::int64_t> taken_;
  std::vector<Published> reports_;
  std::vector<std::pair<Origin, Record>> dead_letters_;
};

}  // namespace

int replay(const Config& config, const ReplayOptions& options) {
  return Replay(config, options).run();
}

}  // namespace gyre::pipeline
