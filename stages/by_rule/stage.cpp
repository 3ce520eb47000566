// SPDX-License-Identifier: Apache-2.0
#include "stages/by_rule/stage.h"

#include <algorithm>
#include <map>
#include <string>

#include "schemas/identity.h"
#include "stages/by_rule/rule.h"
#include "stages/sources.h"

namespace gyre::stages {

void ByRule::process(const records::Bundle& bundle, state::Transaction& state,
                     std::vector<schemas::Report>& reports) {
  records::Checkpoint checkpoint = state.checkpoint();
  records::Counters& counters = *checkpoint.mutable_counters();
  if (is_replay("by_rule", bundle, checkpoint)) {
    counters.set_replays_dropped(counters.replays_dropped() + 1);
    state.put(checkpoint);
    return;
  }
  const std::size_t reports_before = reports.size();
  checkpoint.set_sources(bundle.sources());
  for (const records::Contribution& contribution : bundle.contributions())
    state.put_pending(std::max(contribution.second(), checkpoint.decided() + 1), contribution);
  const auto arrived = static_cast<std::uint64_t>(bundle.contributions_size());
  checkpoint.set_outstanding(checkpoint.outstanding() + arrived);
  counters.set_contributions(counters.contributions() + arrived);
  if (bundle.part() + 1 == bundle.parts()) {
    account("by_rule", bundle, checkpoint);
    decide_until(checkpoint, state, reports);
  }
  counters.set_reports(counters.reports() + reports.size() - reports_before);
  state.put(checkpoint);
}

void ByRule::decide_until(records::Checkpoint& checkpoint, state::Transaction& state,
                          std::vector<schemas::Report>& reports) {
  const Nanos stream = stream_time(checkpoint);
  if (stream == kNoTime) return;
  // Every partition has decided the second before the time that it says (DESIGN 6).
  const Second last = second_of(stream) - 1;
  std::int64_t open = checkpoint.counters().outbreaks_open();
  for (auto due = state.next_due(checkpoint.decided()); due && *due <= last;
       due = state.next_due(checkpoint.decided())) {
    checkpoint.set_decided(*due);
    std::map<std::string, RuleWork> rules;
    for (records::Contribution& contribution : state.take_contributions(*due)) {
      const Id128 key = schemas::rule_key(contribution.entity().tenant(), contribution.rule(),
                                          contribution.shape());
      rules[std::string(view(key))].contributions.push_back(std::move(contribution));
    }
    for (const auto& [kind, key] : state.take_timers(*due)) {
      const auto group = state.group(key);
      if (group && group->armed() == *due) rules[key.substr(0, sizeof(Id128))].due.insert(key);
    }
    for (const auto& [key, work] : rules)
      decide_rule(key, work, *due, config_, producer_, state, open, reports);
  }
  checkpoint.set_decided(std::max(checkpoint.decided(), last));
  checkpoint.mutable_counters()->set_outbreaks_open(open);
}

}  // namespace gyre::stages
