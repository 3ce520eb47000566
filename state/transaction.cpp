// SPDX-License-Identifier: Apache-2.0
#include "state/transaction.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "schemas/sighting.h"
#include "state/codec.h"

namespace gyre::state {

namespace {

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

// One live timer a value: an earlier one that is armed already fires first and is then armed anew.
template <typename Message>
bool arm(Message& message) {
  if (message.due() == 0 || (message.armed() != 0 && message.armed() <= message.due()))
    return false;
  message.set_armed(message.due());
  return true;
}

std::string sighting_key(Second decision, const records::Sighting& sighting, Second event_second) {
  return pending_key(decision, home_of(sighting), sighting.finding_key(), event_second);
}

constexpr std::size_t kLongestKey = 64;

Timer timer_in(const std::string& key) {
  constexpr std::size_t kKindAt = kHomeAt + kHomeBytes;
  return {static_cast<Kind>(key[kKindAt]), key.substr(kKindAt + 1)};
}

std::string end_of(Kind kind) {
  return std::string(1, static_cast<char>(static_cast<char>(kind) + 1));
}

}  // namespace

std::optional<std::string> Transaction::get(const std::string& key) const {
  const auto found = overlay_.find(key);
  return found != overlay_.end() ? found->second.value : store_.get(key);
}

void Transaction::set(const std::string& key, std::optional<std::string> value) {
  const auto found = overlay_.find(key);
  if (found == overlay_.end()) {
    // What is new in this batch and gone again before its end needs no tombstone anywhere.
    const bool in_store = !value || store_.get(key).has_value();
    overlay_.emplace(key, Entry{std::move(value), in_store});
  } else if (!value && !found->second.in_store) {
    overlay_.erase(found);
  } else {
    found->second.value = std::move(value);
  }
}

// Two sorted sources: of what both have, the overlay's counts.
void Transaction::walk(const std::string& from, const std::string& to, const Each& each) const {
  auto own = overlay_.lower_bound(from);
  bool more = true;
  const auto own_before = [&](std::string_view key) {
    for (; more && own != overlay_.end() && own->first < key; ++own)
      if (own->second.value) more = each(own->first, *own->second.value);
  };
  store_.scan(from, to, [&](std::string_view key, std::string_view value) {
    own_before(key);
    if (more && !overlay_.contains(key)) more = each(key, value);
    return more;
  });
  own_before(to);
}

Transaction::Items Transaction::range(const std::string& from, const std::string& to,
                                      std::size_t most) const {
  Items items;
  if (most == 0) return items;
  walk(from, to, [&](std::string_view key, std::string_view value) {
    items.emplace_back(key, value);
    return items.size() < most;
  });
  return items;
}

// Whole homes until there are enough items; of the first home, if that has more than `most`, so
// many. `to` is set to where the first home begins that was not taken as a whole.
Transaction::Items Transaction::homes(const std::string& from, std::string& to, std::size_t enough,
                                      std::size_t most) const {
  Items items;
  std::size_t begin = 0;  // of the last home
  std::string stop = to;
  walk(from, to, [&](std::string_view key, std::string_view value) {
    const std::string_view home = key.substr(0, kHomeAt + kHomeBytes);
    const bool another = items.empty() || !items.back().first.starts_with(home);
    if (another) begin = items.size();
    const bool full = another ? items.size() >= enough : items.size() - begin == most;
    if (!full) {
      items.emplace_back(key, value);
      return true;
    }
    if (begin > 0) items.resize(begin);
    stop = home;
    return false;
  });
  to = std::move(stop);
  return items;
}

std::optional<std::string> Transaction::first_key(const std::string& from,
                                                  const std::string& to) const {
  std::optional<std::string> first;
  store_.scan(from, to, [&](std::string_view key, std::string_view) {
    const auto found = overlay_.find(key);
    if (found != overlay_.end() && !found->second.value) return true;
    first = std::string(key);
    return false;
  });
  for (auto it = overlay_.lower_bound(from); it != overlay_.end() && it->first < to; ++it) {
    if (!it->second.value) continue;
    if (!first || it->first < *first) first = it->first;
    break;
  }
  return first;
}

records::Checkpoint Transaction::checkpoint() const {
  return decode<records::Checkpoint>(get(checkpoint_key())).value_or(records::Checkpoint());
}

void Transaction::put(const records::Checkpoint& checkpoint) {
  set(checkpoint_key(), encode(checkpoint));
}

std::optional<records::Sighting> Transaction::pending(Second decision,
                                                      const records::Sighting& sighting,
                                                      Second event_second) const {
  return decode<records::Sighting>(get(sighting_key(decision, sighting, event_second)));
}

std::optional<Second> Transaction::first_pending(Second decision,
                                                 const records::Sighting& sighting) const {
  const auto key = first_key(sighting_key(decision, sighting, std::numeric_limits<Second>::min()),
                             sighting_key(decision, sighting, std::numeric_limits<Second>::max()));
  if (!key) return std::nullopt;
  return number_at(*key, key->size() - sizeof(Second));
}

void Transaction::put_pending(Second decision, const records::Sighting& sighting) {
  set(sighting_key(decision, sighting, sighting.second()), encode(sighting));
}

Due Transaction::take_due(Second second, std::size_t enough, std::size_t most) {
  const auto of = [](Kind kind, std::string key) {
    key.front() = static_cast<char>(kind);
    return key;
  };
  std::string end = from_number(Kind::kPending, second + 1);
  const Items sightings = homes(from_number(Kind::kPending, second), end, enough, most);
  std::string stop = of(Kind::kTimer, std::move(end));
  const std::string all = stop;
  const Items timers = homes(from_number(Kind::kTimer, second), stop, enough, most);
  // Where timers stopped earlier, sightings of the homes from there on wait for them; but for those
  // of a home that has more timers than can be taken at once.
  std::optional<std::string> border;
  if (stop != all && timers.front().first.compare(0, stop.size(), stop) != 0)
    border = of(Kind::kPending, stop);
  else if (stop != all)
    border = of(Kind::kPending, stop).append(kLongestKey, '\xff');
  Due due;
  for (const auto& [key, value] : sightings) {
    if (border && key >= *border) break;
    due.sightings.push_back(decode<records::Sighting>(std::string_view(value)));
    set(key, std::nullopt);
  }
  for (const auto& [key, value] : timers) {
    due.timers.push_back(timer_in(key));
    set(key, std::nullopt);
  }
  return due;
}

std::optional<records::Series> Transaction::series(std::string_view finding_key) const {
  return decode<records::Series>(get(series_key(finding_key)));
}

void Transaction::put(std::string_view finding_key, records::Series& series) {
  if (arm(series))
    set(timer_key(series.armed(), home_of(series), Kind::kSeries, finding_key), std::string());
  set(series_key(finding_key), encode(series));
}

void Transaction::erase_series(std::string_view finding_key) {
  set(series_key(finding_key), std::nullopt);
}

std::optional<records::EntityState> Transaction::entity(std::string_view entity_hash) const {
  return decode<records::EntityState>(get(entity_key(entity_hash)));
}

void Transaction::put(std::string_view entity_hash, records::EntityState& entity) {
  if (arm(entity))
    set(timer_key(entity.armed(), home_of(entity), Kind::kEntity, entity_hash), std::string());
  set(entity_key(entity_hash), encode(entity));
}

void Transaction::erase_entity(std::string_view entity_hash) {
  set(entity_key(entity_hash), std::nullopt);
}

void Transaction::put_pending(Second decision, const records::Contribution& contribution) {
  const std::string key =
      contribution_key(decision, contribution.finding_key(), contribution.finding_id());
  auto waiting = decode<records::Contribution>(get(key));
  if (waiting) schemas::merge(*waiting, contribution);
  set(key, encode(waiting ? *waiting : contribution));
}

std::vector<records::Contribution> Transaction::take_contributions(Second decision) {
  std::vector<records::Contribution> taken;
  for (const auto& [key, value] : range(from_number(Kind::kPending, decision),
                                        from_number(Kind::kPending, decision + 1), kAll)) {
    taken.push_back(decode<records::Contribution>(std::string_view(value)));
    set(key, std::nullopt);
  }
  return taken;
}

std::optional<records::Group> Transaction::group(std::string_view key) const {
  return decode<records::Group>(get(group_key(key)));
}

void Transaction::put(std::string_view key, records::Group& group) {
  if (arm(group))
    set(timer_key(group.armed(), home_of_group(key), Kind::kGroup, key), std::string());
  set(group_key(key), encode(group));
}

void Transaction::erase_group(std::string_view key) { set(group_key(key), std::nullopt); }

std::optional<records::OutbreakMember> Transaction::member(std::string_view rule_key,
                                                           std::string_view finding_key) const {
  return decode<records::OutbreakMember>(get(member_key(rule_key, finding_key)));
}

void Transaction::put(std::string_view rule_key, std::string_view finding_key,
                      const records::OutbreakMember& member) {
  set(member_key(rule_key, finding_key), encode(member));
}

void Transaction::erase_member(std::string_view rule_key, std::string_view finding_key) {
  set(member_key(rule_key, finding_key), std::nullopt);
}

std::vector<std::pair<std::string, records::OutbreakMember>> Transaction::members(
    std::string_view rule_key) const {
  std::vector<std::pair<std::string, records::OutbreakMember>> members;
  const std::string from = member_key(rule_key, "");
  // No finding key reaches these 17 bytes.
  for (const auto& [key, value] : range(from, from + std::string(17, '\xff'), kAll))
    members.emplace_back(key.substr(from.size()),
                         decode<records::OutbreakMember>(std::string_view(value)));
  return members;
}

std::vector<Timer> Transaction::take_timers(Second second, std::size_t most) {
  std::vector<Timer> timers;
  for (const auto& [key, value] :
       range(from_number(Kind::kTimer, second), from_number(Kind::kTimer, second + 1), most)) {
    timers.push_back(timer_in(key));
    set(key, std::nullopt);
  }
  return timers;
}

std::optional<Second> Transaction::next_due(Second decided) const {
  std::optional<Second> due;
  for (const Kind kind : {Kind::kPending, Kind::kTimer}) {
    const auto key = first_key(from_number(kind, decided + 1), end_of(kind));
    if (key && (!due || number_at(*key, 1) < *due)) due = number_at(*key, 1);
  }
  return due;
}

std::optional<records::IdBlock> Transaction::id_block(std::int64_t minute, std::string_view entity,
                                                      std::string_view nibbles) const {
  return decode<records::IdBlock>(get(id_block_key(minute, entity, nibbles)));
}

void Transaction::put(std::int64_t minute, std::string_view entity, std::string_view nibbles,
                      const records::IdBlock& block) {
  // Blocks are never erased one by one, so nobody asks whether the store has this one.
  overlay_.insert_or_assign(id_block_key(minute, entity, nibbles), Entry{encode(block), true});
}

std::vector<Change> Transaction::changelog() const {
  std::vector<Change> changes;
  for (const auto& [key, entry] : overlay_) {
    const Kind kind = kind_of(key);
    if (kind == Kind::kEntity || kind == Kind::kGroup || kind == Kind::kMember ||
        kind == Kind::kPending || kind == Kind::kSeries)
      changes.push_back({key, entry.value});
  }
  return changes;
}

std::vector<Change> Transaction::ids() const {
  std::vector<Change> changes;
  for (auto it = overlay_.lower_bound(std::string(1, static_cast<char>(Kind::kIdBlock)));
       it != overlay_.end() && kind_of(it->first) == Kind::kIdBlock; ++it)
    changes.push_back({it->first, it->second.value});
  return changes;
}

Change Transaction::checkpoint_change() const { return {checkpoint_key(), get(checkpoint_key())}; }

void Transaction::commit(std::int64_t changelog_offset, std::optional<std::int64_t> ids_offset,
                         Nanos now) {
  std::vector<Change> changes;
  changes.reserve(overlay_.size() + 3);
  for (auto& [key, entry] : overlay_) changes.push_back({key, std::move(entry.value)});
  changes.push_back({meta_key(kChangelog), std::to_string(changelog_offset)});
  if (ids_offset) changes.push_back({meta_key(kIds), std::to_string(*ids_offset)});
  if (now != kNoTime) changes.push_back({meta_key(kFollowed), std::to_string(now)});
  store_.apply(changes);
  if (forget_before_) forget_ids();
  overlay_.clear();
  forget_before_.reset();
}

// The deletion of a range costs every read until it is flushed, and there is one a minute of event
// time: where little comes, few keys are deleted by themselves.
void Transaction::forget_ids() {
  constexpr std::size_t kFew = 256;
  const std::string from = from_number(Kind::kIdBlock, forgotten_before_);
  const std::string to = from_number(Kind::kIdBlock, *forget_before_);
  std::vector<Change> few;
  store_.scan(from, to, [&](std::string_view key, std::string_view) {
    few.push_back({std::string(key), std::nullopt});
    return few.size() <= kFew;
  });
  if (few.size() > kFew)
    store_.drop(from, to);
  else if (!few.empty())
    store_.apply(few);
  forgotten_before_ = *forget_before_;
}

void Transaction::rollback() {
  overlay_.clear();
  forget_before_.reset();
  forgotten_before_ = kNothingForgotten;  // the store may be restored now
}

}  // namespace gyre::state
