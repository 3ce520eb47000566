// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/broker.h"
#include "pipeline/config.h"

namespace gyre::pipeline {

struct RedeliveryCounts {
  std::uint64_t redelivered = 0;
  std::uint64_t given_up = 0;
  std::uint64_t cut = 0;
};

/// Feeds the letters of one error that stand on the dead-letter topic now, and that this group has
/// not seen, back to the input: each batch and the group's offsets in one transaction. What dies
/// again meanwhile lies behind that end and is left for the next run. `broker` reads the
/// dead-letter topic in `redelivery_group`; `now` is the wall clock's. `dry_run`: only counts.
/// Throws Failure; then the next run goes on after the last transaction; Refusal where the group
/// knows no offset and a letter is so old that Kafka may have forgotten that it was fed back.
RedeliveryCounts redeliver_letters(Broker& broker, const Config& config, std::string_view error,
                                   Nanos now, bool dry_run = false);

/// The group that remembers what was redelivered of an error: one each, so that letters passed over
/// by `--error` are there for a later run.
std::string redelivery_group(const Config& config, std::string_view error);

}  // namespace gyre::pipeline
