// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/broker.h"
#include "pipeline/kafka_broker.h"
#include "pipeline/kafka_handles.h"
#include "pipeline/kafka_reader.h"

namespace gyre::pipeline {

/// The broker port over librdkafka, told in three files: kafka_consumer.cpp (group, assignment,
/// polling), kafka_producer.cpp (transactions), kafka_offsets.cpp (where logs begin and end, and
/// restores).
class KafkaBroker final : public Broker {
 public:
  KafkaBroker(KafkaClient client, KafkaStage stage);
  ~KafkaBroker() override;

  Poll poll(const BatchLimits& limits) override;
  void resume(std::span<const PartitionOffset> from) override;
  void begin() override;
  void send(OutRecord record) override;
  std::map<TopicPartition, std::int64_t> commit(
      std::span<const PartitionOffset> next_offsets) override;
  void recover() override;
  using Broker::committed;
  using Broker::restore;
  std::map<std::int32_t, std::int64_t> committed(std::span<const std::int32_t> partitions) override;
  std::map<TopicPartition, LogRange> ranges(std::span<const TopicPartition> logs) override;
  std::optional<std::vector<std::int64_t>> restore(
      std::span<const LogPart> parts,
      const std::function<void(std::size_t, const Record&)>& apply) override;
  std::int32_t input_partitions() override {
    return kafka::partition_count(client_, consumer_.get(), input_.get());
  }
  std::map<std::int32_t, LogRange> input_ranges(std::span<const std::int32_t> partitions) override;
  std::map<std::int32_t, Record> records_at(std::span<const PartitionOffset> offsets) override;
  std::string cluster_id() override;
  Nanos time() override;
  std::int64_t offset_at(std::int32_t partition, Nanos time) override;
  Unread unread(std::int32_t partition) override;
  std::optional<Nanos> next_time(std::int32_t partition) override;
  std::string delete_before(std::span<const PartitionOffset> offsets) override;
  void follow(const std::string& topic, std::span<const std::int32_t> partitions,
              const std::function<void(const Record&)>& each) override;

 private:
  struct Output {
    kafka::Topic topic;
    std::int32_t partitions = 0;
    std::size_t largest_record = kLargestRecord;
  };

  /// An assigned input partition, with a queue of its own.
  struct Source {
    std::int32_t partition = 0;
    std::int64_t position = 0;  ///< next to be handed out
    kafka::Queue queue;
    kafka::Message head;    ///< the next record; none: the queue was empty
    bool finished = false;  ///< the end was seen behind the position
    std::size_t taken = 0;  ///< bytes handed out since the queue was seen empty
  };
  struct Followed {
    explicit Followed(rd_kafka_t* handle) : reader(handle) {}
    kafka::Reader reader;
    std::set<std::int32_t> started;
  };

  static void on_rebalance(rd_kafka_t* consumer, rd_kafka_resp_err_t what,
                           rd_kafka_topic_partition_list_t* partitions, void* self) noexcept;
  static int on_close(int socket, void* self) noexcept;
  static void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* self) noexcept;
  static int on_statistics(rd_kafka_t*, char* json, std::size_t size, void* self) noexcept;

  kafka::Conf observed_conf(kafka::Properties defaults, const kafka::Properties& own);
  void create_consumer();
  void join();
  void replace_consumer();
  bool consumer_is_fenced() const;
  bool has_twin();
  bool group_has_twin();
  std::string settled_member();
  void create_producer();
  void start_producer();
  void warm_outputs();
  void make_producer();
  void drop_producer();
  Output& output(const std::string& name);
  rd_kafka_t* uncommitted();
  rd_kafka_t* committed_reader();
  kafka::List input_list(std::span<const std::int32_t> partitions) const;
  rd_kafka_resp_err_t ask_ranges(std::map<TopicPartition, LogRange>& ranges,
                                 kafka::Clock::time_point until, std::string& of);
  void find_leaders(const std::string& of);
  rd_kafka_resp_err_t ask_offset(rd_kafka_t* handle, std::int32_t partition, std::int64_t what,
                                 kafka::Clock::time_point until, std::int64_t& offset);
  std::optional<std::int64_t> input_end(std::int32_t partition);
  void serve();
  bool fill(Source& source);
  void tell_of_room();
  void refuse(const rd_kafka_message_t& message);
  void wait(std::chrono::milliseconds time);
  void drop_sources();
  void refuse_if_consumer_is_dead() const;
  /// Around the calls that wait for a broker: librdkafka does not end each of them in time while
  /// none answers, whatever the timeout (seen with 2.0.2: sending offsets).
  class Waiting {
   public:
    explicit Waiting(const KafkaStage& stage) : stage_(stage) { tell(true); }
    ~Waiting() { tell(false); }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

   private:
    void tell(bool waits) const {
      if (stage_.waits) stage_.waits(waits);
    }
    const KafkaStage& stage_;
  };

  [[noreturn]] void fail(const std::string& doing, const kafka::Error& error);
  [[noreturn]] void refuse_twin(const std::string& noticed) const;
  kafka::Membership membership();
  std::string input_name(std::int32_t partition) const {
    return "topic " + stage_.input_topic + " [" + std::to_string(partition) + "]";
  }

  KafkaClient client_;
  KafkaStage stage_;

  std::optional<Assignment> news_;  // of the rebalance callback, until told by poll
  std::vector<std::int32_t> assigned_;
  std::size_t turn_ = 0;
  std::size_t queue_bytes_ = 0;  // that a source's queue may hold

  bool in_transaction_ = false;
  std::atomic<std::uint64_t> closed_ = 0;  // connections of producers
  bool replace_producer_ = false;
  bool fenced_ = false;
  bool given_up_ = false;        // fenced when the coordinator may have done it
  bool asked_twice_ = false;     // for the id, by two handles
  std::string failed_delivery_;  // the first of this transaction
  std::map<std::int32_t, kafka::Clock::time_point> silent_until_;
  Nanos stamped_ = kNoTime;  // the newest stamp that a broker put on a record sent here
  kafka::Clock::time_point stamped_at_;
  std::string too_large_;  // the topic that refused a record for its size
  kafka::Clock::time_point producer_made_;
  kafka::Clock::time_point begun_;
  std::map<std::pair<rd_kafka_topic_t*, std::int32_t>, std::int64_t> delivered_;

  // Handles last: they write to what stands above until they are gone.
  kafka::Descriptor woken_;  // readable when a queue has something new
  kafka::Handle restorer_;
  kafka::Handle follower_;
  std::map<std::string, Followed> followed_;
  kafka::Handle uncommitted_;
  kafka::Queue deletions_;  // answers to requests of `uncommitted_`
  kafka::Handle producer_;
  std::map<std::string, Output> outputs_;
  kafka::Handle consumer_;
  kafka::Topic input_;
  kafka::Queue group_queue_;
  std::vector<Source> sources_;
};

}  // namespace gyre::pipeline
