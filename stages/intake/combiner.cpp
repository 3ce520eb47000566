// SPDX-License-Identifier: Apache-2.0
#include "stages/intake/combiner.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "schemas/identity.h"
#include "schemas/sighting.h"
#include "schemas/sighting_bytes.h"

namespace gyre::stages {

namespace {

constexpr std::size_t kPartBytes = 512 << 10;
// For the last sighting of a part and what of a bundle comes behind: a part seldom grows once it
// has its room, which would copy all of it.
constexpr std::size_t kRest = 4096;
constexpr std::size_t kFewestSlots = 1024;
// A sighting of more alerts is continued by another one: its ids alone would fill a bundle.
constexpr std::size_t kSightingBytes = 8192 * schemas::kAlertEntryBytes;

schemas::SightedAlert sighted(const schemas::Alert& alert, const Understanding& is) {
  return {.alert = alert, .time = is.time, .id = is.duplicate_id, .outcome = is.outcome.outcome};
}

}  // namespace

Combiner::Combiner(std::int32_t targets)
    : slots_(kFewestSlots),
      parts_(static_cast<std::size_t>(targets)),
      expected_(static_cast<std::size_t>(targets)) {}

std::int32_t Combiner::add(const schemas::Alert& alert, const Understanding& is) {
  const Key key{is.finding_key, second_of(is.time)};
  std::uint32_t& slot = slot_of(key);
  const auto open = [&] {
    places_.push_back(write(alert, is, key));
    slot = static_cast<std::uint32_t>(places_.size());
    return places_.back().target;
  };
  if (slot == 0) return open();
  Place& place = places_[slot - 1];
  if (!place.merged) {
    const std::string_view part = parts_[static_cast<std::size_t>(place.target)][place.part];
    place.merged =
        std::make_unique<schemas::SightingDraft>(part.substr(place.at, place.size), memory_);
  }
  if (place.merged->alert_bytes() >= kSightingBytes) return open();
  place.merged->add(sighted(alert, is));
  return place.target;
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

Combiner::Place Combiner::write(const schemas::Alert& alert, const Understanding& is,
                                const Key& key) {
  Place place;
  place.key = key;
  place.target = static_cast<std::int32_t>(
      schemas::entity_partition(is.entity, static_cast<std::uint32_t>(parts_.size())));
  writer_.clear();
  schemas::write_sighting({.finding_key = is.finding_key,
                           .entity = is.entity,
                           .rule = is.rule,
                           .source = is.source,
                           .shape = is.shape,
                           .second = key.second,
                           .heartbeat = is.heartbeat},
                          sighted(alert, is), writer_);
  append_to(place);
  return place;
}

// Puts what was written in the place's target.
void Combiner::append_to(Place& place) {
  Parts& parts = parts_[static_cast<std::size_t>(place.target)];
  const std::string_view bytes = writer_.bytes();
  if (parts.empty()) {
    const std::size_t expected = expected_[static_cast<std::size_t>(place.target)];
    parts.emplace_back().reserve(std::min(expected, kPartBytes) + kRest);
  } else if (!parts.back().empty() && parts.back().size() + bytes.size() > kPartBytes) {
    parts.emplace_back().reserve(kPartBytes + kRest);
  }
  std::string& part = parts.back();
  place.part = parts.size() - 1;
  place.at = part.size();
  place.size = bytes.size();
  part.append(bytes);
}

// Takes out what was written of sightings that were merged since.
void Combiner::close_gaps() {
  struct Cursor {
    std::size_t read = 0;
    std::size_t written = 0;
  };
  std::vector<std::vector<Cursor>> cursors;
  for (const Parts& parts : parts_) cursors.emplace_back(parts.size());
  const auto keep_to = [](std::string& part, Cursor& cursor, std::size_t end) {
    std::memmove(part.data() + cursor.written, part.data() + cursor.read, end - cursor.read);
    cursor.written += end - cursor.read;
  };
  for (const Place& place : places_) {
    if (!place.merged) continue;
    const auto target = static_cast<std::size_t>(place.target);
    Cursor& cursor = cursors[target][place.part];
    keep_to(parts_[target][place.part], cursor, place.at);
    cursor.read = place.at + place.size;
  }
  for (std::size_t target = 0; target < parts_.size(); ++target) {
    for (std::size_t i = 0; i < parts_[target].size(); ++i) {
      std::string& part = parts_[target][i];
      if (cursors[target][i].read == 0) continue;
      keep_to(part, cursors[target][i], part.size());
      part.resize(cursors[target][i].written);
    }
    std::erase_if(parts_[target], [](const std::string& part) { return part.empty(); });
  }
}

std::vector<Combiner::Parts> Combiner::finish() {
  close_gaps();
  for (Place& place : places_) {
    if (!place.merged) continue;
    writer_.clear();
    place.merged->write(writer_);
    append_to(place);
  }
  for (std::size_t target = 0; target < parts_.size(); ++target) {
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
  memory_.release();
  std::fill(slots_.begin(), slots_.end(), 0);
  for (Parts& parts : parts_) parts.clear();
}

}  // namespace gyre::stages
