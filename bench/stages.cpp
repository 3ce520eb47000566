// SPDX-License-Identifier: Apache-2.0
//
// What each stage costs on the embedded broker, with some workers: each is a thread that steps all
// stages with a share of their partitions. Prints one JSON object.
#include <fmt/format.h>

#include <array>
#include <atomic>
#include <chrono>
#include <fstream>
#include <iostream>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/command.h"
#include "tests/cpu_time.h"
#include "tests/pipeline/house.h"

namespace gyre::pipeline {
namespace {

constexpr std::string_view kUsage =
    "usage: bench_stages ALERTS WORKERS STATE_DIRECTORY UNMEASURED\n"
    "  ALERTS       a file of gyre generate\n"
    "  UNMEASURED   so many alerts are worked off first\n";
constexpr std::int32_t kInputPartitions = 8;
constexpr std::size_t kRound = 20'000;  ///< alerts that lie ready at a time
using Seconds = std::array<double, kStageNames.size()>;

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

class Bench {
 public:
  Bench(std::size_t workers, const std::string& directory) {
    config_.state.directory = directory;
    create_topics(cluster_, config_, kInputPartitions);
    const auto disk = std::make_shared<state::StoreMemory>(config_.state.cache_bytes);
    const auto serialised = [&](std::unique_ptr<Broker> broker) {
      return std::make_unique<Serialised>(mutex_, std::move(broker));
    };
    for (std::size_t worker = 0; worker < workers; ++worker)
      members_.push_back(
          {std::make_unique<Process>(cluster_, config_, playbooks_, std::to_string(worker), clock_,
                                     disk, BatchLimits{}, serialised),
           {}});
    // Each learns of its partitions when the last has joined.
    for (bool news = true; news;) {
      news = false;
      for (const Member& member : members_) news = member.process->step() || news;
    }
  }

  void feed(std::string alert) {
    const auto partition = static_cast<std::int32_t>(fed_++ % kInputPartitions);
    cluster_.append(config_.input.topic, partition, std::move(alert), kNoTime);
  }

  /// Until nothing is left to do. What was read is deleted: nobody reads it once more.
  void work() {
    const auto began = std::chrono::steady_clock::now();
    idle_ = 0;
    std::vector<std::thread> threads;
    for (Member& member : members_) threads.emplace_back([&] { step(member); });
    for (std::thread& thread : threads) thread.join();
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    for (const std::string& topic : topics_)
      for (std::int32_t partition = 0; partition < cluster_.partitions(topic); ++partition)
        cluster_.delete_records(topic, partition, cluster_.last_stable_offset(topic, partition));
  }

  double seconds() const { return seconds_; }
  Seconds cpu() const {
    Seconds sum{};
    for (const Member& member : members_)
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += member.cpu[i];
    return sum;
  }

 private:
  struct Member {
    std::unique_ptr<Process> process;
    Seconds cpu;
  };

  /// What one thread finds nothing to do of, another may be about to send: all must be idle.
  void step(Member& member) {
    bool idle = false;
    while (idle_ < members_.size()) {
      bool worked = false;
      const auto workers = member.process->workers();
      for (std::size_t i = 0; i < workers.size(); ++i) {
        const double before = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
        worked = workers[i]->run_once() || worked;
        member.cpu[i] += cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - before;
      }
      if (worked == !idle) continue;
      idle = !worked;
      idle ? ++idle_ : --idle_;
    }
  }

  Config config_;
  const std::vector<std::string> topics_ = {config_.input.topic,
                                            config_.by_container_topic(),
                                            config_.intake_changelog(),
                                            config_.by_container_changelog(),
                                            config_.by_container_ids(),
                                            config_.by_rule_topic(),
                                            config_.by_rule_changelog(),
                                            config_.outputs.front().topic,
                                            config_.input.dead_letter_topic};
  stages::Playbooks playbooks_{config_.playbooks};
  Nanos clock_ = kNoTime;
  MemoryCluster cluster_;
  std::mutex mutex_;
  std::uint64_t fed_ = 0;
  double seconds_ = 0;
  std::vector<Member> members_;
  std::atomic<std::size_t> idle_ = 0;
};

std::size_t work_off(std::istream& alerts, std::size_t most, Bench& bench) {
  std::size_t count = 0;
  for (bool more = true; more;) {
    std::string line;
    for (std::size_t i = 0; i < kRound && more; ++i) {
      more = count < most && std::getline(alerts, line);
      if (!more) break;
      bench.feed(line);
      ++count;
    }
    bench.work();
  }
  return count;
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() != 4) {
    std::cerr << kUsage;
    return 64;
  }
  std::ifstream alerts(arguments[0]);
  const std::size_t workers = std::stoul(arguments[1]);
  Bench bench(workers, arguments[2]);
  work_off(alerts, std::stoul(arguments[3]), bench);
  const Seconds cpu = bench.cpu();
  const double seconds = bench.seconds();
  const std::size_t measured = work_off(alerts, std::numeric_limits<std::size_t>::max(), bench);
  const Seconds after = bench.cpu();
  std::cout << fmt::format(R"({{"alerts":{},"workers":{},"seconds":{:.3f})", measured, workers,
                           bench.seconds() - seconds);
  for (std::size_t i = 0; i < after.size(); ++i)
    std::cout << fmt::format(R"(,"{}":{:.3f})", kStageNames[i], after[i] - cpu[i]);
  std::cout << "}\n";
  return 0;
}

}  // namespace
}  // namespace gyre::pipeline

int main(int argc, char** argv) { return gyre::command(argc, argv, gyre::pipeline::run); }
