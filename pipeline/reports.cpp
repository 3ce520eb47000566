// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iostream>
#include <set>
#include <string>

#include "base/error.h"
#include "pipeline/asked_ids.h"
#include "pipeline/commands.h"
#include "pipeline/kafka_broker.h"
#include "pipeline/kafka_properties.h"
#include "pipeline/show.h"

namespace gyre::pipeline {

namespace {

/// The one that can be read here.
const std::string& native_topic(const Config& config) {
  for (const Output& output : config.outputs)
    if (output.encoding == schemas::Encoding::kNative) return output.topic;
  throw ConfigError(
      "outputs: gyre reports reads a topic of the encoding native, and there is none");
}

}  // namespace

int reports(const Config& config, const ReportsOptions& options) {
  const std::string& topic = native_topic(config);
  Show show(format_of(options.format));
  AskedIds asked(options.ids);
  bool live = false;
  bool any = false;
  const auto take = [&](const Record& record) {
    const std::string id = record.key.value_or("");
    if (!asked.wants(id)) return true;
    any = true;
    if (!record.value) {
      asked.forget(id);
      show.forget(id);
    } else if (!show.take(*record.value, live)) {
      std::cerr << fmt::format("gyre: {} partition {} offset {} is no report, left out\n", topic,
                               record.partition, record.offset);
    }
    return static_cast<bool>(std::cout);
  };
  const auto caught_up = [&] {
    live = true;
    asked.settle();
    show.print();
    if (!any && options.ids.empty())
      std::cerr << fmt::format("gyre: {} holds no report yet\n", topic);
    const std::set<std::string> unknown = asked.unknown();
    if (unknown.empty()) return;
    const std::string said =
        fmt::format("{} holds no report whose id begins with {}", topic, fmt::join(unknown, ", "));
    if (!options.follow) throw Failure(said);
    std::cerr << fmt::format("gyre: {}; waiting for it\n", said);
  };
  read_topic(kafka_client(config), topic, options.follow, take, caught_up);
  return 0;
}

}  // namespace gyre::pipeline
