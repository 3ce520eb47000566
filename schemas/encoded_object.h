// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/report.h"

namespace gyre::schemas {

/// Whether an encoded report holds the whole document.
enum class Body : std::uint8_t {
  kWhole,
  kWithoutMarkdown,  ///< nobody asked for it
  kTooLarge,         ///< it was left out for its size
};

/// An object of an encoding, written only if something is in it: a key without a value is left out,
/// and so is an object without keys. Ends where its scope does; one object of a parent at a time.
class EncodedObject {
 public:
  /// `name` empty: an element of an array, which is begun already.
  EncodedObject(JsonWriter& json, std::string_view name) : json_(json), name_(name) {}
  EncodedObject(EncodedObject& parent, std::string_view name)
      : json_(parent.json_), parent_(&parent), name_(name) {}
  ~EncodedObject() {
    if (open_) json_.end_object();
  }
  EncodedObject(const EncodedObject&) = delete;
  EncodedObject& operator=(const EncodedObject&) = delete;

  EncodedObject& text(std::string_view name, std::string_view value) {
    if (!value.empty()) open().key(name).value(value);
    return *this;
  }
  EncodedObject& number(std::string_view name, std::optional<std::int64_t> value) {
    if (value) open().key(name).number(*value);
    return *this;
  }
  EncodedObject& flag(std::string_view name, bool value) {
    open().key(name).value(value);
    return *this;
  }
  EncodedObject& texts(std::string_view name, const std::vector<std::string>& values,
                       bool even_empty = false) {
    if (values.empty() && !even_empty) return *this;
    open().key(name).begin_array();
    for (const std::string& value : values) json_.value(std::string_view(value));
    json_.end_array();
    return *this;
  }
  /// The writer inside the object, for what is no scalar.
  JsonWriter& open() {
    if (open_) return json_;
    open_ = true;
    if (parent_ != nullptr) parent_->open();
    if (!name_.empty()) json_.key(name_);
    return json_.begin_object();
  }

 private:
  JsonWriter& json_;
  EncodedObject* parent_ = nullptr;
  std::string_view name_;
  bool open_ = false;
};

}  // namespace gyre::schemas
