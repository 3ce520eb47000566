// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "pipeline/memory_broker.h"
#include "pipeline/memory_log.h"

/// The parts of memory_broker.cpp that are brokers: groups, producers, transactions.
namespace gyre::pipeline::memory {

// What a client knows of its own membership, which may be older than what the group knows.
struct Session {
  std::string group;
  std::string topic;
  std::string id;
  std::int32_t generation = -1;
  std::string member;                    // empty: not a member, as far as the client knows
  std::vector<std::int32_t> partitions;  // as the group has it
  bool announce = true;                  // the client has not seen `partitions` yet
  bool fenced = false;
  std::int32_t epoch = -1;
};

struct Group {
  std::string topic;
  std::int32_t generation = 0;
  std::map<std::string, std::shared_ptr<Session>> members;
  std::map<std::int32_t, std::int64_t> offsets;
  std::map<std::int64_t, std::map<std::int32_t, std::int64_t>> pending;  // by transaction
};

struct Producer {
  std::int64_t number = 0;
  std::int32_t epoch = -1;
  std::shared_ptr<Session> session;
  std::int64_t transaction = 0;  // the undecided one; 0: none
  std::string group;             // whose offsets it carries; empty: none yet
  std::map<TopicPartition, std::int64_t> last;
};

struct Marker {
  TopicPartition where;
  Entry entry;
};

struct EndRequest {
  std::string id;
  std::int32_t epoch;
};

}  // namespace gyre::pipeline::memory

namespace gyre::pipeline {

struct MemoryCluster::Impl {
  using Partition = memory::Partition;
  using Session = memory::Session;
  using Group = memory::Group;
  using Producer = memory::Producer;
  using Marker = memory::Marker;
  using Kind = memory::Kind;

  std::map<std::string, std::vector<Partition>> topics;
  std::map<std::string, Group> groups;
  std::map<std::string, Producer> producers;
  std::int64_t transactions = 0;
  Nanos time = kEndOfTime;
  std::string cluster_id;
  std::function<bool(const std::string&, std::int32_t)> held;
  std::vector<Marker> held_markers;
  std::function<void()> wait;
  std::function<CommitFault(const std::string&)> fault;
  std::vector<memory::EndRequest> delayed;

  std::vector<Partition>& topic(const std::string& name) {
    const auto found = topics.find(name);
    if (found == topics.end()) throw Failure("no topic " + name + " in the cluster: create it");
    return found->second;
  }

  Partition& at(const std::string& name, std::int32_t partition) {
    auto& all = topic(name);
    if (partition < 0 || static_cast<std::size_t>(partition) >= all.size()) {
      throw Failure("topic " + name + " has no partition " + std::to_string(partition) +
                    ", it has " + std::to_string(all.size()));
    }
    return all[static_cast<std::size_t>(partition)];
  }

  // False: nobody to wait for. A copy is called: the hook may set another one.
  bool waited() {
    const auto hook = wait;
    if (hook) hook();
    return static_cast<bool>(hook);
  }

  void write(const Marker& marker) {
    Partition& partition = at(marker.where.first, marker.where.second);
    partition.undecided.erase(marker.entry.transaction);
    if (marker.entry.kind == Kind::kAbort) {
      partition.aborted[marker.entry.transaction] = partition.high();
    }
    partition.entries.push_back(marker.entry);
  }

  // The marker of the group's offsets is never held back: that they may be seen first is rule T2.
  void end(Producer& producer, Kind kind) {
    if (producer.transaction == 0) return;
    if (!producer.group.empty()) {
      Group& group = groups.at(producer.group);
      const auto pending = group.pending.extract(producer.transaction);
      if (kind == Kind::kCommit && pending) {
        for (const auto& [partition, offset] : pending.mapped()) group.offsets[partition] = offset;
      }
    }
    for (const auto& [where, offset] : producer.last) {
      Marker marker{where, {}};
      marker.entry.producer = producer.number;
      marker.entry.epoch = producer.epoch;
      marker.entry.transaction = producer.transaction;
      marker.entry.kind = kind;
      if (held && held(where.first, where.second)) {
        held_markers.push_back(std::move(marker));
      } else {
        write(marker);
      }
    }
    producer.transaction = 0;
    producer.group.clear();
    producer.last.clear();
  }

