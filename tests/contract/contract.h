// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace gyre::tests {

/// Where a JSON text breaks the contract of that name (`report`, `dead_letter`), read in its closed
/// form: what the schema does not name is an error here, though consumers must ignore it. Of a
/// report that keeps it, also what its encodings promise (promises.h). Empty: it keeps all.
std::vector<std::string> violations(std::string_view contract, std::string_view json);

/// A stream of reports as a consumer reads it, each revision after the one before it.
class ReportStream {
 public:
  /// Where the next report breaks the contract or contradicts an earlier revision.
  std::vector<std::string> violations(std::string_view json);
  /// The second alone, for tests of very many reports (DESIGN 8.1, ruling 31): revisions have no
  /// holes, the first and no other is `opened`; time, counts, priority and tactics never fall;
  /// severity, risk and attention do so with reason `verdict` only; nothing closed opens again,
  /// nothing becomes another entity's or rule's; a revision that has nothing new to say but its
  /// number, time and reason is none. Empty: it is in order.
  std::vector<std::string> contradictions(std::string_view json);

 private:
  struct Said {
    std::uint64_t revision = 0;
    std::string time;
    std::map<std::string, std::string> fixed;
    std::map<std::string, std::uint64_t> counts;
    std::set<std::string> tactics;
    int priority = 0;  // higher is more severe
    int severity = 0, attention = 0, risk = 0;
    bool closed = false;
    std::string content;
  };

  std::map<std::string, Said> said_;
};

}  // namespace gyre::tests
