// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

  IdHasher& add(std::string_view part) {
    if (part.size() >= kMark || part.size() >= pending_.size() - size_) return add_long(part);
    pending_[size_] = static_cast<char>(part.size());
    if (!part.empty()) std::memcpy(pending_.data() + size_ + 1, part.data(), part.size());
    size_ += 1 + part.size();
    return *this;
  }
  IdHasher& add(std::int64_t number);
  /// A part that is no text, but one of those that the caller numbers; differs from every text.
  IdHasher& mark(std::uint8_t number) {
    if (pending_.size() - size_ < 2) digest();
    pending_[size_++] = static_cast<char>(kMark);
    pending_[size_++] = static_cast<char>(number);
    return *this;
  }
  /// The 16 bytes; the hasher is ready for the next id afterwards.
  std::array<char, 16> finish();

 private:
  // The first byte of a part is its length, or one of these.
  static constexpr std::size_t kMark = 0xFE;
  static constexpr std::size_t kLong = 0xFF;  // its length in eight bytes follows

  IdHasher& add_long(std::string_view part);
  void digest();

  struct State;
  std::unique_ptr<State> state_;
  std::size_t size_ = 0;
  std::array<char, 4096> pending_;  // parts not yet digested: one call for many short ones
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
