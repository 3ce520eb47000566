// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "schemas/alert.h"
#include "schemas/records.pb.h"
#include "schemas/sighting.h"

// Sightings as protobuf's bytes, without the objects: most are of one alert, and as a message that
// is a hundred small strings, made only to be written.
namespace gyre::schemas {

/// Appends protobuf's encoding, field by field; as proto3 does, nothing for 0 and empty text.
class WireWriter {
 public:
  explicit WireWriter(std::string& to) : to_(to) {}

  void number(int field, std::uint64_t value);
  void text(int field, std::string_view value);
  void message(int field, const google::protobuf::MessageLite& message);
  /// What is said to have `size` bytes must follow.
  void begin(int field, std::size_t size);

 private:
  void varint(std::uint64_t value);

  std::string& to_;
};

/// What a field of `size` bytes takes, with its tag.
std::size_t wire_size(std::size_t size);

/// Appends the Summary that `summarise` makes of one alert.
void append_summary(const Alert& alert, Nanos time, const Id128& id, Outcome outcome,
                    std::string& to);

}  // namespace gyre::schemas
