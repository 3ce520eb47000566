// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <iostream>

#include "pipeline/commands.h"
#include "pipeline/kafka_broker.h"
#include "pipeline/show.h"

namespace gyre::pipeline {

int reports(const Config& config, const ReportsOptions& options) {
  Show show(format_of(options.format));
  bool live = false;
  bool any = false;
  const auto take = [&](const Record& record) {
    any = true;
    if (!record.value) {
      show.forget(record.key.value_or(""));
    } else if (!show.take(*record.value, live)) {
      std::cerr << fmt::format("gyre: {} partition {} offset {} is no report, left out\n",
                               config.output.topic, record.partition, record.offset);
    }
    return static_cast<bool>(std::cout);
  };
  read_topic({config.kafka.brokers, config.kafka.properties}, config.output.topic, options.follow,
             take, [&] {
               live = true;
               show.print();
               if (!any)
                 std::cerr << fmt::format("gyre: {} holds no report yet\n", config.output.topic);
             });
  return 0;
}

}  // namespace gyre::pipeline
