// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "pipeline/kafka_broker.h"

/// What the files over librdkafka share: owners of its handles, its settings, its errors in words.
namespace gyre::pipeline::kafka {

template <auto destroy>
struct Destroy {
  template <typename T>
  void operator()(T* handle) const noexcept {
    destroy(handle);
  }
};
struct DestroyMetadata {
  void operator()(const rd_kafka_metadata_t* metadata) const noexcept {
    rd_kafka_metadata_destroy(metadata);
  }
};

using Handle = std::unique_ptr<rd_kafka_t, Destroy<rd_kafka_destroy>>;
using Conf = std::unique_ptr<rd_kafka_conf_t, Destroy<rd_kafka_conf_destroy>>;
using Topic = std::unique_ptr<rd_kafka_topic_t, Destroy<rd_kafka_topic_destroy>>;
using Message = std::unique_ptr<rd_kafka_message_t, Destroy<rd_kafka_message_destroy>>;
using Error = std::unique_ptr<rd_kafka_error_t, Destroy<rd_kafka_error_destroy>>;
using List = std::unique_ptr<rd_kafka_topic_partition_list_t,
                             Destroy<rd_kafka_topic_partition_list_destroy>>;
using Queue = std::unique_ptr<rd_kafka_queue_t, Destroy<rd_kafka_queue_destroy>>;
using Membership = std::unique_ptr<rd_kafka_consumer_group_metadata_t,
                                   Destroy<rd_kafka_consumer_group_metadata_destroy>>;
using Metadata = std::unique_ptr<const rd_kafka_metadata_t, DestroyMetadata>;
using Event = std::unique_ptr<rd_kafka_event_t, Destroy<rd_kafka_event_destroy>>;
using HeaderList = std::unique_ptr<rd_kafka_headers_t, Destroy<rd_kafka_headers_destroy>>;

/// A file descriptor that signals: eventfd.
class Descriptor {
 public:
  Descriptor();
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  /// Messages that come into an empty queue signal from now on.
  void watch(rd_kafka_queue_t* queue) const;
  void ignore(rd_kafka_queue_t* queue) const;
  /// Until signalled, or for `time`. What was signalled is taken.
  void wait(std::chrono::milliseconds time) const;

 private:
  int file_;
};

using Clock = std::chrono::steady_clock;
using Properties = std::map<std::string, std::string>;

inline constexpr std::chrono::seconds kReachable{30};
/// Until all brokers know of a topic that was just made.
inline constexpr std::chrono::seconds kPropagation{15};
inline constexpr std::chrono::seconds kTransaction{10};  // its timeout

/// Milliseconds left, for librdkafka's timeouts.
inline int left(Clock::time_point until) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
  return static_cast<int>(std::max<std::int64_t>(0, ms.count()));
}

inline std::string text(rd_kafka_resp_err_t code) {
  return std::string(rd_kafka_err2name(code)) + " (" + rd_kafka_err2str(code) + ")";
}
inline std::string text(const Error& error) {
  return std::string(rd_kafka_error_name(error.get())) + " (" + rd_kafka_error_string(error.get()) +
         ")";
}

/// Errors that pass by themselves: the same call again may succeed.
inline bool passes(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR__WAIT_CACHE:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
      return true;
    default:
      return false;
  }
}

inline bool is_fenced(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH ||
         code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
}

/// What may be the cause of a login that fails, or nothing.
std::string login_hint(const KafkaClient& client);

inline std::string unreachable(const KafkaClient& client, const std::string& what) {
  return "no answer from Kafka at " + client.brokers + " within 30 s (" + what +
         "). Is a broker running there? Check kafka.brokers and the network" + login_hint(client);
}
inline std::string missing(const std::string& topic) {
  return "topic " + topic +
         " does not exist or may not be seen; create it (`gyre topics` creates " +
         "the engine's own) or correct its name in the configuration";
}

/// What every client is tuned to, and the user may change.
const Properties& tuning();
/// What every consumer must have; `isolation` as librdkafka spells isolation.level.
Properties reader_properties(const std::string& isolation);
/// A consumer without a group; `defaults` win over those of all clients.
Handle make_reader(const KafkaClient& client, const std::string& isolation,
                   Properties defaults = {});

/// librdkafka's log: errors, as warnings of ours, of each facility once in 10 s for all clients of
/// the process: in an outage each of them tells of each of its connections.
void log(const rd_kafka_t* client, int level, const char* facility, const char* message) noexcept;

/// Defaults, under the user's properties, under the engine's own. Logs by `log`.
Conf make_conf(const KafkaClient& client, const Properties& defaults, const Properties& own);
/// What the consumer and the producer of a stage must have.
Properties consumer_properties(const KafkaStage& stage);
Properties producer_properties(const KafkaStage& stage);

