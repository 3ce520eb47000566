// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/broker.h"
#include "schemas/encoding.h"
#include "schemas/report.h"

namespace gyre::pipeline {

/// A topic that reports are written to.
struct Output {
  /// Which revisions carry the document.
  enum class Markdown : std::uint8_t {
    kAlways,
    kEnds,  ///< the first, the last, and where the judgement changed
    kNever,
  };
  /// What a report must be one of; an empty list holds everything.
  struct Filter {
    std::vector<std::string> kind = {};
    std::vector<std::string> attention = {};
    std::vector<std::string> severity = {};
    std::vector<std::string> tenant = {};
  };

  std::string topic = "falco.reports";
  schemas::Encoding encoding = schemas::Encoding::kNative;
  Markdown markdown = Markdown::kAlways;
  Filter filter = {};
};

/// The words of the configuration, in the order of the enumeration.
inline constexpr std::string_view kMarkdownWords[] = {"always", "ends", "never"};

/// Appends the record of this revision for each output that wants it, all with the same key, so
/// that a report lies in the same partition of topics of one size. `name` is the pipeline's, for
/// `ce_source`.
///
/// A revision that takes a judgement back may have fallen out of a filter of attention or severity
/// that its predecessor passed; it passes, too, so that nobody is left with what holds no more. So
/// does one that may have risen out of it, and the closing of a report that may have.
/// An alert in Falco's shape says that something is to be done: of that encoding only revisions
/// that page or make a ticket are written.
void append_records(const std::vector<Output>& outputs, std::string_view name,
                    schemas::Report report, std::vector<OutRecord>& records);

/// Whether people should hear of this revision (`report` as published); see above.
bool is_worth_an_alert(std::string_view report);

}  // namespace gyre::pipeline
