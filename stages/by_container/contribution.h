// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "schemas/records.pb.h"
#include "stages/by_container/stage.h"
#include "stages/report/playbook.h"

namespace gyre::stages {

/// A finding contributes again this long after its last contribution while sightings come (DESIGN
/// 6).
inline constexpr Second kContributeEvery = 300;

/// How old what a contribution tells of can be, unless it is late: an alert may come `lateness`
/// after its time, and waits for its finding to settle, or for the next contribution.
Second longest_delay(const FindingConfig& config);

/// What by_rule is to know of a finding key's published episodes, after they were decided at
/// second `now`: at opening, every kContributeEvery while sightings come, when what it was
/// judged, as published, changed, at close, as often of the copies that come after it, and of the
/// `dropped` what they have not said yet. Each episode remembers what it said; `series.due` is
/// moved forward where a contribution waits for its time.
std::vector<records::Contribution> contribute(std::string_view finding_key, records::Series& series,
                                              const std::vector<records::Episode>& dropped,
                                              const records::EntityState& entity, Second now,
                                              const Playbooks& playbooks);

/// A pod's owner, by the names that Kubernetes' controllers generate
/// (k8s.io/apimachinery/pkg/util/rand: letters without vowels, and digits).
struct PodOwner {
  std::string_view name;   ///< without what the controllers appended
  bool scheduled = false;  ///< of a CronJob: the number of the run stood in the name
};
PodOwner owner_of_pod(std::string_view pod);

/// What one task of by_container has to tell by_rule after a batch.
struct Telling {
  std::int64_t first = 0;  ///< offsets [first, next) of its input were read
  std::int64_t next = 0;
  Second decided = 0;     ///< the last second decided
  bool advanced = false;  ///< it was not decided before this batch: every partition is to know
  std::vector<records::Contribution> contributions;
  std::vector<std::uint64_t> sent_to;  ///< cumulative contributions by target partition
};

/// One bundle per partition of by-rule that has contributions, and to each of them once a task has
/// decided another second; split at 512 KiB. `tasks` are by partition of by-container, of which
/// there are `sources`; their `sent_to` is moved on. Target partition, bundle.
std::vector<std::pair<std::int32_t, records::Bundle>> bundle_contributions(
    std::map<std::int32_t, Telling>& tasks, std::int32_t sources, std::int32_t targets,
    std::string_view sender);

}  // namespace gyre::stages
