// SPDX-License-Identifier: Apache-2.0
#include "pipeline/input_start.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/error.h"
#include "base/hash.h"

namespace gyre::pipeline {

namespace {

/// Of two machines' clocks; a stored time further ahead than this was not made by a right one.
constexpr Nanos kSkew = 600 * kNanosPerSecond;

class Starter {
 public:
  Starter(const Config& config, const state::Transaction& state, const InputFacts& facts,
          std::int32_t partition, Broker& broker)
      : config_(config),
        state_(state),
        committed_(facts.committed),
        range_(facts.range),
        last_(facts.last),
        partition_(partition),
        broker_(broker),
        task_(fmt::format("intake {}-{}", config.input.topic, partition)),
        reset_(how_to_reset(config, "intake", config.input.topic, partition)) {}

  InputStart start(Nanos now) {
    if (!state_.has_checkpoint()) {
      resume_offset(state_, committed_, range_, task_, reset_);
      return {.next_offset = first_offset(), .fresh = true};
    }
    const records::Checkpoint checkpoint = state_.checkpoint();
    refuse_another_topic(checkpoint);
    refuse_other_targets(checkpoint);
    refuse_a_wrong_clock(checkpoint, now);
    const bool known = refuse_a_topic_made_anew(checkpoint);
    const std::int64_t next = checkpoint.next_offset();
    if (range_ && next < range_->low) return after_a_loss(next);
    if (!committed_ && !known) refuse_without_offset(next);
    return {.next_offset = *resume_offset(state_, committed_, range_, task_, reset_)};
  }

 private:
  void refuse_another_topic(const records::Checkpoint& checkpoint) const {
    if (checkpoint.topic() == config_.input.topic) return;
    throw Refusal(
        fmt::format("{}: `name: {}` has read the topic {} so far. What was counted of one topic "
                    "cannot be told from another's: read {} under another `name`, or set "
                    "input.topic back",
                    task_, config_.name, checkpoint.topic(), config_.input.topic));
  }

  // What a container's alerts made lies where its key was sent.
  void refuse_other_targets(const records::Checkpoint& checkpoint) const {
    const std::int32_t then = checkpoint.sent_to_size();
    if (then == 0 || then == config_.inner.partitions) return;
    throw Refusal(
        fmt::format("{}: the state was made with {} inner partitions, and there are {} now: alerts "
                    "would not be sent to where their findings are, and be counted and reported "
                    "twice. Restore the inner topics with {} partitions, or start anew under "
                    "another `name`",
                    task_, then, config_.inner.partitions, then));
  }

  void refuse_a_wrong_clock(const records::Checkpoint& checkpoint, Nanos now) const {
    if (now == kNoTime || checkpoint.progress() <= now + kSkew) return;
    throw Refusal(
        fmt::format("{}: its events have reached {} and this machine's clock says {}: one of the "
                    "two was or is wrong, and all alerts between them would count as late. Set "
                    "the clock right; if it is, the stored time was made by a wrong one: start "
                    "anew under another `name`",
                    task_, format_rfc3339(checkpoint.progress()), format_rfc3339(now)));
  }

  /// True if the last record was met again.
  bool refuse_a_topic_made_anew(const records::Checkpoint& checkpoint) const {
    const auto where = last_record_of(checkpoint, partition_, range_);
    if (!where) return false;
    if (last_ && fingerprint(*last_) == checkpoint.last_record()) return true;
    throw Refusal(
        fmt::format("{}: the topic was made anew, or has lost records: offset {} is not what was "
                    "read there before. Read on, alerts would be lost or taken for replays. Start "
                    "anew under another `name`",
                    task_, where->next_offset));
  }

  /// An offset that somebody set to the beginning of what is left says: go on without the rest.
  InputStart after_a_loss(std::int64_t next) const {
    if (committed_ && *committed_ > next && *committed_ <= range_->low)
      return {.next_offset = range_->low, .lost = range_->low - next};
    throw Refusal(fmt::format(
        "{}: offsets {} to {} were deleted before they were read; lengthen the topic's retention. "
        "To accept the loss, which is then logged and counted, {} --to-earliest",
        task_, next, range_->low - 1, reset_));
  }

  /// The group forgets offsets after a week without members, and those of a topic that is deleted.
  void refuse_without_offset(std::int64_t next) const {
    if (!range_)
      throw Failure(fmt::format("{}: the leader of the partition does not answer", task_));
    if (next == range_->low) return;
    throw Refusal(
        fmt::format("{}: the checkpoint says that offset {} is next, but the group has no "
                    "committed offset and the record before is gone: the topic may have been made "
                    "anew. If it was, start anew under another `name`. If not, to go on {} "
                    "--to-offset {}",
                    task_, next, reset_, next));
  }

  std::int64_t first_offset() const {
    const std::string& start = config_.input.start;
    if (start == "earliest" || was_added())
      return broker_.range(config_.input.topic, partition_).low;
    if (start == "latest") return broker_.range(config_.input.topic, partition_).high;
    const auto time = parse_rfc3339(start);
    CHECK(time);  // the configuration was read
    return broker_.offset_at(partition_, *time);
  }

  /// Whether the topic got this partition after the first start, to which alone input.start
  /// belongs. Partitions are added at the end, so the first one was there from the beginning.
  bool was_added() const {
    const std::string& topic = config_.intake_changelog();
    const std::int32_t changelog = intake_changelog_partition(config_, 0);
    std::int32_t first = 0;
    broker_.restore(topic, changelog, broker_.range(topic, changelog).low,
                    [&](const Record& record) {
                      if (record.key == "0" && record.value)
                        first = state::decode_checkpoint(*record.value).first_sources();
                    });
    return first > 0 && partition_ >= first;
  }

  const Config& config_;
  const state::Transaction& state_;
  std::optional<std::int64_t> committed_;
  std::optional<LogRange> range_;
  const std::optional<Record>& last_;
  std::int32_t partition_;
  Broker& broker_;
  std::string task_;
  std::string reset_;
};

}  // namespace

std::optional<PartitionOffset> last_record_of(const records::Checkpoint& checkpoint,
                                              std::int32_t partition,
                                              const std::optional<LogRange>& range) {
  const std::int64_t last = checkpoint.next_offset() - 1;
  if (!range || checkpoint.last_record().empty() || last < range->low) return std::nullopt;
  return PartitionOffset{partition, last};
}

InputStart input_start(const TaskOptions& options, const state::Transaction& state,
                       const InputFacts& facts, std::int32_t partition, Broker& broker) {
  return Starter(options.config, state, facts, partition, broker).start(options.clock());
}

std::string fingerprint(const Record& record) {
  return std::string(
      view(IdHasher().add(record.timestamp).add(record.value.value_or("")).finish()));
}

}  // namespace gyre::pipeline
