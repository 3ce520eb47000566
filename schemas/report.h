// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gyre::schemas {

/// Writes JSON in the order of the calls, without whitespace: the report's key order is part of its
/// contract (DESIGN 8). Keys without a value are left out by not calling. Strings are escaped;
/// invalid UTF-8 never reaches here.
class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(bool flag);
  JsonWriter& number(std::int64_t value);
  /// `key` and `value` in one, left out if the text is empty.
  JsonWriter& text(std::string_view name, std::string_view text);

  std::string take();

 private:
  void comma();
  std::string json_;
  bool first_ = true;
};

/// A revision ready to be published.
struct Report {
  std::string id;         ///< the record's key
  std::int64_t time = 0;  ///< event-time second of the decision
  std::uint32_t revision = 0;
  std::string kind;  ///< `finding`, `incident`, `outbreak`, `sensor_health`
  std::string json;
  // What is counted of it, as it stands in the JSON.
  std::vector<std::string_view> caps = {};  ///< names of a fixed list (stages/report/caps.h)
  std::string attention = {};
  std::string reason = {};
  std::string priority = {};     ///< Falco's; of a finding only
  std::int64_t first_alert = 0;  ///< event time in ns; of a finding only
};

}  // namespace gyre::schemas
