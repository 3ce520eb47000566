// SPDX-License-Identifier: Apache-2.0
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>

#include "base/check.h"
#include "base/error.h"
#include "pipeline/kafka_impl.h"

namespace gyre::pipeline {

using kafka::Clock;
using kafka::left;
using kafka::text;

namespace {

/// Read ahead of the input, by all workers of a stage; and of one partition, at least.
constexpr std::int32_t kAheadKilobytes = 8 << 10;
constexpr std::int32_t kLeastAheadKilobytes = 256;
constexpr std::chrono::milliseconds kLook{100};

/// The group forgets a silent member at the end of its session, or a little later.
constexpr std::chrono::seconds kForgotten{2};

/// Of a property that the user may have set.
std::size_t number_of(const rd_kafka_conf_t* conf, const char* property) {
  std::array<char, 32> digits{};
  std::size_t size = digits.size();
  rd_kafka_conf_get(conf, property, digits.data(), &size);
  return std::strtoull(digits.data(), nullptr, 10);
}

}  // namespace

KafkaBroker::KafkaBroker(KafkaClient client, KafkaStage stage)
    : client_(std::move(client)), stage_(std::move(stage)) {
  // All find their brokers while the others wait.
  static_cast<void>(committed_reader());
  static_cast<void>(uncommitted());
  create_producer();
  if (stage_.may_begin) stage_.may_begin();
  create_consumer();
  start_producer();  // before the group: who is put out of it asks whether this id was taken
  join();
  warm_outputs();
}

KafkaBroker::~KafkaBroker() {
  drop_sources();
  if (group_queue_) woken_.ignore(group_queue_.get());
  drop_producer();
}

void KafkaBroker::on_rebalance(rd_kafka_t* consumer, rd_kafka_resp_err_t what,
                               rd_kafka_topic_partition_list_t* partitions, void* self) noexcept {
  auto& broker = *static_cast<KafkaBroker*>(self);
  Assignment assignment;
  if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && partitions->cnt > 0) {
    // Not yet assigned: only `resume` knows where to start, and until then nothing may be fetched.
    for (int i = 0; i < partitions->cnt; ++i) {
      assignment.partitions.push_back(partitions->elems[i].partition);
    }
    std::sort(assignment.partitions.begin(), assignment.partitions.end());
  } else {
    rd_kafka_assign(consumer, what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS ? partitions : nullptr);
  }
  broker.news_ = std::move(assignment);
}

int KafkaBroker::on_statistics(rd_kafka_t*, char* json, std::size_t size, void* self) noexcept {
  const auto& broker = *static_cast<KafkaBroker*>(self);
  if (const auto statistics = read_statistics({json, size})) broker.stage_.observe(*statistics);
  return 0;  // librdkafka frees it
}

/// Of a client whose callbacks come to this.
kafka::Conf KafkaBroker::observed_conf(kafka::Properties defaults, const kafka::Properties& own) {
  if (stage_.observe) defaults["statistics.interval.ms"] = "5000";
  kafka::Conf conf = kafka::make_conf(client_, defaults, own);
  rd_kafka_conf_set_opaque(conf.get(), this);
  if (stage_.observe) rd_kafka_conf_set_stats_cb(conf.get(), on_statistics);
  return conf;
}