inline Handle make_handle(rd_kafka_type_t type, Conf conf) {
  std::array<char, 512> reason{};
  Handle handle(rd_kafka_new(type, conf.get(), reason.data(), reason.size()));
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  if (!handle) throw ConfigError(std::string("kafka.properties: ") + reason.data());
  static_cast<void>(conf.release());  // rd_kafka_new took it
  return handle;
}

inline Topic make_topic(rd_kafka_t* handle, const std::string& name) {
  Topic topic(rd_kafka_topic_new(handle, name.c_str(), nullptr));
  if (!topic) throw Failure("topic " + name + ": " + text(rd_kafka_last_error()));
  return topic;
}

/// Metadata of one topic; none if the broker does not know it. `within`: one that was just made may
/// be known to another broker. Throws Failure if no broker answers.
inline Metadata topic_metadata(const KafkaClient& client, rd_kafka_t* handle,
                               rd_kafka_topic_t* topic, std::chrono::milliseconds within = {}) {
  const auto known_until = Clock::now() + within;
  const auto until = known_until + kReachable;
  for (;;) {
    const rd_kafka_metadata_t* raw = nullptr;
    const auto code = rd_kafka_metadata(handle, 0, topic, &raw, std::max(1, left(until)));
    Metadata metadata(raw);
    auto topic_code = code;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1) {
      topic_code = metadata->topics[0].err;
      if (topic_code == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topics[0].partition_cnt > 0) {
        return metadata;
      }
      if (topic_code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
          topic_code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
        if (left(known_until) == 0) return nullptr;
        rd_kafka_poll(handle, 50);
        continue;
      }
    }
    if (left(until) == 0) throw Failure(unreachable(client, text(topic_code)));
    if (topic_code != RD_KAFKA_RESP_ERR_NO_ERROR && !passes(topic_code)) {
      throw Failure(std::string("metadata of topic ") + rd_kafka_topic_name(topic) + ": " +
                    text(topic_code));
    }
    rd_kafka_poll(handle, 50);
  }
}

/// Failure if it is missing; `within` as above.
inline std::int32_t partition_count(const KafkaClient& client, rd_kafka_t* handle,
                                    rd_kafka_topic_t* topic,
                                    std::chrono::milliseconds within = {}) {
  const Metadata metadata = topic_metadata(client, handle, topic, within);
  if (!metadata) throw Failure(missing(rd_kafka_topic_name(topic)));
  return metadata->topics[0].partition_cnt;
}

/// Milliseconds precision; kNoTime if it has none.
inline Nanos timestamp(const rd_kafka_message_t& message) {
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const std::int64_t ms = rd_kafka_message_timestamp(&message, &type);
  // The producer chose it: beyond the end of time it says nothing, and nanoseconds would overflow.
  const bool meant =
      type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && ms >= 0 && ms < kEndOfTime / 1'000'000;
  return meant ? ms * 1'000'000 : kNoTime;
}

inline Record to_record(const rd_kafka_message_t& message) {
  Record record;
  record.partition = message.partition;
  record.offset = message.offset;
  record.timestamp = timestamp(message);
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  rd_kafka_message_timestamp(&message, &type);
  record.log_append_time = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
  if (message.key != nullptr) {
    record.key.emplace(static_cast<const char*>(message.key), message.key_len);
  }
  if (message.payload != nullptr) {
    record.value.emplace(static_cast<const char*>(message.payload), message.len);
  }
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return record;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0;
       rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    record.headers.emplace_back(name, value == nullptr
                                          ? std::string()
                                          : std::string(static_cast<const char*>(value), size));
  }
  return record;
}

struct Member {
  std::int32_t generation = -1;
  std::string id;
  bool alive() const { return generation >= 0 && !id.empty(); }
};

/// Reads what rd_kafka_consumer_group_metadata_write wrote: before 2.8 the library shows generation
/// and member id in no other way. None: another format.
inline std::optional<Member> parse_group_metadata(std::string_view bytes) {
  constexpr std::string_view kMagic = "CGMDv2:";
  if (!bytes.starts_with(kMagic)) return std::nullopt;
  bytes.remove_prefix(kMagic.size());
  Member member;
  if (bytes.size() < sizeof member.generation) return std::nullopt;
  std::memcpy(&member.generation, bytes.data(), sizeof member.generation);
  bytes.remove_prefix(sizeof member.generation);
  const auto group_end = bytes.find('\0');
  if (group_end == std::string_view::npos) return std::nullopt;
  bytes.remove_prefix(group_end + 1);
  const auto member_end = bytes.find('\0');
  if (member_end == std::string_view::npos) return std::nullopt;
  member.id = bytes.substr(0, member_end);
  return member;
}

}  // namespace gyre::pipeline::kafka
