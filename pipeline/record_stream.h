// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <istream>
#include <string>

namespace gyre::pipeline {

/// Records as people keep them in files: one a line; or the whole file is one, if it was written
/// for people (an alert or an array over many lines) or is packed, where a newline is a byte like
/// any other.
class RecordStream {
 public:
  /// `in` must live as long.
  explicit RecordStream(std::istream& in) : in_(in) {}

  /// False at the end, or where `in` is bad.
  bool next(std::string& record);
  /// The line on which the last record begins, from 1.
  std::uint64_t line() const { return line_; }

 private:
  std::istream& in_;
  std::uint64_t line_ = 0;
};

}  // namespace gyre::pipeline
