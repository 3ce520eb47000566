// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/broker.h"
#include "pipeline/config.h"
#include "stages/intake/intake.h"

namespace gyre::pipeline {

/// A dead letter as it stands on its topic (DESIGN 8.1): the record's bytes untouched;
/// `gyre-error`, `gyre-detail`, `gyre-name`, the pipeline's, `gyre-source-topic`, -`partition`,
/// -`offset`, -`time` and, if the record had one, -`key`; where the record has several alerts
/// `gyre-element`, which of them from 0, or `rest` for all after the first broken ones; behind them
/// the record's own headers but those of these names.
/// A record beyond kLargestDeadLetter keeps its beginning, with its length as `gyre-truncated` and
/// `gyre-sha256` of the whole; key and headers beyond their room are left out, marked alike.
OutRecord to_dead_letter(const Config& config, stages::DeadLetter letter);

/// How often a letter is tried again: what dies each time would otherwise go round for ever.
inline constexpr std::uint32_t kMostRedeliveries = 3;

/// What to do with a letter.
enum class Redelivery : std::uint8_t {
  kRedeliver,
  kNotAsked,  ///< dead of another error, or none of ours: another pipeline's
  kGivenUp,   ///< was redelivered kMostRedeliveries times
  kCut,       ///< not all is in it: `gyre-truncated`, or the `rest` of a record
};
Redelivery redelivery_of(const Record& letter, const Config& config, std::string_view error);

/// The record that died, for the partition it came from: value, key and headers as they were, and
/// `gyre-redelivered`, how often it was; with it `gyre-element`, so that only the alert that died
/// is counted. Only of a letter that is to be redelivered.
OutRecord to_redelivered(const Record& letter, const std::string& input_topic);

}  // namespace gyre::pipeline
