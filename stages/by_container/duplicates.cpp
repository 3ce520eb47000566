// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/duplicates.h"

#include <map>
#include <string>
#include <utility>

#include "schemas/sighting.h"

namespace gyre::stages {

namespace {

constexpr std::size_t kIdBytes = 16;
constexpr std::size_t kBlockIds = 512;
// Further ahead of its second, that of its record, is only an alert whose sensor's clock is wrong.
// Its id would be kept until the watermark gets there.
constexpr Nanos kFarAhead = Nanos{8} * 24 * 3600 * kNanosPerSecond;
constexpr Nanos kNanosPerMinute = 60 * kNanosPerSecond;

std::int64_t minute_of(Nanos time) {
  return second_of(time) / 60 - (second_of(time) % 60 < 0 ? 1 : 0);
}

// The minute that stands for its hour: the last one, so what is forgotten with it is old enough.
std::int64_t last_of_hour(std::int64_t minute) { return minute - ((minute % 60) + 60) % 60 + 59; }

char nibble(std::string_view id, std::size_t depth) {
  const auto byte = static_cast<unsigned char>(id[depth / 2]);
  return static_cast<char>(depth % 2 == 0 ? byte >> 4 : byte & 15);
}

// Position of `id` in the sorted block, and whether it is there.
std::pair<std::size_t, bool> find_id(const std::string& ids, std::string_view id) {
  std::size_t low = 0;
  std::size_t high = ids.size() / kIdBytes;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    const int order = std::string_view(ids).substr(middle * kIdBytes, kIdBytes).compare(id);
    if (order == 0) return {middle, true};
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return {low, false};
}

// The blocks that one sighting touches, decoded once and written once.
class Blocks {
 public:
  Blocks(std::string_view entity, state::Transaction& state) : entity_(entity), state_(state) {}

  // Remembers the id; false if it was known. Whoever made the id stamped all copies alike, but for
  // a native one: its copies have their readers' times.
  bool insert(const schemas::AlertEntry& alert, Second horizon) {
    const std::int64_t minute = minute_of(alert.time);
    if (!alert.native_id) return insert_at(minute, alert.id);
    const std::int64_t around = horizon / 60 + 1;
    for (std::int64_t hour = last_of_hour(minute - around); hour <= last_of_hour(minute + around);
         hour += 60)
      if (leaf_of(hour, alert.id).known) return false;
    return insert_at(last_of_hour(minute), alert.id);
  }

  void write() {
    for (const auto& [key, loaded] : loaded_)
      if (loaded.changed) state_.put(key.first, entity_, key.second, loaded.block);
  }

 private:
  struct Loaded {
    records::IdBlock block;
    bool changed = false;
  };

  // Where the id is, or belongs, in the blocks of the minute.
  struct Leaf {
    std::string path;
    Loaded& at;
    std::size_t position;
    bool known;
  };
  Leaf leaf_of(std::int64_t minute, std::string_view id) {
    std::string path;
    Loaded* at = &load(minute, path);
    while (at->block.split()) {
      path += nibble(id, path.size());
      at = &load(minute, path);
    }
    const auto [position, known] = find_id(at->block.ids(), id);
    return {std::move(path), *at, position, known};
  }

  bool insert_at(std::int64_t minute, std::string_view id) {
    const Leaf leaf = leaf_of(minute, id);
    if (leaf.known) return false;
    std::string& ids = *leaf.at.block.mutable_ids();
    ids.insert(leaf.position * kIdBytes, id);
    leaf.at.changed = true;
    if (ids.size() > kBlockIds * kIdBytes) split(minute, leaf.path);
    return true;
  }

  Loaded& load(std::int64_t minute, const std::string& path) {
    const auto [at, added] = loaded_.try_emplace({minute, path});
    if (added)
      at->second.block = state_.id_block(minute, entity_, path).value_or(records::IdBlock());
    return at->second;
  }

  void split(std::int64_t minute, const std::string& path) {
    const std::string ids = std::move(*load(minute, path).block.mutable_ids());
    for (std::size_t at = 0; at < ids.size(); at += kIdBytes) {
      const std::string_view id = std::string_view(ids).substr(at, kIdBytes);
      Loaded& child = load(minute, path + nibble(id, path.size()));
      child.block.mutable_ids()->append(id);  // the parent was sorted, so each child is
      child.changed = true;
    }
    Loaded& parent = load(minute, path);
    parent.block.clear_ids();
    parent.block.set_split(true);
    parent.changed = true;
  }

  std::string_view entity_;
  state::Transaction& state_;
  std::map<std::pair<std::int64_t, std::string>, Loaded> loaded_;
};

}  // namespace

bool count_distinct(const records::Sighting& sighting, std::string_view entity_hash,
                    Nanos watermark, Second horizon, state::Transaction& state,
                    records::Counts& counted) {
  Blocks blocks(entity_hash, state);
  bool may_repeat = false;
  records::OutcomeCounts& outcome = *counted.mutable_outcome();
  const std::size_t alerts = sighting.alerts().size() / schemas::kAlertEntryBytes;
  for (std::size_t i = 0; i < alerts; ++i) {
    const schemas::AlertEntry entry = schemas::alert_entry(sighting.alerts(), i);
    const bool behind = watermark != kNoTime && entry.time < watermark - horizon * kNanosPerSecond;
    const bool ahead =
        entry.time > kFarAhead && second_of(entry.time - kFarAhead) > sighting.second();
    const bool beyond = behind || ahead;
    if (beyond) may_repeat = true;
    if (!beyond && !blocks.insert(entry, horizon)) continue;
    counted.set_alerts(counted.alerts() + 1);
    schemas::count_outcome(entry.outcome, outcome);
  }
  counted.set_duplicates(sighting.arrivals() - counted.alerts());
  blocks.write();
  return may_repeat;
}

void forget_expired(Nanos watermark, Second horizon, state::Transaction& state) {
  state.forget_ids_before((watermark - horizon * kNanosPerSecond) / kNanosPerMinute);
}

}  // namespace gyre::stages
