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

void Verification::add(std::string_view changelog, std::int64_t offset, std::string_view key,
                       const std::optional<std::string>& value) {
  CHECK(changelog == kChangelog || changelog == kIds);
  const Last last{changelog == kIds ? kIds : kChangelog, offset,
                  value ? std::optional(fast_hash(*value)) : std::nullopt};
  last_.insert_or_assign(std::string(key), last);
}

Verification::Result Verification::compare(const Store& store) const {
  Result result;
  const std::map<std::string_view, std::int64_t> followed = {
      {kChangelog, restored_offset(store, kChangelog)}, {kIds, restored_offset(store, kIds)}};
  std::set<std::string, std::less<>> met;
  store.scan(kFirst, kEnd, [&](std::string_view key, std::string_view value) {
    const Kind kind = kind_of(key);
    if (!has_version(kind)) return true;  // timers are asked for below, by what they belong to
    const auto last = last_.find(key);
    if (last == last_.end()) {
      if (kind == Kind::kIdBlock)
        ++result.forgotten;
      else
        result.wrong.push_back(line(key, "its changelog does not know it"));
      return true;
    }
    met.emplace(key);
    if (last->second.offset >= followed.at(last->second.changelog)) {
      ++result.newer;
    } else if (last->second.value != fast_hash(value)) {
      result.wrong.push_back(line(key, last->second.value ? "its changelog says something else"
                                                          : "its changelog has erased it"));
    } else if (value.front() != kValueVersion) {
      result.wrong.push_back(line(key, fmt::format("a value of version {}", value.front())));
    } else if (const auto timer = timer_of(key, value); timer && !store.get(*timer)) {
      result.wrong.push_back(line(key, "its timer lacks"));
    } else {
      ++result.equal;
    }
    return true;
  });
  for (const auto& [key, last] : last_) {
    if (!last.value || met.contains(key)) continue;
    if (last.offset >= followed.at(last.changelog))
      ++result.newer;
    else if (kind_of(key) == Kind::kIdBlock)
      ++result.forgotten;
    else
      result.wrong.push_back(line(key, "the changelog has it, the store has not"));
  }
  return result;
}

}  // namespace gyre::state
