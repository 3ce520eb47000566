// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "pipeline/kafka_impl.h"
#include "pipeline/kafka_reader.h"

namespace gyre::pipeline {

using kafka::Clock;
using kafka::left;
using kafka::text;

namespace {

constexpr std::chrono::seconds kStable{40};  // transaction.timeout + the broker's sweep + margin

constexpr std::chrono::seconds kAnswer{5};  // of a partition's leader, before it counts as gone
constexpr std::chrono::milliseconds kEndWithin{500};
constexpr std::chrono::seconds kSilent{10};  // a partition that did not answer is left in peace
constexpr std::int64_t kFollowed = 1000;

}  // namespace

std::optional<std::int64_t> KafkaBroker::committed(std::int32_t partition) {
  const auto until = Clock::now() + kStable;
  for (;;) {
    alive();
    const kafka::List list(rd_kafka_topic_partition_list_new(1));
    auto* entry =
        rd_kafka_topic_partition_list_add(list.get(), stage_.input_topic.c_str(), partition);
    auto code = rd_kafka_committed(consumer_.get(), list.get(), std::clamp(left(until), 1, 5'000));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = entry->err;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      return entry->offset < 0 ? std::nullopt : std::optional(entry->offset);
    }
    refuse_if_consumer_is_dead();
    if (!kafka::passes(code) || left(until) == 0) {
      throw Failure("committed offset of group " + stage_.group + " on " + input_name(partition) +
                    ": " + text(code) + "; a transaction may be pending on it, or no broker of " +
                    client_.brokers + " answers");
    }
  }
}

rd_kafka_t* KafkaBroker::uncommitted() {
  if (!uncommitted_) uncommitted_ = kafka::make_reader(client_, "read_uncommitted");
  return uncommitted_.get();
}

rd_kafka_t* KafkaBroker::committed_reader() {
  if (!restorer_) restorer_ = kafka::make_reader(client_, "read_committed");
  return restorer_.get();
}

std::pair<std::int64_t, std::int64_t> KafkaBroker::watermarks(rd_kafka_t* handle,
                                                              const std::string& topic,
                                                              std::int32_t partition) {
  const auto until = Clock::now() + kafka::kReachable;
  for (;;) {
    alive();
    std::int64_t low = 0;
    std::int64_t high = 0;
    const auto code = rd_kafka_query_watermark_offsets(handle, topic.c_str(), partition, &low,
                                                       &high, std::max(1, left(until)));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {low, high};
    if (!kafka::passes(code) || left(until) == 0) {
      throw Failure("offsets of topic " + topic + " [" + std::to_string(partition) + "] at " +
                    client_.brokers + ": " + text(code));
    }
    rd_kafka_poll(handle, 50);
  }
}

std::int64_t KafkaBroker::restore(const std::string& topic, std::int32_t partition,
                                  std::int64_t from,
                                  const std::function<void(const Record&)>& apply) {
  const std::int64_t end = high_watermark(topic, partition);
  if (from >= end) return from;
  kafka::Reader reader(committed_reader(), topic);
  reader.start(partition, from);
  std::int64_t position = from;
  auto served = Clock::now();
  auto progress = served;
  while (position < end) {
    const kafka::Message message = reader.next(std::chrono::milliseconds(100));
    const auto now = Clock::now();
    if (message && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      apply(kafka::to_record(*message));
      position = message->offset + 1;
      progress = now;
    } else if (message && message->offset > position) {
      position = message->offset;
      progress = now;
    }
    if (now - progress > kStable) {
      throw Failure("restoring topic " + topic + " [" + std::to_string(partition) +
                    "]: stuck at offset " + std::to_string(position) + " of " +
                    std::to_string(end) + ": an open transaction, or the broker does not answer");
    }
    // A long restore must not cost the membership; what is read here, `resume` reads again.
    if (now - served > std::chrono::seconds(1)) {
      served = now;
      alive();
      const kafka::Message unused(rd_kafka_consumer_poll(consumer_.get(), 0));
      refuse_if_consumer_is_dead();
    }
  }
  return position;
}

std::optional<LogRange> KafkaBroker::input_range(std::int32_t partition) {
  alive();
  LogRange range;
  const auto code = rd_kafka_query_watermark_offsets(
      uncommitted(), stage_.input_topic.c_str(), partition, &range.low, &range.high,
      static_cast<int>(std::chrono::milliseconds(kAnswer).count()));
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return range;
  if (kafka::passes(code)) return std::nullopt;
  throw Failure("offsets of " + input_name(partition) + " at " + client_.brokers + ": " +
                text(code));
}

std::string KafkaBroker::cluster_id() {
  char* id = rd_kafka_clusterid(consumer_.get(),
                                static_cast<int>(std::chrono::milliseconds(kAnswer).count()));
  if (id == nullptr) return {};
  std::string result = id;
  rd_kafka_mem_free(consumer_.get(), id);
  return result;
}

std::optional<Record> KafkaBroker::record_at(std::int32_t partition, std::int64_t offset) {
  alive();
  kafka::Reader reader(committed_reader(), stage_.input_topic);
  reader.start(partition, offset);
  for (const auto until = Clock::now() + kafka::kReachable; left(until) > 0;) {
    const kafka::Message message = reader.next(std::chrono::milliseconds(100));
    if (!message) continue;
    const bool found = message->err == RD_KAFKA_RESP_ERR_NO_ERROR && message->offset == offset;
    return found ? std::optional(kafka::to_record(*message)) : std::nullopt;
  }
  throw Failure(kafka::unreachable(
      client_, "reading offset " + std::to_string(offset) + " of " + input_name(partition)));
}

std::int64_t KafkaBroker::offset_at(std::int32_t partition, Nanos time) {
  const auto until = Clock::now() + kafka::kReachable;
  for (;;) {
    alive();
    const kafka::List list(rd_kafka_topic_partition_list_new(1));
    auto* entry =
        rd_kafka_topic_partition_list_add(list.get(), stage_.input_topic.c_str(), partition);
    entry->offset = std::max<std::int64_t>(0, time / 1'000'000 + (time % 1'000'000 > 0 ? 1 : 0));
    auto code = rd_kafka_offsets_for_times(consumer_.get(), list.get(), std::max(1, left(until)));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = entry->err;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (entry->offset >= 0) return entry->offset;
      return watermarks(consumer_.get(), stage_.input_topic, partition).second;
    }
    if (!kafka::passes(code) || left(until) == 0) {
      throw Failure("offset by time on " + input_name(partition) + ": " + text(code));
    }
  }
}

// Not through the consumer: its connection answers in order, and a waiting fetch holds half a
// second. Nor for long: a partition whose broker is gone must not stop the others.
std::optional<std::int64_t> KafkaBroker::input_end(std::int32_t partition) {
  const auto silent = silent_until_.find(partition);
  if (silent != silent_until_.end() && Clock::now() < silent->second) return std::nullopt;
  alive();
  std::int64_t low = 0;
  std::int64_t high = 0;
  const auto code =
      rd_kafka_query_watermark_offsets(committed_reader(), stage_.input_topic.c_str(), partition,
                                       &low, &high, static_cast<int>(kEndWithin.count()));
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return high;
  silent_until_[partition] = Clock::now() + kSilent;
  return std::nullopt;
}

Unread KafkaBroker::unread(std::int32_t partition) {
  const auto source = std::find_if(sources_.begin(), sources_.end(),
                                   [&](const Source& s) { return s.partition == partition; });
  if (source == sources_.end()) return {.known = false};
  const auto end = input_end(partition);
  return {.known = end.has_value(),
          .records = end ? std::max<std::int64_t>(0, *end - source->position) : 0,
          .next = next_time(partition)};
}

std::optional<Nanos> KafkaBroker::next_time(std::int32_t partition) {
  const auto source = std::find_if(sources_.begin(), sources_.end(),
                                   [&](const Source& s) { return s.partition == partition; });
  if (source == sources_.end() || !fill(*source)) return std::nullopt;
  return kafka::timestamp(*source->head);
}

std::string KafkaBroker::delete_before(std::span<const PartitionOffset> offsets) {
  if (!deletions_) deletions_.reset(rd_kafka_queue_new(uncommitted()));
  std::string problem;
  while (const kafka::Event event{rd_kafka_queue_poll(deletions_.get(), 0)}) {
    if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      problem = rd_kafka_event_error_string(event.get());
      continue;
    }
    const auto* result = rd_kafka_event_DeleteRecords_result(event.get());
    if (result == nullptr) continue;
    const auto* partitions = rd_kafka_DeleteRecords_result_offsets(result);
    for (int i = 0; i < partitions->cnt; ++i) {
      const auto& each = partitions->elems[i];
      if (each.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        problem = input_name(each.partition) + ": " + text(each.err);
      }
    }
  }
  const kafka::List list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const PartitionOffset& each : offsets) {
    // Never -1, the high watermark: it takes open transactions with it.
    CHECK(each.next_offset >= 0);
    rd_kafka_topic_partition_list_add(list.get(), stage_.input_topic.c_str(), each.partition)
        ->offset = each.next_offset;
  }
  using Deletion =
      std::unique_ptr<rd_kafka_DeleteRecords_t, kafka::Destroy<rd_kafka_DeleteRecords_destroy>>;
  const Deletion deletion(rd_kafka_DeleteRecords_new(list.get()));
  rd_kafka_DeleteRecords_t* deletions[] = {deletion.get()};
  rd_kafka_DeleteRecords(uncommitted(), deletions, 1, nullptr, deletions_.get());
  return problem;
}

void KafkaBroker::follow(const std::string& topic, std::span<const std::int32_t> partitions,
                         const std::function<void(const Record&)>& each) {
  if (!follower_) follower_ = kafka::make_reader(client_, "read_committed");
  auto followed = followed_.find(topic);
  if (followed == followed_.end())
    followed = followed_.try_emplace(topic, follower_.get(), topic).first;
  for (const std::int32_t partition : partitions) {
    if (!followed->second.started.insert(partition).second) continue;
    const auto [low, high] = watermarks(uncommitted(), topic, partition);
    followed->second.reader.start(partition, std::max(low, high - kFollowed));
  }
  const std::chrono::milliseconds now{0};
  while (const kafka::Message message = followed->second.reader.next(now))
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) each(kafka::to_record(*message));
}

}  // namespace gyre::pipeline
