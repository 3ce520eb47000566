// SPDX-License-Identifier: Apache-2.0
#include "state/verify.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/hash.h"
#include "state/transaction.h"

namespace gyre::state {

namespace {

constexpr std::string_view kFirst("\0", 1);
constexpr std::string_view kEnd = "\xff\xff";

bool has_version(Kind kind) { return kind != Kind::kMeta && kind != Kind::kTimer; }

std::string line(std::string_view key, std::string_view what) {
  return fmt::format("{} of key {}: {}", name_of(kind_of(key)), to_hex(key.substr(1)), what);
}

}  // namespace

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::kCheckpoint:
      return "checkpoints";
    case Kind::kIdBlock:
      return "id blocks";
    case Kind::kEntity:
      return "entities";
    case Kind::kGroup:
      return "groups";
    case Kind::kMeta:
      return "notes";
    case Kind::kMember:
      return "members";
    case Kind::kPending:
      return "pending";
    case Kind::kSeries:
      return "series";
    case Kind::kTimer:
      return "timers";
  }
  return "unknown";
}

std::map<Kind, Holding> holdings(const Store& store) {
  std::map<Kind, Holding> all;
  store.scan(kFirst, kEnd, [&](std::string_view key, std::string_view value) {
    Holding& holding = all[kind_of(key)];
    ++holding.keys;
    holding.bytes += key.size() + value.size();
    if (has_version(kind_of(key)) && !value.empty())
      holding.versions.insert(static_cast<unsigned char>(value.front()));
    return true;
  });
  return all;
}

Verification::Verification(const Store& store, std::int64_t needed_minute)
    : followed_changelog_(restored_offset(store, kChangelog)),
      followed_ids_(restored_offset(store, kIds)),
      needed_minute_(needed_minute) {
  store.scan(kFirst, kEnd, [&](std::string_view key, std::string_view value) {
    if (kind_of(key) == Kind::kTimer) timers_.insert(fast_hash(key));
    if (!has_version(kind_of(key))) return true;
    Known& known = known_[std::string(key)];
    known.held = fast_hash(value);
    known.version = value.empty() ? 0 : static_cast<std::uint8_t>(value.front());
    return true;
  });
}

void Verification::add(std::string_view changelog, std::int64_t offset, std::string_view key,
                       const std::optional<std::string>& value) {
  CHECK(changelog == kChangelog || changelog == kIds);
  Known& known = known_[std::string(key)];
  if (offset >= (changelog == kIds ? followed_ids_ : followed_changelog_)) {
    known.newer = true;
    return;
  }
  known.told = true;
  known.wanted.reset();
  known.timer.reset();
  if (!value) return;
  known.wanted = fast_hash(*value);
  if (value->empty() || value->front() != kValueVersion) return;
  if (const auto timer = timer_of(key, *value)) known.timer = fast_hash(*timer);
}

void Verification::compare(std::string_view key, const Known& known, Result& result) const {
  const bool block = kind_of(key) == Kind::kIdBlock;
  if (!known.told) {
    // What was overwritten since may be compacted away: of the time before nothing is known.
    if (known.newer)
      ++result.newer;
    else if (block)
      ++result.forgotten;
    else
      result.wrong.push_back(line(key, "its changelog does not know it"));
  } else if (!known.held) {
    if (known.wanted && block && number_at(key, 1) < needed_minute_)
      ++result.forgotten;
    else if (known.wanted)
      result.wrong.push_back(line(key, "the changelog has it, the store has not"));
  } else if (!known.wanted) {
    result.wrong.push_back(line(key, "its changelog has erased it"));
  } else if (*known.wanted != *known.held) {
    result.wrong.push_back(line(key, "its changelog says something else"));
  } else if (known.version != kValueVersion) {
    result.wrong.push_back(line(key, fmt::format("a value of version {}", known.version)));
  } else if (known.timer && !timers_.contains(*known.timer)) {
    result.wrong.push_back(line(key, "its timer lacks"));
  } else {
    ++result.equal;
  }
}

Verification::Result Verification::compare() const {
  Result result;
  for (const auto& [key, known] : known_) compare(key, known, result);
  return result;
}

}  // namespace gyre::state
