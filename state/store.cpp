// SPDX-License-Identifier: Apache-2.0
#include "state/store.h"

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <rocksdb/write_buffer_manager.h>

#include <cstdarg>
#include <filesystem>
#include <map>
#include <utility>

#include "base/error.h"
#include "state/keys.h"
#include "state/recent.h"

namespace gyre::state {

namespace {

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view text(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// What goes wrong comes as a status. A log file of its own would be 30 KB of settings at each
// opening, and on a full disk the second line of it ends the process (seen in RocksDB 7.8: an
// assertion on a writer that failed before).
class SilentLog : public rocksdb::Logger {
 public:
  SilentLog() : Logger(rocksdb::InfoLogLevel::FATAL_LEVEL) {}
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
  void LogHeader(const char*, va_list) override {}
};

}  // namespace

struct StoreMemory::Impl {
  std::shared_ptr<rocksdb::Cache> cache;
  std::shared_ptr<rocksdb::WriteBufferManager> write_buffers;
  std::shared_ptr<rocksdb::Logger> silent = std::make_shared<SilentLog>();
  // Without a disk:
  std::unique_ptr<rocksdb::Env> env;
  mutable std::map<std::string, std::shared_ptr<rocksdb::DB>> kept;  // by directory
};

StoreMemory::StoreMemory(std::size_t bytes, Disk disk) : impl_(std::make_unique<Impl>()) {
  if (disk == Disk::kNone) impl_->env.reset(rocksdb::NewMemEnv(rocksdb::Env::Default()));
  impl_->cache = rocksdb::NewLRUCache(bytes);
  impl_->write_buffers = std::make_shared<rocksdb::WriteBufferManager>(bytes / 2, impl_->cache);
}

StoreMemory::~StoreMemory() = default;

bool StoreMemory::on_disk() const { return !impl_->env; }

struct Store::Impl {
  std::string directory;
  const StoreMemory& memory;
  Access access;
  std::unique_ptr<rocksdb::Env> memory_env;
  std::shared_ptr<rocksdb::DB> open_db;  // none: a write failed
  Recent recent;

  rocksdb::Options options() const;
  rocksdb::DB& db();

  void check(const rocksdb::Status& status, const char* doing) const {
    if (status.ok()) return;
    std::string cure;
    if (status.IsCorruption())
      cure = "; the directory can be deleted: the task restores its state from the changelog";
    else if (status.IsNoSpace())
      cure = "; free space on that disk, nothing is lost";
    else if (status.IsIOError())
      cure = "; is another process using it, and may this user write there?";
    throw Failure(fmt::format("state: {} in {}: {}{}", doing, directory, status.ToString(), cure));
  }

