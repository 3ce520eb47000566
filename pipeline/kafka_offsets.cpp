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

std::map<std::int32_t, std::int64_t> KafkaBroker::committed(
    std::span<const std::int32_t> partitions) {
  std::map<std::int32_t, std::int64_t> offsets;
  if (partitions.empty()) return offsets;
  const auto until = Clock::now() + kStable;
  for (;;) {
    const Waiting waiting(stage_);
    const kafka::List list = input_list(partitions);
    auto code = rd_kafka_committed(consumer_.get(), list.get(), std::clamp(left(until), 1, 5'000));
    std::int32_t partition = partitions.front();
    for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      partition = list->elems[i].partition;
      code = list->elems[i].err;
      if (list->elems[i].offset >= 0) offsets[partition] = list->elems[i].offset;
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return offsets;
    offsets.clear();
    refuse_if_consumer_is_dead();
    if (!kafka::passes(code) || left(until) == 0) {
      throw Failure("committed offset of group " + stage_.group + " on " + input_name(partition) +
                    ": " + text(code) + "; a transaction may be pending on it, or no broker of " +
                    client_.brokers + " answers");
    }
  }
}

kafka::List KafkaBroker::input_list(std::span<const std::int32_t> partitions) const {
  kafka::List list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const std::int32_t partition : partitions)
    rd_kafka_topic_partition_list_add(list.get(), stage_.input_topic.c_str(), partition);
  return list;
}

rd_kafka_t* KafkaBroker::uncommitted() {
  if (!uncommitted_) uncommitted_ = kafka::make_reader(client_, "read_uncommitted");
  return uncommitted_.get();
}

rd_kafka_t* KafkaBroker::committed_reader() {
  if (!restorer_) {
    // It reads a little of many logs, and asks in between. A connection answers in order: a fetch
    // of what has no end yet would keep all else waiting, and so would the one that finds an end.
    restorer_ = kafka::make_reader(client_, "read_committed", {{"fetch.wait.max.ms", "1"}});
  }
  return restorer_.get();
}

// In two requests to each leader, not in two a partition. `of` names the partition of an error.
rd_kafka_resp_err_t KafkaBroker::ask_ranges(std::map<TopicPartition, LogRange>& ranges,
                                            Clock::time_point until, std::string& of) {
  for (const std::int64_t which : {RD_KAFKA_OFFSET_BEGINNING, RD_KAFKA_OFFSET_END}) {
    const kafka::List list(rd_kafka_topic_partition_list_new(static_cast<int>(ranges.size())));
    for (const auto& [log, range] : ranges)
      rd_kafka_topic_partition_list_add(list.get(), log.first.c_str(), log.second)->offset = which;
    const Waiting waiting(stage_);
    of = "topic " + ranges.begin()->first.first;
    const auto code =
        rd_kafka_offsets_for_times(uncommitted(), list.get(), std::max(1, left(until)));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return code;
    for (int i = 0; i < list->cnt; ++i) {
      const auto& each = list->elems[i];
      of = "topic " + std::string(each.topic) + " [" + std::to_string(each.partition) + "]";
      if (each.err != RD_KAFKA_RESP_ERR_NO_ERROR) return each.err;
      if (each.offset < 0) return RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
      LogRange& range = ranges.at({each.topic, each.partition});
      (which == RD_KAFKA_OFFSET_END ? range.high : range.low) = each.offset;
    }
  }
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

std::map<TopicPartition, LogRange> KafkaBroker::ranges(std::span<const TopicPartition> logs) {
  std::map<TopicPartition, LogRange> ranges;
  for (const TopicPartition& log : logs) ranges[log];
  if (ranges.empty()) return ranges;
  std::string of;
  for (const auto until = Clock::now() + kafka::kReachable;;) {
    const auto code = ask_ranges(ranges, std::min(until, Clock::now() + kAnswer), of);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return ranges;
    if (!kafka::passes(code) || left(until) == 0)
      throw Failure("offsets of " + of + " at " + client_.brokers + ": " + text(code));
    std::set<std::string> topics;
    for (const TopicPartition& log : logs) topics.insert(log.first);
    for (const std::string& topic : topics) find_leaders(topic);
    rd_kafka_poll(uncommitted(), 50);
  }
}

// Who leads a topic that a handle neither reads nor writes, librdkafka asks every five minutes,
// and until then whoever led it, whatever that one answers (seen with 2.0.2).
void KafkaBroker::find_leaders(const std::string& of) {
  const Waiting waiting(stage_);
  const kafka::Topic topic = kafka::make_topic(uncommitted(), of);
  const rd_kafka_metadata_t* metadata = nullptr;
  rd_kafka_metadata(uncommitted(), 0, topic.get(), &metadata, static_cast<int>(kEndWithin.count()));
  const kafka::Metadata unused(metadata);
}

std::optional<std::vector<std::int64_t>> KafkaBroker::restore(
    std::span<const LogPart> parts, const std::function<void(std::size_t, const Record&)>& apply) {
  std::vector<std::int64_t> positions;
  // Two parts may be of one log, which can be read once only.
  std::map<TopicPartition, std::vector<std::size_t>> behind;
  for (const LogPart& part : parts) {
    if (part.from < part.to) behind[part.log].push_back(positions.size());
    positions.push_back(part.from);
  }
  if (behind.empty()) return positions;
  kafka::Reader reader(committed_reader());
  std::map<std::pair<rd_kafka_topic_t*, std::int32_t>, std::vector<std::size_t>> reading;
  for (auto& [log, of] : behind) {
    std::int64_t from = parts[of.front()].from;
    for (const std::size_t part : of) from = std::min(from, parts[part].from);
    reader.start(log.first, log.second, from);
    reading[{reader.topic(log.first), log.second}] = std::move(of);
  }
  auto served = Clock::now();
  auto progress = served;
  while (!reading.empty()) {
    const kafka::Message message = reader.next(std::chrono::milliseconds(100));
    const auto now = Clock::now();
    const auto found = message ? reading.find({message->rkt, message->partition}) : reading.end();
    if (found != reading.end()) {
      const bool is_record = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
      const Record record = is_record ? kafka::to_record(*message) : Record{};
      std::erase_if(found->second, [&](std::size_t part) {
        if (is_record && message->offset >= positions[part]) apply(part, record);
        const std::int64_t position = message->offset + (is_record ? 1 : 0);
        if (position > positions[part]) progress = now;
        positions[part] = std::max(positions[part], position);
        return positions[part] >= parts[part].to;
      });
      if (found->second.empty()) reading.erase(found);
    }
    if (now - progress > kStable) {
      const TopicPartition& log = parts[reading.begin()->second.front()].log;
      throw Failure("restoring topic " + log.first + " [" + std::to_string(log.second) +
                    "]: stuck at offset " +
                    std::to_string(positions[reading.begin()->second.front()]) +
                    ": an open transaction, or the broker does not answer");
    }
    // A long restore must not cost the membership; what is read here, `resume` reads again.
    if (now - served > std::chrono::seconds(1)) {
      served = now;
      const Waiting waiting(stage_);
      const kafka::Message unused(rd_kafka_consumer_poll(consumer_.get(), 0));
      refuse_if_consumer_is_dead();
      if (news_) return std::nullopt;
    }
  }
  return positions;
}

std::map<std::int32_t, LogRange> KafkaBroker::input_ranges(
    std::span<const std::int32_t> partitions) {
  std::map<std::int32_t, LogRange> known;
  if (partitions.empty()) return known;
  std::map<TopicPartition, LogRange> ranges;
  for (const std::int32_t partition : partitions) ranges[{stage_.input_topic, partition}];
  std::string of;
  auto code = ask_ranges(ranges, Clock::now() + kAnswer, of);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
    for (const auto& [log, range] : ranges) known[log.second] = range;
    return known;
  }
  // One leader that is away shall not hide what the others say.
  find_leaders(stage_.input_topic);
  for (const std::int32_t partition : partitions) {
    std::map<TopicPartition, LogRange> one = {{{stage_.input_topic, partition}, {}}};
    code = ask_ranges(one, Clock::now() + kEndWithin, of);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
      known[partition] = one.begin()->second;
    else if (!kafka::passes(code))
      throw Failure("offsets of " + of + " at " + client_.brokers + ": " + text(code));
  }
  return known;
}

std::string KafkaBroker::cluster_id() {
  char* id = rd_kafka_clusterid(consumer_.get(),
                                static_cast<int>(std::chrono::milliseconds(kAnswer).count()));
  if (id == nullptr) return {};
  std::string result = id;
  rd_kafka_mem_free(consumer_.get(), id);
  return result;
}

std::map<std::int32_t, Record> KafkaBroker::records_at(std::span<const PartitionOffset> offsets) {
  std::map<std::int32_t, Record> records;
  std::map<std::int32_t, std::int64_t> wanted;
  kafka::Reader reader(committed_reader());
  for (const auto& [partition, offset] : offsets) {
    reader.start(stage_.input_topic, partition, offset);
    wanted[partition] = offset;
  }
  for (const auto until = Clock::now() + kafka::kReachable; !wanted.empty();) {
    const Waiting waiting(stage_);
    if (left(until) == 0)
      throw Failure(kafka::unreachable(client_, "reading offset " +
                                                    std::to_string(wanted.begin()->second) +
                                                    " of " + input_name(wanted.begin()->first)));
    const kafka::Message message = reader.next(std::chrono::milliseconds(100));
    const auto found = message ? wanted.find(message->partition) : wanted.end();
    if (found == wanted.end()) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && message->offset == found->second)
      records.emplace(message->partition, kafka::to_record(*message));
    wanted.erase(found);
  }
  return records;
}

