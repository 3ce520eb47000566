// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
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

/// Recomputes a store from its changelogs and says where the two differ.
class Verification {
 public:
  struct Result {
    std::size_t equal = 0;
    std::size_t newer = 0;      ///< keys that the changelog has written since the store followed it
    std::size_t forgotten = 0;  ///< ids whose minute is over: in one of the two, and needed in none
    std::vector<std::string> wrong;  ///< a line a key
  };

  /// A record of a changelog, its key as in the store. In the order of offsets.
  void add(std::string_view changelog, std::int64_t offset, std::string_view key,
           const std::optional<std::string>& value);
  Result compare(const Store& store) const;

 private:
  struct Last {
    std::string_view changelog;
    std::int64_t offset;
    std::optional<std::uint64_t> value;  ///< its hash; none: a tombstone
  };
  std::map<std::string, Last, std::less<>> last_;
};

}  // namespace gyre::state
