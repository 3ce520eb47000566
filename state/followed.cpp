// SPDX-License-Identifier: Apache-2.0
// What a store says of itself: how far it equals its changelogs.
#include "state/transaction.h"

namespace gyre::state {

namespace {

constexpr std::string_view kCluster = "cluster";

}  // namespace

std::int64_t restored_offset(const Store& store, std::string_view changelog) {
  const auto offset = store.get(meta_key(changelog));
  return offset ? std::stoll(*offset) : 0;
}

Nanos followed_at(const Store& store) {
  const auto time = store.get(meta_key(kFollowed));
  return time ? std::stoll(*time) : kNoTime;
}

std::string cluster_of(const Store& store) {
  return store.get(meta_key(kCluster)).value_or(std::string());
}

void set_followed(Store& store, const std::string& cluster, Nanos now) {
  std::vector<Change> changes;
  if (!cluster.empty()) changes.push_back({meta_key(kCluster), cluster});
  if (now != kNoTime) changes.push_back({meta_key(kFollowed), std::to_string(now)});
  store.apply(changes);
}

}  // namespace gyre::state
