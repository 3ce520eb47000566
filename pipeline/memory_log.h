// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "base/check.h"
#include "pipeline/broker.h"

/// The parts of memory_broker.cpp that are logs; nobody else needs them.
namespace gyre::pipeline::memory {

enum class Kind : std::uint8_t { kData, kCommit, kAbort };

struct Entry {
  std::optional<std::string> key;
  std::optional<std::string> value;
  Headers headers;
  Nanos timestamp = kNoTime;
  std::int64_t producer = -1;
  std::int64_t transaction = 0;  // a number used once in the cluster; 0: outside any
  std::int32_t epoch = -1;
  Kind kind = Kind::kData;
};

inline std::size_t size_of(const Entry& entry) {
  std::size_t bytes = (entry.key ? entry.key->size() : 0) + (entry.value ? entry.value->size() : 0);
  for (const auto& [name, value] : entry.headers) bytes += name.size() + value.size();
  return bytes;
}

// A deque, so that trimming the front of a long input frees its memory.
struct Partition {
  std::size_t largest_record = kLargestRecord;
  std::int64_t low = 0;
  bool reachable = true;
  std::deque<Entry> entries;
  std::map<std::int64_t, std::int64_t> undecided;  // transaction -> its first offset here
  std::map<std::int64_t, std::int64_t> aborted;    // transaction -> the offset of its marker

  std::int64_t high() const { return low + static_cast<std::int64_t>(entries.size()); }
  void drop_before(std::int64_t offset) {
    for (; low < offset; ++low) entries.pop_front();
    std::erase_if(aborted, [&](const auto& one) { return one.second < low; });
  }
  const Entry& at(std::int64_t offset) const {
    CHECK(offset >= low && offset < high());
    return entries[static_cast<std::size_t>(offset - low)];
  }
  std::int64_t stable() const {
    std::int64_t first = high();
    for (const auto& [transaction, offset] : undecided) first = std::min(first, offset);
    return std::max(first, low);
  }
  // The first offset in [from, end) that is neither a marker nor aborted; the end if none.
  std::int64_t next_data(std::int64_t from, std::int64_t end) const {
    while (from < end && (at(from).kind != Kind::kData || aborted.contains(at(from).transaction))) {
      ++from;
    }
    return from;
  }
};

inline Record record_of(std::int32_t partition, std::int64_t offset, const Entry& entry) {
  return {.partition = partition,
          .offset = offset,
          .timestamp = entry.timestamp,
          .key = entry.key,
          .value = entry.value,
          .headers = entry.headers};
}

}  // namespace gyre::pipeline::memory
