// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <memory_resource>
#include <string_view>
#include <vector>

#include "schemas/alert.h"

namespace gyre::schemas {

/// Collects an alert's fields in whatever order and number they come. Names and values are views of
/// the caller's until `finish`; what is joined of several lives here. Memory is bounded: fields
/// looked at are sixteen times those kept, and the kept are the first by name, so that the choice
/// does not depend on their order in the record.
class FieldList {
 public:
  explicit FieldList(const ParseLimits& limits) : limits_(limits) {}

  void clear();
  /// No more is looked at; what comes is left out.
  bool full() const { return entries_.size() >= kCandidates * limits_.fields; }
  /// A value that is known, cut to the limit; the name with its brackets as Falco has them.
  void add(std::string_view name, std::string_view value);
  /// Text that lives until `clear`.
  std::string_view keep(std::string_view a, std::string_view b = {}, std::string_view c = {});
  /// Writes them as Alert::fields; true if some were left out.
  bool finish(Alert& alert);

 private:
  static constexpr std::size_t kCandidates = 16;
  struct Entry {
    std::string_view name;
    std::string_view value;
  };

  ParseLimits limits_;
  std::vector<Entry> entries_;
  std::array<std::byte, 16'384> first_chunk_;
  std::pmr::monotonic_buffer_resource arena_{first_chunk_.data(), first_chunk_.size()};
};

}  // namespace gyre::schemas
