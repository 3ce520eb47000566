// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "pipeline/commands.h"

namespace gyre::pipeline {

/// The files of a replay as one sequence of records: the lowest next event time first (ruling 22).
class ReplayFeed {
 public:
  struct Fed {
    std::size_t source = 0;  ///< the file, by its place on the command line
    std::string text;
    Nanos time = kNoTime;    ///< of its first alert, or of the record before; only if `timed`
    std::uint64_t line = 0;  ///< in its file, from 1
  };

  /// Throws Failure, naming the file, if one cannot be read.
  explicit ReplayFeed(const ReplayOptions& options);
  ~ReplayFeed();

  std::optional<Fed> next();
  /// There are several files, or a shuffle: records have event times.
  bool timed() const { return timed_; }
  const std::string& name(std::size_t source) const;
  std::size_t size() const { return sources_.size(); }

 private:
  class Source;
  void shuffle(Second seconds, std::uint64_t seed);

  bool timed_;
  std::vector<std::unique_ptr<Source>> sources_;
  std::deque<Fed> queue_;
  bool shuffled_ = false;
};

}  // namespace gyre::pipeline
