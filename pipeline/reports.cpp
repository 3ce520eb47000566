// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <iostream>

#include "base/error.h"
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
  bool live = false;
  bool any = false;
  const auto take = [&](const Record& record) {
    if (!options.ids.empty() && !options.ids.contains(record.key.value_or(""))) return true;
    any = true;
    if (!record.value) {
      show.forget(record.key.value_or(""));
    } else if (!show.take(*record.value, live)) {
      std::cerr << fmt::format("gyre: {} partition {} offset {} is no report, left out\n", topic,
                               record.partition, record.offset);
    }
    return static_cast<bool>(std::cout);
  };
  read_topic(kafka_client(config), topic, options.follow, take, [&] {
    live = true;
    show.print();
    if (!any)
      std::cerr << fmt::format("gyre: {} holds {}\n", topic,
                               options.ids.empty() ? "no report yet" : "no report of this id");
  });
  return 0;
}

}  // namespace gyre::pipeline
