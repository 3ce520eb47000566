// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <memory_resource>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schemas/known_fields.h"

namespace gyre::schemas {

/// Names and values, sorted by name, one entry a name, found in a few nanoseconds. Owns its text:
/// views hold until `clear` or the object's end, also over a move and over `set` of others. A
/// copy owns a copy. A cleared object keeps its memory.
class Fields {
 public:
  using Field = std::pair<std::string_view, std::string_view>;

  Fields() = default;
  /// In any order; the first of equal names counts.
  Fields(std::initializer_list<Field> fields);
  Fields(const std::vector<std::pair<std::string, std::string>>& fields);
  Fields(const Fields& other);
  Fields& operator=(const Fields& other);
  Fields(Fields&& other) noexcept { swap(other); }
  Fields& operator=(Fields&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Fields() = default;

  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  const Field& operator[](std::size_t at) const { return entries_[at]; }
  /// Of the name at `at`.
  FieldNumber number(std::size_t at) const { return numbers_[at]; }
  bool operator==(const Fields& other) const { return entries_ == other.entries_; }

  /// The value, or an empty view.
  std::string_view find(std::string_view name) const {
    for (std::uint16_t at = first_[bucket(name)]; at != 0; at = next_[at - 1U])
      if (entries_[at - 1U].first == name) return entries_[at - 1U].second;
    return {};
  }

  /// Forgets all, views of its text included.
  void clear();
  /// Takes the field up, or changes its value.
  void set(std::string_view name, std::string_view value);
  /// Gives the field, if there is one, another name, which no other may have.
  void rename(std::string_view name, std::string_view to);
  /// Changes the value of the field at `at`.
  void change(std::size_t at, std::string_view value) { entries_[at].second = keep(value); }

  /// Room for text of this object's own, until `clear`.
  std::span<char> allocate(std::size_t size);
  /// Text that becomes this object's own.
  std::string_view keep(std::string_view text);
  /// Takes over fields, sorted, one a name, whose text is this object's own already, and the
  /// numbers of their names; leaves there memory to use again.
  void adopt(std::vector<Field>& fields, std::vector<FieldNumber>& numbers);

 private:
  static constexpr std::size_t kBuckets = 256;
  struct Arena {
    std::array<std::byte, 16'384> first_chunk;
    std::pmr::monotonic_buffer_resource memory{first_chunk.data(), first_chunk.size()};
  };

  // Spreads the names that Falco knows over the buckets by a few of their letters; of a literal it
  // is a constant.
  static constexpr std::size_t bucket(std::string_view name) {
    if (name.empty()) return 0;
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(name[i]); };
    const std::size_t size = name.size();
    return (size * 7 + at(0) * 3U + at(size / 2) * 29U + at(size - 1) * 113U) % kBuckets;
  }

  void index();
  void number_names();
  void swap(Fields& other) noexcept;

  std::vector<Field> entries_;
  std::vector<FieldNumber> numbers_;             // by position
  std::array<std::uint16_t, kBuckets> first_{};  // position from 1; 0: none
  std::vector<std::uint16_t> next_;              // of the same bucket, by position
  std::unique_ptr<Arena> arena_;
};

}  // namespace gyre::schemas
