// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pipeline/kafka_broker.h"

namespace gyre::pipeline {

struct TopicSpec {
  std::string name;
  std::int32_t partitions = 1;  ///< demanded exactly if `exact`, else for creation only
  bool exact = false;
  std::int16_t replication_factor = 1;
  std::map<std::string, std::string> config;  ///< set at creation, verified after
  bool create = true;                         ///< false: must exist (the input topic is the user's)
  std::string lost = {};                      ///< what it means that one that must exist does not
  std::map<std::string, std::int64_t> at_least = {};  ///< as `config`, but more is right, too
  struct Advice {
    std::string value;
    std::string because;  ///< what another value leads to
  };
  std::map<std::string, Advice> advised = {};  ///< another value is worth a warning, no more
};

/// Creates what is missing. Returns one line a topic: `created gyre.by-container (16 partitions)`
/// or `ok ...`; with `advise`, for which the user needs the right DescribeConfigs, also `warning:
/// ...`. Throws Refusal with every problem and its cure (missing, wrong partition count, wrong
/// cleanup.policy ...), and what was created all the same.
std::vector<std::string> ensure_topics(const KafkaClient& client,
                                       const std::vector<TopicSpec>& topics, bool advise = false);

/// What there is, and what `ensure_topics` would make of the rest.
struct TopicsShown {
  std::vector<std::string> lines;     ///< as `ensure_topics` returns them
  std::vector<std::string> missing;   ///< what it would create,
  std::vector<std::string> problems;  ///< and why it could not, with the cure
};
/// Creates nothing: the brokers are asked whether they would. Throws Refusal with what else is
/// wrong.
TopicsShown show_topics(const KafkaClient& client, const std::vector<TopicSpec>& topics,
                        bool advise = false);

}  // namespace gyre::pipeline
