// SPDX-License-Identifier: Apache-2.0
//
// What each stage costs on the embedded broker, with some workers: each is a thread that steps all
// stages with a share of their partitions. Prints one JSON object.
#include <fmt/format.h>
#include <time.h>

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "pipeline/config.h"
#include "pipeline/memory_broker.h"
#include "pipeline/task.h"
#include "pipeline/worker.h"

namespace gyre::pipeline {
namespace {

constexpr std::string_view kUsage =
    "usage: bench_stages ALERTS WORKERS STATE_DIRECTORY UNMEASURED\n"
    "  ALERTS       a file of gyre generate\n"
    "  UNMEASURED   so many alerts are worked off first\n";
constexpr std::int32_t kInputPartitions = 8;
constexpr std::array<std::string_view, 3> kStages = {"intake", "by_container", "by_rule"};

/// A cluster is for one thread or a caller that serialises.
class Serialised final : public Broker {
  template <typename Call, typename... Arguments>
  auto with(Call call, Arguments&&... arguments) {
    const std::lock_guard lock(mutex_);
    return ((*broker_).*call)(std::forward<Arguments>(arguments)...);
  }

 public:
  Serialised(std::mutex& mutex, std::unique_ptr<Broker> broker)
      : mutex_(mutex), broker_(std::move(broker)) {}

  Poll poll(const BatchLimits& limits) override { return with(&Broker::poll, limits); }
  void resume(std::span<const PartitionOffset> from) override { with(&Broker::resume, from); }
  void begin() override { with(&Broker::begin); }
  void send(OutRecord record) override { with(&Broker::send, std::move(record)); }
  std::map<TopicPartition, std::int64_t> commit(std::span<const PartitionOffset> next) override {
    return with(&Broker::commit, next);
  }
  void recover() override { with(&Broker::recover); }
  std::map<std::int32_t, std::int64_t> committed(std::span<const std::int32_t> all) override {
    const std::lock_guard lock(mutex_);
    return broker_->committed(all);
  }
  std::map<TopicPartition, LogRange> ranges(std::span<const TopicPartition> logs) override {
    return with(&Broker::ranges, logs);
  }
  std::optional<std::vector<std::int64_t>> restore(
      std::span<const LogPart> parts,
      const std::function<void(std::size_t, const Record&)>& apply) override {
    const std::lock_guard lock(mutex_);
    return broker_->restore(parts, apply);
  }
  std::int32_t input_partitions() override { return with(&Broker::input_partitions); }
  std::map<std::int32_t, LogRange> input_ranges(std::span<const std::int32_t> all) override {
    return with(&Broker::input_ranges, all);
  }
  std::map<std::int32_t, Record> records_at(std::span<const PartitionOffset> offsets) override {
    return with(&Broker::records_at, offsets);
  }
  std::string cluster_id() override { return with(&Broker::cluster_id); }
  Nanos time() override { return with(&Broker::time); }
  std::int64_t offset_at(std::int32_t partition, Nanos time) override {
    return with(&Broker::offset_at, partition, time);
  }
  Unread unread(std::int32_t partition) override { return with(&Broker::unread, partition); }
  std::optional<Nanos> next_time(std::int32_t partition) override {
    return with(&Broker::next_time, partition);
  }
  std::string delete_before(std::span<const PartitionOffset> offsets) override {
    return with(&Broker::delete_before, offsets);
  }
  void follow(const std::string& topic, std::span<const std::int32_t> partitions,
              const std::function<void(const Record&)>& each) override {
    with(&Broker::follow, topic, partitions, each);
  }

