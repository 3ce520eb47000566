// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace gyre::pipeline {

/// What became of one schedule.
struct Simulated {
  std::vector<std::string> violations;  ///< of a promise; empty: it held
  std::vector<std::string> trace;       ///< what happened, in order
  std::map<std::string, int> faults;    ///< how often which
  std::string published;                ///< hash of all that was published
};

/// Runs several processes of Gyre on the in-process log, in virtual time, and harms them at every
/// call they make: crashes, lost answers, ambiguous, delayed and repeated commits, rebalances in
/// the middle of a batch, expired sessions, transactions timed out, processes that sleep and come
/// back, twins that take their place meanwhile, coordinators and partitions out of reach, lost
/// directories, compaction. Then all is well again, and what was published is held against what was
/// sent, and against a run without faults; and what is on each disk against the changelogs. A
/// function of the seed. `live` is given the lines of the trace as they come.
Simulated simulate(std::uint64_t seed,
                   const std::function<void(const std::string&)>& live = nullptr);

/// A failed schedule, for people: its trace, what is wrong, and how to see it again.
std::string told(std::uint64_t seed, const Simulated& simulated);

}  // namespace gyre::pipeline
