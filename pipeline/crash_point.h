// SPDX-License-Identifier: Apache-2.0
#pragma once

// Places where a test may end the process, and bugs that it may plant, to see whether it would
// notice. Only of a build with GYRE_CHAOS (the preset `chaos`); of any other nothing is left.
//
//   GYRE_CRASH=STAGE.POINT:N[:MICROSECONDS]   ends the process as SIGKILL would when a thread of
//   the
//                                             stage passes the point the N-th time, or that much
//                                             later, wherever it is then
//   GYRE_BUG=offsets_apart | state_apart      what belongs into one transaction goes into two
#ifdef GYRE_CHAOS

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/broker.h"

namespace gyre::pipeline {

/// Which stage this thread runs.
void crash_stage(const std::string& stage);
void crash_point(std::string_view point);
/// Whether a bug is planted.
bool commits_apart();
/// Commits as the planted bug does: first the records and then their offsets, or first changelog
/// and offsets and then what was to be sent. Returns as Broker::commit.
std::map<TopicPartition, std::int64_t> commit_apart(Broker& broker, std::vector<OutRecord>& records,
                                                    std::span<const PartitionOffset> offsets);

}  // namespace gyre::pipeline

#define GYRE_CRASH_STAGE(stage) ::gyre::pipeline::crash_stage(stage)
#define GYRE_CRASH_POINT(point) ::gyre::pipeline::crash_point(point)
#else
#define GYRE_CRASH_STAGE(stage) static_cast<void>(0)
#define GYRE_CRASH_POINT(point) static_cast<void>(0)
#endif
