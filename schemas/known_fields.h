// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace gyre::schemas {

/// The place, from 1, of a field's name in the sorted list of those that Falco's rules print; 0: it
/// is none of them. What is decided by a name alone is decided once for each of these, and
/// duplicate ids hold the number instead of the name: another list makes other ids, so that copies
/// of an alert read before and after an upgrade count twice.
using FieldNumber = std::uint8_t;

/// A few nanoseconds.
FieldNumber field_number(std::string_view name);

/// By number less one.
std::span<const std::string_view> known_fields();

/// What `decide` says of each known name, by number.
template <typename Decide>
std::array<bool, 256> decided_by_number(const Decide& decide) {
  std::array<bool, 256> decided{};
  std::size_t number = 0;
  for (const std::string_view name : known_fields()) decided[++number] = decide(name);
  return decided;
}

}  // namespace gyre::schemas
