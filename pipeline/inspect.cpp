// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iostream>
#include <limits>
#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "pipeline/commands.h"
#include "pipeline/input_start.h"
#include "pipeline/kafka_broker.h"
#include "pipeline/kafka_properties.h"
#include "pipeline/task.h"
#include "stages/sources.h"
#include "state/verify.h"

namespace gyre::pipeline {
namespace {

constexpr std::size_t kCache = 32 << 20;
constexpr std::size_t kShown = 10;  // of what is wrong, a task
constexpr int kLooks = 2;

/// The directories of tasks below `directory`, by partition.
std::map<std::int32_t, std::string> tasks_in(const std::string& directory) {
  std::map<std::int32_t, std::string> tasks;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename();
    std::int32_t partition = -1;
    const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), partition);
    if (problem == std::errc() && end == name.data() + name.size())
      tasks.emplace(partition, entry.path());
  }
  return tasks;
}

class Inspector {
 public:
  Inspector(const std::string& directory, const Config* verify_by)
      : directory_(directory), config_(verify_by), memory_(kCache) {}

  int run() {
    std::size_t found = 0;
    for (const std::string stage : {"intake", "by_container", "by_rule"}) {
      const auto tasks = tasks_in(directory_ + "/" + stage);
      found += tasks.size();
      if (config_ != nullptr && !tasks.empty())
        verify(stage, tasks);
      else
        for (const auto& [partition, path] : tasks) std::cout << look(stage, partition, path).shown;
      std::cout.flush();
    }
    if (found == 0)
      throw Failure(fmt::format("there is no state in {}: name a state.directory", directory_));
    if (wrong_ > 0)
      throw Failure(fmt::format(
          "{} keys are not as the changelogs say that this configuration leads to. Where it is "
          "another pipeline's or cluster's (each task says above who wrote it, and of which "
          "cluster), or where records of a changelog were deleted, the directory is right: keep "
          "it. Else it is wrong: deleted, it is restored from the changelogs",
          wrong_));
    return 0;
  }

 private:
  using Tasks = std::map<std::int32_t, std::string>;
  /// A task as it was at one moment.
  struct Look {
    std::string shown;
    std::optional<state::Verification> verification;
  };

  /// Of a process that runs, RocksDB may remove a file while it is being opened here.
  Look look(const std::string& stage, std::int32_t partition, const std::string& path) const {
    for (int attempt = 1;; ++attempt) {
      try {
        const state::Store store(path, memory_, state::Store::Access::kRead);
        Look look{show(stage, partition, store), std::nullopt};
        if (config_ != nullptr) look.verification.emplace(store, needed_minute(store));
        return look;
      } catch (const Failure&) {
        if (attempt == kLooks) throw;
      }
    }
  }

  /// Of the oldest ids that an alert may still ask for.
  std::int64_t needed_minute(const state::Store& store) const {
    const auto checkpoint = store.get(state::checkpoint_key());
    if (!checkpoint || checkpoint->front() > state::kValueVersion)
      return std::numeric_limits<std::int64_t>::max();
    const Nanos stream = stages::stream_time(state::decode_checkpoint(*checkpoint));
    if (stream == kNoTime) return std::numeric_limits<std::int64_t>::min();
    const Second kept = config_->findings.lateness + config_->findings.duplicate_horizon;
    return (second_of(stream) - kept) / 60 + 1;
  }

