// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gyre::pipeline {

/// What a client of librdkafka tells of itself, of late or since it was made.
struct KafkaStatistics {
  std::string client;          ///< consumer or producer
  std::string name;            ///< of this client: another one made later has another
  double round_trip = 0;       ///< seconds in which the slowest broker answers 99 of 100 requests
  double throttled = 0;        ///< seconds, the longest that a broker's quota made it wait
  std::uint64_t queued = 0;    ///< bytes fetched and not yet taken, or not yet delivered
  std::uint64_t timeouts = 0;  ///< requests without an answer in time, since it was made
  std::uint64_t disconnects = 0;  ///< connections that ended, since it was made
};

/// Reads librdkafka's statistics (its STATISTICS.md, there since 1.0). None: another format.
std::optional<KafkaStatistics> read_statistics(std::string_view json);

}  // namespace gyre::pipeline
