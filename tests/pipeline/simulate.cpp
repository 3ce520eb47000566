// SPDX-License-Identifier: Apache-2.0
// simulate COUNT [FIRST]: runs the schedules of the seeds FIRST (default 0) to FIRST + COUNT - 1.
// simulate --seed SEED: runs one and prints its trace.
// Ends with the first one that breaks a promise: status 1. A CHECK that fails aborts, after the
// seed.
#include "tests/pipeline/simulation.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace gyre::pipeline {
namespace {

std::array<char, 128> current_seed{};

void say_seed(int) {
  static_cast<void>(::write(STDERR_FILENO, current_seed.data(), std::strlen(current_seed.data())));
}

std::optional<std::uint64_t> number(const char* text) {
  std::uint64_t value = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  return error == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

int run(std::uint64_t first, std::uint64_t count) {
  std::signal(SIGABRT, say_seed);
  std::map<std::string, int> faults;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    *fmt::format_to_n(current_seed.data(), current_seed.size() - 1,
                      "aborted in seed {0}\nagain: ./dev simulate --seed {0}\n", seed)
         .out = '\0';
    const Simulated simulated = simulate(seed);
    for (const auto& [kind, times] : simulated.faults) faults[kind] += times;
    if (!simulated.violations.empty()) {
      fmt::print("{}", told(seed, simulated));
      return 1;
    }
    if ((seed - first + 1) % 100 == 0) fmt::print(stderr, "{} schedules\n", seed - first + 1);
  }
  fmt::print("{} schedules, seeds {} to {}, no promise broken; faults:", count, first,
             first + count - 1);
  const char* separator = "";
  for (const auto& [kind, times] : faults)
    fmt::print("{} {} {}", std::exchange(separator, ","), kind, times);
  fmt::print("\n");
  return 0;
}

// Line by line, so that what led to a CHECK is seen, too.
int show(std::uint64_t seed) {
  const Simulated simulated = simulate(seed, [](const std::string& line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
  });
  fmt::print("{} violations, published {}\n", simulated.violations.size(), simulated.published);
  return simulated.violations.empty() ? 0 : 1;
}

}  // namespace
}  // namespace gyre::pipeline

int main(int argc, char** argv) {
  using gyre::pipeline::number;
  if (argc == 3 && std::strcmp(argv[1], "--seed") == 0)
    if (const auto seed = number(argv[2])) return gyre::pipeline::show(*seed);
  const std::uint64_t count = argc >= 2 ? number(argv[1]).value_or(0) : 0;
  const auto first = number(argc == 3 ? argv[2] : "0");
  if (argc > 3 || count == 0 || !first) {
    fmt::print(stderr, "usage: simulate COUNT [FIRST] | simulate --seed SEED\n");
    return 64;
  }
  return gyre::pipeline::run(*first, count);
}