  static std::string show(const std::string& stage, std::int32_t partition,
                          const state::Store& store) {
    const auto holdings = state::holdings(store);
    const auto with_checkpoint = holdings.find(state::Kind::kCheckpoint);
    std::string line = fmt::format("{} {}: ", stage, partition);
    if (with_checkpoint == holdings.end()) {
      line += "no checkpoint";
    } else if (*with_checkpoint->second.versions.rbegin() > state::kValueVersion) {
      line += fmt::format("a checkpoint of the newer version {}",
                          *with_checkpoint->second.versions.rbegin());
    } else {
      // Of a store that is only read.
      const records::Checkpoint checkpoint =
          state::decode_checkpoint(store.get(state::checkpoint_key()).value());
      line += fmt::format("next offset {}, written by {}", checkpoint.next_offset(),
                          checkpoint.writer());
      if (!checkpoint.state_id().empty()) line += ", state " + checkpoint.state_id();
    }
    line += fmt::format(", follows its changelog up to {}",
                        state::restored_offset(store, state::kChangelog));
    if (const std::int64_t ids = state::restored_offset(store, state::kIds); ids > 0)
      line += fmt::format(" and the ids up to {}", ids);
    if (const Nanos followed = state::followed_at(store); followed != kNoTime)
      line += " since " + format_rfc3339(followed);
    if (const std::string cluster = state::cluster_of(store); !cluster.empty())
      line += ", of the cluster " + cluster;
    line += '\n';
    for (const auto& [kind, holding] : holdings) {
      std::string versions;
      for (const int version : holding.versions)
        versions += fmt::format("{}{}", versions.empty() ? ", version " : " and ", version);
      line += fmt::format("  {:>9} {}, {} bytes{}\n", holding.keys, state::name_of(kind),
                          holding.bytes, versions);
    }
    return line;
  }

  /// Reads what the changelogs of a stage say to those of its tasks.
  void read(const std::string& stage, std::map<std::int32_t, Look>& looks) const {
    const KafkaClient client = kafka_client(*config_);
    const auto add = [&](std::int32_t task, std::string_view changelog, const Record& record,
                         const std::string& key) {
      if (const auto look = looks.find(task); look != looks.end())
        look->second.verification->add(changelog, record.offset, key, record.value);
    };
    const auto read = [&](const std::string& topic, std::string_view changelog) {
      read_topic(
          client, topic, false,
          [&](const Record& record) {
            if (record.key) add(record.partition, changelog, record, *record.key);
            return true;
          },
          [] {});
    };
    if (stage == "intake") {
      read_topic(
          client, config_->intake_changelog(), false,
          [&](const Record& record) {
            std::int32_t partition = -1;
            const std::string key = record.key.value_or("");
            std::from_chars(key.data(), key.data() + key.size(), partition);
            if (record.partition == intake_changelog_partition(*config_, partition))
              add(partition, state::kChangelog, record, state::checkpoint_key());
            return true;
          },
          [] {});
    } else if (stage == "by_container") {
      read(config_->by_container_changelog(), state::kChangelog);
      read(config_->by_container_ids(), state::kIds);
    } else {
      read(config_->by_rule_changelog(), state::kChangelog);
    }
  }

  /// The stores first, the changelogs after: what a store says must stand in the changelog by then.
  /// What is wrong then is looked at once more. A process that runs may have moved files while its
  /// database was opened, a broker may have compacted a changelog while it was read.
  void verify(const std::string& stage, const Tasks& tasks) {
    std::map<std::int32_t, state::Verification::Result> results;
    std::map<std::int32_t, std::string> shown;
    Tasks open = tasks;
    for (int attempt = 1; attempt <= kLooks && !open.empty(); ++attempt) {
      std::map<std::int32_t, Look> looks;
      for (const auto& [partition, path] : open) looks[partition] = look(stage, partition, path);
      read(stage, looks);
      for (const auto& [partition, look] : looks) {
        results[partition] = look.verification->compare();
        shown[partition] = look.shown;
        if (results[partition].wrong.empty()) open.erase(partition);
      }
    }
    for (const auto& [partition, result] : results) {
      std::cout << shown[partition];
      print(result);
    }
  }

  void print(const state::Verification::Result& result) {
    std::cout << fmt::format(
        "  {}: {} keys as in the changelog, {} that it has changed since, {} ids of past minutes\n",
        result.wrong.empty() ? "verified" : "WRONG", result.equal, result.newer, result.forgotten);
    for (std::size_t i = 0; i < std::min(kShown, result.wrong.size()); ++i)
      std::cout << "    " << result.wrong[i] << '\n';
    if (result.wrong.size() > kShown)
      std::cout << fmt::format("    and {} more\n", result.wrong.size() - kShown);
    wrong_ += result.wrong.size();
  }

  std::string directory_;
  const Config* config_;
  state::StoreMemory memory_;
  std::size_t wrong_ = 0;
};

}  // namespace

int inspect(const Config& config, const InspectOptions& options) {
  return Inspector(options.directory, options.verify ? &config : nullptr).run();
}

}  // namespace gyre::pipeline
