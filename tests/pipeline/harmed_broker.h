// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "pipeline/broker.h"

namespace gyre::pipeline {

/// A broker to whose calls something is done, before them and where it matters after them: `harm`
/// may throw, or let others act meanwhile.
class HarmedBroker : public Broker {
 public:
  using Harm = std::function<void(const char* call)>;
  HarmedBroker(std::unique_ptr<Broker> broker, Harm harm)
      : broker_(std::move(broker)), harm_(std::move(harm)) {}

  Poll poll(const BatchLimits& limits) override {
    harm_("poll");
    return broker_->poll(limits);
  }
  void resume(std::span<const PartitionOffset> from) override {
    harm_("resume");
    broker_->resume(from);
  }
  void begin() override {
    harm_("begin");
    broker_->begin();
  }
  void send(OutRecord record) override {
    harm_("send");
    broker_->send(std::move(record));
  }
  std::map<TopicPartition, std::int64_t> commit(std::span<const PartitionOffset> next) override {
    harm_("commit");
    auto sent = broker_->commit(next);
    harm_("committed");
    return sent;
  }
  void recover() override {
    harm_("recover");
    broker_->recover();
  }
  std::optional<std::int64_t> committed(std::int32_t partition) override {
    harm_("ask for the committed offset");
    return broker_->committed(partition);
  }
  std::int64_t high_watermark(const std::string& topic, std::int32_t partition) override {
    return broker_->high_watermark(topic, partition);
  }
  std::int64_t low_watermark(const std::string& topic, std::int32_t partition) override {
    return broker_->low_watermark(topic, partition);
  }
  std::int64_t restore(const std::string& topic, std::int32_t partition, std::int64_t from,
                       const std::function<void(const Record&)>& apply) override {
    harm_("restore");
    return broker_->restore(topic, partition, from, [&](const Record& record) {
      apply(record);
      harm_("restored a record");
    });
  }
  std::int32_t input_partitions() override { return broker_->input_partitions(); }
  std::optional<LogRange> input_range(std::int32_t partition) override {
    return broker_->input_range(partition);
  }
  std::optional<Record> record_at(std::int32_t partition, std::int64_t offset) override {
    return broker_->record_at(partition, offset);
  }
  std::string cluster_id() override { return broker_->cluster_id(); }
  Nanos time() override { return broker_->time(); }
  std::string delete_before(std::span<const PartitionOffset> offsets) override {
    return broker_->delete_before(offsets);
  }
  std::int64_t offset_at(std::int32_t partition, Nanos time) override {
    return broker_->offset_at(partition, time);
  }
  Unread unread(std::int32_t partition) override {
    harm_("ask for the end");
    const Unread unread = broker_->unread(partition);
    harm_("be told the end");
    return unread;
  }
  std::optional<Nanos> next_time(std::int32_t partition) override {
    return broker_->next_time(partition);
  }
  void follow(const std::string& topic, std::span<const std::int32_t> partitions,
              const std::function<void(const Record&)>& each) override {
    broker_->follow(topic, partitions, each);
  }

 private:
  std::unique_ptr<Broker> broker_;
  Harm harm_;
};

}  // namespace gyre::pipeline
