// SPDX-License-Identifier: Apache-2.0
#include "pipeline/broker.h"

#include <fmt/format.h>

#include "base/error.h"

namespace gyre::pipeline {

std::size_t size_of(const OutRecord& record) {
  std::size_t bytes =
      (record.key ? record.key->size() : 0) + (record.value ? record.value->size() : 0);
  for (const auto& [name, value] : record.headers) bytes += name.size() + value.size();
  return bytes;
}

void refuse_larger(const OutRecord& record, std::size_t largest) {
  const std::size_t size = size_of(record);
  if (size <= largest) return;
  throw Refusal(
      fmt::format("a record of {} bytes for topic {} is larger than the {} it takes; nothing of "
                  "gyre's may grow that large, so this is a defect of gyre: please report it. "
                  "Nothing is lost: the input is read again by a version without it",
                  size, record.topic, largest));
}

std::optional<std::int64_t> Broker::committed(std::int32_t partition) {
  const auto offsets = committed(std::span(&partition, 1));
  return offsets.empty() ? std::nullopt : std::optional(offsets.begin()->second);
}

LogRange Broker::range(const std::string& topic, std::int32_t partition) {
  const TopicPartition log{topic, partition};
  return ranges(std::span(&log, 1)).at(log);
}

std::optional<std::int64_t> Broker::restore(const std::string& topic, std::int32_t partition,
                                            std::int64_t from,
                                            const std::function<void(const Record&)>& apply) {
  const LogPart part{{topic, partition}, from, range(topic, partition).high};
  const auto reached =
      restore(std::span(&part, 1), [&](std::size_t, const Record& record) { apply(record); });
  return reached ? std::optional(reached->front()) : std::nullopt;
}

}  // namespace gyre::pipeline
