// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pipeline/kafka_broker.h"
#include "pipeline/kafka_handles.h"

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
      {"queued.max.messages.kbytes", "65536"},
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

Handle make_reader(const KafkaClient& client, const std::string& isolation) {
  return make_handle(RD_KAFKA_CONSUMER, make_conf(client, tuning(), reader_properties(isolation)));
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

const std::map<std::string, std::string>& owned_properties() {
  static const std::string kOffsets = "offsets are committed in the transaction only";
  static const std::string kIds = "derived from name, instance and stage, stable over restarts";
  static const std::string kTransactions = "set by the transactional producer";
  static const std::map<std::string, std::string> properties = {
      {"bootstrap.servers", "set kafka.brokers"},
      {"metadata.broker.list", "set kafka.brokers"},
      {"client.id", kIds},
      {"group.id", kIds},
      {"group.instance.id", kIds},
      {"transactional.id", kIds},
      {"enable.auto.commit", kOffsets},
      {"enable.auto.offset.store", kOffsets},
      {"auto.commit.enable", kOffsets},
      {"auto.commit.interval.ms", kOffsets},
      {"isolation.level", "aborted records must never be seen"},
      {"auto.offset.reset", "a lost position must stop the engine, not replay or skip the topic"},
      {"partition.assignment.strategy", "static members with range see no rebalance on a restart"},
      {"enable.partition.eof", "restores end by it"},
      {"allow.auto.create.topics", "a mistyped topic must not come into being"},
      {"transaction.timeout.ms", "how long a dead process may hold up readers"},
      {"enable.idempotence", kTransactions},
      {"acks", kTransactions},
      {"request.required.acks", kTransactions},
      {"retries", kTransactions},
      {"message.send.max.retries", kTransactions},
      {"max.in.flight", kTransactions},
      {"max.in.flight.requests.per.connection", kTransactions},
      {"message.timeout.ms", kTransactions},
      {"delivery.timeout.ms", kTransactions},
      {"queuing.strategy", kTransactions},
      {"message.max.bytes", "larger records are refused before they can abort a transaction"},
      {"batch.size", "a batch must be no larger than every topic takes"},
      {"delivery.report.only.error", "checkpoints are made of the offsets delivered"},
      {"partitioner", "keys are placed by murmur2, as Java clients do"},
  };
  return properties;
}

}  // namespace gyre::pipeline
