// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "schemas/records.pb.h"
#include "schemas/report.h"
#include "stages/allowance.h"
#include "stages/elsewhere.h"
#include "stages/report/playbook.h"
#include "stages/report/write.h"
#include "state/transaction.h"

namespace gyre::stages {

/// The semantics of DESIGN 7. Seconds of event time.
struct FindingConfig {
  Second disorder = 2;
  Second lateness = 120;
  Second duplicate_horizon = 3600;
  Second gap = 15 * 60;
  Second max_age = 24 * 3600;
  Second keep_closed = 3600;
  Second settle_error = 2;
  Second settle_warning = 5;
  Second settle_below = 30;
  std::vector<Second> backoff_attention = {60,  120,  240, 480,
                                           960, 1920, 3600};  ///< page and ticket; the last repeats
  std::vector<Second> backoff_record = {600, 3600, 21600};
  Second incident_gap = 60 * 60;
  Second incident_max_age = 24 * 3600;
  std::uint32_t incident_risk = 60;
  std::uint32_t shapes = 64;       ///< live findings of one entity and rule; then they overflow
  std::uint32_t per_entity = 256;  ///< live findings of one entity; then they overflow
  std::size_t slice = 1000;        ///< of a second, decided at once; it can't be seen
  bool close_all = false;          ///< reports.close: all (else changed), ruling 4
  bool flash = false;              ///< ruling 18; `gyre run` sets it: a replay gains no latency
  /// Disorder, lateness, duplicate horizon, `close_all` and `flash` are the same there.
  Elsewhere<FindingConfig> elsewhere = {};

  /// What holds for a tenant's rule; without one, for what is of no single rule.
  const FindingConfig& of(std::string_view tenant, std::string_view rule = {}) const {
    const FindingConfig* other = elsewhere.find(tenant, rule);
    return other == nullptr ? *this : *other;
  }
};

/// What every decision of a run rests on beside the alerts and the state.
struct Basis {
  const FindingConfig& config;  ///< everywhere; `of` a tenant's rule it may differ
  const Playbooks& playbooks;
  Producer producer;
};

/// Groups by container: drops exact duplicates, folds sightings into findings, findings into
/// incidents; says reports. A function of (bundle, state): reads no clock. One object a task, one
/// thread.
class ByContainer {
 public:
  ByContainer(const FindingConfig& config, const Playbooks& playbooks, Producer producer)
      : basis_{config, playbooks, std::move(producer)} {}

  /// Folds one bundle, then proceeds. A partial overlap of offsets, or counters that do not add
  /// up, throw Refusal.
  void process(const records::Bundle& bundle, state::Transaction& state, Allowance& allowance,
               std::vector<schemas::Report>& reports,
               std::vector<records::Contribution>& contributions);
  /// Decides what the ticks folded have made decidable, as far as the allowance goes. Reports are
  /// appended in the order of their decision, contributions to outbreaks likewise. How much is
  /// decided by which call can't be seen in any report.
  void proceed(state::Transaction& state, Allowance& allowance,
               std::vector<schemas::Report>& reports,
               std::vector<records::Contribution>& contributions);
  /// Whether `proceed` has something left to do.
  bool is_behind(const state::Transaction& state) const;

 private:
  // The last second that may be decided (ruling 17).
  Second decidable(const records::Checkpoint& checkpoint) const;
  void fold(const records::Sighting& sighting, Nanos watermark, Second first_open,
            records::Checkpoint& checkpoint, state::Transaction& state,
            std::vector<schemas::Report>& reports);

  Basis basis_;
};

}  // namespace gyre::stages
