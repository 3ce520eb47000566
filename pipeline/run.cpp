// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "pipeline/clock.h"
#include "pipeline/commands.h"
#include "pipeline/crash_point.h"
#include "pipeline/http.h"
#include "pipeline/kafka_admin.h"
#include "pipeline/kafka_broker.h"
#include "pipeline/kafka_properties.h"
#include "pipeline/service_manager.h"
#include "pipeline/task.h"
#include "pipeline/worker.h"

namespace gyre::pipeline {

namespace {

// Two processes on one state directory would corrupt each other's view of it.
class DirectoryLock {
 public:
  explicit DirectoryLock(const std::string& directory) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    const std::string path = directory + "/LOCK.gyre";
    file_ = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (file_ < 0)
      throw Failure(
          fmt::format("cannot write {}: {}; set state.directory to a place this user may write to",
                      path, std::strerror(errno)));
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
      ::close(file_);
      throw Refusal(fmt::format(
          "{} is held by another gyre: give each instance its own state.directory", path));
    }
  }
  ~DirectoryLock() { ::close(file_); }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  int file_ = -1;
};

// A pod gets 30 s to end; a broker that does not answer may hold a loop for longer.
constexpr std::chrono::seconds kEndWithin{15};

// The threads' common end: by a signal, or by the first thing that cannot go on.
class Stop {
 public:
  const std::atomic<bool>& flag() const { return stop_; }

  void request(std::exception_ptr why = nullptr, std::string_view text = "asked to stop") {
    const std::lock_guard lock(mutex_);
    if (!stop_) {
      why_ = std::move(why);
      text_ = text;
    }
    stop_ = true;
    changed_.notify_all();
  }
  void begun() {
    const std::lock_guard lock(mutex_);
    ++running_;
  }
  void ended() {
    const std::lock_guard lock(mutex_);
    --running_;
    changed_.notify_all();
  }
  /// False: some thread that has begun has not ended yet.
  bool all_end_within(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [&] { return running_ == 0; });
  }
  void wait(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, time, [&] { return stop_.load(); });
  }
  /// Throws what ended it, so that the exit code tells of it; after a signal nothing.
  void rethrow() {
    const std::lock_guard lock(mutex_);
    if (why_) std::rethrow_exception(why_);
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::exception_ptr why_;
  std::string text_;
  int running_ = 0;
};

KafkaStage kafka_stage(const Config& config, const std::string& stage, int worker) {
  KafkaStage kafka{.input_topic = config.input.topic,
                   .group = config.group(stage),
                   .id = config.client_id(stage, worker),
                   .output_topics = {}};
  if (stage == "intake") {
    kafka.output_topics = {{config.by_container_topic()},
                           {config.input.dead_letter_topic, kLargestDeadLetter},
                           {config.intake_changelog()}};
    return kafka;
  }
  for (const Output& output : config.outputs) kafka.output_topics.push_back({output.topic});
  if (stage == "by_rule") {
    kafka.input_topic = config.by_rule_topic();
    kafka.output_topics.push_back({config.by_rule_changelog()});
  } else {
    kafka.input_topic = config.by_container_topic();
    for (const std::string& topic :
         {config.by_container_changelog(), config.by_container_ids(), config.by_rule_topic()})
      kafka.output_topics.push_back({topic});
  }
  return kafka;
}

struct Shared {
  const Config& config;
  const KafkaClient& client;
  const stages::Playbooks& playbooks;
  const state::StoreMemory& memory;
  Telemetry& telemetry;
  Stop& stop;
  std::shared_future<void> topics;  ///< ready when they are as they must be
};

/// Stages open their databases one after the other: the first has the least to open, and all others
/// wait for what it sends. A turn that ends without a word is over, too.
struct Turn {
  std::shared_future<void> before;  ///< none: it is the first
  std::promise<void> over;
};

std::unique_ptr<StageTasks> make_tasks(const std::string& stage, const TaskOptions& options,
                                       const stages::Playbooks& playbooks) {
  if (stage == "intake") return make_intake_tasks(options);
  if (stage == "by_rule") return make_rule_tasks(options);
  return make_container_tasks(options, playbooks);
}

void open_known(StageTasks& tasks, const Config& config, const std::string& stage, Turn turn) {
  if (turn.before.valid()) turn.before.wait();
  try {
    tasks.open(stored_partitions(config, stage));
  } catch (const Failure&) {
    // The loop meets it again, if it is of a partition that it is given, and tells of it.
  }
}

