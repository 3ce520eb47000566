// SPDX-License-Identifier: Apache-2.0
#include "pipeline/bundle_tasks.h"
#include "stages/by_container/contribution.h"
#include "stages/by_container/stage.h"

namespace gyre::pipeline {

namespace {

class ContainerTasks : public BundleTasks {
 public:
  ContainerTasks(const TaskOptions& options, const stages::Playbooks& playbooks)
      : BundleTasks(options, {.name = "by_container",
                              .input_topic = options.config.by_container_topic(),
                              .changelog = options.config.by_container_changelog(),
                              .ids = options.config.by_container_ids()}),
        stage_(options.config.findings, playbooks,
               {.version = GYRE_VERSION, .config_hash = options.config.semantic_hash()}) {}

 private:
  void process(std::int32_t partition, std::int64_t offset, const records::Bundle& bundle,
               state::Transaction& state, stages::Allowance& allowance,
               std::vector<schemas::Report>& reports) override {
    const Second before = state.checkpoint().decided();
    stages::Telling& telling = telling_of(partition, offset);
    stage_.process(bundle, state, allowance, reports, telling.contributions);
    note(state, before, offset + 1, telling);
  }

  void proceed(std::int32_t partition, std::int64_t next, state::Transaction& state,
               stages::Allowance& allowance, std::vector<schemas::Report>& reports) override {
    const Second before = state.checkpoint().decided();
    stages::Telling& telling = telling_of(partition, next);
    stage_.proceed(state, allowance, reports, telling.contributions);
    note(state, before, next, telling);
  }

  bool is_behind(const state::Transaction& state) const override { return stage_.is_behind(state); }

  stages::Telling& telling_of(std::int32_t partition, std::int64_t offset) {
    const auto [at, first] = tellings_.try_emplace(partition);
    if (first) at->second.first = offset;
    return at->second;
  }

  static void note(const state::Transaction& state, Second decided_before, std::int64_t next,
                   stages::Telling& telling) {
    telling.next = next;
    telling.decided = state.checkpoint().decided();
    telling.advanced = telling.advanced || telling.decided > decided_before;
  }

  // To by_rule: contributions, and which second was decided.
  void hand_on(Broker& broker, Outbox& outbox) override {
    for (auto& [partition, telling] : tellings_) {
      const records::Checkpoint checkpoint = transaction(partition).checkpoint();
      telling.sent_to.assign(checkpoint.sent_to().begin(), checkpoint.sent_to().end());
    }
    for (const auto& [target, bundle] : stages::bundle_contributions(
             tellings_, broker.input_partitions(), config().inner.partitions, options().client_id))
      outbox.records.push_back({.topic = config().by_rule_topic(),
                                .partition = target,
                                .key = {},
                                .value = encode_bundle(bundle),
                                .headers = {}});
    for (const auto& [partition, telling] : tellings_) {
      records::Checkpoint checkpoint = transaction(partition).checkpoint();
      checkpoint.mutable_sent_to()->Assign(telling.sent_to.begin(), telling.sent_to.end());
      transaction(partition).put(checkpoint);
    }
    tellings_.clear();
  }

  void rollback() override {
    BundleTasks::rollback();
    tellings_.clear();
  }

  void tell(const records::Counters& before, const records::Counters& now) override {
    options().telemetry.folded(now.folded() - before.folded(), now.duplicate() - before.duplicate(),
                               now.late() - before.late(), now.heartbeats() - before.heartbeats());
    options().telemetry.overflowed(now.overflowed() - before.overflowed());
  }

  stages::ByContainer stage_;
  std::map<std::int32_t, stages::Telling> tellings_;
};

}  // namespace

std::unique_ptr<StageTasks> make_container_tasks(const TaskOptions& options,
                                                 const stages::Playbooks& playbooks) {
  return std::make_unique<ContainerTasks>(options, playbooks);
}

}  // namespace gyre::pipeline
