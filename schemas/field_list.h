// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/alert.h"

namespace gyre::schemas {

/// Collects an alert's fields in whatever order and number they come. Memory is bounded: fields
/// looked at are sixteen times those kept, and the kept are the first by name, so that the choice
/// does not depend on their order in the record.
class FieldList {
 public:
  explicit FieldList(const ParseLimits& limits) : limits_(limits) {}

  void start(Fields& fields);
  /// No more is looked at; what comes is left out.
  bool full() const { return entries_.size() >= kCandidates * limits_.fields; }
  /// How many were taken so far.
  std::size_t size() const { return entries_.size(); }
  /// A value, taken if it is known; the name gets its brackets as Falco has them. Both are the
  /// fields' own text.
  void add(std::string_view name, std::string_view value);
  /// A name or value of several parts.
  std::string_view join(std::string_view a, std::string_view b, std::string_view c);
  /// Hands them over; true if some were left out.
  bool finish();

 private:
  static constexpr std::size_t kCandidates = 16;

  ParseLimits limits_;
  Fields* fields_ = nullptr;
  std::vector<Fields::Field> entries_;
  std::vector<FieldNumber> numbers_;
};

/// Collects an alert's tags: sorted, each once.
class TagList {
 public:
  explicit TagList(const ParseLimits& limits) : limits_(limits) {}

  /// Starts anew; the strings in `tags` are used again.
  void start(std::vector<std::string>& tags);
  void add(std::string_view text);
  bool empty() const { return count_ == 0; }
  /// True if some were cut or left out.
  bool finish();

 private:
  ParseLimits limits_;
  std::vector<std::string>* tags_ = nullptr;
  std::size_t count_ = 0;  // behind these stand an older alert's, for their memory
  bool truncated_ = false;
};

}  // namespace gyre::schemas
