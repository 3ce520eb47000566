// SPDX-License-Identifier: Apache-2.0
#include "pipeline/kafka_statistics.h"

#include <simdjson.h>

#include <algorithm>

namespace gyre::pipeline {

namespace {

using Element = simdjson::simdjson_result<simdjson::dom::element>;

// What a version leaves out counts as nothing.
std::uint64_t number(Element element) {
  std::int64_t value = 0;
  return element.get(value) == simdjson::SUCCESS && value > 0 ? static_cast<std::uint64_t>(value)
                                                              : 0;
}

template <typename Each>
void each_of(Element element, const Each& each) {
  simdjson::dom::object object;
  if (element.get(object) != simdjson::SUCCESS) return;
  for (const auto& field : object) each(Element(simdjson::dom::element(field.value)));
}

}  // namespace

std::optional<KafkaStatistics> read_statistics(std::string_view json) {
  simdjson::dom::parser parser;
  const Element root = parser.parse(json.data(), json.size());
  KafkaStatistics found;
  std::string_view client;
  std::string_view name;
  if (root["type"].get(client) != simdjson::SUCCESS || root["name"].get(name) != simdjson::SUCCESS)
    return std::nullopt;
  found.client = client;
  found.name = name;
  each_of(root["brokers"], [&](Element broker) {
    found.round_trip =
        std::max(found.round_trip, static_cast<double>(number(broker["rtt"]["p99"])) / 1e6);
    found.throttled =
        std::max(found.throttled, static_cast<double>(number(broker["throttle"]["max"])) / 1e3);
    found.timeouts += number(broker["req_timeouts"]);
    found.disconnects += number(broker["disconnects"]);
  });
  found.queued = number(root["msg_size"]);
  each_of(root["topics"], [&](Element topic) {
    each_of(topic["partitions"],
            [&](Element partition) { found.queued += number(partition["fetchq_size"]); });
  });
  return found;
}

}  // namespace gyre::pipeline
