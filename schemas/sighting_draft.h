// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "schemas/records.pb.h"
#include "schemas/sighting_bytes.h"

namespace gyre::schemas {

/// The sighting of several alerts while they come: what `summarise` makes of them, as views of text
/// instead of a hundred small strings. Where too much comes together for that, it turns to the
/// message and `summarise`.
class SightingDraft {
 public:
  /// Begins with what `write_sighting` wrote of one alert. Its text will live in `memory`, whose
  /// owner frees it after the draft.
  SightingDraft(std::string_view element, std::pmr::memory_resource& memory);

  /// One more alert, of the same finding key and second.
  void add(const SightedAlert& alert);
  /// Bytes of its `alerts`.
  std::size_t alert_bytes() const { return alerts_.size(); }
  /// Writes it as an element of a Bundle's `sightings`: the bytes that protobuf would write.
  void write(wire::Writer& to) const;

 private:
  struct Value {
    std::uint64_t hash;
    std::string_view text;
    Value* next;
  };
  struct Field {
    std::string_view name;
    Value* first = nullptr;  ///< in the order of Values
    std::size_t count = 0;
    bool capped = false;
  };
  struct Sample {
    std::string_view id;
    std::uint64_t time = 0;
    std::string_view uuid;
    std::string_view output;
    std::uint64_t outcome = 0;
  };

  bool read_summary(std::string_view bytes);
  bool has_room_for(const Alert& alert) const;
  void add_plain(const SightedAlert& alert);
  void add_value(Field& field, std::string_view value);
  Value* make_value(std::uint64_t hash, std::string_view text, Value* next);
  void add_sample(const SightedAlert& alert);
  std::string_view keep(std::string_view text);
  void write_summary(wire::Writer& to) const;

  std::pmr::memory_resource& memory_;
  std::string_view head_;  ///< the fields before the summary, as they were written
  std::string alerts_;
  std::uint64_t arrivals_ = 1;
  bool heartbeat_ = false;

  Nanos first_ = 0;
  Nanos last_ = 0;
  std::uint64_t priority_ = 0;
  std::uint64_t flags_ = 0;
  std::pmr::vector<Field> fields_;
  std::pmr::vector<Sample> samples_;
  std::pmr::vector<std::string_view> tags_;
  std::unique_ptr<records::Summary> summary_;  ///< once it counts instead of these
};

}  // namespace gyre::schemas
