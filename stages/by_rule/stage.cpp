// SPDX-License-Identifier: Apache-2.0
#include "stages/by_rule/stage.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string>

#include "schemas/identity.h"
#include "stages/by_rule/rule.h"
#include "stages/sources.h"

namespace gyre::stages {

namespace {

// The last second that may be decided: every partition has decided the second before the time that
// it says (DESIGN 6).
Second decidable(const records::Checkpoint& checkpoint) {
  const Nanos stream = stream_time(checkpoint);
  return stream == kNoTime ? std::numeric_limits<Second>::min() : second_of(stream) - 1;
}

}  // namespace

void ByRule::process(const records::Bundle& bundle, state::Transaction& state, Allowance& allowance,
                     std::vector<schemas::Report>& reports) {
  records::Checkpoint checkpoint = state.checkpoint();
  records::Counters& counters = *checkpoint.mutable_counters();
  if (is_replay("by_rule", bundle, checkpoint)) {
    counters.set_replays_dropped(counters.replays_dropped() + 1);
    state.put(checkpoint);
    return;
  }
  checkpoint.set_sources(bundle.sources());
  const Second first_open = std::max(checkpoint.decided(), decidable(checkpoint)) + 1;
  for (const records::Contribution& contribution : bundle.contributions())
    state.put_pending(std::max(contribution.second(), first_open), contribution);
  const auto arrived = static_cast<std::uint64_t>(bundle.contributions_size());
  checkpoint.set_outstanding(checkpoint.outstanding() + arrived);
  counters.set_contributions(counters.contributions() + arrived);
  const bool whole = bundle.part() + 1 == bundle.parts();
  if (whole) account("by_rule", bundle, checkpoint);
  state.put(checkpoint);
  if (whole) proceed(state, allowance, reports);
}

void ByRule::proceed(state::Transaction& state, Allowance& allowance,
                     std::vector<schemas::Report>& reports) {
  records::Checkpoint checkpoint = state.checkpoint();
  records::Counters& counters = *checkpoint.mutable_counters();
  const Second last = decidable(checkpoint);
  std::int64_t open = counters.outbreaks_open();
  auto due = state.next_due(checkpoint.decided());
  for (; due && *due <= last && !allowance.is_spent(); due = state.next_due(checkpoint.decided())) {
    const Second now = *due;
    std::map<std::string, RuleWork> rules;
    for (records::Contribution& contribution : state.take_contributions(now)) {
      const Id128 key = schemas::rule_key(contribution.entity().tenant(), contribution.rule(),
                                          contribution.shape());
      RuleWork& work = rules[std::string(view(key))];
      work.tenant = contribution.entity().tenant();
      work.rule = contribution.rule();
      work.contributions.push_back(std::move(contribution));
    }
    for (const auto& [kind, key] :
         state.take_timers(now, std::numeric_limits<std::size_t>::max())) {
      const auto group = state.group(key);
      if (!group || group->armed() != now) continue;
      RuleWork& work = rules[key.substr(0, sizeof(Id128))];
      work.tenant = group->tenant();
      work.rule = group->rule();
      work.due.insert(key);
    }
    const std::size_t before = reports.size();
    for (const auto& [key, work] : rules)
      decide_rule(key, work, {now, config_.of(work.tenant, work.rule), producer_}, state, open,
                  reports);
    counters.set_reports(counters.reports() + reports.size() - before);
    allowance.spend_decisions(rules.size());
    allowance.spend_reports(reports, before);
    checkpoint.set_decided(now);
  }
  if (!due || *due > last) checkpoint.set_decided(std::max(checkpoint.decided(), last));
  counters.set_outbreaks_open(open);
  state.put(checkpoint);
}

bool ByRule::is_behind(const state::Transaction& state) const {
  const records::Checkpoint checkpoint = state.checkpoint();
  return checkpoint.decided() < decidable(checkpoint);
}

}  // namespace gyre::stages
