// SPDX-License-Identifier: Apache-2.0
// The loop on the embedded broker, with crashes between its steps.
#include "pipeline/worker.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/hash.h"
#include "tests/pipeline/house.h"

namespace gyre::pipeline {
namespace {

constexpr std::int32_t kSources = 3;
constexpr std::int32_t kTasks = 4;

// A broker that dies at a chosen call: what came before it happened, nothing after it does.
class DyingBroker : public Broker {
 public:
  enum class Point { kNever, kBegin, kSend, kCommit, kAfterCommit };

  explicit DyingBroker(std::unique_ptr<Broker> broker) : broker_(std::move(broker)) {}
  Point point = Point::kNever;
  std::function<void()> before_ranges;
  std::function<void()> before_resume;

  Poll poll(const BatchLimits& limits) override { return broker_->poll(limits); }
  void resume(std::span<const PartitionOffset> from) override {
    if (const auto happens = std::exchange(before_resume, nullptr)) happens();
    broker_->resume(from);
  }
  void begin() override {
    die(Point::kBegin);
    broker_->begin();
  }
  void send(OutRecord record) override {
    broker_->send(std::move(record));
    die(Point::kSend);
  }
  std::map<TopicPartition, std::int64_t> commit(std::span<const PartitionOffset> next) override {
    die(Point::kCommit);
    auto sent = broker_->commit(next);
    die(Point::kAfterCommit);
    return sent;
  }
  void recover() override { broker_->recover(); }
  using Broker::committed;
  using Broker::restore;
  std::map<std::int32_t, std::int64_t> committed(
      std::span<const std::int32_t> partitions) override {
    return broker_->committed(partitions);
  }
  std::map<TopicPartition, LogRange> ranges(std::span<const TopicPartition> logs) override {
    if (const auto happens = std::exchange(before_ranges, nullptr)) happens();
    return broker_->ranges(logs);
  }
  std::optional<std::vector<std::int64_t>> restore(
      std::span<const LogPart> parts,
      const std::function<void(std::size_t, const Record&)>& apply) override {
    return broker_->restore(parts, apply);
  }
  std::int32_t input_partitions() override { return broker_->input_partitions(); }
  std::int64_t offset_at(std::int32_t partition, Nanos time) override {
    return broker_->offset_at(partition, time);
  }
  Unread unread(std::int32_t partition) override { return broker_->unread(partition); }
  std::optional<Nanos> next_time(std::int32_t partition) override {
    return broker_->next_time(partition);
  }
  std::string delete_before(std::span<const PartitionOffset> offsets) override {
    return broker_->delete_before(offsets);
  }
  void follow(const std::string& topic, std::span<const std::int32_t> partitions,
              const std::function<void(const Record&)>& each) override {
    broker_->follow(topic, partitions, each);
  }
  std::map<std::int32_t, LogRange> input_ranges(std::span<const std::int32_t> partitions) override {
    return broker_->input_ranges(partitions);
  }
  std::map<std::int32_t, Record> records_at(std::span<const PartitionOffset> offsets) override {
    return broker_->records_at(offsets);
  }
  std::string cluster_id() override { return broker_->cluster_id(); }
  Nanos time() override { return broker_->time(); }

 private:
  void die(Point here) {
    if (point == here) throw Failure("the test ends this process here");
  }
  std::unique_ptr<Broker> broker_;
};

// One process: all stages, with state on disk.
struct Instance {
  Instance(MemoryCluster& cluster, const Config& config, const stages::Playbooks& playbooks,
           const std::string& id, Nanos& clock)
      : intake_broker(cluster.connect(config.group("intake"), config.input.topic, id + "-intake")),
        container_broker(cluster.connect(config.group("by_container"), config.by_container_topic(),
                                         id + "-by_container")),
        rule_broker(
            cluster.connect(config.group("by_rule"), config.by_rule_topic(), id + "-by_rule")),
        options{.config = config,
                .memory = memory,
                .telemetry = telemetry,
                .clock = [&clock] { return clock; },
                .client_id = id},
        intake_tasks(make_intake_tasks(options)),
        container_tasks(make_container_tasks(options, playbooks)),
        rule_tasks(make_rule_tasks(options)),
        intake({"intake"}, intake_broker, *intake_tasks, telemetry, {.records = 50}),
        by_container({"by_container"}, container_broker, *container_tasks, telemetry,
                     {.records = 5}),
        by_rule({"by_rule"}, rule_broker, *rule_tasks, telemetry, {.records = 5}) {}

