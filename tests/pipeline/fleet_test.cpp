// SPDX-License-Identifier: Apache-2.0
// Promise 2 through all stages on the embedded broker: random fleets, disorder within 2 s, copies,
// 1 to 16 partitions of every topic, any batch cut, flashes, processes that die, come back and take
// each other's tasks. The last revisions are those of one process that reads one partition in
// order.
//
// GYRE_FLEET_CASES (default 20) and GYRE_FLEET_SEED (default 1) choose how many and which.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/contract/contract.h"
#include "tests/pipeline/house.h"

namespace gyre::pipeline {
namespace {

constexpr Nanos kStart = 1'800'000'000 * kNanosPerSecond;
constexpr Nanos kMillisecond = 1'000'000;
constexpr std::array<Second, 4> kEnding = {10, 600, 7200, 90'000};

std::uint64_t environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Chance {
 public:
  explicit Chance(std::uint64_t seed) : random_(seed) {}
  std::uint64_t any(std::uint64_t n) { return random_() % n; }
  template <typename Choices>
  const auto& one_of(const Choices& choices) {
    return choices[any(std::size(choices))];
  }

 private:
  std::mt19937_64 random_;
};

struct Arrival {
  Nanos at;
  std::string value;
};

Config small_config() {
  Config config;
  config.findings.close_all = true;
  config.findings.lateness = 20;
  config.findings.gap = 60;
  config.findings.keep_closed = 120;
  config.findings.duplicate_horizon = 180;
  config.findings.backoff_attention = config.findings.backoff_record = {10, 60, 600};
  return config;
}

// By time; copies are equal.
std::vector<Arrival> random_fleet(Chance& chance) {
  constexpr std::array kPriorities = {"Critical", "Critical", "Error", "Warning", "Notice"};
  constexpr std::array kResults = {"SUCCESS", "EACCES", "ENOENT"};
  constexpr std::array kTags = {"mitre_execution", "mitre_persistence", "mitre_discovery"};
  constexpr std::array<Nanos, 6> kSteps = {kNanosPerSecond / 7,  kNanosPerSecond,
                                           4 * kNanosPerSecond,  30 * kNanosPerSecond,
                                           61 * kNanosPerSecond, 200 * kNanosPerSecond};
  const std::uint64_t hosts = 1 + chance.any(5);
  const std::uint64_t containers = 1 + chance.any(3);
  std::vector<Arrival> fleet;
  Nanos now = kStart;
  for (std::uint64_t left = 5 + chance.any(60); left > 0; --left) {
    now += kSteps.at(chance.any(chance.any(4) == 0 ? kSteps.size() : 3)) +
           static_cast<Nanos>(chance.any(1000));
    const std::uint64_t rule = chance.any(3);
    std::string fields = fmt::format(
        R"("evt.type":"execve","evt.res":"{}","proc.cmdline":"sh -c x","proc.name":"sh","user.name":"{}")",
        chance.one_of(kResults), chance.any(4) == 0 ? "root" : "www");
    const std::uint64_t host = chance.any(hosts);
    const std::uint64_t container = chance.any(containers + 1);
    fields += container == containers
                  ? std::string(R"(,"container.id":"host")")
                  : fmt::format(R"(,"container.id":"c0ffee{:03}{:03}")", host, container);
    if (chance.any(3) == 0) fields += R"(,"container.image.repository":"app")";
    const std::string value = fmt::format(
        R"({{"rule":"Rule {}","time":"{}","priority":"{}","output":"o","hostname":"node-{}","source":"syscall","tags":["{}"],"output_fields":{{{}}}}})",
        rule, format_rfc3339(now), chance.one_of(kPriorities), host, kTags.at(rule), fields);
    for (std::uint64_t copies = chance.any(6) == 0 ? 2 : 1; copies > 0; --copies)
      fleet.push_back({now + kMillisecond, value});  // a record's timestamp has milliseconds
  }
  return fleet;
}

// The reports of each partition in their order.
std::vector<std::string> published(const MemoryCluster& cluster, const Config& config) {
  std::vector<std::string> all;
  for (std::int32_t partition = 0; partition < cluster.partitions(config.outputs.front().topic);
       ++partition)
    for (const Record& record : cluster.read(config.outputs.front().topic, partition))
      all.push_back(record.value.value());
  return all;
}

std::string cut(std::string text, const std::string& from, const std::string& until) {
  const std::size_t at = text.find(from);
  if (at != std::string::npos) text.erase(at, text.find(until, at + from.size()) - at);
  return text;
}

// The last revision of each, without its number, which a flash may change.
std::map<std::string, std::string> last_of(const std::vector<std::string>& reports) {
  std::map<std::string, std::string> last;
  for (const std::string& report : reports) {
    const std::size_t at = report.find("\"id\":\"") + 6;
    last[report.substr(at, 32)] =
        cut(cut(cut(report, "\"revision\":", ","), "revision ", "."), "\"config_hash\":", ",");
  }
  return last;
}

// Processes that share the work.
class House {
 public:
  House(MemoryCluster& cluster, const Config& config, const stages::Playbooks& playbooks,
        const BatchLimits& limits, std::size_t most)
      : cluster_(cluster), config_(config), playbooks_(playbooks), limits_(limits), members_(most) {
    start(0);
  }

  void start(std::size_t member) {
    stop(member);
    members_[member] = std::make_unique<Process>(cluster_, config_, playbooks_, name(member),
                                                 clock_, make_disk(), limits_);
  }
  void stop(std::size_t member) {
    if (!members_[member]) return;
    members_[member].reset();
    for (const char* stage : {"intake", "by_container", "by_rule"})
      cluster_.expire(config_.group(stage), name(member) + "-" + stage);
  }
  bool step(std::size_t member) { return members_[member] && members_[member]->step(); }
  // Until nobody has anything to do.
  void finish() {
    for (bool worked = true; worked;) {
      worked = false;
      for (std::size_t member = 0; member < members_.size(); ++member) worked |= step(member);
    }
  }
  std::size_t size() const { return members_.size(); }
  void set_clock(Nanos clock) { clock_ = std::max(clock_, clock); }

 private:
  static std::string name(std::size_t member) { return fmt::format("process-{}", member); }

  MemoryCluster& cluster_;
  const Config& config_;
  const stages::Playbooks& playbooks_;
  BatchLimits limits_;
  Nanos clock_ = kStart;
  std::vector<std::unique_ptr<Process>> members_;
};

void end(House& house, Nanos last) {
  house.finish();
  for (const Second later : kEnding) {
    house.set_clock(last + later * kNanosPerSecond);
    house.finish();
  }
}

std::vector<std::string> undisturbed(const std::vector<Arrival>& fleet,
                                     const stages::Playbooks& playbooks) {
  Config config = small_config();
  config.inner.partitions = 1;
  MemoryCluster cluster;
  create_topics(cluster, config, 1);
  House house(cluster, config, playbooks, {}, 1);
  for (const Arrival& arrival : fleet)
    cluster.append(config.input.topic, 0, arrival.value, arrival.at);
  house.set_clock(fleet.back().at);
  end(house, fleet.back().at);
  return published(cluster, config);
}

std::vector<std::string> disturbed(std::vector<Arrival> fleet, const stages::Playbooks& playbooks,
                                   Chance& chance) {
  Config config = small_config();
  config.findings.flash = chance.any(2) == 0;
  config.inner.partitions = static_cast<std::int32_t>(1 + chance.any(16));
  const std::uint64_t sources = 1 + chance.any(16);
  MemoryCluster cluster;
  create_topics(cluster, config, static_cast<std::int32_t>(sources));
  BatchLimits limits;
  limits.records = 1 + chance.any(20);
  House house(cluster, config, playbooks, limits, 1 + chance.any(3));
  for (Arrival& arrival : fleet) arrival.at += static_cast<Nanos>(chance.any(1'990'000'000));
  std::stable_sort(fleet.begin(), fleet.end(),
                   [](const Arrival& a, const Arrival& b) { return a.at < b.at; });
  for (const Arrival& arrival : fleet) {
    house.set_clock(arrival.at);
    cluster.append(config.input.topic, static_cast<std::int32_t>(chance.any(sources)),
                   arrival.value, arrival.at);
    for (std::uint64_t steps = chance.any(6); steps > 0; --steps)
      house.step(chance.any(house.size()));
    if (chance.any(12) == 0) house.start(chance.any(house.size()));
    if (chance.any(20) == 0) house.stop(chance.any(house.size()));
  }
  house.start(0);
  end(house, fleet.back().at);
  return published(cluster, config);
}

TEST(Fleet, IsReportedAlikeForEveryOrderPartitionCountBatchFlashRestartAndReassignment) {
  const std::uint64_t first = environment("GYRE_FLEET_SEED", 1);
  const std::uint64_t cases = environment("GYRE_FLEET_CASES", 20);
  const stages::Playbooks playbooks;
  std::size_t revisions = 0;
  for (std::uint64_t seed = first; seed < first + cases; ++seed) {
    SCOPED_TRACE(fmt::format("GYRE_FLEET_SEED={} GYRE_FLEET_CASES=1", seed));
    Chance chance(seed);
    const std::vector<Arrival> fleet = random_fleet(chance);
    const auto reports = disturbed(fleet, playbooks, chance);
    revisions += reports.size();
    tests::ReportStream stream;
    for (const std::string& report : reports)
      EXPECT_THAT(stream.violations(report), testing::IsEmpty()) << report;
    const auto is = last_of(reports);
    const auto should = last_of(undisturbed(fleet, playbooks));
    for (const auto& [id, report] : is) {
      const auto found = should.find(id);
      ASSERT_TRUE(found != should.end()) << "never published undisturbed: " << report;
      ASSERT_EQ(report, found->second);
    }
    ASSERT_EQ(is.size(), should.size());
    if (HasFailure()) return;
  }
  std::cout << cases << " fleets from seed " << first << ", " << revisions << " revisions\n";
}

}  // namespace
}  // namespace gyre::pipeline
