// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message_lite.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "base/check.h"

// Protobuf's encoding without its objects, for what is made only to be written.
namespace gyre::schemas::wire {

enum class Type : std::uint8_t { kVarint = 0, kLengthDelimited = 2 };

/// Of a field up to 15: then a tag is one byte.
constexpr std::uint8_t tag(int field, Type type) {
  return static_cast<std::uint8_t>(field << 3 | static_cast<int>(type));
}

inline std::size_t varint_size(std::uint64_t value) {
  return value < 0x80 ? 1 : google::protobuf::io::CodedOutputStream::VarintSize64(value);
}

/// What a field that holds `size` bytes takes.
inline std::size_t field_size(std::size_t size) { return 1 + varint_size(size) + size; }

/// Writes a message front to back; as proto3 does, it leaves 0 and empty text out. Keeps its
/// memory.
class Writer {
 public:
  void clear() { size_ = 0; }
  std::size_t size() const { return size_; }
  std::string_view bytes() const { return {reinterpret_cast<const char*>(bytes_.get()), size_}; }

  void number(int field, std::uint64_t value) {
    if (value == 0) return;
    *room(1 + kVarint) = tag(field, Type::kVarint);
    ++size_;
    varint(value);
  }
  void text(int field, std::string_view value) {
    if (!value.empty()) element(field, value);
  }
  /// Of a repeated field: also if it is empty.
  void element(int field, std::string_view value) {
    std::uint8_t* const from = room(1 + kVarint + value.size());
    size_ += static_cast<std::size_t>(copied(value, head(from, field, value.size())) - from);
  }
  /// A message of two texts, none of them left out.
  void texts(int field, int first, std::string_view a, int second, std::string_view b) {
    std::uint8_t* const from = room(3 * (1 + kVarint) + a.size() + b.size());
    std::uint8_t* to = head(from, field, field_size(a.size()) + field_size(b.size()));
    to = copied(a, head(to, first, a.size()));
    to = copied(b, head(to, second, b.size()));
    size_ += static_cast<std::size_t>(to - from);
  }
  void message(int field, const google::protobuf::MessageLite& message) {
    const std::size_t size = message.ByteSizeLong();
    begin(field, size);
    message.SerializeWithCachedSizesToArray(room(size));
    size_ += size;
  }
  /// What is said to have `size` bytes must follow.
  void begin(int field, std::size_t size) {
    std::uint8_t* const from = room(1 + kVarint);
    size_ += static_cast<std::size_t>(head(from, field, size) - from);
  }
  /// What has a size that is not known yet: all that is written until `close`, which takes what
  /// this returns.
  std::size_t open(int field) {
    *room(1 + kUsualSize) = tag(field, Type::kLengthDelimited);
    size_ += 1 + kUsualSize;
    return size_;
  }
  void close(std::size_t content) {
    const std::size_t size = size_ - content;
    const std::size_t digits = varint_size(size);
    room(kVarint);
    if (digits != kUsualSize)
      std::memmove(bytes_.get() + content - kUsualSize + digits, bytes_.get() + content, size);
    size_ = content - kUsualSize;
    varint(size);
    size_ += size;
  }
  void raw(std::string_view bytes) {
    if (!bytes.empty()) std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
    size_ += bytes.size();
  }

 private:
  static constexpr std::size_t kVarint = 10;
  static constexpr std::size_t kUsualSize = 2;  // bytes of the size of most messages

  std::uint8_t* room(std::size_t size) {
    if (capacity_ - size_ < size) grow(size);
    return bytes_.get() + size_;
  }
  void grow(std::size_t size) {
    capacity_ = std::max<std::size_t>(2 * (size_ + size), 4096);
    auto bytes = std::make_unique_for_overwrite<std::uint8_t[]>(capacity_);
    if (size_ > 0) std::memcpy(bytes.get(), bytes_.get(), size_);
    bytes_ = std::move(bytes);
  }
  // Room was made, for these three.
  void varint(std::uint64_t value) {
    std::uint8_t* const at = bytes_.get() + size_;
    size_ += static_cast<std::size_t>(put(at, value) - at);
  }
  static std::uint8_t* put(std::uint8_t* to, std::uint64_t value) {
    if (value >= 0x80)
      return google::protobuf::io::CodedOutputStream::WriteVarint64ToArray(value, to);
    *to = static_cast<std::uint8_t>(value);
    return to + 1;
  }
  static std::uint8_t* head(std::uint8_t* to, int field, std::size_t size) {
    *to = tag(field, Type::kLengthDelimited);
    return put(to + 1, size);
  }
  static std::uint8_t* copied(std::string_view text, std::uint8_t* to) {
    if (!text.empty()) std::memcpy(to, text.data(), text.size());
    return to + text.size();
  }

  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/// Reads what Writer wrote, field by field; nothing else may be in it.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  /// The next field's number, 0 at the end.
  int next() {
    if (at_ == end_) return 0;
    const std::uint8_t tag = byte();
    const std::uint64_t value = varint();
    if (static_cast<Type>(tag & 7) == Type::kVarint) {
      number_ = value;
      text_ = {};
    } else {
      CHECK(static_cast<Type>(tag & 7) == Type::kLengthDelimited &&
            value <= static_cast<std::size_t>(end_ - at_));
      text_ = {at_, value};
      at_ += value;
    }
    return tag >> 3;
  }
  std::uint64_t number() const { return number_; }
  std::string_view text() const { return text_; }
  std::string_view rest() const { return {at_, end_}; }

 private:
  std::uint8_t byte() {
    CHECK(at_ != end_);
    return static_cast<std::uint8_t>(*at_++);
  }
  std::uint64_t varint() {
    std::uint64_t value = byte();
    if (value < 0x80) return value;
    value &= 0x7F;
    for (unsigned shift = 7; shift < 64; shift += 7) {
      const std::uint8_t part = byte();
      value |= static_cast<std::uint64_t>(part & 0x7F) << shift;
      if (part < 0x80) break;
    }
    return value;
  }

  const char* at_;
  const char* end_;
  std::uint64_t number_ = 0;
  std::string_view text_;
};

}  // namespace gyre::schemas::wire
