// SPDX-License-Identifier: Apache-2.0
//
// Every key of by_container's and intake's state, in RocksDB and on the changelogs. Integers are
// big endian so that byte order is number order; seconds have their sign bit flipped for the same
// reason.
//
//   prefix  then                                               value                     where
//   'c'                                                        Checkpoint                changelog,
//   disk; also last on ids 'd'     minute 8, entity hash 16, id prefix (nibbles) n    IdBlock ids
//   topic, disk 'e'     entity hash 16                                     EntityState changelog,
//   disk 'm'     name                                               offset K of a changelog   disk
//   only 'p'     decision second 8, finding key 16, event second 8  Sighting (folded) changelog,
//   disk 's'     finding key 16                                     Series changelog, disk 't'
//   second 8, kind 1 ('s' | 'e'), key 16               empty                     disk only: follows
//   from the value's `armed`
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
  kMeta = 'm',
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
std::string meta_key(std::string_view name);
std::string pending_key(Second decision, std::string_view finding_key, Second event_second);
std::string series_key(std::string_view finding_key);
std::string timer_key(Second second, Kind kind, std::string_view key);
/// The first key of a kind at or after `number`: where a scan begins.
std::string from_number(Kind kind, std::int64_t number);

}  // namespace gyre::state
