// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "schemas/alert.h"
#include "schemas/alert_values.h"
#include "schemas/escapes.h"
#include "schemas/field_list.h"
#include "schemas/json_text.h"
#include "schemas/utf8.h"

namespace gyre::schemas {

namespace {

namespace od = simdjson::ondemand;
using simdjson::error_code;

// Deeper objects say nothing that Falco or a shipper would put into a field.
constexpr int kNesting = 16;
constexpr std::size_t kNameBytes = 256;
// Fluentd's flatten_hash, and exports from stores that have a column a field.
constexpr std::string_view kFlatPrefix = "output_fields.";

bool is_nested(od::json_type type) {
  return type == od::json_type::object || type == od::json_type::array;
}

}  // namespace

struct AlertParser::Impl {
  explicit Impl(ParseLimits wanted) : limits(wanted), fields(wanted), tags(wanted) {}

  std::optional<Rejection> read(std::string_view record, Alert& alert);
  error_code read_top(od::object& object, Alert& alert);
  error_code read_key(AlertKey key, od::value value, Alert& alert);
  error_code read_text(AlertKey key, od::json_type type, od::value value, Alert& alert);
  error_code read_tags(od::value value);
  error_code read_time(od::object& object);
  error_code skip(od::value value);
  error_code nested(od::json_type type, od::value& value, std::string_view& text);
  error_code key_text(od::field& field, std::string_view& name);
  error_code string_text(od::value& value, std::string_view& text);
  error_code collect(od::object& object, std::string_view prefix, int depth);
  error_code collect_member(std::string_view prefix, std::string_view name, od::value value,
                            int depth);
  error_code collect_text(std::string_view text, Alert& alert);
  error_code join(od::array& array, std::string_view& text);
  error_code scalar(od::json_type type, od::value& value, std::string_view& text);
  void assign(std::string& to, std::string_view text);
  std::string_view cut(std::string_view text);

