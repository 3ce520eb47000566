// SPDX-License-Identifier: Apache-2.0
// Hundreds of schedules full of faults; `./dev simulate COUNT` runs more of them.
#include "tests/pipeline/simulation.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace gyre::pipeline {
namespace {

constexpr std::uint64_t kSchedules = 125;  // of each shard

class SimulationTest : public testing::TestWithParam<std::uint64_t> {};

TEST_P(SimulationTest, NothingIsLostOrDoubledUnderFaults) {
  std::map<std::string, int> faults;
  for (std::uint64_t seed = GetParam() * kSchedules; seed < (GetParam() + 1) * kSchedules; ++seed) {
    const Simulated simulated = simulate(seed);
    for (const auto& [kind, count] : simulated.faults) faults[kind] += count;
    ASSERT_TRUE(simulated.violations.empty()) << told(seed, simulated);
  }
  for (const char* kind : {"kill", "lost answer", "pause", "session expired", "membership dropped",
                           "replaced", "transaction timed out", "coordinator moved", "markers held",
                           "commit delayed", "commit without answer", "commit repeated",
                           "compaction", "directory lost", "unreachable", "sleep"})
    EXPECT_GT(faults[kind], 0) << "never happened: " << kind;
}

INSTANTIATE_TEST_SUITE_P(Shards, SimulationTest,
                         testing::Range(std::uint64_t{0}, std::uint64_t{4}));

TEST(Simulation, ASeedIsOneRun) {
  for (const std::uint64_t seed : {3U, 4U}) {
    const Simulated once = simulate(seed);
    const Simulated again = simulate(seed);
    EXPECT_EQ(once.trace, again.trace);
    EXPECT_EQ(once.published, again.published);
    EXPECT_GT(once.trace.size(), 10U);
  }
}

}  // namespace
}  // namespace gyre::pipeline
