// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <utility>

#include "schemas/alert.h"
#include "schemas/alert_values.h"
#include "schemas/escapes.h"
#include "schemas/field_list.h"
#include "schemas/json_text.h"
#include "schemas/json_walk.h"
#include "schemas/utf8.h"

namespace gyre::schemas {

namespace {

// Deeper objects say nothing that Falco or a shipper would put into a field.
constexpr int kNesting = 16;
constexpr std::size_t kNameBytes = 256;
// Fluentd's flatten_hash, and exports from stores that have a column a field.
constexpr std::string_view kFlatPrefix = "output_fields.";

bool is_nested(char first) { return first == '{' || first == '['; }

}  // namespace

// What reads a token says whether the JSON is whole so far: where one value is broken, nothing in
// the record can be trusted (ruling 13).
struct AlertParser::Impl {
  explicit Impl(ParseLimits wanted) : limits(wanted), fields(wanted), tags(wanted) {}

  std::optional<Rejection> read(std::string_view record, Alert& alert);
  std::string_view take_over(std::string_view text, Alert& alert);
  bool read_top(std::string_view name, Alert& alert);
  bool read_key(AlertKey key, Alert& alert);
  bool read_text(AlertKey key, Alert& alert);
  bool read_tags();
  bool read_time();
  bool skip();
  bool nested(std::string_view& text);
  bool string(std::string_view& text);
  bool scalar(std::string_view& text);
  bool collect_fields();
  bool collect(std::string_view prefix, int depth);
  bool collect_member(std::string_view prefix, std::string_view name, int depth);
  bool collect_text(std::string_view text, Alert& alert);
  bool join(std::string_view& text);
  void assign(std::string& to, std::string_view text);
  std::string_view cut(std::string_view text);

  // The object that is next: `each(name)` reads the value.
  template <typename Each>
  bool for_each_member(const Each& each) {
    if (!walk.take('{')) return false;
    if (walk.take('}')) return true;
    do {
      std::string_view name;
      if (walk.peek() != '"' || !string(name) || !walk.take(':') || !each(name)) return false;
    } while (walk.take(','));
    return walk.take('}');
  }
  // The array that is next: `each()` reads the element.
  template <typename Each>
  bool for_each_element(const Each& each) {
    if (!walk.take('[')) return false;
    if (walk.take(']')) return true;
    do {
      if (!each()) return false;
    } while (walk.take(','));
    return walk.take(']');
  }