void KafkaBroker::create_consumer() {
  const kafka::Topic topic = kafka::make_topic(uncommitted(), stage_.input_topic);
  const std::int32_t partitions =
      kafka::partition_count(client_, uncommitted(), topic.get(), kafka::kPropagation);
  // What was there stays until nothing can fail any more.
  drop_sources();
  if (group_queue_) woken_.ignore(group_queue_.get());
  group_queue_.reset();
  input_.reset();
  consumer_.reset();
  // Each partition has a queue of its own, and each queue its limit.
  kafka::Properties defaults = kafka::tuning();
  defaults["queued.max.messages.kbytes"] =
      std::to_string(std::max(kAheadKilobytes / partitions, kLeastAheadKilobytes));
  // One fetch at a time to a broker: a partition with much unread waits for those that have none.
  defaults["fetch.wait.max.ms"] = std::to_string(kLook.count());
  kafka::Conf conf = observed_conf(std::move(defaults), kafka::consumer_properties(stage_));
  queue_bytes_ = number_of(conf.get(), "queued.max.messages.kbytes") << 10U;
  rd_kafka_conf_set_rebalance_cb(conf.get(), on_rebalance);
  consumer_ = kafka::make_handle(RD_KAFKA_CONSUMER, std::move(conf));
  rd_kafka_poll_set_consumer(consumer_.get());
  group_queue_.reset(rd_kafka_queue_get_consumer(consumer_.get()));
  woken_.watch(group_queue_.get());
  input_ = kafka::make_topic(consumer_.get(), stage_.input_topic);
}

void KafkaBroker::join() {
  const kafka::List topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), stage_.input_topic.c_str(),
                                    RD_KAFKA_PARTITION_UA);
  if (const auto code = rd_kafka_subscribe(consumer_.get(), topics.get())) {
    throw Failure("subscribing to " + stage_.input_topic + ": " + text(code));
  }
}

/// Poll tells that what was assigned is gone.
void KafkaBroker::replace_consumer() {
  create_consumer();
  join();
  news_ = Assignment();
}

bool KafkaBroker::consumer_is_fenced() const {
  return rd_kafka_fatal_error(consumer_.get(), nullptr, 0) == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
}

/// Whether a member with the id of this one lives, which the group has put out. It did so for a
/// request to join: of another process, which sends heartbeats, or of this one, whose answer was
/// lost. After such a one nobody looks, and the group forgets it when its session has ended, which
/// it may count anew from a rebalance or in another broker on.
bool KafkaBroker::group_has_twin() {
  const Waiting waiting(stage_);
  const std::chrono::milliseconds session(
      number_of(rd_kafka_conf(consumer_.get()), "session.timeout.ms"));
  for (std::string seen;;) {
    const auto until = Clock::now() + session + kForgotten;
    while (left(until) > 0) rd_kafka_poll(uncommitted(), std::min(left(until), 100));
    const std::string member = settled_member();
    if (member.empty()) return false;
    if (member == seen) return true;
    seen = member;
  }
}

/// The member with the id of this one as the group knows it; empty: there is none. Waits until the
/// group has settled.
std::string KafkaBroker::settled_member() {
  const kafka::Queue answers(rd_kafka_queue_new(uncommitted()));
  const char* group = stage_.group.c_str();
  for (;;) {
    rd_kafka_DescribeConsumerGroups(uncommitted(), &group, 1, nullptr, answers.get());
    const kafka::Event event(
        rd_kafka_queue_poll(answers.get(), left(Clock::now() + kafka::kReachable)));
    const auto* result =
        event ? rd_kafka_event_DescribeConsumerGroups_result(event.get()) : nullptr;
    std::size_t count = 0;
    const auto* groups =
        result == nullptr ? nullptr : rd_kafka_DescribeConsumerGroups_result_groups(result, &count);
    if (count != 1 || rd_kafka_ConsumerGroupDescription_error(groups[0]) != nullptr)
      throw Failure("the group " + stage_.group + " put out " + stage_.id +
                    " and does not tell of its members");
    const auto state = rd_kafka_ConsumerGroupDescription_state(groups[0]);
    const std::size_t members = rd_kafka_ConsumerGroupDescription_member_count(groups[0]);
    if (members == 0) return {};
    if (state != RD_KAFKA_CONSUMER_GROUP_STATE_STABLE) {
      rd_kafka_poll(uncommitted(), 500);
      continue;
    }
    for (std::size_t i = 0; i < members; ++i) {
      const auto* member = rd_kafka_ConsumerGroupDescription_member(groups[0], i);
      const char* id = rd_kafka_MemberDescription_group_instance_id(member);
      if (id != nullptr && id == stage_.id) return rd_kafka_MemberDescription_consumer_id(member);
    }
    return {};
  }
}