void run_stage(const Shared& shared, const std::string& stage, int worker, Turn turn) {
  GYRE_CRASH_STAGE(stage);
  try {
    const Config& config = shared.config;
    KafkaStage kafka = kafka_stage(config, stage, worker);
    kafka.waits = [&, loop = LoopId{stage, worker}](bool waits) {
      shared.telemetry.status().waits(loop, waits);
    };
    kafka.may_begin = [topics = shared.topics] { topics.get(); };
    kafka.observe = [&, loop = LoopId{stage, worker}](const KafkaStatistics& statistics) {
      shared.telemetry.status().kafka(loop, statistics);
    };
    const TaskOptions options{.config = config,
                              .memory = shared.memory,
                              .telemetry = shared.telemetry,
                              .clock = wall_clock,
                              .client_id = kafka.id};
    const auto tasks = make_tasks(stage, options, shared.playbooks);
    // A static member that starts again is given what it had: its databases open meanwhile. Of
    // several, nobody knows yet who is given what.
    std::future<void> opening;
    if (config.workers == 1)
      opening = std::async(std::launch::async, [&, mine = std::move(turn)]() mutable {
        open_known(*tasks, config, stage, std::move(mine));
      });
    const auto broker = make_kafka_broker(shared.client, kafka);
    if (opening.valid()) opening.wait();
    Worker loop({stage, worker}, *broker, *tasks, shared.telemetry,
                {.linger = config.batch.linger,
                 .records = config.batch.records,
                 .bytes = config.batch.bytes});
    loop.run(shared.stop.flag(), [&](std::chrono::milliseconds time) { shared.stop.wait(time); });
  } catch (const Failure& failure) {  // before the loop began: no broker, no topic
    shared.stop.request(std::current_exception(), failure.what());
  } catch (const Refusal& refusal) {
    shared.stop.request(std::current_exception(),
                        fmt::format("refused to go on: {}", refusal.what()));
  } catch (const ConfigError& error) {
    shared.stop.request(std::current_exception(), error.what());
  }
  shared.stop.ended();
}

// Waits for the first signal, or for a failed thread; a second signal ends the process at once,
// which loses nothing. So does the first, while the topics are looked at: nothing is held yet that
// has to be let go, and Kafka may not answer for long.
void wait_for_end(const sigset_t& signals, const std::shared_future<void>& topics, Stop& stop,
                  Telemetry& telemetry) {
  ServiceManager manager;
  const timespec tick{.tv_sec = 0, .tv_nsec = 200'000'000};
  while (!stop.flag()) {
    const int signal = sigtimedwait(&signals, nullptr, &tick);
    manager.tell(telemetry.status());
    if (signal < 0) continue;
    telemetry.stopping(signal == SIGTERM ? "SIGTERM" : "SIGINT");
    if (topics.wait_for(std::chrono::seconds(0)) != std::future_status::ready) std::_Exit(0);
    stop.request();
  }
  manager.stopping();
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

// Waits for the threads, but not for Kafka: whoever waits inside librdkafka can't be told to stop.
void join(std::vector<std::thread>& threads, Stop& stop, Telemetry& telemetry) {
  if (!stop.all_end_within(kEndWithin)) {
    telemetry.error(fmt::format(
        "Left without waiting any longer for Kafka; what was not committed is read again at the "
        "next start why={}",
        pipeline::quoted(stop.text())));
    std::_Exit(1);
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

int run(const Config& config) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread: all inherit it

  const KafkaClient client = kafka_client(config);
  const DirectoryLock lock(config.state.directory);
  const stages::Playbooks playbooks(config.playbooks);
  Telemetry telemetry;
  for (int worker = 0; worker < config.workers; ++worker)
    for (const std::string& stage : config.stages) telemetry.status().expect({stage, worker});
  telemetry.started(GYRE_VERSION);
  const AdminServer admin(config.admin.listen, telemetry);
  const state::StoreMemory memory(config.state.cache_bytes);
  Stop stop;
  std::packaged_task<void()> verify([&] {
    for (const std::string& line : ensure_topics(client, topics_to_run(config)))
      telemetry.info(line);
  });
  const Shared shared{
      config, client, playbooks, memory, telemetry, stop, verify.get_future().share()};
  std::vector<std::thread> threads;
  std::shared_future<void> before;
  for (int worker = 0; worker < config.workers; ++worker)
    for (const std::string& stage : config.stages) {
      stop.begun();
      Turn turn{.before = before, .over = {}};
      before = turn.over.get_future().share();
      threads.emplace_back([&shared, stage, worker, mine = std::move(turn)]() mutable {
        run_stage(shared, stage, worker, std::move(mine));
      });
    }
  // Databases open meanwhile, and clients find their brokers.
  stop.begun();
  threads.emplace_back([&] {
    verify();
    stop.ended();
  });
  wait_for_end(signals, shared.topics, stop, telemetry);
  join(threads, stop, telemetry);
  stop.rethrow();
  return 0;
}

}  // namespace gyre::pipeline
