// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/encoding.h"

namespace gyre::pipeline {

/// How reports are printed: as they are, a JSON object a line; as a table; as Markdown; in another
/// encoding, a JSON object a line, of `falco` only what is worth an alert (outputs.h).
enum class Format : std::uint8_t { kJson, kSummary, kMarkdown, kEcs, kOcsf, kFalco };

/// `json`, `summary`, `markdown`, `ecs`, `ocsf`, `falco`.
const std::vector<std::string>& format_names();
/// Of one of them.
Format format_of(std::string_view name);
/// What it prints a line; none: it is for people.
std::optional<schemas::Encoding> encoding_of(Format format);

/// Prints reports to standard output, which nothing of them may steer: names in a report are chosen
/// by whoever raised the alert. Colours only where it is a terminal and NO_COLOR is not set.
class Show {
 public:
  explicit Show(Format format);

  /// Takes a revision and keeps it if it is the newest of its id; with `at_once` prints it as well,
  /// unless it is an older one or was printed before. False if it is no report.
  bool take(std::string_view json, bool at_once = false);
  /// A report that was deleted.
  void forget(const std::string& id) { newest_.erase(id); }

  /// Prints what was kept and not printed yet: what most needs to be seen first, then by time.
  void print();

 private:
  struct Kept {
    std::int64_t revision = 0;
    int urgency = 0;  ///< 0: page
    std::string time;
    std::string id;
    std::string text;
  };
  void print_header();

  Format format_;
  bool colour_;
  bool header_printed_ = false;
  std::map<std::string, Kept> newest_;
};

}  // namespace gyre::pipeline
