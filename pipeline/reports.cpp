// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <iostream>

#include "pipeline/commands.h"
#include "pipeline/kafka_broker.h"
#include "pipeline/show.h"

namespace gyre::pipeline {

int reports(const Config& config, const ReportsOptions& options) {
  Show show(format_of(options.format));
  const auto take = [&](const Record& record) {
    if (!record.value) {
      show.forget(record.key.value_or(""));
    } else if (!show.take(*record.value, options.follow)) {
      std::cerr << fmt::format("gyre: {} partition {} offset {} is no report, left out\n",
                               config.output.topic, record.partition, record.offset);
    }
    return static_cast<bool>(std::cout);
  };
  read_topic({config.kafka.brokers, config.kafka.properties}, config.output.topic, options.follow,
             take);
  if (!options.follow) show.print();
  return 0;
}

}  // namespace gyre::pipeline
