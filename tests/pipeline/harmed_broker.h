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
  using Broker::committed;
  using Broker::restore;
  std::map<std::int32_t, std::int64_t> committed(
      std::span<const std::int32_t> partitions) override {
    harm_("ask for the committed offsets");
    return broker_->committed(partitions);
  }
  std::map<TopicPartition, LogRange> ranges(std::span<const TopicPartition> logs) override {
    harm_("ask for ranges");
    return broker_->ranges(logs);
  }
  std::optional<std::vector<std::int64_t>> restore(
      std::span<const LogPart> parts,
      const std::function<void(std::size_t, const Record&)>& apply) override {
    harm_("restore");
    return broker_->restore(parts, [&](std::size_t part, const Record& record) {
      apply(part, record);
      harm_("restored a record");
    });
  }
  std::int32_t input_partitions() override {
    harm_("ask for the partitions");
    return broker_->input_partitions();
  }
  std::map<std::int32_t, LogRange> input_ranges(std::span<const std::int32_t> partitions) override {
    return broker_->input_ranges(partitions);
  }
  std::map<std::int32_t, Record> records_at(std::span<const PartitionOffset> offsets) override {
    return broker_->records_at(offsets);
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
