// SPDX-License-Identifier: Apache-2.0
#include "stages/intake/combiner.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "schemas/identity.h"

namespace gyre::stages {

namespace {

constexpr std::size_t kPartBytes = 512 << 10;
// For the last sighting of a part and what of a bundle comes behind: a part seldom grows once it
// has its room, which would copy all of it.
constexpr std::size_t kRest = 4096;
constexpr std::size_t kFewestSlots = 1024;
// A sighting of more alerts is continued by another one: its ids alone would fill a bundle.
constexpr std::uint32_t kSightingAlerts = 8192;

schemas::SightedAlert sighted(const schemas::Alert& alert, const Understanding& is) {
  return {.alert = alert,
          .time = is.time,
          .id = is.duplicate_id,
          .native_id = is.native_id,
          .outcome = is.outcome.outcome};
}

}  // namespace

Combiner::Combiner(std::int32_t targets)
    : joined_(static_cast<std::size_t>(targets)),
      slots_(kFewestSlots),
      parts_(static_cast<std::size_t>(targets)),
      expected_(static_cast<std::size_t>(targets)) {}

std::int32_t Combiner::add(const schemas::Alert& alert, const Understanding& is) {
  const Key key{is.finding_key, second_of(is.time)};
  std::uint32_t& slot = slot_of(key);
  if (slot == 0 || places_[slot - 1].alerts == kSightingAlerts) {
    open(alert, is, key);
    slot = static_cast<std::uint32_t>(places_.size());
  } else {
    join(sighted(alert, is), slot - 1);
  }
  return places_[slot - 1].target;
}

// A finding key is a hash already.
std::uint32_t& Combiner::slot_of(const Key& key) {
  const auto start = [](const Key& of) {
    std::size_t hash = 0;
    std::memcpy(&hash, of.finding_key.data(), sizeof hash);
    // A flood's findings have alerts in second after second: these must not stand in one row.
    return hash + static_cast<std::size_t>(of.second) * 0x9E3779B97F4A7C15U;
  };
  const auto find = [&](const Key& wanted) {
    std::size_t at = start(wanted) & (slots_.size() - 1);
    while (slots_[at] != 0 && places_[slots_[at] - 1].key != wanted)
      at = (at + 1) & (slots_.size() - 1);
    return at;
  };
  if (places_.size() * 2 >= slots_.size()) {
    const auto old = std::exchange(slots_, std::vector<std::uint32_t>(slots_.size() * 2));
    for (const std::uint32_t position : old)
      if (position != 0) slots_[find(places_[position - 1].key)] = position;
  }
  return slots_[find(key)];
}

void Combiner::open(const schemas::Alert& alert, const Understanding& is, const Key& key) {
  writer_.clear();
  schemas::write_sighting({.finding_key = is.finding_key,
                           .entity = is.entity,
                           .rule = is.rule,
                           .source = is.source,
                           .shape = is.shape,
                           .second = key.second,
                           .heartbeat = is.heartbeat},
                          sighted(alert, is), writer_);
  const std::uint32_t target =
      schemas::entity_partition(is.entity, static_cast<std::uint32_t>(parts_.size()));
  Parts& parts = parts_[target];
  append(parts, expected_[target], writer_.bytes());
  places_.push_back({.key = key,
                     .target = static_cast<std::int32_t>(target),
                     .part = parts.size() - 1,
                     .at = parts.back().size() - writer_.size(),
                     .size = writer_.size()});
}

void Combiner::join(const schemas::SightedAlert& alert, std::uint32_t position) {
  Place& place = places_[position];
  const auto other = static_cast<std::uint32_t>(other_places_.size());
  if (place.alerts++ == 1) {
    joined_[static_cast<std::size_t>(place.target)].push_back(position);
    place.first_other = other;
  } else {
    other_places_[place.last_other].next = other;
  }
  place.last_other = other;
  const std::size_t at = others_.size();
  schemas::write_alert(alert, others_);
  other_places_.push_back({.at = at, .size = others_.size() - at, .next = kNone});
}

void Combiner::append(Parts& parts, std::size_t expected, std::string_view sighting) {
  if (parts.empty())
    parts.emplace_back().reserve(std::min(expected, kPartBytes) + kRest);
  else if (!parts.back().empty() && parts.back().size() + sighting.size() > kPartBytes)
    parts.emplace_back().reserve(kPartBytes + kRest);
  parts.back().append(sighting);
}

// Writes the target's sightings of several alerts behind those of one.
void Combiner::merge(std::size_t target) {
  std::vector<std::uint32_t>& joined = joined_[target];
  std::sort(joined.begin(), joined.end());
  Parts& parts = parts_[target];
  std::vector<std::size_t> ends;
  writer_.clear();
  for (const std::uint32_t position : joined) {
    const Place& place = places_[position];
    draft_.start(std::string_view(parts[place.part]).substr(place.at, place.size));
    for (auto at = place.first_other; at != kNone; at = other_places_[at].next)
      draft_.add(others_.bytes().substr(other_places_[at].at, other_places_[at].size));
    draft_.write(writer_);
    ends.push_back(writer_.size());
  }
  close_gaps(parts, joined);
  std::size_t from = 0;
  for (const std::size_t end : ends) {
    append(parts, expected_[target], writer_.bytes().substr(from, end - from));
    from = end;
  }
}

// Takes out what stands at these positions.
void Combiner::close_gaps(Parts& parts, const std::vector<std::uint32_t>& gaps) {
  struct Cursor {
    std::size_t read = 0;
    std::size_t written = 0;
  };
  std::vector<Cursor> cursors(parts.size());
  const auto keep_to = [](std::string& part, Cursor& cursor, std::size_t end) {
    std::memmove(part.data() + cursor.written, part.data() + cursor.read, end - cursor.read);
    cursor.written += end - cursor.read;
  };
  for (const std::uint32_t position : gaps) {
    const Place& place = places_[position];
    Cursor& cursor = cursors[place.part];
    keep_to(parts[place.part], cursor, place.at);
    cursor.read = place.at + place.size;
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (cursors[i].read == 0) continue;
    keep_to(parts[i], cursors[i], parts[i].size());
    parts[i].resize(cursors[i].written);
  }
  std::erase_if(parts, [](const std::string& part) { return part.empty(); });
}

std::vector<Combiner::Parts> Combiner::finish() {
  for (std::size_t target = 0; target < parts_.size(); ++target) {
    if (!joined_[target].empty()) merge(target);
    std::size_t size = 0;
    for (const std::string& part : parts_[target]) size += part.size();
    expected_[target] = size + size / 8;
  }
  auto finished = std::exchange(parts_, std::vector<Parts>(parts_.size()));
  clear();
  return finished;
}

void Combiner::clear() {
  places_.clear();
  others_.clear();
  other_places_.clear();
  for (auto& joined : joined_) joined.clear();
  std::fill(slots_.begin(), slots_.end(), 0);
  for (Parts& parts : parts_) parts.clear();
}

}  // namespace gyre::stages
