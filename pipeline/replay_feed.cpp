// SPDX-License-Identifier: Apache-2.0
#include "pipeline/replay_feed.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <utility>

#include "base/error.h"
#include "pipeline/record_stream.h"
#include "schemas/reader.h"

namespace gyre::pipeline {

// One FILE. A record without a time takes its predecessor's, so that garbage stays where it stood.
class ReplayFeed::Source {
 public:
  Source(std::string name, std::size_t index, bool timed)
      : name_(std::move(name)), index_(index), timed_(timed) {
    if (name_ == "-") return;
    file_.open(name_, std::ios::binary);
    if (!file_) throw Failure(fmt::format("cannot read {}: no such file, or not readable", name_));
    if (std::filesystem::is_directory(name_))
      throw Failure(fmt::format("cannot read {}: it is a directory; name its files", name_));
  }

  const std::string& name() const { return name_; }
  const Fed* peek() {
    if (!next_) read();
    return next_ ? &*next_ : nullptr;
  }
  Fed take() { return *std::exchange(next_, std::nullopt); }

 private:
  void read() {
    Fed fed{.source = index_};
    if (!records_.next(fed.text)) {
      if ((name_ == "-" ? std::cin : file_).bad())
        throw Failure(fmt::format("cannot read {} behind line {}", name_, records_.line()));
      return;
    }
    fed.line = records_.line();
    if (timed_) last_time_ = time_of(fed.text).value_or(last_time_);
    fed.time = last_time_;
    next_ = std::move(fed);
  }
  // Of the first alert in the record.
  std::optional<Nanos> time_of(std::string_view record) {
    reader_.open(record);
    while (const schemas::Reading* reading = reader_.next()) {
      if (reading->rejection) continue;
      const Nanos at_most = reading->envelope_time;
      return at_most == kNoTime ? reading->alert.time : std::min(reading->alert.time, at_most);
    }
    return std::nullopt;
  }

  std::string name_;
  std::size_t index_;
  bool timed_;
  std::ifstream file_;
  RecordStream records_{name_ == "-" ? std::cin : file_};
  std::optional<Fed> next_;
  Nanos last_time_ = kNoTime;
  schemas::AlertReader reader_;
};

ReplayFeed::ReplayFeed(const ReplayOptions& options)
    : timed_(options.files.size() > 1 || options.shuffle > 0) {
  for (const std::string& file : options.files)
    sources_.push_back(std::make_unique<Source>(file, sources_.size(), timed_));
  if (options.shuffle > 0) shuffle(options.shuffle, options.seed);
}
ReplayFeed::~ReplayFeed() = default;

const std::string& ReplayFeed::name(std::size_t source) const { return sources_[source]->name(); }

std::optional<ReplayFeed::Fed> ReplayFeed::next() {
  if (shuffled_) {
    if (queue_.empty()) return std::nullopt;
    Fed fed = std::move(queue_.front());
    queue_.pop_front();
    return fed;
  }
  Source* lowest = nullptr;
  for (const auto& source : sources_) {
    const Fed* fed = source->peek();
    if (fed != nullptr && (lowest == nullptr || fed->time < lowest->peek()->time))
      lowest = source.get();
  }
  if (lowest == nullptr) return std::nullopt;
  return lowest->take();
}

// Each record moves by less than `seconds` of event time: disorder that no report may show.
void ReplayFeed::shuffle(Second seconds, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::pair<Nanos, Fed>> all;
  while (auto fed = next()) {
    const auto moved =
        static_cast<Nanos>(random() % static_cast<std::uint64_t>(seconds * kNanosPerSecond));
    const Nanos at = fed->time == kNoTime ? kNoTime : fed->time + moved;
    all.emplace_back(at, std::move(*fed));
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [at, fed] : all) queue_.push_back(std::move(fed));
  shuffled_ = true;
}

}  // namespace gyre::pipeline
