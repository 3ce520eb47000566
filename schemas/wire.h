// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message_lite.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

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

/// Counts what Writer would write of the same calls. Both take a message field by field; as proto3
/// does, they leave 0 and empty text out.
class Counter {
 public:
  void number(int, std::uint64_t value) {
    if (value != 0) size_ += 1 + varint_size(value);
  }
  void text(int, std::string_view value) {
    if (!value.empty()) size_ += field_size(value.size());
  }
  /// Of a repeated field: also if it is empty.
  void element(int, std::string_view value) { size_ += field_size(value.size()); }
  void message(int, const google::protobuf::MessageLite& message) {
    size_ += field_size(message.ByteSizeLong());
  }
  /// What is said to have `size` bytes must follow.
  void begin(int, std::size_t size) { size_ += 1 + varint_size(size); }
  void raw(std::string_view bytes) { size_ += bytes.size(); }

  std::size_t size() const { return size_; }

 private:
  std::size_t size_ = 0;
};

template <typename Write>
std::size_t counted(const Write& write) {
  Counter counter;
  write(counter);
  return counter.size();
}

class Writer {
 public:
  /// `size` bytes at the end of `to`, all of which must be written.
  Writer(std::string& to, std::size_t size) {
    const std::size_t before = to.size();
    to.resize(before + size);
    at_ = reinterpret_cast<std::uint8_t*>(to.data()) + before;
    end_ = at_ + size;
  }
  ~Writer() { CHECK(at_ == end_); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void number(int field, std::uint64_t value) {
    if (value == 0) return;
    *at_++ = tag(field, Type::kVarint);
    varint(value);
  }
  void text(int field, std::string_view value) {
    if (!value.empty()) element(field, value);
  }
  void element(int field, std::string_view value) {
    begin(field, value.size());
    raw(value);
  }
  /// Counted just before.
  void message(int field, const google::protobuf::MessageLite& message) {
    begin(field, static_cast<std::size_t>(message.GetCachedSize()));
    at_ = message.SerializeWithCachedSizesToArray(at_);
  }
  void begin(int field, std::size_t size) {
    *at_++ = tag(field, Type::kLengthDelimited);
    varint(size);
  }
  void raw(std::string_view bytes) {
    if (!bytes.empty()) std::memcpy(at_, bytes.data(), bytes.size());
    at_ += bytes.size();
  }

 private:
  void varint(std::uint64_t value) {
    if (value < 0x80)
      *at_++ = static_cast<std::uint8_t>(value);
    else
      at_ = google::protobuf::io::CodedOutputStream::WriteVarint64ToArray(value, at_);
  }

  std::uint8_t* at_;
  std::uint8_t* end_;
};

/// Reads what Writer wrote, field by field; nothing else may be in it.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  /// The next field's number, 0 at the end.
  int next() {
    if (rest_.empty()) return 0;
    const std::uint8_t tag = byte();
    const std::uint64_t value = varint();
    text_ = {};
    if (static_cast<Type>(tag & 7) == Type::kVarint) {
      number_ = value;
    } else {
      CHECK(static_cast<Type>(tag & 7) == Type::kLengthDelimited && value <= rest_.size());
      text_ = rest_.substr(0, value);
      rest_.remove_prefix(value);
    }
    return tag >> 3;
  }
  std::uint64_t number() const { return number_; }
  std::string_view text() const { return text_; }
  std::string_view rest() const { return rest_; }

 private:
  std::uint8_t byte() {
    CHECK(!rest_.empty());
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t part = byte();
      value |= static_cast<std::uint64_t>(part & 0x7F) << shift;
      if (part < 0x80) break;
    }
    return value;
  }

  std::string_view rest_;
  std::uint64_t number_ = 0;
  std::string_view text_;
};

}  // namespace gyre::schemas::wire
