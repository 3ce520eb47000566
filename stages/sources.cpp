// SPDX-License-Identifier: Apache-2.0
#include "stages/sources.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace gyre::stages {

namespace {

const records::Cursor* find_cursor(const records::Checkpoint& checkpoint, std::int32_t partition) {
  for (const records::Cursor& cursor : checkpoint.cursors())
    if (cursor.partition() == partition) return &cursor;
  return nullptr;
}

records::Cursor& cursor_of(records::Checkpoint& checkpoint, std::int32_t partition) {
  auto& cursors = *checkpoint.mutable_cursors();
  for (records::Cursor& cursor : cursors)
    if (cursor.partition() == partition) return cursor;
  records::Cursor cursor;
  cursor.set_partition(partition);
  cursor.set_progress(kNoTime);
  *cursors.Add() = cursor;
  std::sort(cursors.begin(), cursors.end(),
            [](const auto& a, const auto& b) { return a.partition() < b.partition(); });
  return cursor_of(checkpoint, partition);
}

}  // namespace

Nanos stream_time(const records::Checkpoint& checkpoint) {
  if (checkpoint.sources() == 0 || checkpoint.cursors_size() < checkpoint.sources()) return kNoTime;
  Nanos least = kEndOfTime;
  for (const records::Cursor& cursor : checkpoint.cursors())
    least = std::min(least, cursor.progress());
  return least;
}

bool is_replay(std::string_view stage, const records::Bundle& bundle,
               const records::Checkpoint& checkpoint) {
  bool replayed = false;
  bool fresh = false;
  for (const records::SourceRange& range : bundle.ranges()) {
    if (range.first() == range.next()) continue;
    const records::Cursor* cursor = find_cursor(checkpoint, range.partition());
    const std::int64_t known = cursor == nullptr ? 0 : cursor->next();
    if (range.first() >= known) {
      fresh = true;
    } else if (range.next() <= known) {
      replayed = true;
    } else {
      replayed = fresh = true;
    }
    if (replayed && fresh)
      throw Refusal(fmt::format(
          "{}: a bundle of {} stands for offsets [{}, {}) of source partition {}, of which those "
          "below {} were folded before; the inner topic was written by two generations of its "
          "sender. Start anew under another `name`",
          stage, bundle.sender(), range.first(), range.next(), range.partition(), known));
  }
  return replayed;
}

void account(std::string_view stage, const records::Bundle& bundle,
             records::Checkpoint& checkpoint) {
  for (const records::SourceRange& range : bundle.ranges()) {
    records::Cursor& cursor = cursor_of(checkpoint, range.partition());
    if (cursor.sent() + range.arrivals() != range.sent())
      throw Refusal(fmt::format(
          "{}: {} says that it sent {} of source partition {} here, {} arrived; bundles were lost "
          "or another sender wrote them. Start anew under another `name`",
          stage, bundle.sender(), range.sent(), range.partition(),
          cursor.sent() + range.arrivals()));
    cursor.set_next(std::max(cursor.next(), range.next()));
    cursor.set_progress(std::max(cursor.progress(), range.progress()));
    cursor.set_sent(range.sent());
    checkpoint.set_outstanding(checkpoint.outstanding() - range.arrivals());
  }
}

}  // namespace gyre::stages
