// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "base/check.h"
#include "base/error.h"
#include "pipeline/clock.h"
#include "pipeline/commands.h"
#include "pipeline/fleet.h"
#include "pipeline/kafka_broker.h"
#include "pipeline/kafka_properties.h"

namespace gyre::pipeline {

namespace {

/// Alerts stand at most this far from their place in time, so that the file is out of order as a
/// real topic is.
constexpr std::uint64_t kJitter = 400'000'000;
/// A copy follows within this many records and this much event time; with the jitter that keeps the
/// disorder below 1 s.
constexpr std::size_t kCopyWithin = 100;
constexpr double kCopySeconds = 0.5;
constexpr std::uint64_t kShareUnit = 1'000'000'000;
constexpr std::uint64_t kProgressEvery = 100'000;
constexpr std::size_t kBufferBytes = 1 << 20;

constexpr std::uint32_t kMostHosts = 100'000;

enum class Profile { kMixed, kFlood, kWide, kAttack, kRollout };

Profile profile_of(const std::string& name) {
  if (name == "mixed") return Profile::kMixed;
  if (name == "flood") return Profile::kFlood;
  if (name == "wide") return Profile::kWide;
  if (name == "attack") return Profile::kAttack;
  if (name == "rollout") return Profile::kRollout;
  throw ConfigError(
      fmt::format("unknown profile {}: use mixed, flood, wide, attack or rollout", name));
}

void require(bool fine, const char* what) {
  if (!fine) throw ConfigError(what);
}

Fleet fleet_of(const GenerateOptions& options, Profile profile) {
  const auto of_hosts = [&](std::uint32_t hosts) {
    return Fleet({.seed = options.seed,
                  .hosts = hosts,
                  .alerts = static_cast<std::uint64_t>(static_cast<double>(options.count) *
                                                       (1 - options.duplicates - options.garbage)),
                  .attacks = profile == Profile::kMixed ? options.attacks : 1,
                  .findings = options.findings});
  };
  if (options.hosts) return of_hosts(*options.hosts);
  std::uint32_t hosts = 50;
  while (profile == Profile::kWide && hosts < kMostHosts &&
         of_hosts(hosts).pairs() < options.findings)
    hosts = std::min(2 * hosts, kMostHosts);
  return of_hosts(hosts);
}

void validate(const GenerateOptions& options) {
  require(!options.hosts || (*options.hosts > 0 && *options.hosts <= kMostHosts),
          "hosts must be from 1 to 100000");
  require(options.attacks > 0, "attacks must be 1 or more");
  require(options.findings > 0, "findings must be 1 or more");
  require(std::isfinite(options.rate) && options.rate >= 0, "rate must be 0 or more");
  require(std::isfinite(options.event_rate) && options.event_rate > 0,
          "event rate must be more than 0");
  require(
      options.duplicates >= 0 && options.garbage >= 0 && options.duplicates + options.garbage <= 1,
      "the shares of duplicates and garbage must be from 0 to 1, and so must their sum");
}

struct Truth {
  std::uint64_t records = 0;
  std::uint64_t alerts = 0;  ///< distinct ones, heartbeats included
  std::uint64_t duplicates = 0;
  std::uint64_t garbage = 0;
  std::uint64_t heartbeats = 0;
  std::map<std::string_view, std::uint64_t> by_rule;  ///< of the distinct alerts
};

/// The records one after the other; a function of the options and the times only.
class Records {
 public:
  Records(const GenerateOptions& options, double per_second, std::uint64_t jitter)
      : profile_(profile_of(options.profile)),
        garbage_below_(static_cast<std::uint64_t>(options.garbage * kShareUnit)),
        copy_below_(garbage_below_ + static_cast<std::uint64_t>(options.duplicates * kShareUnit)),
        jitter_(jitter),
        reach_(static_cast<std::uint64_t>(
            std::min<double>(kCopyWithin, std::floor(kCopySeconds * per_second)))),
        fleet_(fleet_of(options, profile_)),
        dice_(options.seed + 1) {
    if (profile_ == Profile::kWide && fleet_.pairs() < options.findings) {
      throw ConfigError(
          fmt::format("{} findings need more than the {} pairs of container and "
                      "phenomenon of so many hosts: raise --hosts or lower --findings",
                      options.findings, fleet_.pairs()));
    }
  }

