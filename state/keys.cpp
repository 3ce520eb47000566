// SPDX-License-Identifier: Apache-2.0
#include "state/keys.h"

#include "base/check.h"

namespace gyre::state {

namespace {

constexpr std::uint64_t kSignBit = std::uint64_t{1} << 63;

std::string prefix(Kind kind) { return std::string(1, static_cast<char>(kind)); }

}  // namespace

void append_number(std::string& key, std::int64_t number) {
  const std::uint64_t ordered = static_cast<std::uint64_t>(number) ^ kSignBit;
  for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(ordered >> shift);
}

std::int64_t number_at(std::string_view key, std::size_t position) {
  CHECK(key.size() >= position + 8);
  std::uint64_t ordered = 0;
  for (std::size_t i = 0; i < 8; ++i)
    ordered = (ordered << 8) | static_cast<unsigned char>(key[position + i]);
  return static_cast<std::int64_t>(ordered ^ kSignBit);
}

std::string checkpoint_key() { return prefix(Kind::kCheckpoint); }

std::string id_block_key(std::int64_t minute, std::string_view entity, std::string_view nibbles) {
  std::string key = from_number(Kind::kIdBlock, minute);
  key.append(entity).append(nibbles);
  return key;
}

std::string entity_key(std::string_view entity) { return prefix(Kind::kEntity).append(entity); }

std::string group_key(std::string_view group) { return prefix(Kind::kGroup).append(group); }

std::string member_key(std::string_view rule_key, std::string_view finding_key) {
  return prefix(Kind::kMember).append(rule_key).append(finding_key);
}

std::string contribution_key(Second decision, std::string_view finding_key,
                             std::string_view finding_id) {
  return from_number(Kind::kPending, decision).append(finding_key).append(finding_id);
}

std::string meta_key(std::string_view name) { return prefix(Kind::kMeta).append(name); }

std::string pending_key(Second decision, std::uint64_t home, std::string_view finding_key,
                        Second event_second) {
  std::string key = from_number(Kind::kPending, decision);
  append_number(key, static_cast<std::int64_t>(home));
  key.append(finding_key);
  append_number(key, event_second);
  return key;
}

std::string series_key(std::string_view finding_key) {
  return prefix(Kind::kSeries).append(finding_key);
}

std::string timer_key(Second second, std::uint64_t home, Kind kind, std::string_view key_part) {
  std::string key = from_number(Kind::kTimer, second);
  append_number(key, static_cast<std::int64_t>(home));
  key += static_cast<char>(kind);
  return key.append(key_part);
}

std::string from_number(Kind kind, std::int64_t number) {
  std::string key = prefix(kind);
  append_number(key, number);
  return key;
}

}  // namespace gyre::state
