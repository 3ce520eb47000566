// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/kafka_handles.h"

namespace gyre::pipeline::kafka {

/// Legacy consumer of some partitions: no group, hence no rights on one, no membership.
class Reader {
 public:
  explicit Reader(rd_kafka_t* handle) : handle_(handle), queue_(rd_kafka_queue_new(handle)) {}
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  rd_kafka_topic_t* topic(const std::string& name);
  void start(const std::string& topic, std::int32_t partition, std::int64_t offset);
  /// Null after `wait`. Only records and partition ends come out. Throws Failure for what else
  /// comes.
  Message next(std::chrono::milliseconds wait);

 private:
  rd_kafka_t* handle_;
  std::map<std::string, Topic> topics_;
  Queue queue_;
  std::vector<std::pair<rd_kafka_topic_t*, std::int32_t>> started_;
};

}  // namespace gyre::pipeline::kafka