/// The offset that ListOffsets tells for `what`: a time in ms, or an end. -1: there is none.
rd_kafka_resp_err_t KafkaBroker::ask_offset(rd_kafka_t* handle, std::int32_t partition,
                                            std::int64_t what, Clock::time_point until,
                                            std::int64_t& offset) {
  const Waiting waiting(stage_);
  const kafka::List list(rd_kafka_topic_partition_list_new(1));
  auto* entry =
      rd_kafka_topic_partition_list_add(list.get(), stage_.input_topic.c_str(), partition);
  entry->offset = what;
  const auto code = rd_kafka_offsets_for_times(handle, list.get(), std::max(1, left(until)));
  offset = entry->offset;
  return code == RD_KAFKA_RESP_ERR_NO_ERROR ? entry->err : code;
}

std::int64_t KafkaBroker::offset_at(std::int32_t partition, Nanos time) {
  const std::int64_t ms =
      std::max<std::int64_t>(0, time / 1'000'000 + (time % 1'000'000 > 0 ? 1 : 0));
  for (const auto until = Clock::now() + kafka::kReachable;;) {
    std::int64_t offset = -1;
    const auto code =
        ask_offset(uncommitted(), partition, ms, std::min(until, Clock::now() + kAnswer), offset);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
      return offset >= 0 ? offset : range(stage_.input_topic, partition).high;
    if (!kafka::passes(code) || left(until) == 0)
      throw Failure("offset by time on " + input_name(partition) + ": " + text(code));
    find_leaders(stage_.input_topic);
    rd_kafka_poll(uncommitted(), 50);
  }
}

