// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/error.h"
#include "schemas/identity.h"
#include "state/keys.h"

// How a value lies on disk and in changelogs, and where its timer lies. Private to state/.
namespace gyre::state {

template <typename Message>
std::string encode(const Message& message) {
  std::string bytes(1, kValueVersion);
  CHECK(message.AppendToString(&bytes));
  return bytes;
}

inline void refuse_version(std::string_view bytes) {
  if (bytes.empty() || bytes.front() != kValueVersion)
    throw Refusal(
        fmt::format("state: a value of version {} was found and this gyre reads version {}; run "
                    "the version that wrote it",
                    bytes.empty() ? -1 : bytes.front(), static_cast<int>(kValueVersion)));
}

template <typename Message>
Message decode(std::string_view bytes) {
  Message message;
  refuse_version(bytes);
  bytes.remove_prefix(1);
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    throw Failure(
        "state: a stored value cannot be read; delete the task's directory, it is restored from "
        "the changelog");
  return message;
}

template <typename Message>
std::optional<Message> decode(const std::optional<std::string>& bytes) {
  if (!bytes) return std::nullopt;
  return decode<Message>(std::string_view(*bytes));
}

template <typename Value>  // a series, the state of an entity, a sighting
std::uint64_t home_of(const Value& value) {
  return schemas::entity_home(value.entity());
}

inline std::uint64_t home_of_group(std::string_view key) {
  std::string first(key.substr(0, kHomeBytes));
  first.resize(kHomeBytes);
  return static_cast<std::uint64_t>(number_at(first, 0));
}

}  // namespace gyre::state