  ParseLimits limits;
  JsonIndex index;
  JsonIndex text_index;  // of output_fields that are text
  JsonWalk walk;
  std::string scratch;
  FieldList fields;
  Escapes escapes{{}};
  unsigned seen = 0;   // AlertKey, one bit each
  unsigned known = 0;  // those that say something: of equal keys the first of these counts
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

// A copy of the text, which becomes the alert's own: what stands in it is not copied again.
std::string_view AlertParser::Impl::take_over(std::string_view text, Alert& alert) {
  const auto room = alert.fields.allocate(text.size() + kJsonPadding);
  std::copy(text.begin(), text.end(), room.begin());
  room[text.size()] = '\0';
  if (repair_surrogates(room.first(text.size()))) alert.flags |= kRepaired;
  const std::string_view own(room.data(), text.size());
  escapes = Escapes(own);
  return own;
}

std::optional<Rejection> AlertParser::Impl::read(std::string_view record, Alert& alert) {
  alert.fields.clear();
  const std::string_view json = take_over(record, alert);
  for (auto* text : {&alert.rule, &alert.source, &alert.hostname, &alert.output, &alert.uuid})
    text->clear();
  tags.start(alert.tags);
  fields.start(alert.fields);
  seen = known = 0;
  truncated = false;
  priority.reset();
  time = shipper_time = std::nullopt;

  bool whole = index.read(json);
  if (whole) {
    walk = JsonWalk(const_cast<char*>(json.data()), index);
    whole = for_each_member([&](std::string_view name) { return read_top(name, alert); });
  }
  if (!whole || !walk.at_end()) return Rejection{ParseError::kNotJson, why_no_object(record)};
  if (alert.rule.empty()) return Rejection{ParseError::kNotAnAlert, "no `rule` at its top level"};
  if ((seen & kSpecVersion) != 0 && (seen & kOutputFields) == 0)
    return Rejection{ParseError::kNotAnAlert, "a CloudEvent, whose data hold no alert"};
  if ((known & kTime) == 0) time = shipper_time;
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

bool AlertParser::Impl::read_top(std::string_view name, Alert& alert) {
  const AlertKey key = alert_key(name);
  seen |= key;
  if (key != kOther && (known & key) == 0) return read_key(key, alert);
  if (key == kOther && name.starts_with(kFlatPrefix))
    return collect_member({}, name.substr(kFlatPrefix.size()), 0);
  return skip();
}

bool AlertParser::Impl::read_key(AlertKey key, Alert& alert) {
  const char first = walk.peek();
  if (first == '{' && key == kOutputFields) return collect_fields();
  if (first == '{' && key == kTime) return read_time();
  if (first == '[' && key == kTags) return read_tags();
  return is_nested(first) ? skip() : read_text(key, alert);
}

bool AlertParser::Impl::read_text(AlertKey key, Alert& alert) {
  const bool is_string = walk.peek() == '"';
  std::string_view text;
  if (!scalar(text)) return false;
  if (is_unknown(text) || (key == kRule && !is_string)) return true;
  if (key != kOutputFields) known |= key;
  switch (key) {
    case kRule:
      assign(alert.rule, text);
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
      if (tags.empty()) known &= ~kTags;
      break;
    case kOutputFields:
      return collect_text(trimmed(text), alert);
    case kSpecVersion:
    case kOther:
      break;
  }
  return true;
}

bool AlertParser::Impl::read_time() {
  std::string_view seconds;
  std::string_view nanos;
  const bool whole = for_each_member([&](std::string_view name) {
    std::string_view other;
    std::string_view& text = name == "seconds" ? seconds : name == "nanos" ? nanos : other;
    return is_nested(walk.peek()) || !is_unknown(text) ? skip() : scalar(text);
  });
  if (is_unknown(seconds)) return whole;
  known |= kTime;
  time = parse_timestamp(seconds, nanos);
  return whole;
}

bool AlertParser::Impl::read_tags() {
  return for_each_element([&] {
    if (walk.peek() != '"') return skip();
    std::string_view text;
    if (!string(text)) return false;
    tags.add(text);
    if (!tags.empty()) known |= kTags;
    return true;
  });
}

// The text of an object or array that is next.
bool AlertParser::Impl::nested(std::string_view& text) {
  text = walk.nested();
  return is_json(text);
}

// Steps over a value that nobody needs, but not over a broken one.
bool AlertParser::Impl::skip() {
  std::string_view text;
  return is_nested(walk.peek()) ? nested(text) : scalar(text);
}

bool AlertParser::Impl::string(std::string_view& text) {
  const std::span<char> token = walk.string();
  text = {token.data(), token.size()};
  if (!escapes.are_in(text)) return true;
  const auto said = unescape(token);
  if (!said) return false;
  text = text.substr(0, said->size);
  return true;
}

// Text of a string, number (of any size, as it stands) or boolean; empty for null.
bool AlertParser::Impl::scalar(std::string_view& text) {
  const char first = walk.peek();
  if (first == '"') return string(text);
  text = walk.scalar();
  if (first == '-' || is_digit(first)) return is_json_number(text);
  if (text == "true" || text == "false") return true;
  const bool null = text == "null";
  text = {};
  return null;
}

// The fields, all of them: known once one of them is.
bool AlertParser::Impl::collect_fields() {
  const std::size_t before = fields.size();
  const bool whole = collect({}, 0);
  if (fields.size() > before) known |= kOutputFields;
  return whole;
}

bool AlertParser::Impl::collect(std::string_view prefix, int depth) {
  return for_each_member(
      [&](std::string_view name) { return collect_member(prefix, name, depth); });
}

bool AlertParser::Impl::collect_member(std::string_view prefix, std::string_view name, int depth) {
  if (fields.full() || depth == kNesting || prefix.size() + 1 + name.size() > kNameBytes) {
    truncated = true;
    return skip();
  }
  if (!prefix.empty()) name = fields.join(prefix, ".", name);
  const char first = walk.peek();
  if (first == '{') return collect(name, depth + 1);
  std::string_view text;
  if (first == '[' ? !join(text) : !scalar(text)) return false;
  fields.add(name, cut(text));
  return true;
}

// What is no object says nothing; the record around it is whole all the same.
bool AlertParser::Impl::collect_text(std::string_view text, Alert& alert) {
  if (!text.starts_with('{') || !is_json(text)) return true;
  const JsonWalk outer_walk = walk;
  const Escapes outer_escapes = escapes;
  const std::string_view own = take_over(text, alert);
  bool whole = text_index.read(own);
  if (whole) {
    walk = JsonWalk(const_cast<char*>(own.data()), text_index);
    whole = collect_fields();
  }
  walk = outer_walk;
  escapes = outer_escapes;
  return whole;
}

bool AlertParser::Impl::join(std::string_view& text) {
  scratch.clear();
  const bool whole = for_each_element([&] {
    std::string_view item;
    if (is_nested(walk.peek()) ? !nested(item) : !scalar(item)) return false;
    item = trimmed(item);
    if (is_unknown(item) || scratch.size() > limits.string_bytes) return true;
    if (!scratch.empty()) scratch += ", ";
    scratch += item;
    return true;
  });
  text = fields.join(cut(scratch), {}, {});
  return whole;
}

void AlertParser::Impl::assign(std::string& to, std::string_view text) { to.assign(cut(text)); }

std::string_view AlertParser::Impl::cut(std::string_view text) {
  const std::string_view whole = cut_utf8(text, limits.string_bytes);
  truncated = truncated || whole.size() < text.size();
  return whole;
}

}  // namespace gyre::schemas