// The end of all that lies there: what is not decided yet is unread, too. Not through the consumer:
// its connection answers in order, and a waiting fetch holds half a second. Nor for long: a
// partition whose broker is gone must not stop the others.
std::optional<std::int64_t> KafkaBroker::input_end(std::int32_t partition) {
  const auto silent = silent_until_.find(partition);
  if (silent != silent_until_.end() && Clock::now() < silent->second) return std::nullopt;
  std::int64_t end = -1;
  if (ask_offset(uncommitted(), partition, RD_KAFKA_OFFSET_END, Clock::now() + kEndWithin, end) ==
          RD_KAFKA_RESP_ERR_NO_ERROR &&
      end >= 0)
    return end;
  find_leaders(stage_.input_topic);
  silent_until_[partition] = Clock::now() + kSilent;
  return std::nullopt;
}

Unread KafkaBroker::unread(std::int32_t partition) {
  const auto source = std::find_if(sources_.begin(), sources_.end(),
                                   [&](const Source& s) { return s.partition == partition; });
  if (source == sources_.end()) return {.known = false};
  const auto end = input_end(partition);
  // An end before what was read is that of a broker that does not know yet that it leads no more.
  const bool known = end && *end >= source->position;
  return {
      .known = known, .records = known ? *end - source->position : 0, .next = next_time(partition)};
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
  if (!problem.empty()) find_leaders(stage_.input_topic);
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
  if (followed == followed_.end()) followed = followed_.try_emplace(topic, follower_.get()).first;
  for (const std::int32_t partition : partitions) {
    if (followed->second.started.contains(partition)) continue;
    const LogRange log = range(topic, partition);
    followed->second.reader.start(topic, partition, std::max(log.low, log.high - kFollowed));
    followed->second.started.insert(partition);
  }
  const std::chrono::milliseconds now{0};
  while (const kafka::Message message = followed->second.reader.next(now))
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) each(kafka::to_record(*message));
}

}  // namespace gyre::pipeline
