// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>

#include "base/error.h"
#include "pipeline/commands.h"
#include "pipeline/input_start.h"
#include "pipeline/kafka_broker.h"
#include "pipeline/kafka_properties.h"
#include "pipeline/task.h"
#include "state/verify.h"

namespace gyre::pipeline {
namespace {

constexpr std::size_t kCache = 32 << 20;
constexpr std::size_t kShown = 10;  // of what is wrong, a task

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
      std::map<std::int32_t, state::Verification> verifications;
      if (config_ != nullptr && !tasks.empty()) verifications = read(stage);
      for (const auto& [partition, path] : tasks) {
        const state::Store store(path, memory_, state::Store::Access::kRead);
        show(stage, partition, store);
        if (config_ != nullptr) verify(store, verifications[partition]);
      }
    }
    if (found == 0)
      throw Failure(fmt::format("there is no state in {}: name a state.directory", directory_));
    if (wrong_ > 0)
      throw Failure(fmt::format(
          "{} keys are not as their changelogs say. Deleted, the directory of a task is restored "
          "from them",
          wrong_));
    return 0;
  }

 private:
  static void show(const std::string& stage, std::int32_t partition, const state::Store& store) {
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
    std::cout << line << '\n';
    for (const auto& [kind, holding] : holdings) {
      std::string versions;
      for (const int version : holding.versions)
        versions += fmt::format("{}{}", versions.empty() ? ", version " : " and ", version);
      std::cout << fmt::format("  {:>9} {}, {} bytes{}\n", holding.keys, state::name_of(kind),
                               holding.bytes, versions);
    }
  }

  /// What the changelogs of a stage say, by task.
  std::map<std::int32_t, state::Verification> read(const std::string& stage) const {
    std::map<std::int32_t, state::Verification> all;
    const KafkaClient client = kafka_client(*config_);
    const auto read = [&](const std::string& topic, std::string_view changelog) {
      read_topic(
          client, topic, false,
          [&](const Record& record) {
            if (record.key)
              all[record.partition].add(changelog, record.offset, *record.key, record.value);
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
              all[partition].add(state::kChangelog, record.offset, state::checkpoint_key(),
                                 record.value);
            return true;
          },
          [] {});
    } else if (stage == "by_container") {
      read(config_->by_container_changelog(), state::kChangelog);
      read(config_->by_container_ids(), state::kIds);
    } else {
      read(config_->by_rule_changelog(), state::kChangelog);
    }
    return all;
  }

  void verify(const state::Store& store, const state::Verification& verification) {
    const state::Verification::Result result = verification.compare(store);
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