  state::StoreMemory memory{8 << 20};
  Telemetry telemetry;
  DyingBroker intake_broker;
  DyingBroker container_broker;
  DyingBroker rule_broker;
  TaskOptions options;
  std::unique_ptr<StageTasks> intake_tasks;
  std::unique_ptr<StageTasks> container_tasks;
  std::unique_ptr<StageTasks> rule_tasks;
  Worker intake;
  Worker by_container;
  Worker by_rule;

  std::pair<DyingBroker&, Worker&> stage(int number) {
    if (number == 0) return {intake_broker, intake};
    if (number == 1) return {container_broker, by_container};
    return {rule_broker, by_rule};
  }
};

class WorkerTest : public testing::Test {
 protected:
  void SetUp() override {
    config_.inner.partitions = kTasks;
    config_.findings.close_all = true;
    config_.state.directory =
        (std::filesystem::temp_directory_path() /
         fmt::format("gyre-worker-{}-{}", getpid(),
                     testing::UnitTest::GetInstance()->current_test_info()->name()))
            .string();
    std::filesystem::remove_all(config_.state.directory);
  }
  void TearDown() override { std::filesystem::remove_all(config_.state.directory); }

  std::unique_ptr<MemoryCluster> cluster(int alerts) const {
    auto made = std::make_unique<MemoryCluster>();
    create_topics(*made, config_, kSources);
    for (int i = 0; i < alerts; ++i) {
      const int copy_of = i % 10 == 9 ? i - 1 : i;
      made->append(
          config_.input.topic, i % kSources,
          i % 17 == 3
              ? std::string("garbage")
              : fmt::format(
                    R"({{"rule":"Rule {}","time":"{}","priority":"Critical","output":"o","hostname":"node-{}",)"
                    R"("output_fields":{{"container.id":"c0ffee00{:04}","evt.type":"execve","proc.cmdline":"sh -c x{}","proc.name":"sh"}}}})",
                    copy_of % 4, format_rfc3339(kStart + copy_of * kNanosPerSecond / 4),
                    copy_of % 5, copy_of % 5, copy_of % 3),
          kNoTime);
    }
    return made;
  }

  std::unique_ptr<Instance> start(MemoryCluster& cluster, const std::string& id = "a") {
    return std::make_unique<Instance>(cluster, config_, playbooks_, id, clock_);
  }

  // Until nothing is left to do; then time ends, which closes everything.
  void finish(Instance& instance) {
    clock_ = kNoTime;
    while (instance.intake.run_once()) continue;
    clock_ = kEndOfTime;
    instance.intake.run_once();
    while (instance.by_container.run_once()) continue;
    while (instance.by_rule.run_once()) continue;
    clock_ = kNoTime;
  }

