// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/hash.h"
#include "state/store.h"

namespace gyre::state {

/// What was read of a store not long ago, that a key is absent included: a hot value is read from
/// the database once, not twice a batch. In two generations: when the younger is full, what was not
/// asked for since the last time is forgotten. At most a megabyte. Private to store.cpp.
class Recent {
 public:
  using Value = std::optional<std::string>;

  /// Null: not known.
  const Value* find(std::string_view key) {
    if (const auto young = young_.find(key); young != young_.end()) return &young->second;
    const auto old = old_.find(key);
    if (old == old_.end()) return nullptr;
    auto node = old_.extract(old);
    return add(std::move(node.key()), std::move(node.mapped()));
  }

  void put(std::string_view key, const Value& value) { add(std::string(key), value); }

  /// Of a key that is known; what was erased is seldom asked for again.
  void update(const Change& change) {
    for (Values* values : {&young_, &old_}) {
      const auto found = values->find(change.key);
      if (found == values->end()) continue;
      if (values == &young_) bytes_ -= size_of(found->first, found->second);
      values->erase(found);
      if (change.value) put(change.key, change.value);
      return;
    }
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const { return fast_hash(key); }
  };
  using Values = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;

  static constexpr std::size_t kBytes = 512 << 10;  // of a generation

  static std::size_t size_of(std::string_view key, const Value& value) {
    return 100 + key.size() + (value ? value->size() : 0);
  }

  const Value* add(std::string key, Value value) {
    if (bytes_ > kBytes) {
      old_ = std::exchange(young_, {});
      bytes_ = 0;
    }
    bytes_ += size_of(key, value);
    return &young_.emplace(std::move(key), std::move(value)).first->second;
  }

  Values young_;
  Values old_;
  std::size_t bytes_ = 0;  // of the younger
};

}  // namespace gyre::state
