// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/time.h"
#include "schemas/records.pb.h"

// What a stage that reads bundles keeps of its source partitions, in its checkpoint (DESIGN 3).
namespace gyre::stages {

/// The time that all sources have reached; kNoTime while one was never heard of.
Nanos stream_time(const records::Checkpoint& checkpoint);

/// Whether the bundle's records were folded before. One that was folded in part cannot be told from
/// a loss: Refusal, which names `stage`.
bool is_replay(std::string_view stage, const records::Bundle& bundle,
               const records::Checkpoint& checkpoint);

/// Takes note of the ranges of a bundle's last part, all of whose records are folded. Refusal if
/// the sender's cumulative counts do not add up with what arrived.
void account(std::string_view stage, const records::Bundle& bundle,
             records::Checkpoint& checkpoint);

}  // namespace gyre::stages
