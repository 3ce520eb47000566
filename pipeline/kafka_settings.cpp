// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <syslog.h>
#include <unistd.h>

#include <mutex>

#include "pipeline/kafka_broker.h"
#include "pipeline/kafka_handles.h"
#include "pipeline/kafka_properties.h"
#include "pipeline/telemetry.h"

namespace gyre::pipeline {

namespace kafka {

const Properties& tuning() {
  static const Properties properties = {
      {"socket.nagle.disable", "true"},
      {"session.timeout.ms", "10000"},
      {"heartbeat.interval.ms", "1000"},
      {"max.poll.interval.ms", "300000"},
      // A consumer whose queues are full sleeps up to a second.
      {"queued.min.messages", "1000000"},
      {"queued.max.messages.kbytes", "32768"},
      // Of one partition: it comes on top of what a queue may hold, and unpacked it is several
      // times as large.
      {"fetch.message.max.bytes", "131072"},
      {"check.crcs", "true"},
      {"linger.ms", "5"},
      {"compression.codec", "lz4"},
      {"queue.buffering.max.messages", "200000"},
      {"queue.buffering.max.kbytes", "131072"},
  };
  return properties;
}

Properties reader_properties(const std::string& isolation) {
  return {{"isolation.level", isolation},        {"enable.auto.commit", "false"},
          {"enable.auto.offset.store", "false"}, {"auto.offset.reset", "error"},
          {"enable.partition.eof", "true"},      {"allow.auto.create.topics", "false"}};
}

Properties consumer_properties(const KafkaStage& stage) {
  Properties own = reader_properties("read_committed");
  own.insert({{"group.id", stage.group},
              {"group.instance.id", stage.id},
              {"client.id", stage.id},
              {"partition.assignment.strategy", "range"}});
  return own;
}

Properties producer_properties(const KafkaStage& stage) {
  return {
      {"transactional.id", stage.id},
      {"client.id", stage.id},
      {"transaction.timeout.ms", std::to_string(std::chrono::milliseconds(kTransaction).count())},
      // Of the largest record of all; what one topic takes is checked before it is sent.
      {"message.max.bytes", std::to_string(kLargestDeadLetter + 10'000)},
      {"batch.size", std::to_string(kLargestRecord)},
      {"delivery.report.only.error", "false"},
      {"allow.auto.create.topics", "false"}};
}

void log(const rd_kafka_t*, int level, const char* facility, const char* message) noexcept {
  constexpr std::chrono::seconds kEvery{10};
  struct Told {
    std::optional<Clock::time_point> at;
    std::uint64_t held_back = 0;
  };
  static std::mutex mutex;
  static std::map<std::string, Told, std::less<>> told;
  // CONFWARN: one set of the user's properties serves consumers and producers; that half of it is
  // idle is no news.
  if (level > LOG_ERR || std::string_view(facility) == "CONFWARN") return;
  const std::lock_guard lock(mutex);
  Told& last = told[facility];
  const auto now = Clock::now();
  if (last.at && now - *last.at < kEvery) {
    ++last.held_back;
    return;
  }
  spdlog::warn("Kafka's client warns facility={} what={}{}", facility, quoted(message),
               last.held_back == 0 ? "" : fmt::format(" repeated={}", last.held_back));
  last = {.at = now, .held_back = 0};
}

/// In three passes, and not by name: an alias, or `topic.` before a name, sets the same property.
Conf make_conf(const KafkaClient& client, const Properties& defaults, const Properties& own) {
  Conf conf(rd_kafka_conf_new());
  std::array<char, 512> reason{};
  const auto set = [&](const std::string& name, const std::string& value) {
    if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), reason.data(), reason.size()) !=
        RD_KAFKA_CONF_OK) {
      throw ConfigError("kafka.properties." + name + ": " + reason.data());
    }
  };
  for (const auto* each : {&defaults, &client.properties, &own})
    for (const auto& [name, value] : *each) set(name, value);
  if (!client.brokers.empty()) set("bootstrap.servers", client.brokers);
  rd_kafka_conf_set_log_cb(conf.get(), log);
  return conf;
}

std::string login_hint(const KafkaClient& client) {
  constexpr int kScramWorks = 0x020601ff;
  for (const auto& [name, value] : client.properties)
    if (property_name(name) == "sasl.mechanisms" && value.starts_with("SCRAM") &&
        rd_kafka_version() < kScramWorks)
      return std::string(". librdkafka ") + rd_kafka_version_str() +
             " cannot log in by SCRAM to Kafka 4: take version 2.6.1 or newer, or PLAIN over TLS, "
             "or a client certificate";
  return {};
}

Handle make_reader(const KafkaClient& client, const std::string& isolation, Properties defaults) {
  defaults.insert(tuning().begin(), tuning().end());
  return make_handle(RD_KAFKA_CONSUMER, make_conf(client, defaults, reader_properties(isolation)));
}

Descriptor::Descriptor() : file_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (file_ < 0) throw Failure(std::string("eventfd: ") + std::strerror(errno));
}

Descriptor::~Descriptor() { ::close(file_); }

void Descriptor::watch(rd_kafka_queue_t* queue) const {
  const std::uint64_t one = 1;
  rd_kafka_queue_io_event_enable(queue, file_, &one, sizeof one);
}

void Descriptor::ignore(rd_kafka_queue_t* queue) const {
  rd_kafka_queue_io_event_enable(queue, -1, nullptr, 0);
}

void Descriptor::wait(std::chrono::milliseconds time) const {
  pollfd waited{.fd = file_, .events = POLLIN, .revents = 0};
  ::poll(&waited, 1, static_cast<int>(time.count()));
  std::uint64_t signals = 0;
  static_cast<void>(::read(file_, &signals, sizeof signals));
}

}  // namespace kafka

}  // namespace gyre::pipeline
