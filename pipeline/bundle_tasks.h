// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/task.h"
#include "schemas/report.h"
#include "stages/allowance.h"

namespace gyre::pipeline {

/// What tells one stage that reads bundles from another.
struct BundleStage {
  std::string name;  ///< `by_container`
  std::string input_topic;
  std::string changelog;
  std::optional<std::string> ids;  ///< the topic of duplicate ids, if it keeps any
};

/// The tasks of a stage that reads bundles, decides by seconds and publishes reports: everything
/// but the decisions.
class BundleTasks : public StageTasks {
 public:
  BundleTasks(const TaskOptions& options, BundleStage stage);

  void open(std::span<const std::int32_t> partitions) override { stores_.open(partitions); }
  std::optional<std::vector<PartitionOffset>> assign(std::span<const std::int32_t> partitions,
                                                     Broker& broker) override;
  bool owns_input() const override { return true; }
  /// Reads nothing while a task is behind with its decisions.
  BatchLimits plan(const BatchLimits& limits, Broker& broker) override;
  Outbox decide(const std::vector<Record>& records, Broker& broker) override;
  void apply(const std::map<TopicPartition, std::int64_t>& sent, Nanos now) override;
  void rollback() override;
  TaskStatus status(std::int32_t partition) const override;
  records::Counters counters() const override;

 protected:
  /// Folds one bundle and decides what it makes decidable, as far as the allowance goes. `offset`
  /// is the bundle's in the input partition.
  virtual void process(std::int32_t partition, std::int64_t offset, const records::Bundle& bundle,
                       state::Transaction& state, stages::Allowance& allowance,
                       std::vector<schemas::Report>& reports) = 0;
  /// Decides on without input; `next` is the offset to be read next.
  virtual void proceed(std::int32_t partition, std::int64_t next, state::Transaction& state,
                       stages::Allowance& allowance, std::vector<schemas::Report>& reports) = 0;
  virtual bool is_behind(const state::Transaction& state) const = 0;
  /// The batch ends: what goes to other stages, once for all partitions touched.
  virtual void hand_on(Broker& broker, Outbox& outbox) = 0;
  /// What a committed batch added, for the metrics.
  virtual void tell(const records::Counters& before, const records::Counters& now) = 0;

  const TaskOptions& options() const { return options_; }
  const Config& config() const { return options_.config; }
  state::Transaction& transaction(std::int32_t partition) {
    return tasks_.at(partition)->transaction;
  }

 private:
  struct Task {
    explicit Task(std::unique_ptr<state::Store> of) : store(std::move(of)), transaction(*store) {}
    std::unique_ptr<state::Store> store;
    state::Transaction transaction;
    records::Counters told;  ///< counters as last given to the metrics
  };

  records::Bundle decode(const Record& record) const;
  bool restore(Broker& broker);
  void write(std::int32_t partition, std::int64_t next_offset, std::vector<schemas::Report> reports,
             Outbox& outbox);

  TaskOptions options_;
  BundleStage stage_;
  OpenedStores stores_{options_, stage_.name};
  std::map<std::int32_t, std::unique_ptr<Task>> tasks_;
  std::vector<std::int32_t> touched_;
  std::vector<schemas::Report> published_;  ///< of the batch, without their JSON
};

/// The bytes of a bundle as a record of an inner topic.
std::string encode_bundle(const records::Bundle& bundle);
std::string encode_bundle(std::string bundle);  ///< of one that is encoded already

}  // namespace gyre::pipeline
