// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "schemas/records.pb.h"
#include "schemas/report.h"
#include "stages/by_container/finding.h"
#include "stages/by_container/stage.h"
#include "state/transaction.h"

namespace gyre::stages {

/// One second's decisions of a task, in the order of DESIGN 6: cards and blind spots, findings
/// with their contributions, incidents; whoever is named by another is published first. A second
/// with more than a slice of findings to decide is decided in slices of whole homes: nothing that
/// is decided looks beyond its host, so nobody can see them. Only a host that has more than 2,000
/// keys and timers in a second is decided in parts, the sighted keys first. An object a slice.
class SecondDecision {
 public:
  SecondDecision(Second now, const Basis& basis, state::Transaction& state,
                 std::vector<schemas::Report>& reports,
                 std::vector<records::Contribution>& contributions)
      : now_(now),
        basis_(basis),
        config_(basis.config),
        state_(state),
        reports_(reports),
        contributions_(contributions) {}

  /// Decides the next slice; the last one leaves neither sightings nor timers of the second behind.
  /// Returns how many findings and entities were decided.
  std::size_t decide(records::Counters& counters);

 private:
  struct Work {
    records::EntityState entity;
    std::vector<Told> told;
    bool changed = false;
    Learned learned = Learned::kNothing;
    bool due = false;
  };

  Work& work(const records::Entity& entity);
  Work& work(const std::string& entity_hash);
  void learn(const records::Sighting& sighting);
  bool lacks_finding(const records::Sighting& sighting);
  bool await_finding(records::Sighting& copies, records::Counters& counters);
  void note_effect(const std::string& rule, const records::EntityState& entity,
                   records::Sighting& sighting) const;
  void place(records::Sighting sighting, records::Counters& counters);
  void wake(const std::vector<state::Timer>& timers);
  void decide_key(const std::string& key, const std::vector<records::Sighting>& sightings,
                  records::Counters& counters);
  void decide_entity(const std::string& hash, Work& work);

  Second now_;
  const Basis& basis_;
  const FindingConfig& config_;
  state::Transaction& state_;
  std::vector<schemas::Report>& reports_;
  std::vector<records::Contribution>& contributions_;
  std::map<std::string, std::vector<records::Sighting>> findings_;
  std::map<std::string, Work> entities_;
};

}  // namespace gyre::stages
