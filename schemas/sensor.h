// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "schemas/alert.h"
#include "schemas/records.pb.h"

namespace gyre::schemas {

/// What a sensor says in `alert` that it did not see, as far as its fields prove it; none if it
/// says nothing of that kind. Three forms (Falco's userspace/falco):
/// - `Falco internal: syscall event drop` (event_drops.cpp): `n_drops` of `n_evts` system calls of
///   the second before, at most one alert in 30 s;
/// - `Falco internal: metrics snapshot` (stats_writer.cpp) whose `scap.n_drops` has grown since the
///   snapshot before (`scap.n_drops_prev`, `scap.n_evts`, `scap.n_evts_prev`, else only
///   `scap.n_drops_perc`): a healthy one says no loss;
/// - `Falco internal: timeouts notification` (app/actions/process_events.cpp): silent.
std::optional<records::Loss> loss_of(const Alert& alert);

/// In thousandths, rounded up; none where the share is not said or makes no sense.
std::optional<std::uint32_t> share_of(const records::Loss& loss);

/// The worse of two: by share, then by number; a pure function of the set.
void merge(records::Loss& into, const records::Loss& from);

}  // namespace gyre::schemas