  /// `time` is the record's place in event time. The reference lives until the next call.
  const std::string& next(Nanos time) {
    const std::uint64_t index = truth_.records++;
    const std::uint64_t what = dice_.below(kShareUnit);
    if (what < garbage_below_) {
      make_garbage(time);
      ++truth_.garbage;
    } else if (what < copy_below_ && copy_recent(index)) {
      ++truth_.duplicates;
    } else {
      make_alert(index, time);
    }
    return record_;
  }

  const Truth& truth() const { return truth_; }
  /// Whose containers were broken into: none in profiles without attacks.
  std::vector<Fleet::Victim> victims() const {
    if (profile_ != Profile::kMixed && profile_ != Profile::kAttack) return {};
    return fleet_.victims();
  }

 private:
  struct Recent {
    std::uint64_t index = 0;
    std::string alert;
  };

  void make_alert(std::uint64_t index, Nanos time) {
    // The first keeps its time: it is the one that `start` names.
    if (jitter_ > 0 && index > 0) time += static_cast<Nanos>(dice_.below(jitter_));
    const Emitted emitted = write(time, record_);
    ++truth_.alerts;
    truth_.heartbeats += emitted.heartbeat ? 1 : 0;
    ++truth_.by_rule[emitted.rule];
    if (copy_below_ == garbage_below_) return;
    Recent& place = recent_[alerts_++ % recent_.size()];
    place.index = index;
    place.alert = record_;
  }

  Emitted write(Nanos time, std::string& out) {
    switch (profile_) {
      case Profile::kMixed:
        return fleet_.mixed(truth_.alerts, time, out);
      case Profile::kFlood:
        return fleet_.flood(time, out);
      case Profile::kAttack:
        return fleet_.attack(truth_.alerts, time, out);
      case Profile::kWide:
        return fleet_.wide(truth_.alerts, time, out);
      case Profile::kRollout:
        return fleet_.rollout(truth_.alerts, time, out);
    }
    CHECK(false);
  }

  /// The same alert through another falcosidekick. False if there is none to copy.
  bool copy_recent(std::uint64_t index) {
    if (alerts_ == 0) return false;
    std::uint64_t near = 1;  // the last one always is: nothing with a time stands between
    while (near < std::min<std::uint64_t>(alerts_, recent_.size()) &&
           index - recent_[(alerts_ - near - 1) % recent_.size()].index <= reach_) {
      ++near;
    }
    record_ = recent_[(alerts_ - 1 - dice_.below(near)) % recent_.size()].alert;
    fleet_.renew_uuid(record_);
    return true;
  }

  void make_garbage(Nanos time) {
    switch (dice_.below(4)) {
      case 0:  // cut by a shipper
        fleet_.flood(time, record_);
        record_.resize(20 + dice_.below(record_.size() - 21));
        return;
      case 1:
        record_ = fmt::format("{}: Loading rules from file /etc/falco/falco_rules.yaml",
                              format_rfc3339_second(second_of(time)));
        return;
      case 2:
        record_ =
            fmt::format(R"({{"level":"info","ts":"{}","msg":"connection accepted","port":{}}})",
                        format_rfc3339(time), 32'768 + dice_.below(28'232));
        return;
      default:
        record_ = fmt::format(
            R"({{"priority":"Notice","time":"{}","output_fields":{{"proc.name":"sh"}}}})",
            format_rfc3339(time));
    }
  }

  Profile profile_;
  std::uint64_t garbage_below_;
  std::uint64_t copy_below_;
  std::uint64_t jitter_;
  std::uint64_t reach_;
  Fleet fleet_;
  Dice dice_;
  Truth truth_;
  std::array<Recent, kCopyWithin> recent_;
  std::uint64_t alerts_ = 0;
  std::string record_;
};

/// Where the records go: Kafka, or lines on standard output.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void write(const std::string& record) = 0;
  virtual void flush() = 0;
};

class StdoutSink : public Sink {
 public:
  void write(const std::string& record) override {
    (buffer_ += record) += '\n';
    if (buffer_.size() >= kBufferBytes) flush();
  }

  void flush() override {
    std::string_view rest = buffer_;
    while (!rest.empty()) {
      const ssize_t wrote = ::write(STDOUT_FILENO, rest.data(), rest.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) {
        throw Failure(fmt::format("cannot write to standard output: {}", std::strerror(errno)));
      }
      rest.remove_prefix(static_cast<std::size_t>(wrote));
    }
    buffer_.clear();
  }

