// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "state/keys.h"
#include "state/store.h"

namespace gyre::state {

/// All keys of one kind in a store.
struct Holding {
  std::size_t keys = 0;
  std::size_t bytes = 0;   ///< of keys and values
  std::set<int> versions;  ///< of the values that have one
};
std::map<Kind, Holding> holdings(const Store& store);
/// As people call them: "id blocks".
std::string_view name_of(Kind kind);

/// Recomputes a store from its changelogs and says where the two differ. Of the store it takes all
/// it needs at once, when it is made: a process may write on, and then the changelog holds what
/// the store of that moment could not know yet.
class Verification {
 public:
  struct Result {
    std::size_t equal = 0;
    std::size_t newer = 0;  ///< keys that only records are left of which the store had not followed
    std::size_t forgotten = 0;       ///< ids that only one of the two has, and nobody needs
    std::vector<std::string> wrong;  ///< a line a key
  };

  /// Ids of `needed_minute` and later must be in the store.
  Verification(const Store& store, std::int64_t needed_minute);
  /// A record of a changelog, its key as in the store. In the order of offsets.
  void add(std::string_view changelog, std::int64_t offset, std::string_view key,
           const std::optional<std::string>& value);
  Result compare() const;

 private:
  /// What is known of a key.
  struct Known {
    std::optional<std::uint64_t> held;    ///< in the store: the hash of its value
    std::uint8_t version = 0;             ///< of that value
    bool told = false;                    ///< by the changelog, up to where the store followed it
    std::optional<std::uint64_t> wanted;  ///< there: the hash; none: a tombstone
    std::optional<std::uint64_t> timer;   ///< that the value asks for there: the hash of its key
    bool newer = false;                   ///< the changelog has written it since
  };
  void compare(std::string_view key, const Known& known, Result& result) const;

  std::int64_t followed_changelog_;
  std::int64_t followed_ids_;
  std::int64_t needed_minute_;
  std::map<std::string, Known, std::less<>> known_;
  std::unordered_set<std::uint64_t> timers_;  ///< of the store: the hashes of their keys
};

}  // namespace gyre::state
