// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gyre::state {

/// A key's new value; none: it is gone.
struct Change {
  std::string key;
  std::optional<std::string> value;
};

/// What all stores of a process share: block cache and write buffers, and, for tests, the disk.
class StoreMemory {
 public:
  enum class Disk {
    kReal,
    kNone,  ///< directories are names in memory; what is below them lasts as long as this
  };
  explicit StoreMemory(std::size_t bytes, Disk disk = Disk::kReal);
  ~StoreMemory();
  bool on_disk() const;
  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// What a store takes, and whether its disk keeps up.
struct Usage {
  std::uint64_t bytes = 0;       ///< on disk, and in memory until it is written there
  std::uint64_t compaction = 0;  ///< bytes that RocksDB is still to rewrite: an estimate
  bool delayed = false;          ///< RocksDB slows writes down, or stops them, until it has
};

/// What one task has on disk: a RocksDB database, written only after the Kafka transaction that the
/// changes belong to was committed. WAL on, sync off: a killed process loses nothing, a crashed
/// machine a tail that the changelog replays. One thread writes. Every error of the disk throws
/// Failure naming the directory; a database that can't be read says so and what to delete. After a
/// write that failed the next call opens the database anew: what was written before is there.
class Store {
 public:
  enum class Access {
    kWrite,  ///< creates what is missing
    kRead,   ///< of what is there, even while a process writes it; Failure if there is nothing
  };
  /// An empty `directory` keeps everything in memory (replay, tests).
  Store(std::string directory, const StoreMemory& memory, Access access = Access::kWrite);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  std::optional<std::string> get(std::string_view key) const;
  /// Calls `each` for keys in [from, to) in order until it returns false.
  void scan(std::string_view from, std::string_view to,
            const std::function<bool(std::string_view key, std::string_view value)>& each) const;
  Usage usage() const;
  /// All changes or none.
  void apply(std::span<const Change> changes);
  /// Drops every key in [from, to).
  void drop(std::string_view from, std::string_view to);
  /// Drops everything: the state is to be restored from the start of its changelogs.
  void wipe();
  /// The same, but for the duplicate ids and how far they are restored. Nothing but its age ends an
  /// id, so they stay right however long the state followed nothing; and their topic, which expires
  /// by the broker's clock, may have lost them meanwhile.
  void wipe_all_but_ids();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre::state
