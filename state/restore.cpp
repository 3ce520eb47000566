// SPDX-License-Identifier: Apache-2.0
// What is read back from changelogs.
#include <fmt/format.h>

#include "base/error.h"
#include "state/codec.h"
#include "state/transaction.h"

namespace gyre::state {

namespace {

// Of a changelog, before anything of it is applied: what is not understood now would be missing
// later without a word.
void refuse_newer(const Change& change) {
  switch (kind_of(change.key)) {
    case Kind::kCheckpoint:
    case Kind::kIdBlock:
    case Kind::kEntity:
    case Kind::kGroup:
    case Kind::kMember:
    case Kind::kPending:
    case Kind::kSeries:
      return refuse_version(*change.value);
    case Kind::kMeta:
    case Kind::kTimer:
      break;  // in no changelog
  }
  throw Refusal(fmt::format(
      "state: the changelog holds a key of the kind {}, which this gyre does not know; run the "
      "version that wrote it",
      static_cast<int>(change.key.front())));
}

}  // namespace

std::optional<std::string> timer_of(std::string_view key, std::string_view value) {
  const std::string_view name = key.substr(1);
  const auto timer = [&](const auto& message, std::uint64_t home) -> std::optional<std::string> {
    if (message.armed() == 0) return std::nullopt;
    return timer_key(message.armed(), home, kind_of(key), name);
  };
  switch (kind_of(key)) {
    case Kind::kSeries: {
      const auto series = decode<records::Series>(value);
      return timer(series, home_of(series));
    }
    case Kind::kEntity: {
      const auto entity = decode<records::EntityState>(value);
      return timer(entity, home_of(entity));
    }
    case Kind::kGroup:
      return timer(decode<records::Group>(value), home_of_group(name));
    default:
      return std::nullopt;
  }
}

records::Checkpoint decode_checkpoint(std::string_view value) {
  return decode<records::Checkpoint>(value);
}

void restore(Store& store, std::vector<Change> changes, std::string_view changelog,
             std::int64_t offset) {
  const std::size_t from_changelog = changes.size();
  for (std::size_t i = 0; i < from_changelog; ++i) {
    if (!changes[i].value) continue;
    refuse_newer(changes[i]);
    if (auto timer = timer_of(changes[i].key, *changes[i].value))
      changes.push_back({std::move(*timer), std::string()});
  }
  changes.push_back({meta_key(changelog), std::to_string(offset)});
  store.apply(changes);
}

}  // namespace gyre::state
