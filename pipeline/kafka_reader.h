// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/kafka_handles.h"

namespace gyre::pipeline::kafka {

/// Legacy consumer of some partitions of one topic: no group, hence no rights on one, no
/// membership.
class Reader {
 public:
  Reader(rd_kafka_t* handle, const std::string& name)
      : topic_(make_topic(handle, name)), queue_(rd_kafka_queue_new(handle)) {}
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  rd_kafka_topic_t* topic() const { return topic_.get(); }
  void start(std::int32_t partition, std::int64_t offset);
  /// Null after `wait`. Only records and partition ends come out. Throws Refusal if the offset to
  /// read from is not in the topic, Failure for what else goes wrong.
  Message next(std::chrono::milliseconds wait);

 private:
  std::string name() const { return std::string("topic ") + rd_kafka_topic_name(topic_.get()); }

  Topic topic_;
  Queue queue_;
  std::vector<std::int32_t> started_;
};

}  // namespace gyre::pipeline::kafka