void KafkaBroker::refuse_twin(const std::string& noticed) const {
  throw Refusal("another process runs with the id " + stage_.id + " (" + noticed +
                "). Two with one id put each other out in turn. Stop one, or give each its own "
                "`instance` in the configuration");
}

void KafkaBroker::refuse_if_consumer_is_dead() const {
  std::array<char, 512> said{};
  const auto code = rd_kafka_fatal_error(consumer_.get(), said.data(), said.size());
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  if (code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) {
    throw Failure("the group " + stage_.group + " has put out the member " + stage_.id);
  }
  throw Refusal("the consumer of group " + stage_.group + " cannot go on: " + text(code) + ": " +
                said.data());
}

/// What a message says that is no record: an error that ends something, or a warning.
void KafkaBroker::refuse(const rd_kafka_message_t& message) {
  switch (message.err) {
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      // Whoever read on in our place may have had it deleted. If nobody did, the recovery refuses.
      throw Failure(input_name(message.partition) +
                    ": the offset to go on from is outside of what "
                    "the topic holds (" +
                    rd_kafka_message_errstr(&message) + ")");
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      throw Failure(kafka::missing(stage_.input_topic));
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
      spdlog::warn("{}: more than max.poll.interval.ms between two polls: {}", stage_.id,
                   rd_kafka_message_errstr(&message));
      return;
    default:
      refuse_if_consumer_is_dead();
      if (kafka::passes(message.err)) return;
      throw Failure("reading topic " + stage_.input_topic + ": " + text(message.err) + ": " +
                    rd_kafka_message_errstr(&message));
  }
}

/// Runs what the group wants to tell: assignments and errors. Records have queues of their own.
void KafkaBroker::serve() {
  while (!news_) {
    const kafka::Message message(rd_kafka_consumer_poll(consumer_.get(), 0));
    if (!message) return;
    refuse(*message);
  }
}

/// True if the source has a record, be it from before.
bool KafkaBroker::fill(Source& source) {
  while (!source.head) {
    kafka::Message message(rd_kafka_consume_queue(source.queue.get(), 0));
    if (!message) return false;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      source.finished = false;
      source.head = std::move(message);
    } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      source.finished = true;
      source.position = std::max(source.position, message->offset);
    } else {
      refuse(*message);
    }
  }
  return true;
}

/// A consumer whose queues are full fetches nothing. That there is room again, librdkafka notices
/// once a second, or when it has something else to ask a broker (before 2.2, which can be told to
/// look more often). Where some queue was empty, fetching goes on, and a question would wait for
/// it.
void KafkaBroker::tell_of_room() {
  std::optional<std::int32_t> room;
  bool fetching = false;
  for (Source& source : sources_) {
    // Of a queue that was full, so much at least is handed out before it is seen empty.
    if (source.taken >= queue_bytes_ / 2)
      room = source.partition;
    else if (!source.head)
      fetching = true;
    if (!source.head) source.taken = 0;
  }
  if (!room || fetching) return;
  for (Source& source : sources_) source.taken = 0;
  std::int64_t unused = 0;
  ask_offset(consumer_.get(), *room, RD_KAFKA_OFFSET_END, Clock::now() + kLook, unused);
}

