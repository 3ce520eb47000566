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

}  // namespace gyre::pipeline
