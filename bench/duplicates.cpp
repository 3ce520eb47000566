// SPDX-License-Identifier: Apache-2.0
//
// What it costs to remember the ids of N distinct alerts within the duplicate horizon: time,
// resident memory, and what lies on disk and on the ids topic.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "base/check.h"
#include "base/hash.h"
#include "schemas/sighting.h"
#include "stages/by_container/duplicates.h"
#include "state/store.h"
#include "tests/cpu_time.h"

namespace gyre {
namespace {

constexpr Second kHorizon = 3600;
constexpr std::size_t kBatch = 10'000;          // records of a transaction
constexpr std::size_t kCacheBytes = 128 << 20;  // the default of state.cache

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t disk_bytes(const std::string& directory) {
  std::size_t bytes = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory))
    if (file.is_regular_file()) bytes += file.file_size();
  return bytes;
}

double mebibytes(std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

int run(std::size_t count, std::size_t entities, const std::string& directory) {
  const state::StoreMemory memory(kCacheBytes);
  state::Store store(directory, memory);
  state::Transaction state(store);
  IdHasher hasher;
  const std::size_t before = resident_bytes();
  std::size_t most = before;
  std::size_t topic = 0;
  std::size_t duplicates = 0;
  const double began = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
  std::int64_t offset = 0;
  // Evenly over the hour and the entities, batch after batch in the order of event time.
  for (std::size_t first = 0; first < count; first += kBatch) {
    std::map<std::size_t, records::Sighting> sightings;  // by entity, as intake combines them
    for (std::size_t i = first; i < std::min(count, first + kBatch); ++i) {
      const auto share = static_cast<double>(i) / static_cast<double>(count);
      const auto time = static_cast<Nanos>(share * kHorizon * kNanosPerSecond);
      const Id128 id = hasher.add(static_cast<std::int64_t>(i)).finish();
      records::Sighting& sighting = sightings[fast_hash(view(id)) % entities];
      schemas::append_alert_entry(*sighting.mutable_alerts(),
                                  {view(id), time, schemas::Outcome::kUnknown});
      sighting.set_arrivals(sighting.arrivals() + 1);
    }
    for (const auto& [entity, sighting] : sightings) {
      const Id128 whom = hasher.add("entity").add(static_cast<std::int64_t>(entity)).finish();
      records::Counts counted;
      stages::count_distinct(sighting, view(whom), kNoTime, kHorizon, state, counted);
      duplicates += counted.duplicates();
    }
    for (const state::Change& change : state.ids())
      topic += change.key.size() + (change.value ? change.value->size() : 0);
    ++offset;
    state.commit(offset, offset);
    most = std::max(most, resident_bytes());
  }
  const double seconds = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - began;
  fmt::print(
      "{} ids of {} entities: {:.2f} us of CPU each, {} taken for duplicates\n"
      "resident: {:.0f} MiB at most, {:.0f} of them before; on disk {:.0f} MiB; sent to the ids "
      "topic {:.0f} MiB before compaction\n",
      count, entities, seconds * 1e6 / static_cast<double>(count), duplicates, mebibytes(most),
      mebibytes(before), mebibytes(disk_bytes(directory)), mebibytes(topic));
  return duplicates == 0 ? 0 : 1;
}

}  // namespace
}  // namespace gyre

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: bench_duplicates COUNT ENTITIES EMPTY_DIRECTORY\n");
    return 64;
  }
  return gyre::run(std::strtoull(argv[1], nullptr, 10), std::strtoull(argv[2], nullptr, 10),
                   argv[3]);
}