Poll KafkaBroker::poll(const BatchLimits& limits) {
  CHECK(!in_transaction_);
  refuse_if_consumer_is_dead();
  rd_kafka_poll(producer_.get(), 0);
  serve();
  Poll result;
  std::size_t bytes = 0;
  auto until = Clock::now() + limits.wait;
  std::vector<SourceView> views(sources_.size());
  const auto view = [&](std::size_t i) {
    const bool here = fill(sources_[i]);
    views[i] = {.partition = sources_[i].partition,
                .next = here ? std::optional(kafka::timestamp(*sources_[i].head)) : std::nullopt,
                .finished = sources_[i].finished};
  };
  for (std::size_t i = 0; i < sources_.size(); ++i) view(i);
  while (!news_ && result.records.size() < limits.records && bytes < limits.bytes) {
    const auto next = next_source(views, turn_, limits.alignment);
    if (!next) {
      // A record that waits for other members or sources is as good as one in hand.
      const bool held = std::any_of(views.begin(), views.end(),
                                    [](const SourceView& v) { return v.next.has_value(); });
      if (held) until = std::min(until, Clock::now() + limits.linger);
      if (left(until) == 0) break;
      tell_of_room();
      woken_.wait(std::chrono::milliseconds(left(until)));
      serve();
      for (std::size_t i = 0; i < sources_.size(); ++i) view(i);
      continue;
    }
    Source& source = sources_[*next];
    const kafka::Message message = std::move(source.head);
    result.records.push_back(kafka::to_record(*message));
    source.position = message->offset + 1;
    bytes += message->len + message->key_len;
    source.taken += message->len + message->key_len;
    turn_ = *next + 1;
    if (result.records.size() == 1) until = Clock::now() + limits.linger;
    view(*next);
  }
  tell_of_room();
  if (news_) {
    // All that was read is of the older assignment.
    drop_sources();
    result.records.clear();
    result.assignment = std::exchange(news_, std::nullopt);
    assigned_ = result.assignment->partitions;
  }
  return result;
}

void KafkaBroker::drop_sources() {
  for (const Source& source : sources_) woken_.ignore(source.queue.get());
  sources_.clear();
}

void KafkaBroker::resume(std::span<const PartitionOffset> from) {
  // Overtaken while the tasks were restored: poll tells.
  if (news_) return;
  CHECK(from.size() == assigned_.size());
  drop_sources();
  const kafka::List list(rd_kafka_topic_partition_list_new(static_cast<int>(from.size())));
  for (const PartitionOffset& start : from) {
    CHECK(std::binary_search(assigned_.begin(), assigned_.end(), start.partition));
    rd_kafka_topic_partition_list_add(list.get(), stage_.input_topic.c_str(), start.partition)
        ->offset = start.next_offset;
    Source source{.partition = start.partition,
                  .position = start.next_offset,
                  .queue = kafka::Queue(rd_kafka_queue_get_partition(
                      consumer_.get(), stage_.input_topic.c_str(), start.partition)),
                  .head = nullptr};
    if (!source.queue) throw Failure(input_name(start.partition) + ": no such partition");
    // Before the partition is assigned: else what it fetches goes to the queue of the group.
    rd_kafka_queue_forward(source.queue.get(), nullptr);
    woken_.watch(source.queue.get());
    sources_.push_back(std::move(source));
  }
  if (from.empty()) return;
  if (const auto code = rd_kafka_assign(consumer_.get(), list.get())) {
    throw Failure("assigning partitions of " + stage_.input_topic + ": " + text(code));
  }
}

kafka::Membership KafkaBroker::membership() {
  kafka::Membership metadata(rd_kafka_consumer_group_metadata(consumer_.get()));
  void* bytes = nullptr;
  std::size_t size = 0;
  std::optional<kafka::Member> member;
  if (metadata) {
    if (const kafka::Error error(
            rd_kafka_consumer_group_metadata_write(metadata.get(), &bytes, &size));
        !error) {
      member = kafka::parse_group_metadata({static_cast<const char*>(bytes), size});
      rd_kafka_mem_free(nullptr, bytes);
    }
  }
  if (!member || !member->alive()) {
    throw Failure("commit refused: " + stage_.id + " is no member of group " + stage_.group +
                  " now, and the broker would not fence its offsets");
  }
  return metadata;
}

std::unique_ptr<Broker> make_kafka_broker(const KafkaClient& client, const KafkaStage& stage) {
  return std::make_unique<KafkaBroker>(client, stage);
}

}  // namespace gyre::pipeline
