// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "schemas/records.pb.h"
#include "schemas/wire.h"

namespace gyre::schemas {

/// One sighting out of several of one finding key and second: what `summarise` makes of their
/// alerts, as views of what was written of them instead of a hundred small strings. Where too much
/// comes together for that, it turns to the message and `merge`. Keeps its memory.
class SightingDraft {
 public:
  /// Begins anew with what `write_sighting` wrote. All that is read must live until `write`.
  void start(std::string_view element);
  /// One more alert, as `write_alert` wrote it.
  void add(std::string_view alert);
  /// Writes the sighting as an element of a Bundle's `sightings`: the bytes that protobuf would
  /// write.
  void write(wire::Writer& to) const;

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  struct Value {
    std::uint64_t hash;
    std::string_view text;
    std::uint32_t next;
  };
  struct Field {
    std::string_view element;  ///< as the first alert that has it wrote it: name and value
    std::string_view name = {};
    std::uint32_t count = 0;      ///< of its values; 0: only the one that is written there
    std::uint32_t first = kNone;  ///< in the order of Values
    bool capped = false;
  };
  struct Sample {
    std::string_view id;
    Nanos time = 0;
    std::string_view uuid;
    std::string_view output;
    std::uint64_t outcome = 0;
  };
  // A field of the alert in hand that is not written in the draft just so.
  struct News {
    std::string_view element;
    std::string_view name;
    std::string_view value;
    std::size_t at;  ///< which field gets the value, or before which the new one belongs
    bool is_new;
  };
  // A summary of one alert, as far as a draft can hold it.
  struct Plain {
    Nanos first = 0;
    Nanos last = 0;
    std::uint64_t priority = 0;
    std::uint64_t flags = 0;
    Sample sample;
    std::vector<std::string_view> fields;
    std::vector<std::string_view> tags;
  };

  void read(std::string_view sighting);
  void add_summary(std::string_view bytes);
  bool read_plain(std::string_view bytes);
  void start_plain();
  bool has_room() const;
  void compare_fields();
  void add_plain();
  void add_value(Field& field, std::string_view value);
  std::uint32_t make_value(std::uint64_t hash, std::string_view text, std::uint32_t next);
  void add_sample(const Sample& sample);
  void write_summary(wire::Writer& to) const;
  void write_alerts(wire::Writer& to) const;

  std::string_view head_;  ///< the fields before the summary, as they were written
  std::string alerts_;
  std::uint64_t arrivals_ = 0;
  bool heartbeat_ = false;

  Nanos first_ = 0;
  Nanos last_ = 0;
  std::uint64_t priority_ = 0;
  std::uint64_t flags_ = 0;
  std::vector<Field> fields_;
  std::vector<Value> values_;
  std::vector<Sample> samples_;
  std::vector<std::string_view> tags_;
  Plain plain_;                                ///< of the alert in hand
  std::vector<News> news_;                     ///< of it, too
  std::unique_ptr<records::Summary> summary_;  ///< once it counts instead of these
};

}  // namespace gyre::schemas