  ParseLimits limits;
  od::parser parser;
  od::parser text_parser;  // of output_fields that are text
  std::string text_buffer;
  std::string scratch;
  FieldList fields;
  Escapes escapes{{}};
  unsigned seen = 0;
  TagList tags;
  bool truncated = false;
  std::optional<Priority> priority;
  std::optional<Instant> time, shipper_time;
};

AlertParser::AlertParser(ParseLimits limits) : impl_(new Impl(limits)) {}
AlertParser::~AlertParser() { delete impl_; }

tl::expected<void, Rejection> AlertParser::parse(std::string_view record, Alert& alert) {
  const ParseLimits& limits = impl_->limits;
  if (record.size() > limits.record_bytes)
    return tl::unexpected(Rejection{
        ParseError::kTooLarge,
        fmt::format("{} bytes, limits.record_bytes is {}", record.size(), limits.record_bytes)});
  alert.flags = 0;
  auto rejection = impl_->read(record, alert);
  if (rejection && rejection->error == ParseError::kNotJson &&
      !simdjson::validate_utf8(record.data(), record.size())) {
    alert.flags = kRepaired;
    rejection = impl_->read(repaired_utf8(record), alert);
  }
  if (rejection) return tl::unexpected(std::move(*rejection));
  return {};
}

std::optional<Rejection> AlertParser::Impl::read(std::string_view record, Alert& alert) {
  alert.fields.clear();
  const auto room = alert.fields.allocate(record.size() + simdjson::SIMDJSON_PADDING);
  std::copy(record.begin(), record.end(), room.begin());
  if (repair_surrogates(room.first(record.size()))) alert.flags |= kRepaired;
  const std::string_view json(room.data(), record.size());
  escapes = Escapes(json);
  for (auto* text : {&alert.rule, &alert.source, &alert.hostname, &alert.output, &alert.uuid})
    text->clear();
  tags.start(alert.tags);
  fields.start(alert.fields, json);
  seen = 0;
  truncated = false;
  priority.reset();
  time = shipper_time = std::nullopt;

  od::document document;
  od::object object;
  auto error = parser.iterate(json.data(), json.size(), room.size()).get(document);
  if (error == simdjson::SUCCESS) error = document.get_object().get(object);
  if (error == simdjson::SUCCESS) error = read_top(object, alert);
  if (error != simdjson::SUCCESS || document.current_location().error() != simdjson::OUT_OF_BOUNDS)
    return Rejection{ParseError::kNotJson, why_no_object(json)};
  if (alert.rule.empty()) return Rejection{ParseError::kNotAnAlert, "no `rule` at its top level"};
  if ((seen & kSpecVersion) != 0 && (seen & kOutputFields) == 0)
    return Rejection{ParseError::kNotAnAlert, "a CloudEvent, whose data hold no alert"};
  if ((seen & kTime) == 0) time = shipper_time;
  if (!time) {
    return Rejection{ParseError::kNoTime,
                     seen & kTime ? "`time` is neither RFC 3339 nor a number since the epoch"
                                  : "no `time` at its top level"};
  }
  alert.time = time->time;
  alert.priority = priority.value_or(Priority::kWarning);
  restore_source(alert.source);
  if (tags.finish()) truncated = true;
  if (fields.finish()) truncated = true;
  if (!priority) alert.flags |= kPriorityUnknown;
  if (truncated) alert.flags |= kTruncated;
  return std::nullopt;
}

error_code AlertParser::Impl::read_top(od::object& object, Alert& alert) {
  for (auto result : object) {
    if (const auto error = result.error()) return error;
    od::field&& field = std::move(result).value_unsafe();
    std::string_view name;
    if (const auto error = key_text(field, name)) return error;
    const AlertKey key = alert_key(name);
    const bool wanted = key != kOther && (seen & key) == 0;  // the first of two equal keys counts
    seen |= key;
    const bool flat = key == kOther && name.starts_with(kFlatPrefix);
    const auto error = wanted ? read_key(key, field.value(), alert)
                       : flat
                           ? collect_member({}, name.substr(kFlatPrefix.size()), field.value(), 0)
                           : skip(field.value());
    if (error) return error;
  }
  return simdjson::SUCCESS;
}

error_code AlertParser::Impl::read_key(AlertKey key, od::value value, Alert& alert) {
  od::json_type type;
  if (const auto error = value.type().get(type)) return error;
  if (type == od::json_type::object && (key == kOutputFields || key == kTime)) {
    od::object object;
    if (const auto error = value.get_object().get(object)) return error;
    return key == kTime ? read_time(object) : collect(object, {}, 0);
  }
  if (type == od::json_type::array && key == kTags) return read_tags(value);
  if (is_nested(type)) return skip(value);
  return read_text(key, type, value, alert);
}

error_code AlertParser::Impl::read_text(AlertKey key, od::json_type type, od::value value,
                                        Alert& alert) {
  std::string_view text;
  if (const auto error = scalar(type, value, text)) return error;
  switch (key) {
    case kRule:
      if (type == od::json_type::string) assign(alert.rule, text);
      break;
    case kTime:
      time = parse_instant(text);
      break;
    case kTimestamp:
    case kDate:
      // Fluent Bit takes `time` out of a record that it parses and sends it under these names.
      if (!shipper_time) shipper_time = parse_instant(text);
      break;
    case kPriority:
      priority = parse_priority(text);
      break;
    case kSource:
      assign(alert.source, text);
      break;
    case kHostname:
      assign(alert.hostname, text);
      break;
    case kOutput:
      assign(alert.output, text);
      break;
    case kUuid:
      assign(alert.uuid, text);
      break;
    case kTags:
      while (!text.empty()) {
        const auto comma = std::min(text.find(','), text.size());
        tags.add(text.substr(0, comma));
        text.remove_prefix(std::min(comma + 1, text.size()));
      }
      break;
    case kOutputFields:
      return collect_text(trimmed(text), alert);
    case kSpecVersion:
    case kOther:
      break;
  }
  return simdjson::SUCCESS;
}

error_code AlertParser::Impl::read_time(od::object& object) {
  std::string_view seconds;
  std::string_view nanos;
  for (auto result : object) {
    if (const auto error = result.error()) return error;
    od::field&& field = std::move(result).value_unsafe();
    std::string_view name;
    if (const auto error = key_text(field, name)) return error;
    od::value value = field.value();
    od::json_type type;
    if (const auto error = value.type().get(type)) return error;
    std::string_view other;
    std::string_view& text = name == "seconds" ? seconds : name == "nanos" ? nanos : other;
    if (const auto error = is_nested(type) ? skip(value) : scalar(type, value, text)) return error;
  }
  time = parse_timestamp(seconds, nanos);
  return simdjson::SUCCESS;
}

error_code AlertParser::Impl::read_tags(od::value value) {
  od::array array;
  if (const auto error = value.get_array().get(array)) return error;
  for (auto result : array) {
    od::value element;
    if (const auto error = std::move(result).get(element)) return error;
    od::json_type type;
    if (const auto error = element.type().get(type)) return error;
    if (type != od::json_type::string) {
      if (const auto error = skip(element)) return error;
      continue;
    }
    std::string_view text;
    if (const auto error = scalar(type, element, text)) return error;
    tags.add(text);
  }
  return simdjson::SUCCESS;
}

// The text of an object or array. Where one value is broken, nothing in the record can be trusted
// (ruling 13), and simdjson would look at brackets only.
error_code AlertParser::Impl::nested(od::json_type type, od::value& value, std::string_view& text) {
  if (type == od::json_type::object) {
    od::object object;
    if (const auto error = value.get_object().get(object)) return error;
    if (const auto error = object.raw_json().get(text)) return error;
  } else {
    od::array array;
    if (const auto error = value.get_array().get(array)) return error;
    if (const auto error = array.raw_json().get(text)) return error;
  }
  return is_json(text) ? simdjson::SUCCESS : simdjson::TAPE_ERROR;
}

// Steps over a value that nobody needs, but not over a broken one.
error_code AlertParser::Impl::skip(od::value value) {
  od::json_type type;
  if (const auto error = value.type().get(type)) return error;
  std::string_view text;
  return is_nested(type) ? nested(type, value, text) : scalar(type, value, text);
}

// The text of a key, which ends before the value that it names.
error_code AlertParser::Impl::key_text(od::field& field, std::string_view& name) {
  const char* const from = field.key().raw();
  const char* to = field.value().raw_json_token().data();
  do --to;
  while (*to != '"');
  name = {from, static_cast<std::size_t>(to - from)};
  return escapes.are_in(name) ? field.unescaped_key().get(name) : simdjson::SUCCESS;
}

// What stands between the quotes; the token ends where the next one starts.
error_code AlertParser::Impl::string_text(od::value& value, std::string_view& text) {
  std::string_view token = value.raw_json_token();
  while (token.back() != '"') token.remove_suffix(1);
  if (token.size() < 2) return simdjson::TAPE_ERROR;
  token = token.substr(1, token.size() - 2);
  if (escapes.are_in(token)) return value.get_string().get(text);
  text = token;
  od::raw_json_string passed;
  return value.get_raw_json_string().get(passed);
}

// Text of a string, number (of any size, as it stands) or boolean; empty for null. Only peeks at
// what is no string: the iteration steps over it.
error_code AlertParser::Impl::scalar(od::json_type type, od::value& value, std::string_view& text) {
  if (type == od::json_type::string) return string_text(value, text);
  std::string_view token = value.raw_json_token();
  while (is_space(token.back())) token.remove_suffix(1);
  if (type == od::json_type::number) {
    if (!is_json_number(token)) return simdjson::NUMBER_ERROR;
    text = token;
  } else if (token == "true" || token == "false") {
    text = token;
  } else if (token == "null") {
    text = {};
  } else {
    return simdjson::TAPE_ERROR;
  }
  return simdjson::SUCCESS;
}

error_code AlertParser::Impl::collect(od::object& object, std::string_view prefix, int depth) {
  for (auto result : object) {
    if (const auto error = result.error()) return error;
    od::field&& field = std::move(result).value_unsafe();
    std::string_view name;
    if (const auto error = key_text(field, name)) return error;
    if (const auto error = collect_member(prefix, name, field.value(), depth)) return error;
  }
  return simdjson::SUCCESS;
}

error_code AlertParser::Impl::collect_member(std::string_view prefix, std::string_view name,
                                             od::value value, int depth) {
  if (fields.full() || depth == kNesting || prefix.size() + 1 + name.size() > kNameBytes) {
    truncated = true;
    return skip(value);
  }
  if (!prefix.empty()) name = fields.join(prefix, ".", name);
  od::json_type type;
  if (const auto error = value.type().get(type)) return error;
  std::string_view text;
  if (type == od::json_type::object) {
    od::object object;
    if (const auto error = value.get_object().get(object)) return error;
    return collect(object, name, depth + 1);
  }
  if (type == od::json_type::array) {
    od::array array;
    if (const auto error = value.get_array().get(array)) return error;
    if (const auto error = join(array, text)) return error;
  } else if (const auto error = scalar(type, value, text)) {
    return error;
  }
  fields.add(name, cut(text));
  return simdjson::SUCCESS;
}

// What is no object says nothing; the record around it is whole all the same.
error_code AlertParser::Impl::collect_text(std::string_view text, Alert& alert) {
  if (!text.starts_with('{') || !is_json(text)) return simdjson::SUCCESS;
  text_buffer.assign(text);
  if (repair_surrogates(text_buffer)) alert.flags |= kRepaired;
  text_buffer.reserve(text_buffer.size() + simdjson::SIMDJSON_PADDING);
  const Escapes outer = std::exchange(escapes, Escapes(text_buffer));
  od::document document;
  od::object object;
  auto error = text_parser.iterate(text_buffer.data(), text_buffer.size(), text_buffer.capacity())
                   .get(document);
  if (error == simdjson::SUCCESS) error = document.get_object().get(object);
  if (error == simdjson::SUCCESS) error = collect(object, {}, 0);
  escapes = outer;
  return error;
}

error_code AlertParser::Impl::join(od::array& array, std::string_view& text) {
  scratch.clear();
  for (auto result : array) {
    od::value element;
    if (const auto error = std::move(result).get(element)) return error;
    od::json_type type;
    if (const auto error = element.type().get(type)) return error;
    std::string_view item;
    if (const auto error =
            is_nested(type) ? nested(type, element, item) : scalar(type, element, item))
      return error;
    item = trimmed(item);
    if (is_unknown(item) || scratch.size() > limits.string_bytes) continue;
    if (!scratch.empty()) scratch += ", ";
    scratch += item;
  }
  text = cut(scratch);
  return simdjson::SUCCESS;
}

void AlertParser::Impl::assign(std::string& to, std::string_view text) {
  to.assign(is_unknown(text) ? std::string_view() : cut(text));
}

std::string_view AlertParser::Impl::cut(std::string_view text) {
  const std::string_view whole = cut_utf8(text, limits.string_bytes);
  truncated = truncated || whole.size() < text.size();
  return whole;
}

}  // namespace gyre::schemas
