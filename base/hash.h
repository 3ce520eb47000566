// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace gyre {

/// 128 bits of SHA-256 over length-prefixed parts: collision-resistant, so that nobody who chooses
/// strings can make two things one. ("a","bc") and ("ab","c") differ. Stable for ever: ids on
/// topics and disks are made of it.
class IdHasher {
 public:
  IdHasher();
  ~IdHasher();
  IdHasher(const IdHasher&) = delete;
  IdHasher& operator=(const IdHasher&) = delete;

  IdHasher& add(std::string_view part);
  IdHasher& add(std::int64_t number);
  /// The 16 bytes; the hasher is ready for the next id afterwards.
  std::array<char, 16> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

using Id128 = std::array<char, 16>;

inline std::string_view view(const Id128& id) { return {id.data(), id.size()}; }
/// The 32 bytes that `sha256sum` prints in hex.
std::string sha256(std::string_view bytes);

std::string to_hex(std::string_view bytes);
std::string to_base64(std::string_view bytes);
/// RFC 4648, with or without padding, white space left out; nothing where another character stands.
std::optional<std::string> from_base64(std::string_view text);

/// Fast and stable, not collision-resistant: for tables, partitions and order-independent choices.
std::uint64_t fast_hash(std::string_view bytes);

/// Kafka's own partitioner of keyed records (murmur2), so that a topic written by Java clients lies
/// the same way.
std::uint32_t murmur2(std::string_view bytes);

}  // namespace gyre
