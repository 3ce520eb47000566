// SPDX-License-Identifier: Apache-2.0
// What an alert takes from the allocator, counted: a binary of its own, which replaces operator
// new. In steady state: what is met for the first time was met before. A figure may fall, and is
// then written here; who raises it says why.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "pipeline/fleet.h"
#include "stages/intake/intake.h"
#include "tests/pipeline/house.h"

namespace {

thread_local std::uint64_t allocations = 0;

}  // namespace

// Not in line: the compiler would see malloc and delete, and think that they do not match.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace gyre::pipeline {
namespace {

constexpr std::size_t kAlerts = 4'000;
constexpr std::size_t kWarmUp = 4'000;
constexpr std::uint32_t kFindings = 200;  ///< of `wide`: each is open when counting begins
constexpr Nanos kStart = 1'800'000'000 * kNanosPerSecond;
constexpr Nanos kStep = kNanosPerSecond / 1'000;  ///< a thousand alerts a second of event time
constexpr double kMargin = 1.05;                  ///< other versions of the libraries

enum class Profile { kMixed, kFlood, kWide };

std::vector<std::string> alerts(Profile profile) {
  const std::size_t count = kWarmUp + kAlerts;
  Fleet fleet({.seed = 7, .hosts = 50, .alerts = count, .findings = kFindings});
  std::vector<std::string> all(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Nanos time = kStart + static_cast<Nanos>(i) * kStep;
    switch (profile) {
      case Profile::kMixed:
        fleet.mixed(i, time, all[i]);
        break;
      case Profile::kFlood:
        fleet.flood(time, all[i]);
        break;
      case Profile::kWide:
        fleet.wide(i, time, all[i]);
        break;
    }
  }
  return all;
}

double of_intake(Profile profile) {
  const std::vector<std::string> all = alerts(profile);
  stages::Intake intake({}, "default", "default", 16);
  std::map<std::int32_t, stages::SourceState> sources;
  stages::SourceState& source = sources[0];
  std::uint64_t before = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i == kWarmUp) before = allocations;
    intake.add({.partition = 0, .offset = source.next_offset, .value = all[i]}, source);
    if ((i + 1) % 1'000 == 0) intake.finish(sources, 1, "test");
  }
  return static_cast<double>(allocations - before) / kAlerts;
}

double of_all_stages(Profile profile) {
  const std::vector<std::string> all = alerts(profile);
  Config config;
  const stages::Playbooks playbooks(config.playbooks);
  MemoryCluster cluster;
  create_topics(cluster, config, 1);
  const Nanos no_ticks = kNoTime;
  Process process(cluster, config, playbooks, "p", no_ticks);
  std::uint64_t counted = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    cluster.append(config.input.topic, 0, all[i], kNoTime);
    if ((i + 1) % 1'000 != 0) continue;
    const std::uint64_t before = allocations;
    while (process.step()) continue;
    if (i >= kWarmUp) counted += allocations - before;
  }
  return static_cast<double>(counted) / kAlerts;
}

TEST(Allocations, IntakeTakesNoMoreThanItDid) {
  EXPECT_LE(of_intake(Profile::kMixed), 5.2 * kMargin);
  EXPECT_LE(of_intake(Profile::kFlood), 5.1 * kMargin);
  EXPECT_LE(of_intake(Profile::kWide), 5.2 * kMargin);
}

TEST(Allocations, AllStagesTakeNoMoreThanTheyDid) {
  EXPECT_LE(of_all_stages(Profile::kMixed), 126 * kMargin);
  EXPECT_LE(of_all_stages(Profile::kFlood), 270 * kMargin);
  EXPECT_LE(of_all_stages(Profile::kWide), 222 * kMargin);
}

}  // namespace
}  // namespace gyre::pipeline
