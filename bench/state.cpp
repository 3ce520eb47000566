// SPDX-License-Identifier: Apache-2.0
//
// What reading, changing and writing a value of the state costs: batches of random keys, each read,
// then all written at once, as a committed batch writes them.
#include <fmt/format.h>

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/hash.h"
#include "bench/command.h"
#include "state/store.h"
#include "tests/cpu_time.h"

namespace gyre {
namespace {

constexpr std::string_view kUsage =
    "usage: bench_state KEYS BYTES_A_VALUE DIRECTORY\n"
    "  prints a row of a table: microseconds of CPU to read and to write one, with RocksDB's own "
    "threads\n";
constexpr std::size_t kCacheBytes = 128 << 20;  // the default of state.cache
constexpr std::size_t kBatch = 1'000;
constexpr std::size_t kBatches = 200;
constexpr std::uint32_t kSeed = 7;

/// As findings are: most of it compresses by half.
std::string value_of(std::size_t bytes, std::mt19937& random) {
  std::string value(bytes, 'x');
  for (std::size_t i = 0; i < bytes; i += 2) value[i] = static_cast<char>('a' + random() % 26);
  return value;
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() != 3) {
    std::cerr << kUsage;
    return 64;
  }
  const std::size_t keys = std::stoul(arguments[0]);
  const std::size_t bytes = std::stoul(arguments[1]);
  const std::string& directory = arguments[2];
  const state::StoreMemory memory(kCacheBytes);
  state::Store store(directory, memory);
  std::mt19937 random(kSeed);
  IdHasher hasher;
  const auto key_of = [&](std::size_t number) {
    return "f" + std::string(view(hasher.add(static_cast<std::int64_t>(number)).finish()));
  };
  std::vector<state::Change> changes;
  for (std::size_t i = 0; i < keys; ++i) {
    changes.push_back({key_of(i), value_of(bytes, random)});
    if (changes.size() < kBatch && i + 1 < keys) continue;
    store.apply(changes);
    changes.clear();
  }
  double reading = 0;
  double writing = 0;
  for (std::size_t batch = 0; batch < kBatches; ++batch) {
    changes.clear();
    const double began = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (std::size_t i = 0; i < kBatch; ++i) {
      std::string key = key_of(random() % keys);
      std::optional<std::string> value = store.get(key);
      CHECK(value && value->size() == bytes);
      ++value->front();
      changes.push_back({std::move(key), std::move(value)});
    }
    const double read = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
    store.apply(changes);
    reading += read - began;
    writing += cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - read;
  }
  const double each = 1e6 / static_cast<double>(kBatch * kBatches);
  std::cout << fmt::format("| {} | {} | {:.1f} | {:.1f} |\n", keys, bytes, reading * each,
                           writing * each);
  return 0;
}

}  // namespace
}  // namespace gyre

int main(int argc, char** argv) { return gyre::command(argc, argv, gyre::run); }
