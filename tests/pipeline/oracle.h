// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "pipeline/config.h"
#include "pipeline/memory_broker.h"
#include "schemas/records.pb.h"
#include "state/store.h"

/// What must be true of a cluster when all is read and decided, told by nothing but the topics and
/// by what was sent.
namespace gyre::pipeline {

/// A record that was sent to the input topic. A value that begins with `{` is an alert; equal
/// values are copies of one.
struct Sent {
  std::int32_t source = 0;
  Nanos stamp = kNoTime;
  std::string value;
};

/// Adds to `wrong` a number that is not what it should be.
void expect_equal(std::vector<std::string>& wrong, const std::string& what, std::uint64_t is,
                  std::uint64_t should);

/// The last revision of every report by id, without what two runs may differ in (ruling 22).
std::map<std::string, std::string> last_revisions(const MemoryCluster& cluster,
                                                  const Config& config);

/// The same of one process that nothing befalls: the clock begins at `start`, moves as the records'
/// stamps do, and then lets the times of `ending` pass.
std::map<std::string, std::string> undisturbed(const Config& config,
                                               const stages::Playbooks& playbooks,
                                               std::int32_t sources, Nanos start,
                                               const std::vector<Sent>& sent,
                                               std::span<const Nanos> ending);

/// What the reports of two runs differ in, where they part.
std::vector<std::string> differences(const std::map<std::string, std::string>& published,
                                     const std::map<std::string, std::string>& expected);

/// What is wrong with what was published: each alert counted once, in the right place; each dead
/// letter once; revisions 1 to n once each; all closed; an outbreak where a rule is seen on as many
/// hosts as it takes, and nowhere else, its counts the sum over its members. For configurations
/// whose outbreaks last as long as the input.
std::vector<std::string> misreported(const MemoryCluster& cluster, const Config& config,
                                     const std::vector<Sent>& sent);

/// What is wrong with the checkpoints: each is where its group is, says what the input held, and
/// what a stage sent is what the next one had.
std::vector<std::string> miscounted(const MemoryCluster& cluster, const Config& config,
                                    const std::vector<Sent>& sent);

/// The keys, readable, by which the task's state on `disk` is not the fold of its changelog up to
/// the offset K that it knows of: values; timers that values ask for; duplicate ids, which leave
/// the disk before they leave their topic, but not before the horizon. What the changelog says of a
/// key later than K is ignored: compaction may have taken what it said before. Empty while markers
/// that K needs are unwritten.
std::vector<std::string> unlike_changelog(const MemoryCluster& cluster, const Config& config,
                                          const std::string& stage, std::int32_t partition,
                                          const state::StoreMemory& disk);

}  // namespace gyre::pipeline
