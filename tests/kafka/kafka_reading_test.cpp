// SPDX-License-Identifier: Apache-2.0
#include <random>

#include "tests/kafka/broker_fixture.h"

namespace gyre::pipeline {
namespace {

/// What does not get smaller when it is packed.
std::string noise(std::size_t bytes) {
  static std::mt19937 random(1);
  std::string value;
  while (value.size() < bytes) value += static_cast<char>(random());
  return value;
}

// librdkafka looks once a second whether a full queue has room: it would be 30 s here.
TEST_F(KafkaBrokerTest, ReadsOnAtOnceWhenItsFullQueueHasRoomAgain) {
  constexpr std::size_t kRecords = 320;
  create("in", 1);
  create("out", 1);
  KafkaWriter writer(client(), name("in"));
  for (std::size_t i = 0; i < kRecords; ++i) writer.send(0, noise(100'000));
  writer.flush();
  KafkaClient small = client();
  small.properties["queued.max.messages.kbytes"] = "512";
  const auto broker = make_kafka_broker(small, stage());
  start(*broker, 1);
  const auto began = kafka::Clock::now();
  read(*broker, kRecords);
  EXPECT_LT(kafka::Clock::now() - began, std::chrono::seconds(10));
}

}  // namespace
}  // namespace gyre::pipeline
