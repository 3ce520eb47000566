// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "schemas/records.pb.h"
#include "schemas/report.h"
#include "stages/report/judge.h"
#include "stages/report/write.h"

namespace gyre::stages {

/// How the members of an outbreak came to it (ruling 30).
enum class Pattern : std::uint8_t { kUnknown, kRollout, kSpread, kRecurring };
std::string_view to_string(Pattern pattern);

/// How the containers of a workload followed each other, where the pattern is recurring.
enum class Course : std::uint8_t { kUnknown, kTogether, kInTurn, kScheduled };

/// The fold of an outbreak's members.
struct OutbreakContent {
  struct Entity {
    std::string key;
    std::string finding;  ///< id of the one that was seen then
    Nanos first = 0;
  };

  records::Counts counts;  ///< sums, with those that the cap left out
  Nanos first = 0;
  Nanos last = 0;
  std::uint32_t priority = 7;  ///< schemas::Priority
  std::uint64_t entities = 0;
  std::uint64_t known = 0;      ///< of these, recognised as test or benign since they joined
  std::uint64_t elsewhere = 0;  ///< of these, all of whose alerts their workload's outbreak counts
  std::uint64_t objects = 0;    ///< of these, what plugins tell of: they are on no host
  std::uint64_t hosts = 0;
  std::uint64_t workloads = 0;
  std::vector<Entity> earliest;  ///< by (first, key), at most kEntitiesSaid
  std::set<std::string> clusters, namespaces, images;
  bool techniques_left_out = false;
  records::Starts starts;  ///< of the members that count
  Pattern pattern = Pattern::kUnknown;
  Course course = Course::kUnknown;
  std::string pattern_because;
  Judgement judgement;
};
inline constexpr std::size_t kEntitiesSaid = 50;

/// The keys of DESIGN 8.1 for kind `outbreak`. `series` tells the outbreaks of one key from others.
schemas::Report write_outbreak(const records::Group& group, const OutbreakContent& content,
                               std::string_view series, const Revision& revision,
                               const Producer& producer);

/// A workload for people: `prod/shop/checkout/app`, or `node-1/registry.example/shop`.
std::string workload_name(const records::Workload& workload);

}  // namespace gyre::stages
