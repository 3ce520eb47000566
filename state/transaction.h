// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "schemas/records.pb.h"
#include "state/keys.h"
#include "state/store.h"

namespace gyre::state {

using Timer = std::pair<Kind, std::string>;  ///< of which value

/// What is to be decided at one second of some homes.
struct Due {
  std::vector<records::Sighting> sightings;  ///< of each home by (finding key, event second)
  std::vector<Timer> timers;
};

/// One batch's view of a task's state: reads its own changes, the store otherwise; nothing reaches
/// the store before `commit`. Verbs of the domain, so that stages know no keys. One thread.
class Transaction {
 public:
  explicit Transaction(Store& store) : store_(store) {}

  records::Checkpoint checkpoint() const;
  void put(const records::Checkpoint& checkpoint);
  bool has_checkpoint() const { return get(checkpoint_key()).has_value(); }

  /// What is to be decided at `decision` of the sighting's finding and event second.
  std::optional<records::Sighting> pending(Second decision,
                                           const records::Sighting& sighting) const {
    return pending(decision, sighting, sighting.second());
  }
  std::optional<records::Sighting> pending(Second decision, const records::Sighting& sighting,
                                           Second event_second) const;
  /// The earliest event second of what is to be decided of the sighting's finding at `decision`.
  std::optional<Second> first_pending(Second decision, const records::Sighting& sighting) const;
  void put_pending(Second decision, const records::Sighting& sighting);
  /// Removes and returns what is to be decided at `second` of the next homes, whole ones, until
  /// there are `enough` sightings or timers. Of a home that has more than `most` of them itself,
  /// so many, its sightings first.
  Due take_due(Second second, std::size_t enough, std::size_t most);

  std::optional<records::Series> series(std::string_view finding_key) const;
  /// Arms the series' timer if it has to fire earlier than the one armed.
  void put(std::string_view finding_key, records::Series& series);
  void erase_series(std::string_view finding_key);

  std::optional<records::EntityState> entity(std::string_view entity_hash) const;
  void put(std::string_view entity_hash, records::EntityState& entity);
  void erase_entity(std::string_view entity_hash);

  /// by_rule: a contribution waits for its second; they are taken by (finding key, finding id).
  /// What several of one finding add is summed up, the rest is the newest's.
  void put_pending(Second decision, const records::Contribution& contribution);
  std::vector<records::Contribution> take_contributions(Second decision);

  /// A rule key, or a rule key and a workload's hash.
  std::optional<records::Group> group(std::string_view key) const;
  void put(std::string_view key, records::Group& group);
  void erase_group(std::string_view key);

  std::optional<records::OutbreakMember> member(std::string_view rule_key,
                                                std::string_view finding_key) const;
  void put(std::string_view rule_key, std::string_view finding_key,
           const records::OutbreakMember& member);
  void erase_member(std::string_view rule_key, std::string_view finding_key);
  /// All of a rule key, by finding key.
  std::vector<std::pair<std::string, records::OutbreakMember>> members(
      std::string_view rule_key) const;

  /// by_rule: removes and returns the first `most` timers of `second`, in the order of their keys.
  std::vector<Timer> take_timers(Second second, std::size_t most);
  /// The first second after `decided` that has something to decide or a timer.
  std::optional<Second> next_due(Second decided) const;

  std::optional<records::IdBlock> id_block(std::int64_t minute, std::string_view entity,
                                           std::string_view nibbles) const;
  void put(std::int64_t minute, std::string_view entity, std::string_view nibbles,
           const records::IdBlock& block);
  /// Duplicate ids of minutes before `minute` will never be asked for again: they leave the disk
  /// with the next commit.
  void forget_ids_before(std::int64_t minute) { forget_before_ = minute; }

  /// What goes to the changelog (without the checkpoint, which is sent last) and to the ids topic.
  std::vector<Change> changelog() const;
  std::vector<Change> ids() const;
  Change checkpoint_change() const;
  /// Writes everything, the offsets to restore from, and when that was, in one batch. Then the
  /// transaction is empty.
  void commit(std::int64_t changelog_offset, std::optional<std::int64_t> ids_offset,
              Nanos now = kNoTime);
  void rollback();

 private:
  struct Entry {
    std::optional<std::string> value;
    bool in_store;  ///< the store has the key, so its end must be told
  };

  std::optional<std::string> get(const std::string& key) const;
  void set(const std::string& key, std::optional<std::string> value);
  template <typename Message>
  std::vector<Message> take(Second decision, std::size_t most);
  using Items = std::vector<std::pair<std::string, std::string>>;
  using Each = std::function<bool(std::string_view key, std::string_view value)>;
  void walk(const std::string& from, const std::string& to, const Each& each) const;
  Items range(const std::string& from, const std::string& to, std::size_t most) const;
  Items homes(const std::string& from, std::string& to, std::size_t enough, std::size_t most) const;
  std::optional<std::string> first_key(const std::string& from, const std::string& to) const;
  void forget_ids();

  Store& store_;
  std::map<std::string, Entry, std::less<>> overlay_;
  static constexpr std::int64_t kNothingForgotten = std::numeric_limits<std::int64_t>::min();
  std::optional<std::int64_t> forget_before_;
  std::int64_t forgotten_before_ = kNothingForgotten;  ///< there are no ids of minutes before
};

/// A checkpoint as it lies in a changelog. Throws Refusal if a newer version wrote it.
records::Checkpoint decode_checkpoint(std::string_view value);

/// The key of the timer that a value asks for, if any.
std::optional<std::string> timer_of(std::string_view key, std::string_view value);

/// Applies records read back from a changelog, timers included; `offset` is where the next restore
/// begins. Throws Refusal, and applies nothing, if a newer version wrote one of them.
void restore(Store& store, std::vector<Change> changes, std::string_view changelog,
             std::int64_t offset);
/// Where the restore of a changelog has to begin; 0 for a new store.
std::int64_t restored_offset(const Store& store, std::string_view changelog);

/// When the store was last known to equal its changelogs; kNoTime: nobody said.
Nanos followed_at(const Store& store);
/// The cluster that the changelogs lie in; empty: nobody said.
std::string cluster_of(const Store& store);
/// The store equals its changelogs. What is not known is left as it was.
void set_followed(Store& store, const std::string& cluster, Nanos now);

}  // namespace gyre::state