  static constexpr Nanos kStart = 1'800'000'000 * kNanosPerSecond;
  Config config_;
  stages::Playbooks playbooks_;
  Nanos clock_ = kNoTime;
};

using Point = DyingBroker::Point;

TEST_F(WorkerTest, AFailureAtAnyStepLosesAndDoublesNothing) {
  auto undisturbed = cluster(400);
  finish(*start(*undisturbed));
  const auto expected = content(*undisturbed, config_.outputs.front().topic);
  const auto expected_dead = content(*undisturbed, config_.input.dead_letter_topic);
  ASSERT_GT(expected.size(), 10U);
  ASSERT_GT(expected_dead.size(), 10U);
  ASSERT_TRUE(std::any_of(expected.begin(), expected.end(), [](const auto& report) {
    return report.second.find(R"("kind":"outbreak")") != std::string::npos;
  }));

  for (const bool restart : {false, true}) {
    for (const Point point : {Point::kBegin, Point::kSend, Point::kCommit, Point::kAfterCommit}) {
      std::filesystem::remove_all(config_.state.directory);
      auto disturbed = cluster(400);
      auto instance = start(*disturbed);
      for (int step = 0; step < 40; ++step) {
        for (const int stage : {0, 1, 2}) {
          auto [broker, worker] = instance->stage(stage);
          broker.point = step % 3 == 2 ? point : Point::kNever;
          try {
            worker.run_once();
          } catch (const Failure&) {
            broker.point = Point::kNever;
            if (!restart) {
              worker.recover();
            } else {
              instance.reset();  // a crash: memory is gone, disk and broker stay
              if (step % 2 == 0) std::filesystem::remove_all(config_.state.directory);
              instance = start(*disturbed);
              break;
            }
          }
          broker.point = Point::kNever;
        }
      }
      finish(*instance);
      EXPECT_EQ(content(*disturbed, config_.outputs.front().topic), expected)
          << "point " << static_cast<int>(point) << " restart " << restart;
      EXPECT_EQ(content(*disturbed, config_.input.dead_letter_topic), expected_dead);
      EXPECT_EQ(instance->container_tasks->counters().replays_dropped(), 0U);
      EXPECT_EQ(instance->rule_tasks->counters().replays_dropped(), 0U);
    }
  }
}

TEST_F(WorkerTest, ARecordOfAnySizeBecomesADeadLetterAndHoldsUpNothing) {
  auto log = cluster(0);
  const std::string large(1'000'100, 'A');
  const std::string huge(12'000'000, 'A');
  log->append(config_.input.topic, 0, large, kNoTime);
  log->append(config_.input.topic, 0, huge, kNoTime);
  log->append(config_.input.topic, 0, "garbage", kNoTime);
  auto instance = start(*log);
  finish(*instance);
  EXPECT_EQ(instance->intake_tasks->counters().dead(), 3U);
  std::map<std::string, Record> dead;
  for (std::int32_t partition = 0; partition < 2; ++partition)
    for (Record& record : log->read(config_.input.dead_letter_topic, partition))
      dead.emplace(*record.key, std::move(record));
  ASSERT_EQ(dead.size(), 3U);
  EXPECT_EQ(dead.at("0-0").value, large);
  EXPECT_EQ(dead.at("0-2").value, "garbage");
  const Record& cut = dead.at("0-1");
  EXPECT_GT(cut.value->size(), 9'000'000U);
  EXPECT_TRUE(huge.starts_with(*cut.value));
  const std::map<std::string, std::string> headers(cut.headers.begin(), cut.headers.end());
  EXPECT_EQ(headers.at("gyre-truncated"), "12000000");
  EXPECT_EQ(headers.at("gyre-sha256"), to_hex(sha256(huge)));
}

TEST_F(WorkerTest, CountersAddUp) {
  auto log = cluster(400);
  auto instance = start(*log);
  finish(*instance);
  const records::Counters intake = instance->intake_tasks->counters();
  const records::Counters container = instance->container_tasks->counters();
  EXPECT_EQ(intake.in(), 400U);
  EXPECT_EQ(intake.in(), intake.sent() + intake.dead());
  EXPECT_EQ(intake.sent(), container.folded() + container.duplicate());
  EXPECT_GT(container.duplicate(), 0U);
}

TEST_F(WorkerTest, AnIdleInputStillClosesItsFindings) {
  auto log = cluster(50);
  auto instance = start(*log);
  while (instance->intake.run_once()) continue;
  while (instance->by_container.run_once()) continue;
  EXPECT_GT(instance->container_tasks->counters().findings_open(), 0);
  clock_ = kStart + 2 * 3600 * kNanosPerSecond;  // nothing came for two hours
  instance->intake.run_once();
  while (instance->by_container.run_once()) continue;
  EXPECT_EQ(instance->container_tasks->counters().findings_open(), 0);
}

TEST_F(WorkerTest, ALostDirectoryIsRestoredFromTheChangelog) {
  auto log = cluster(400);
  auto first = start(*log);
  for (int i = 0; i < 20; ++i) {
    first->intake.run_once();
    first->by_container.run_once();
  }
  const records::Counters before = first->container_tasks->counters();
  first.reset();
  std::filesystem::remove_all(config_.state.directory);
  auto second = start(*log);
  second->by_container.run_once();  // takes its assignment, restores
  EXPECT_EQ(second->container_tasks->counters().SerializeAsString(), before.SerializeAsString());
}

TEST_F(WorkerTest, WhatWasReadOfAnInnerTopicIsDeletedAndNothingElse) {
  auto undisturbed = cluster(400);
  finish(*start(*undisturbed));
  const auto expected = content(*undisturbed, config_.outputs.front().topic);

  std::filesystem::remove_all(config_.state.directory);
  auto log = cluster(400);
  const auto left = [&](const std::string& topic) { return content(*log, topic).size(); };
  auto instance = start(*log);
  for (int step = 0; step < 12; ++step) {
    instance->intake.run_once();
    instance->by_container.run_once();
    const std::size_t before = left(config_.by_container_topic());
    instance->intake.delete_read();
    EXPECT_EQ(left(config_.by_container_topic()), before);
    instance->by_container.delete_read();
    if (step == 5) {
      EXPECT_LT(left(config_.by_container_topic()), before);
      instance.reset();
      std::filesystem::remove_all(config_.state.directory);
      instance = start(*log);
    }
  }
  EXPECT_EQ(left(config_.input.topic), 400U);
  finish(*instance);
  instance->by_container.delete_read();
  EXPECT_EQ(left(config_.by_container_topic()), 0U);
  EXPECT_EQ(content(*log, config_.outputs.front().topic), expected);
}

TEST_F(WorkerTest, ALostChangelogIsRefusedInsteadOfCountingTwice) {
  auto log = cluster(100);
  {
    auto first = start(*log);
    for (int i = 0; i < 20; ++i) {
      first->intake.run_once();
      first->by_container.run_once();
    }
  }
  std::filesystem::remove_all(config_.state.directory);
  for (std::int32_t partition = 0; partition < kTasks; ++partition)
    log->delete_records(config_.by_container_changelog(), partition,
                        log->last_stable_offset(config_.by_container_changelog(), partition));
  auto second = start(*log);
  EXPECT_THROW(second->by_container.run_once(), Refusal);
}

TEST_F(WorkerTest, AMemberThoughtDeadWhileItRestoresGoesOnWhenItIsBack) {
  auto log = cluster(400);
  Config other = config_;
  other.state.directory += "-b";
  auto sleeper = start(*log, "a");
  const auto b = std::make_unique<Instance>(*log, other, playbooks_, "b", clock_);
  for (int i = 0; i < 3; ++i) {
    sleeper->intake.run_once();
    b->intake.run_once();
  }
  sleeper->intake_broker.before_ranges = [&] {
    log->expire(config_.group("intake"), "a-intake");
    for (int i = 0; i < 3; ++i) b->intake.run_once();
  };
  EXPECT_THROW(sleeper->intake.recover(), Failure);
  EXPECT_NO_THROW(sleeper->intake.recover());
  EXPECT_NO_THROW(sleeper->intake.run_once());
  std::filesystem::remove_all(other.state.directory);
}

TEST_F(WorkerTest, ARestoreIsGivenUpWhenPartitionsWentToAnother) {
  auto undisturbed = cluster(400);
  finish(*start(*undisturbed));
  const auto expected = content(*undisturbed, config_.outputs.front().topic);

  std::filesystem::remove_all(config_.state.directory);
  auto log = cluster(400);
  auto a = start(*log, "a");
  for (int i = 0; i < 6; ++i) a->intake.run_once();
  for (int i = 0; i < 3; ++i) a->by_container.run_once();
  log->hold_markers([&](const std::string& topic, std::int32_t) {
    return topic == config_.by_container_changelog();
  });
  a->by_container.run_once();
  a.reset();
  std::filesystem::remove_all(config_.state.directory);
  a = start(*log, "a");
  Config other = config_;
  other.state.directory += "-b";
  std::unique_ptr<Instance> b;
  log->on_wait([&] {  // as a restore does for the markers
    if (!b) b = std::make_unique<Instance>(*log, other, playbooks_, "b", clock_);
    log->release_markers();
  });
  EXPECT_TRUE(a->by_container.run_once()) << "an assignment";
  ASSERT_TRUE(b);
  EXPECT_TRUE(a->by_container.run_once()) << "the next one";
  log->on_wait(nullptr);
  b.reset();
  std::filesystem::remove_all(other.state.directory);
  for (const char* stage : {"intake", "by_container", "by_rule"})
    log->expire(config_.group(stage), std::string("b-") + stage);
  finish(*a);
  EXPECT_EQ(content(*log, config_.outputs.front().topic), expected);
}

TEST_F(WorkerTest, AMemberThoughtDeadWhoseInputIsDeletedMeanwhileGoesOnWhenItIsBack) {
  Config other = config_;
  other.state.directory += "-b";
  for (const auto hook : {&DyingBroker::before_ranges, &DyingBroker::before_resume}) {
    std::filesystem::remove_all(config_.state.directory);
    std::filesystem::remove_all(other.state.directory);
    auto log = cluster(400);
    auto sleeper = start(*log, "a");
    const auto b = std::make_unique<Instance>(*log, other, playbooks_, "b", clock_);
    for (int i = 0; i < 6; ++i) {
      sleeper->intake.run_once();
      b->intake.run_once();
    }
    for (int i = 0; i < 3; ++i) sleeper->by_container.run_once();
    sleeper->container_broker.*hook = [&] {
      log->expire(config_.group("by_container"), "a-by_container");
      while (b->by_container.run_once()) continue;
      b->by_container.delete_read();
    };
    EXPECT_THROW(sleeper->by_container.recover(), Failure);
    EXPECT_NO_THROW(sleeper->by_container.recover());
    EXPECT_NO_THROW(sleeper->by_container.run_once());
  }
  std::filesystem::remove_all(other.state.directory);
}

TEST_F(WorkerTest, TwoInstancesShareTheWorkAndTakeItOver) {
  auto undisturbed = cluster(400);
  finish(*start(*undisturbed));
  const auto expected = content(*undisturbed, config_.outputs.front().topic);

  std::filesystem::remove_all(config_.state.directory);
  auto log = cluster(400);
  Config other = config_;
  other.state.directory += "-b";
  auto a = start(*log, "a");
  auto b = std::make_unique<Instance>(*log, other, playbooks_, "b", clock_);
  for (int step = 0; step < 12; ++step)
    for (Instance* instance : {a.get(), b.get()}) {
      try {
        instance->intake.run_once();
      } catch (const Failure&) {
        instance->intake.recover();  // its generation ended when the other joined
      }
      try {
        instance->by_container.run_once();
      } catch (const Failure&) {
        instance->by_container.recover();
      }
      try {
        instance->by_rule.run_once();
      } catch (const Failure&) {
        instance->by_rule.recover();
      }
    }
  EXPECT_GT(b->container_tasks->counters().folded(), 0U);
  b.reset();
  log->expire(config_.group("intake"), "b-intake");
  log->expire(config_.group("by_container"), "b-by_container");
  log->expire(config_.group("by_rule"), "b-by_rule");
  finish(*a);
  EXPECT_EQ(content(*log, config_.outputs.front().topic), expected);
  std::filesystem::remove_all(other.state.directory);
}

TEST_F(WorkerTest, ACriticalAlertIsReportedByTheBatchThatBringsItAndSettledWithItsSecond) {
  config_.inner.partitions = 1;
  config_.findings.flash = true;
  auto made = std::make_unique<MemoryCluster>();
  create_topics(*made, config_, 1);
  auto instance = start(*made);
  const auto work_until = [&](Nanos tick) {
    clock_ = kNoTime;
    while (instance->intake.run_once()) continue;
    clock_ = tick;
    instance->intake.run_once();
    while (instance->by_container.run_once()) continue;
  };
  const auto said = [&](const std::string& reason) {
    const auto reports = content(*made, config_.outputs.front().topic);
    return std::count_if(reports.begin(), reports.end(), [&](const auto& report) {
      return report.second.find("\"reason\":\"" + reason + "\"") != std::string::npos;
    });
  };
  const Nanos now = kStart + 100 * kNanosPerSecond;
  made->append(config_.input.topic, 0, alert(now - 60 * kNanosPerSecond, 1), kNoTime);
  work_until(now);
  EXPECT_EQ(said("opened"), 1);
  made->append(config_.input.topic, 0, alert(now, 2), kNoTime);
  work_until(kNoTime);
  EXPECT_EQ(said("opened"), 2) << "nothing has passed its second";
  EXPECT_EQ(said("settled"), 0);
  work_until(now + 10 * kNanosPerSecond);
  EXPECT_EQ(said("opened"), 2);
  EXPECT_EQ(said("settled"), 1);
}

TEST_F(WorkerTest, TheDelayOfAFindingRunsFromItsFirstAlertToTheCommitOfItsFirstReport) {
  config_.inner.partitions = 1;
  config_.findings.flash = true;
  auto made = std::make_unique<MemoryCluster>();
  create_topics(*made, config_, 1);
  auto instance = start(*made);
  const auto work = [&](Nanos tick, Nanos committed) {
    clock_ = kNoTime;
    while (instance->intake.run_once()) continue;
    clock_ = tick;
    instance->intake.run_once();
    clock_ = committed;
    while (instance->by_container.run_once()) continue;
  };
  const Nanos now = kStart + 100 * kNanosPerSecond;
  made->append(config_.input.topic, 0, alert(now - 60 * kNanosPerSecond, 1), kNoTime);
  work(now, now);
  made->append(config_.input.topic, 0, alert(now, 2), kNoTime);
  work(kNoTime, now + 40 * kNanosPerSecond / 1000);
  work(now + 10 * kNanosPerSecond, now + 500 * kNanosPerSecond);
  const std::string text = instance->telemetry.metrics();
  const auto findings = [&](const std::string& bound) {
    const std::string line =
        "gyre_finding_delay_seconds_bucket{priority=\"Critical\",le=\"" + bound + "\"} ";
    const std::size_t at = text.find(line);
    return at == std::string::npos ? -1 : std::stoi(text.substr(at + line.size()));
  };
  EXPECT_EQ(findings("0.05"), 1);
  EXPECT_EQ(findings("45"), 1);
  EXPECT_EQ(findings("60"), 2) << "the first was a minute old";
  EXPECT_EQ(findings("+Inf"), 2) << "a later revision is no first report";
}

TEST_F(WorkerTest, AJumpOfTimeIsDecidedInSeveralTransactionsWithoutInputAndAcrossARestart) {
  constexpr int kContainers = 24'000;
  config_.inner.partitions = 1;
  auto made = std::make_unique<MemoryCluster>();
  create_topics(*made, config_, 1);
  for (int i = 0; i < kContainers; ++i)
    made->append(
        config_.input.topic, 0,
        fmt::format(
            R"({{"rule":"Rule","time":"{}","priority":"Error","output":"o","hostname":"node","output_fields":{{)"
            R"("container.id":"{:012x}","evt.type":"execve","proc.cmdline":"sh","proc.name":"sh"}}}})",
            format_rfc3339(kStart), i),
        kNoTime);
  auto instance = start(*made);
  while (instance->intake.run_once()) continue;
  while (instance->by_container.run_once()) continue;
  // The jump reaches the task while every finding waits to be published, then closed.
  clock_ = kStart + 7200 * kNanosPerSecond;
  instance->intake.run_once();
  clock_ = kNoTime;
  const auto reports = [&] { return content(*made, config_.outputs.front().topic).size(); };
  std::size_t before = 0;
  int transactions = 0;
  for (bool more = true; more; ++transactions) {
    more = instance->by_container.run_once();
    const std::size_t now = reports();
    EXPECT_LE(now - before, 12'000U);
    before = now;
    if (transactions != 2) continue;
    instance.reset();
    instance = start(*made);
    instance->by_container.run_once();  // takes its assignment
  }
  EXPECT_EQ(before, 2U * kContainers);
  EXPECT_GE(transactions, 5);
  EXPECT_EQ(instance->container_tasks->counters().findings_open(), 0);
}

}  // namespace
}  // namespace gyre::pipeline