 private:
  std::string buffer_;
};

class KafkaSink : public Sink {
 public:
  explicit KafkaSink(const Config& config) : writer_(kafka_client(config), config.input.topic) {}
  void write(const std::string& record) override { writer_.send(-1, record); }
  void flush() override { writer_.flush(); }

 private:
  KafkaWriter writer_;
};

std::unique_ptr<Sink> make_sink(const Config& config, const GenerateOptions& options) {
  if (options.to_kafka) return std::make_unique<KafkaSink>(config);
  return std::make_unique<StdoutSink>();
}

/// Counted in records, not in seconds: a run that reads no clock is the same with a terminal and
/// without.
class Progress {
 public:
  explicit Progress(std::uint64_t count) : count_(count), shown_(::isatty(STDERR_FILENO) == 1) {}
  void at(std::uint64_t done) const {
    if (!shown_ || (done % kProgressEvery != 0 && done != count_)) return;
    std::fprintf(stderr, "\r%llu of %llu records%s", static_cast<unsigned long long>(done),
                 static_cast<unsigned long long>(count_), done == count_ ? "\n" : "");
  }

 private:
  std::uint64_t count_;
  bool shown_;
};

/// Places of the records in time, `per_second` of them a second. Kept apart in seconds and rest: a
/// double of nanoseconds since the epoch could not tell them apart.
Nanos place(std::uint64_t index, double per_second) {
  return static_cast<Nanos>(static_cast<double>(index) / per_second *
                            static_cast<double>(kNanosPerSecond));
}

/// Open loop: record i is due at its own time, however late the ones before it were.
class Pace {
 public:
  explicit Pace(double rate) : rate_(rate) {
    if (rate_ > 0) begin_ = std::chrono::steady_clock::now();
  }
  void wait_for(std::uint64_t index, Sink& sink) const {
    if (rate_ <= 0) return;
    const auto due = begin_ + std::chrono::nanoseconds(place(index, rate_));
    if (std::chrono::steady_clock::now() >= due) return;
    sink.flush();  // what is due must not wait in a buffer
    std::this_thread::sleep_until(due);
  }

 private:
  double rate_;
  std::chrono::steady_clock::time_point begin_;
};

void write_truth(const std::string& path, const Records& records) {
  const Truth& truth = records.truth();
  std::string text = fmt::format(
      R"({{"records":{},"alerts":{},"duplicates":{},"garbage":{},"heartbeats":{},"by_rule":{{)",
      truth.records, truth.alerts, truth.duplicates, truth.garbage, truth.heartbeats);
  for (const auto& [rule, count] : truth.by_rule) {
    text += fmt::format("{}\"{}\":{}", text.ends_with('{') ? "" : ",", rule, count);
  }
  text += "},\"attacks\":[";
  for (const auto& [container, steps] : records.victims()) {
    text += fmt::format(R"({}{{"hostname":"{}","container_id":"{}","steps":{}}})",
                        text.ends_with('[') ? "" : ",", container.host, container.id, steps);
  }
  text += "]}\n";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"),
                                                             &std::fclose);
  const bool written = file != nullptr &&
                       std::fwrite(text.data(), 1, text.size(), file.get()) == text.size() &&
                       std::fflush(file.get()) == 0;
  if (!written) {
    throw Failure(fmt::format("cannot write the truth to {}: {}", path, std::strerror(errno)));
  }
}

}  // namespace

int generate(const Config& config, const GenerateOptions& options) {
  validate(options);
  const bool live = options.rate > 0 && !options.start;
  const double per_second = live ? options.rate : options.event_rate;
  Records records(options, per_second, live ? 0 : kJitter);
  const std::unique_ptr<Sink> sink = make_sink(config, options);
  const Progress progress(options.count);

  const Pace pace(options.rate);
  Nanos start = 0;
  if (options.start) {
    start = *options.start;
  } else if (live) {
    start = wall_clock();
  } else {
    start = wall_clock() - place(options.count, per_second) - static_cast<Nanos>(kJitter);
  }
  for (std::uint64_t index = 0; index < options.count; ++index) {
    pace.wait_for(index, *sink);
    sink->write(records.next(start + place(index, per_second)));
    progress.at(index + 1);
  }
  sink->flush();
  if (options.truth) write_truth(*options.truth, records);
  return 0;
}

}  // namespace gyre::pipeline