 private:
  std::mutex& mutex_;
  std::unique_ptr<Broker> broker_;
};

double thread_seconds() {
  timespec now{};
  CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

class Bench {
 public:
  Bench(std::size_t workers, const std::string& directory) : memory_(config_.state.cache_bytes) {
    config_.state.directory = directory;
    cluster_.create_topic(config_.input.topic, kInputPartitions);
    for (const std::string& topic : {config_.by_container_topic(), config_.intake_changelog(),
                                     config_.by_container_changelog(), config_.by_container_ids(),
                                     config_.by_rule_topic(), config_.by_rule_changelog()})
      cluster_.create_topic(topic, config_.inner.partitions);
    for (const Output& output : config_.outputs) cluster_.create_topic(output.topic, 1);
    cluster_.create_topic(config_.input.dead_letter_topic, 1, kLargestDeadLetter);
    for (std::size_t worker = 0; worker < workers; ++worker) members_.push_back(member(worker));
    // Each learns of its partitions when the last has joined.
    for (bool news = true; news;) {
      news = false;
      for (Member& member : members_)
        for (Stage& stage : member) news = stage.worker->run_once() || news;
    }
  }

  void feed(std::string alert) {
    const auto partition = static_cast<std::int32_t>(fed_++ % kInputPartitions);
    cluster_.append(config_.input.topic, partition, std::move(alert), kNoTime);
  }

  /// Until nothing is left to do.
  void work() {
    idle_ = 0;
    std::vector<std::thread> threads;
    for (Member& member : members_) threads.emplace_back([&] { step(member); });
    for (std::thread& thread : threads) thread.join();
  }

  std::array<double, kStages.size()> cpu_seconds() const {
    std::array<double, kStages.size()> sum{};
    for (const Member& member : members_)
      for (std::size_t i = 0; i < kStages.size(); ++i) sum[i] += member[i].cpu_seconds;
    return sum;
  }

 private:
  struct Stage {
    std::unique_ptr<StageTasks> tasks;
    std::unique_ptr<Broker> broker;
    std::unique_ptr<Worker> worker;
    double cpu_seconds = 0;
  };
  using Member = std::array<Stage, kStages.size()>;

  Member member(std::size_t worker) {
    Member member;
    for (std::size_t i = 0; i < kStages.size(); ++i) {
      const std::string name(kStages[i]);
      const std::string input = name == "intake"         ? config_.input.topic
                                : name == "by_container" ? config_.by_container_topic()
                                                         : config_.by_rule_topic();
      const std::string id = fmt::format("{}.{}", name, worker);
      const TaskOptions options{.config = config_,
                                .memory = memory_,
                                .telemetry = telemetry_,
                                .clock = [] { return kNoTime; },
                                .client_id = id,
                                .replay = true};
      Stage& stage = member[i];
      stage.tasks = name == "intake"         ? make_intake_tasks(options)
                    : name == "by_container" ? make_container_tasks(options, playbooks_)
                                             : make_rule_tasks(options);
      stage.broker =
          std::make_unique<Serialised>(mutex_, cluster_.connect(config_.group(name), input, id));
      stage.worker = std::make_unique<Worker>(LoopId{name, static_cast<int>(worker)}, *stage.broker,
                                              *stage.tasks, telemetry_, BatchLimits{});
    }
    return member;
  }

  /// What one thread finds nothing to do of, another may be about to send: all must be idle.
  void step(Member& member) {
    bool idle = false;
    while (idle_ < members_.size()) {
      bool worked = false;
      for (Stage& stage : member) {
        const double before = thread_seconds();
        worked = stage.worker->run_once() || worked;
        stage.cpu_seconds += thread_seconds() - before;
      }
      if (worked == !idle) continue;
      idle = !worked;
      idle ? ++idle_ : --idle_;
    }
  }

  Config config_;
  stages::Playbooks playbooks_{config_.playbooks};
  state::StoreMemory memory_;
  Telemetry telemetry_{true};
  MemoryCluster cluster_;
  std::mutex mutex_;
  std::uint64_t fed_ = 0;
  std::vector<Member> members_;
  std::atomic<std::size_t> idle_ = 0;
};

std::size_t number(const std::string& text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    throw ConfigError("not a number: " + text);
  return value;
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() != 4) {
    std::cerr << kUsage;
    return 64;
  }
  std::ifstream alerts(arguments[0]);
  const std::size_t workers = number(arguments[1]);
  Bench bench(workers, arguments[2]);
  std::string line;
  for (std::size_t i = 0; i < number(arguments[3]) && std::getline(alerts, line); ++i)
    bench.feed(line);
  bench.work();
  std::size_t measured = 0;
  for (; std::getline(alerts, line); ++measured) bench.feed(line);
  const auto cpu_before = bench.cpu_seconds();
  const auto began = std::chrono::steady_clock::now();
  bench.work();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
  const auto cpu = bench.cpu_seconds();
  std::cout << fmt::format(R"({{"alerts":{},"workers":{},"seconds":{:.3f})", measured, workers,
                           seconds.count());
  for (std::size_t i = 0; i < kStages.size(); ++i)
    std::cout << fmt::format(R"(,"{}":{:.3f})", kStages[i], cpu[i] - cpu_before[i]);
  std::cout << "}\n";
  return 0;
}

}  // namespace
}  // namespace gyre::pipeline

int main(int argc, char** argv) {
  try {
    return gyre::pipeline::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "bench_stages: " << error.what() << '\n';
    return 1;
  }
}
