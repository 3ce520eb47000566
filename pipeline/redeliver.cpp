// SPDX-License-Identifier: Apache-2.0
#include "pipeline/redeliver.h"

#include <fmt/format.h>

#include <iostream>
#include <map>
#include <set>
#include <vector>

#include "base/error.h"
#include "pipeline/clock.h"
#include "pipeline/commands.h"
#include "pipeline/dead_letter.h"
#include "pipeline/kafka_broker.h"
#include "pipeline/kafka_properties.h"
#include "schemas/alert.h"

namespace gyre::pipeline {
namespace {

// One run over the letters of one error, up to where the topic ended when it was assigned.
class Run {
 public:
  Run(Broker& broker, const Config& config, std::string_view error, Nanos now, bool dry_run)
      : broker_(broker), config_(config), error_(error), now_(now), dry_run_(dry_run) {}

  RedeliveryCounts run() {
    const BatchLimits limits{.linger = config_.batch.linger,
                             .records = config_.batch.records,
                             .bytes = config_.batch.bytes};
    while (!assigned_ || !ends_.empty()) {
      const Poll polled = broker_.poll(limits);
      if (polled.assignment)
        take(*polled.assignment);
      else
        redeliver(polled.records);
      std::erase_if(ends_, [&](const auto& end) {
        const Unread unread = broker_.unread(end.first);
        return unread.known && unread.records == 0;
      });
    }
    return counts_;
  }

 private:
  void take(const Assignment& assignment) {
    const std::string& topic = config_.input.dead_letter_topic;
    std::vector<PartitionOffset> from;
    ends_.clear();
    without_offset_.clear();
    const auto committed = broker_.committed(assignment.partitions);
    for (const std::int32_t partition : assignment.partitions) {
      const LogRange log = broker_.range(topic, partition);
      const auto seen = committed.find(partition);
      if (seen == committed.end()) without_offset_.insert(partition);
      from.push_back(
          {partition, seen == committed.end() ? log.low : std::max(seen->second, log.low)});
      ends_[partition] = log.high;
    }
    broker_.resume(from);
    assigned_ = true;
  }

  void redeliver(const std::vector<Record>& letters) {
    RedeliveryCounts counts = counts_;
    std::map<std::int32_t, std::int64_t> next;
    std::vector<OutRecord> records;
    for (const Record& letter : letters) {
      const auto end = ends_.find(letter.partition);
      if (end == ends_.end()) continue;  // came after the end
      if (letter.offset >= end->second) {
        ends_.erase(end);
        continue;
      }
      next[letter.partition] = letter.offset + 1;
      switch (redelivery_of(letter, config_, error_)) {
        case Redelivery::kRedeliver:
          refuse_what_may_be_forgotten(letter);
          ++counts.redelivered;
          records.push_back(to_redelivered(letter, config_.input.topic));
          break;
        case Redelivery::kGivenUp:
          ++counts.given_up;
          break;
        case Redelivery::kCut:
          ++counts.cut;
          break;
        case Redelivery::kNotAsked:
          break;
      }
    }
    if (!dry_run_ && !next.empty()) commit(std::move(records), next);
    counts_ = counts;
  }

  // A group without members loses its offsets after a week (offsets.retention.minutes).
  void refuse_what_may_be_forgotten(const Record& letter) const {
    constexpr Nanos kRemembered = Nanos{6} * 24 * 3600 * kNanosPerSecond;
    if (dry_run_ || !without_offset_.contains(letter.partition)) return;
    if (letter.timestamp == kNoTime || now_ - letter.timestamp < kRemembered) return;
    throw Refusal(fmt::format(
        "{} [{}], offset {}: the letter is from {}, and the group {} knows no offset here: Kafka "
        "forgets it after a week without members, so the letter may have been fed back before, and "
        "would be counted twice. If it was not: kafka-consumer-groups --bootstrap-server {} "
        "--group {} --topic {}:{} --reset-offsets --to-offset {} --execute. To leave what is old: "
        "the same with --to-datetime",
        config_.input.dead_letter_topic, letter.partition, letter.offset,
        format_rfc3339(letter.timestamp), redelivery_group(config_, error_), config_.kafka.brokers,
        redelivery_group(config_, error_), config_.input.dead_letter_topic, letter.partition,
        letter.offset));
  }

  void commit(std::vector<OutRecord> records, const std::map<std::int32_t, std::int64_t>& next) {
    std::vector<PartitionOffset> offsets;
    for (const auto& [partition, offset] : next) offsets.push_back({partition, offset});
    broker_.begin();
    for (OutRecord& record : records) broker_.send(std::move(record));
    broker_.commit(offsets);
  }

  Broker& broker_;
  const Config& config_;
  std::string_view error_;
  Nanos now_;
  bool dry_run_;
  bool assigned_ = false;
  std::map<std::int32_t, std::int64_t> ends_;  ///< of the partitions not yet read up to there
  std::set<std::int32_t> without_offset_;
  RedeliveryCounts counts_;
};

}  // namespace

RedeliveryCounts redeliver_letters(Broker& broker, const Config& config, std::string_view error,
                                   Nanos now, bool dry_run) {
  return Run(broker, config, error, now, dry_run).run();
}

std::string redelivery_group(const Config& config, std::string_view error) {
  return fmt::format("{}.{}", config.group("redeliver"), error);
}

int redeliver(const Config& config, const RedeliverOptions& options) {
  for (const schemas::ParseError each : schemas::kParseErrors) {
    const std::string_view error = schemas::to_string(each);
    if (options.error && *options.error != error) continue;
    // One id for all instances: a second run takes over from the first, it never shares with it.
    const auto broker = make_kafka_broker(
        kafka_client(config), {.input_topic = config.input.dead_letter_topic,
                               .group = redelivery_group(config, error),
                               .id = config.name + "-redeliver",
                               .output_topics = {{config.input.topic, kLargestDeadLetter}}});
    const RedeliveryCounts counts =
        redeliver_letters(*broker, config, error, wall_clock(), options.dry_run);
    std::cout << fmt::format("{}: {} {}", error, counts.redelivered,
                             options.dry_run ? "would be redelivered" : "redelivered");
    if (counts.given_up > 0)
      std::cout << fmt::format(", {} given up after {} times", counts.given_up, kMostRedeliveries);
    if (counts.cut > 0) std::cout << fmt::format(", {} left since they are not whole", counts.cut);
    std::cout << std::endl;
  }
  return 0;
}

}  // namespace gyre::pipeline
