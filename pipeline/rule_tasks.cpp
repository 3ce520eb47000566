// SPDX-License-Identifier: Apache-2.0
#include "pipeline/bundle_tasks.h"
#include "stages/by_rule/stage.h"

namespace gyre::pipeline {

namespace {

class RuleTasks : public BundleTasks {
 public:
  explicit RuleTasks(const TaskOptions& options)
      : BundleTasks(options, {.name = "by_rule",
                              .input_topic = options.config.by_rule_topic(),
                              .changelog = options.config.by_rule_changelog(),
                              .ids = std::nullopt}),
        outbreaks_(options.config.outbreak_config()),
        stage_(outbreaks_,
               {.version = GYRE_VERSION, .config_hash = options.config.semantic_hash()}) {}

 private:
  void process(std::int32_t, std::int64_t, const records::Bundle& bundle, state::Transaction& state,
               stages::Allowance& allowance, std::vector<schemas::Report>& reports) override {
    stage_.process(bundle, state, allowance, reports);
  }
  void proceed(std::int32_t, std::int64_t, state::Transaction& state, stages::Allowance& allowance,
               std::vector<schemas::Report>& reports) override {
    stage_.proceed(state, allowance, reports);
  }
  bool is_behind(const state::Transaction& state) const override { return stage_.is_behind(state); }
  void hand_on(Broker&, Outbox&) override {}  // the last stage
  void tell(const records::Counters& before, const records::Counters& now) override {
    options().telemetry.contributions(now.contributions() - before.contributions());
  }

  stages::OutbreakConfig outbreaks_;
  stages::ByRule stage_;
};

}  // namespace

std::unique_ptr<StageTasks> make_rule_tasks(const TaskOptions& options) {
  return std::make_unique<RuleTasks>(options);
}

}  // namespace gyre::pipeline
