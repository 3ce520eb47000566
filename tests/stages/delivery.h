// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/stages/fleet_case.h"

namespace gyre::stages {

/// One way in which a case may reach the stage: in which order, from how many sources, in which
/// batches, with which crashes and how often in another instance's hands.
class Delivery {
 public:
  Delivery(const Case& given, std::uint64_t seed, bool flash, const Playbooks& playbooks,
           state::Store& store)
      : random_(seed), config_(given.config), playbooks_(playbooks), store_(store) {
    store_.wipe();
    config_.flash = flash;
    config_.slice = any(2) == 0 ? 1 + any(3) : config_.slice;
    hand_over();
    sources_.resize(1 + any(4));
    for (const Given& alert : given.alerts) {
      const Nanos moved =
          static_cast<Nanos>(any(static_cast<std::uint64_t>(given.disorder * kNanosPerSecond)));
      sources_[any(sources_.size())].waiting.emplace_back(time_of(alert) + moved, alert);
    }
    for (Source& source : sources_)
      std::stable_sort(source.waiting.begin(), source.waiting.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
  }

  std::vector<schemas::Report> run() {
    while (step(1 + any(12))) {
    }
    // Nothing is unread any more: the same ticks that idle sources get.
    for (Source& source : sources_) source.progress = (kStart + kEnd) * kNanosPerSecond;
    send({});
    while (stage_->is_behind(*state_)) proceed();
    return std::move(reports_);
  }

  const state::Transaction& state() const { return *state_; }
  // What by_rule was told.
  const std::vector<records::Contribution>& contributions() const { return contributions_; }

 private:
  struct Source {
    std::vector<std::pair<Nanos, Given>> waiting;
    std::size_t next = 0;
    Nanos progress = kNoTime;
    std::uint64_t sent = 0;
  };

  std::uint64_t any(std::uint64_t n) { return random_() % n; }

  bool step(std::uint64_t count) {
    std::vector<std::pair<std::size_t, Given>> batch;
    for (std::uint64_t i = 0; i < count; ++i) {
      std::vector<std::size_t> unread;
      for (std::size_t s = 0; s < sources_.size(); ++s)
        if (sources_[s].next < sources_[s].waiting.size()) unread.push_back(s);
      if (unread.empty()) break;
      const std::size_t source = unread[any(unread.size())];
      Source& from = sources_[source];
      batch.emplace_back(source, from.waiting[from.next++].second);
      from.progress = std::max(from.progress, time_of(batch.back().second));
    }
    if (batch.empty()) return false;
    send(batch);
    return true;
  }

  void send(const std::vector<std::pair<std::size_t, Given>>& batch) {
    records::Bundle bundle;
    bundle.set_sources(static_cast<std::int32_t>(sources_.size()));
    bundle.set_parts(1);
    std::map<std::size_t, std::uint64_t> arrivals;
    // The combiner merges some of a key and second; whether it did must not be seen.
    std::map<std::pair<std::string, Second>, records::Sighting> combined;
    for (const auto& [source, alert] : batch) {
      ++arrivals[source];
      records::Sighting one = sighting(alert);
      if (any(3) == 0) {
        *bundle.add_sightings() = std::move(one);
      } else {
        auto& into = combined[{one.finding_key(), one.second()}];
        schemas::merge(into, one);
      }
    }
    for (auto& [key, one] : combined) *bundle.add_sightings() = std::move(one);
    for (std::size_t s = 0; s < sources_.size(); ++s) {
      Source& source = sources_[s];
      if (source.progress == kNoTime) continue;
      records::SourceRange& range = *bundle.add_ranges();
      range.set_partition(static_cast<std::int32_t>(s));
      range.set_first(static_cast<std::int64_t>(source.sent));
      source.sent += arrivals[s];
      range.set_next(static_cast<std::int64_t>(source.sent));
      range.set_progress(source.progress);
      range.set_arrivals(arrivals[s]);
      range.set_sent(source.sent);
    }
    std::vector<schemas::Report> reports;
    std::vector<records::Contribution> contributions;
    if (any(8) == 0) {  // the first attempt dies before its commit
      Allowance allowance;
      stage_->process(bundle, *state_, allowance, reports, contributions);
      state_->rollback();
      reports.clear();
      contributions.clear();
    }
    // Often no more than a second or two fits into the batch; the rest is decided later.
    Allowance allowance = some_allowance();
    stage_->process(bundle, *state_, allowance, reports, contributions);
    commit(reports, contributions);
    while (stage_->is_behind(*state_) && any(3) > 0) proceed();
  }

  Allowance some_allowance() { return any(2) == 0 ? Allowance() : Allowance(1 + any(3)); }

  void proceed() {
    std::vector<schemas::Report> reports;
    std::vector<records::Contribution> contributions;
    Allowance allowance = some_allowance();
    stage_->proceed(*state_, allowance, reports, contributions);
    commit(reports, contributions);
  }

  void commit(const std::vector<schemas::Report>& reports,
              const std::vector<records::Contribution>& contributions) {
    keep_log();
    state_->commit(++offset_, std::nullopt);
    reports_.insert(reports_.end(), reports.begin(), reports.end());
    contributions_.insert(contributions_.end(), contributions.begin(), contributions.end());
    if (any(10) == 0) lose_disk();
    if (any(6) == 0) hand_over();
  }

  void keep_log() {
    for (const auto& changes : {state_->changelog(), state_->ids()})
      for (const state::Change& change : changes) log_[change.key] = change.value;
    log_[state_->checkpoint_change().key] = state_->checkpoint_change().value;
  }

  // To another instance of the task, which knows nothing but the disk.
  void hand_over() {
    state_.emplace(store_);
    stage_.emplace(config_, playbooks_, Producer{.version = "test", .config_hash = "0"});
  }

  void lose_disk() {
    store_.wipe();
    std::vector<state::Change> changes;
    for (const auto& [key, value] : log_) changes.push_back({key, value});
    state::restore(store_, changes, state::kChangelog, offset_);
  }

  std::mt19937_64 random_;
  FindingConfig config_;
  std::vector<Source> sources_;
  const Playbooks& playbooks_;
  state::Store& store_;
  std::optional<state::Transaction> state_;
  std::optional<ByContainer> stage_;
  std::map<std::string, std::optional<std::string>> log_;
  std::int64_t offset_ = 0;
  std::vector<schemas::Report> reports_;
  std::vector<records::Contribution> contributions_;
};

}  // namespace gyre::stages
