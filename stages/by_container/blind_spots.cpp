// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/blind_spots.h"

#include <algorithm>

#include "schemas/sensor.h"

namespace gyre::stages {

namespace {

constexpr Second kNear = 60;
constexpr int kSpots = 32;

using Spots = google::protobuf::RepeatedPtrField<records::BlindSpot>;

// Joins spot `at` and its successor.
void join_next(Spots& spots, int at) {
  records::BlindSpot& left = spots[at];
  const records::BlindSpot& right = spots[at + 1];
  left.set_last(std::max(left.last(), right.last()));
  left.set_joined(left.joined() || right.joined());
  schemas::merge(*left.mutable_worst(), right.worst());
  spots.erase(spots.begin() + at + 1);
}

Second gap_after(const Spots& spots, int at) { return spots[at + 1].first() - spots[at].last(); }

}  // namespace

std::optional<records::Entity> sensor_host(const records::Entity& entity) {
  const bool on_host =
      entity.kind() == records::Entity::CONTAINER || entity.kind() == records::Entity::HOST;
  if (!on_host || entity.key_incomplete()) return std::nullopt;
  records::Entity host = entity;
  host.set_kind(records::Entity::HOST);
  host.clear_id();
  host.clear_container_unknown();
  return host;
}

void note_blind_spot(Second second, const records::Loss& loss, Second oldest,
                     records::EntityState& host) {
  Spots& spots = *host.mutable_blind_spots();
  spots.erase(std::remove_if(spots.begin(), spots.end(),
                             [&](const auto& spot) { return spot.last() < oldest; }),
              spots.end());
  records::BlindSpot fresh;
  fresh.set_first(second);
  fresh.set_last(second);
  *fresh.mutable_worst() = loss;
  *spots.Add() = std::move(fresh);
  std::sort(spots.begin(), spots.end(),
            [](const auto& a, const auto& b) { return a.first() < b.first(); });
  for (int i = 0; i + 1 < spots.size();) {
    if (gap_after(spots, i) <= kNear)
      join_next(spots, i);
    else
      ++i;
  }
  if (spots.size() <= kSpots) return;
  int nearest = 0;
  for (int i = 1; i + 1 < spots.size(); ++i)
    if (gap_after(spots, i) < gap_after(spots, nearest)) nearest = i;
  join_next(spots, nearest);
  spots[nearest].set_joined(true);
}

std::vector<records::BlindSpot> blind_spots_within(const records::EntityState& host, Nanos first,
                                                   Nanos last) {
  std::vector<records::BlindSpot> spots;
  for (const records::BlindSpot& spot : host.blind_spots())
    if (spot.first() - 1 <= second_of(last) && spot.last() >= second_of(first))
      spots.push_back(spot);
  return spots;
}

}  // namespace gyre::stages
