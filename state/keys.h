// SPDX-License-Identifier: Apache-2.0
//
// Every key of the stages' states, in RocksDB and on the changelogs. Integers are big endian so
// that byte order is number order; seconds have their sign bit flipped for the same reason.
// Contributions and groups are by_rule's, the rest by_container's; every stage has checkpoints.
//
// clang-format off
//   prefix  then                                               value               where
//   'c'                                                        Checkpoint          changelog, disk
//   'd'     minute 8, entity hash 16, id prefix (nibbles) n    IdBlock             ids topic, disk
//   'e'     entity hash 16                                     EntityState         changelog, disk
//   'g'     rule key 16, of a workload its hash 16             Group               changelog, disk
//   'm'     name                                               offset K            disk only
//   'n'     rule key 16, finding key 16                        OutbreakMember      changelog, disk
//   'p'     decision second 8, home 8, finding key 16, event second 8
//                                                              Sighting (folded)   changelog, disk
//   'p'     decision second 8, finding key 16, finding id      Contribution        changelog, disk
//   's'     finding key 16                                     Series              changelog, disk
//   't'     second 8, home 8, kind 1 ('s', 'e', 'g'), key      empty               disk only: follows from `armed`
// clang-format on
//
// A home is the hash of where an entity lives (schemas::entity_home), of a group the begin of its
// key: what meets at one second lies together.
//
// A value is one version byte and then the protobuf; a tombstone has no value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"

namespace gyre::state {

inline constexpr char kValueVersion = 1;

enum class Kind : char {
  kCheckpoint = 'c',
  kIdBlock = 'd',
  kEntity = 'e',
  kGroup = 'g',
  kMeta = 'm',
  kMember = 'n',
  kPending = 'p',
  kSeries = 's',
  kTimer = 't',
};

inline Kind kind_of(std::string_view key) { return static_cast<Kind>(key.front()); }

void append_number(std::string& key, std::int64_t number);
std::int64_t number_at(std::string_view key, std::size_t position);

std::string checkpoint_key();
std::string id_block_key(std::int64_t minute, std::string_view entity, std::string_view nibbles);
std::string entity_key(std::string_view entity);
std::string group_key(std::string_view group);
std::string member_key(std::string_view rule_key, std::string_view finding_key);
std::string contribution_key(Second decision, std::string_view finding_key,
                             std::string_view finding_id);
std::string meta_key(std::string_view name);
inline constexpr std::string_view kChangelog = "changelog";  ///< offset K of the changelog,
inline constexpr std::string_view kIds = "ids";              ///< and of the ids topic
inline constexpr std::string_view kFollowed = "followed";
std::string pending_key(Second decision, std::uint64_t home, std::string_view finding_key,
                        Second event_second);
std::string series_key(std::string_view finding_key);
std::string timer_key(Second second, std::uint64_t home, Kind kind, std::string_view key);
/// The home in the key of a pending sighting or a timer.
inline constexpr std::size_t kHomeAt = 1 + 8;
inline constexpr std::size_t kHomeBytes = 8;
/// The first key of a kind at or after `number`: where a scan begins.
std::string from_number(Kind kind, std::int64_t number);

}  // namespace gyre::state
