// SPDX-License-Identifier: Apache-2.0
// How the members of an outbreak came to it, by what is known of their containers (ruling 30).
#pragma once

#include <optional>

#include "base/time.h"
#include "schemas/records.pb.h"
#include "stages/by_rule/stage.h"
#include "stages/report/outbreak.h"

namespace gyre::stages {

/// Adds a member that counts.
void note_start(const records::Contribution& newest, records::Starts& starts);

/// Takes out what a member counted as before more was learned of it. Times and images that others
/// may share stay until all members are folded again.
void take_out_start(const records::Contribution& before, records::Starts& starts);

/// Whether all known starts lie within `outbreaks.rollout`.
bool are_together(const records::Starts& starts, const OutbreakConfig& config);

Pattern pattern_of(const records::Group& group, const records::Starts& starts,
                   const OutbreakConfig& config);

/// When it is known how the containers of a workload followed each other unless another one starts,
/// or one turns out to have run beside the next one: a sighting after the last start would have
/// been contributed by then. Nothing: it is known, or cannot be.
std::optional<Second> course_known_at(const records::Group& group, const records::Starts& starts,
                                      const OutbreakConfig& config);

/// Of a recurring outbreak, as far as it is known at `now`.
Course course_of(const records::Group& group, const records::Starts& starts, Second now,
                 const OutbreakConfig& config);

/// Says pattern and course of `content.starts`, why, and which fields would tell more.
void tell_pattern(const records::Group& group, Second now, const OutbreakConfig& config,
                  OutbreakContent& content);

}  // namespace gyre::stages