  // InitProducerId: whoever had this id before can do nothing any more.
  void init(const std::shared_ptr<Session>& session) {
    const auto [found, added] = producers.try_emplace(session->id);
    Producer& producer = found->second;
    if (added) producer.number = static_cast<std::int64_t>(producers.size());
    end(producer, Kind::kAbort);
    if (producer.session && producer.session != session) producer.session->fenced = true;
    producer.session = session;
    session->epoch = ++producer.epoch;
  }

  Producer& producer_of(const Session& session) {
    Producer& producer = producers.at(session.id);
    if (producer.epoch != session.epoch) {
      throw Failure("producer " + session.id + " is fenced: epoch " +
                    std::to_string(session.epoch) + ", the cluster is at " +
                    std::to_string(producer.epoch));
    }
    return producer;
  }

  bool completing(const Session& session) {
    const std::int64_t number = producers.at(session.id).number;
    return std::any_of(held_markers.begin(), held_markers.end(),
                       [&](const Marker& marker) { return marker.entry.producer == number; });
  }

  // Range: the first (partitions % members) members, by id, have one more than the others.
  void rebalance(Group& group) {
    ++group.generation;
    const std::size_t count = topic(group.topic).size();
    const std::size_t members = group.members.size();
    std::size_t next = 0;
    std::size_t index = 0;
    for (auto& [id, session] : group.members) {
      const std::size_t share = count / members + (index++ < count % members ? 1 : 0);
      std::vector<std::int32_t> partitions;
      for (std::size_t i = 0; i < share; ++i) partitions.push_back(static_cast<int>(next++));
      if (partitions != session->partitions) session->announce = true;
      session->partitions = std::move(partitions);
      // Joining again without a change is the client's own business: its user sees nothing.
      if (!session->announce) session->generation = group.generation;
    }
  }

  void join(const std::shared_ptr<Session>& session) {
    Group& group = groups[session->group];
    if (group.topic.empty()) group.topic = session->topic;
    CHECK(group.topic == session->topic);
    session->announce = true;
    auto& member = group.members[session->id];
    if (member) {
      member->fenced = true;
      session->partitions = member->partitions;
      member = session;
    } else {
      member = session;
      rebalance(group);
    }
  }

  bool is_member(const Session& session) {
    const auto& members = groups.at(session.group).members;
    const auto found = members.find(session.id);
    return found != members.end() && found->second.get() == &session;
  }

  std::shared_ptr<Session> leave(const std::string& name, const std::string& id) {
    const auto group = groups.find(name);
    if (group == groups.end()) return nullptr;
    const auto member = group->second.members.extract(id);
    if (!member) return nullptr;
    rebalance(group->second);
    return member.mapped();
  }

  // TxnOffsetCommit, as lenient as Kafka's: generation -1 without a member id passes, from anybody.
  void send_offsets(const Session& session, std::span<const PartitionOffset> offsets) {
    Producer& producer = producer_of(session);
    if (offsets.empty()) return;
    Group& group = groups.at(session.group);
    if (session.generation >= 0 || !session.member.empty()) {
      const std::string what = "offsets of " + session.id + " for group " + session.group;
      if (!is_member(session)) throw Failure(what + ": UNKNOWN_MEMBER_ID");
      if (session.generation != group.generation) {
        throw Failure(what + ": ILLEGAL_GENERATION, theirs " + std::to_string(session.generation) +
                      ", the group's " + std::to_string(group.generation));
      }
    }
    producer.group = session.group;
    auto& pending = group.pending[producer.transaction];
    for (const auto& [partition, offset] : offsets) pending[partition] = offset;
  }
};

}  // namespace gyre::pipeline