  // A database that could not write stays read-only until it is opened anew.
  void check_write(const rocksdb::Status& status, const char* doing) {
    if (!status.ok() && !memory_env) open_db.reset();
    check(status, doing);
  }
};

rocksdb::Options Store::Impl::options() const {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_manager = memory.impl().write_buffers;
  options.write_buffer_size = 8 << 20;
  options.max_total_wal_size = 64 << 20;
  options.max_open_files = 256;
  options.level_compaction_dynamic_level_bytes = true;
  options.compression = rocksdb::kLZ4Compression;
  options.memtable_whole_key_filtering = true;
  options.memtable_prefix_bloom_size_ratio = 0.02;
  options.info_log = memory.impl().silent;
  // Nobody reads the statistics, and what gathers them lies in the shared cache with a pointer to
  // the first store's environment, which may be gone; their thread can outlive the database, too.
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  // Opening waits for the disk as seldom as possible.
  options.avoid_flush_during_recovery = true;
  options.skip_stats_update_on_db_open = true;
  // One thread of many that open databases has files enough; more are made anew for each.
  options.max_file_opening_threads = 1;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = memory.impl().cache;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  if (memory_env)
    options.env = memory_env.get();
  else if (memory.impl().env)
    options.env = memory.impl().env.get();
  return options;
}

rocksdb::DB& Store::Impl::db() {
  if (open_db) return *open_db;
  std::shared_ptr<rocksdb::DB>* const kept =
      memory.impl().env && !memory_env ? &memory.impl().kept[directory] : nullptr;
  if (kept != nullptr && *kept) {
    open_db = *kept;
    return *open_db;
  }
  // Opened to be read, RocksDB makes the directory that is missing.
  if (access == Access::kRead && !std::filesystem::exists(directory + "/CURRENT"))
    throw Failure(fmt::format("state: there is no database in {}", directory));
  rocksdb::DB* opened = nullptr;
  check(access == Access::kRead ? rocksdb::DB::OpenForReadOnly(options(), directory, &opened)
                                : rocksdb::DB::Open(options(), directory, &opened),
        "opening the database");
  open_db.reset(opened);
  if (kept != nullptr) *kept = open_db;
  return *open_db;
}

Store::Store(std::string directory, const StoreMemory& memory, Access access)
    : impl_(new Impl{.directory = std::move(directory),
                     .memory = memory,
                     .access = access,
                     .memory_env = {},
                     .open_db = {},
                     .recent = {}}) {
  if (impl_->directory.empty()) {
    impl_->memory_env.reset(rocksdb::NewMemEnv(rocksdb::Env::Default()));
    impl_->directory = "/memory";
  } else if (access == Access::kWrite && !memory.impl().env) {
    std::error_code error;
    std::filesystem::create_directories(impl_->directory, error);
    if (error)
      throw Failure(fmt::format(
          "state: cannot create {}: {}; set state.directory to a place this user may write to",
          impl_->directory, error.message()));
  }
  impl_->db();
}

Store::~Store() = default;

std::optional<std::string> Store::get(std::string_view key) const {
  // What another process writes is not known here.
  const bool remembers = impl_->access == Access::kWrite;
  if (const auto* known = remembers ? impl_->recent.find(key) : nullptr) return *known;
  std::optional<std::string> value(std::in_place);
  const rocksdb::Status status = impl_->db().Get(rocksdb::ReadOptions(), slice(key), &*value);
  if (status.IsNotFound())
    value.reset();
  else
    impl_->check(status, "reading");
  if (remembers) impl_->recent.put(key, value);
  return value;
}

void Store::scan(std::string_view from, std::string_view to,
                 const std::function<bool(std::string_view, std::string_view)>& each) const {
  const rocksdb::Slice upper = slice(to);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> it(impl_->db().NewIterator(options));
  for (it->Seek(slice(from)); it->Valid(); it->Next())
    if (!each(text(it->key()), text(it->value()))) return;
  impl_->check(it->status(), "scanning");
}

Usage Store::usage() const {
  using Of = rocksdb::DB::Properties;
  const auto number = [&](const std::string& property) {
    std::uint64_t value = 0;
    return impl_->db().GetIntProperty(property, &value) ? value : 0;
  };
  return {.bytes = number(Of::kTotalSstFilesSize) + number(Of::kCurSizeAllMemTables),
          .compaction = number(Of::kEstimatePendingCompactionBytes),
          .delayed = number(Of::kActualDelayedWriteRate) > 0 || number(Of::kIsWriteStopped) > 0};
}

void Store::apply(std::span<const Change> changes) {
  // If it fails, nobody knows what is there.
  Recent recent = std::exchange(impl_->recent, {});
  rocksdb::WriteBatch batch;
  for (const Change& change : changes)
    impl_->check(change.value ? batch.Put(slice(change.key), slice(*change.value))
                              : batch.Delete(slice(change.key)),
                 "building a batch");
  impl_->check_write(impl_->db().Write(rocksdb::WriteOptions(), &batch), "writing");
  for (const Change& change : changes) recent.update(change);
  impl_->recent = std::move(recent);
}

void Store::drop(std::string_view from, std::string_view to) {
  rocksdb::DB& db = impl_->db();
  impl_->recent = {};
  impl_->check_write(
      db.DeleteRange(rocksdb::WriteOptions(), db.DefaultColumnFamily(), slice(from), slice(to)),
      "dropping a range");
}

void Store::wipe() { drop(std::string_view("\0", 1), "\xff\xff"); }

void Store::wipe_all_but_ids() {
  const std::string blocks(1, static_cast<char>(Kind::kIdBlock));
  const std::string behind_blocks(1, static_cast<char>(Kind::kIdBlock) + 1);
  const std::string offset = meta_key(kIds);
  const std::string behind_offset = offset + '\0';
  rocksdb::WriteBatch batch;
  const auto drop = [&](std::string_view from, std::string_view to) {
    impl_->check(batch.DeleteRange(slice(from), slice(to)), "building a batch");
  };
  drop(std::string_view("\0", 1), blocks);
  drop(behind_blocks, offset);
  drop(behind_offset, "\xff\xff");
  impl_->recent = {};
  impl_->check_write(impl_->db().Write(rocksdb::WriteOptions(), &batch), "dropping ranges");
}

}  // namespace gyre::state
