// SPDX-License-Identifier: Apache-2.0
//
// What reading, changing and writing a value of the state costs: batches of random keys, each read,
// then all written at once, as a committed batch writes them.
#include <fmt/format.h>
#include <time.h>

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"
#include "state/store.h"

namespace gyre {
namespace {

constexpr std::size_t kCacheBytes = 128 << 20;  // the default of state.cache
constexpr std::size_t kBatch = 1'000;
constexpr std::size_t kBatches = 200;
constexpr std::uint32_t kSeed = 7;

double cpu_seconds() {
  timespec now{};
  CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// As findings are: most of it compresses by half.
std::string value_of(std::size_t bytes, std::mt19937& random) {
  std::string value(bytes, 'x');
  for (std::size_t i = 0; i < bytes; i += 2) value[i] = static_cast<char>('a' + random() % 26);
  return value;
}

int run(std::size_t keys, std::size_t bytes, const std::string& directory) {
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
    const double began = cpu_seconds();
    for (std::size_t i = 0; i < kBatch; ++i) {
      std::string key = key_of(random() % keys);
      std::optional<std::string> value = store.get(key);
      CHECK(value && value->size() == bytes);
      ++value->front();
      changes.push_back({std::move(key), std::move(value)});
    }
    const double read = cpu_seconds();
    store.apply(changes);
    reading += read - began;
    writing += cpu_seconds() - read;
  }
  const double each = 1e6 / static_cast<double>(kBatch * kBatches);
  std::cout << fmt::format("| {} | {} | {:.1f} | {:.1f} |\n", keys, bytes, reading * each,
                           writing * each);
  return 0;
}

}  // namespace
}  // namespace gyre

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: bench_state KEYS BYTES_A_VALUE DIRECTORY     a row of a table: "
                 "microseconds of CPU to read and to write one,"
                 " with RocksDB's own threads\n";
    return 64;
  }
  try {
    return gyre::run(std::stoul(argv[1]), std::stoul(argv[2]), argv[3]);
  } catch (const gyre::Failure& failure) {
    std::cerr << "bench_state: " << failure.what() << '\n';
    return 1;
  }
}
