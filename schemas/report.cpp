// SPDX-License-Identifier: Apache-2.0
#include "schemas/report.h"

#include <utility>

namespace gyre::schemas {

namespace {

void append_escaped(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::size_t copied = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, copied, i - copied);
    copied = i + 1;
    out += '\\';
    switch (c) {
      case '"':
        out += '"';
        break;
      case '\\':
        out += '\\';
        break;
      case '\n':
        out += 'n';
        break;
      case '\r':
        out += 'r';
        break;
      case '\t':
        out += 't';
        break;
      default:
        out += "u00";
        out += kHex[c >> 4];
        out += kHex[c & 15];
    }
  }
  out.append(text, copied, text.size() - copied);
}

}  // namespace

void JsonWriter::comma() {
  if (!first_) json_ += ',';
  first_ = false;
}

JsonWriter& JsonWriter::begin_object() {
  comma();
  json_ += '{';
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::end_object() {
  json_ += '}';
  first_ = false;
  return *this;
}

JsonWriter& JsonWriter::begin_array() {
  comma();
  json_ += '[';
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::end_array() {
  json_ += ']';
  first_ = false;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  value(name);
  json_ += ':';
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  comma();
  json_ += '"';
  append_escaped(json_, text);
  json_ += '"';
  return *this;
}

JsonWriter& JsonWriter::value(bool flag) {
  comma();
  json_ += flag ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::number(std::int64_t value) {
  comma();
  json_ += std::to_string(value);
  return *this;
}

JsonWriter& JsonWriter::text(std::string_view name, std::string_view text) {
  return text.empty() ? *this : key(name).value(text);
}

std::string JsonWriter::take() {
  first_ = true;
  return std::exchange(json_, {});
}

}  // namespace gyre::schemas
