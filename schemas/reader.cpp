// SPDX-License-Identifier: Apache-2.0
#include "schemas/reader.h"

#include <charconv>
#include <deque>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "schemas/alert_values.h"
#include "schemas/envelope/elastic.h"
#include "schemas/envelope/journal_export.h"
#include "schemas/envelope/objects.h"
#include "schemas/envelope/otlp.h"
#include "schemas/envelope/prefix.h"
#include "schemas/envelope/unpack.h"
#include "schemas/json_text.h"

namespace gyre::schemas {

namespace {

using envelope::Payload;

constexpr unsigned kDepth = 3;
// Each dead letter holds the whole record: more of one record are told as one.
constexpr std::size_t kRejections = 16;

// A text that should be an alert, or hold one, and how it was come by.
struct Text {
  std::string_view text;
  std::string envelope;   // names from the outside in; empty: none
  std::string where;      // `element 3: `
  std::string place;      // `3`
  Nanos time = kNoTime;   // the envelope's own
  unsigned depth = 0;     // unwrapped so often
  bool element = false;   // of an array, itself
  bool repaired = false;  // a lone surrogate in the string that held it
  bool renamed = false;   // by Elastic
  bool unpacked = false;
};

// Several texts of one.
struct Frame {
  enum class Kind { kArray, kLines, kJournal } kind;
  std::string_view rest;
  Text outer;         // what they inherit
  std::size_t texts;  // owned when it was opened
  std::size_t index = 0;
};

void wrap(Text& text, std::string_view name) {
  if (!text.envelope.empty()) text.envelope += '/';
  text.envelope += name;
}

// Objects one below the other. Not in a string, whose newlines a process may have chosen, and only
// if all of it is well-formed (ruling 13).
bool are_lines(std::string_view text) {
  for (std::size_t objects = 0;; ++objects) {
    const auto object = take_json(text);
    if (!object || object->front() != '{') return false;
    if (text.empty()) return objects > 0;
    const std::string_view gap(object->end(), text.begin());
    if (gap.find('\n') == std::string_view::npos) return false;
  }
}

bool are_journal_entries(std::string_view text) {
  do {
    if (!envelope::take_journal_entry(text)) return false;
  } while (!text.empty());
  return true;
}

// [123,34,...]
std::optional<std::string> bytes_of(std::string_view array) {
  std::string bytes;
  array.remove_prefix(1);
  while (const auto item = take_item(array)) {
    unsigned value = 0;
    const char* end = item->value.data() + item->value.size();
    const auto read = std::from_chars(item->value.data(), end, value);
    if (read.ec != std::errc() || read.ptr != end || value > 0xFF) return std::nullopt;
    bytes += static_cast<char>(value);
  }
  return bytes;
}

}  // namespace

struct AlertReader::Impl {
  explicit Impl(ParseLimits wanted) : limits(wanted), parser(wanted) {}

  bool step(Text& text);
  bool step_object(Text& text);
  bool step_other(Text& text);
  bool unwrap(const envelope::Inner& inner, Text& text);
  bool unpack(envelope::Packing packing, Text& text);
  bool open_frame(Frame::Kind kind, Text& text, std::string_view name);
  bool next_element();
  bool own(std::string owned, Text& text);
  bool accept(const Text& text);
  bool reject(const Text& text, ParseError error, std::string detail);
  void describe(const Text& text);

  ParseLimits limits;
  AlertParser parser;
  Reading reading;
  std::optional<Text> current;
  std::vector<Frame> frames;
  std::deque<std::string> texts;  // what was made, not found, in the record
  std::size_t rejections = 0;
  Rejection last_rejection{};  // of those that are told as one
};

AlertReader::AlertReader(ParseLimits limits) : impl_(std::make_unique<Impl>(limits)) {}
AlertReader::~AlertReader() = default;

void AlertReader::open(std::string_view value, RecordHeaders headers) {
  impl_->frames.clear();
  impl_->texts.clear();
  impl_->rejections = 0;
  impl_->reading.rest = false;
  Text& text = impl_->current.emplace();
  text.text = value;
  for (const auto& [name, said] : headers) {
    // CloudEvents' Kafka binding, binary mode: the value is the data.
    if (name == "ce_specversion") wrap(text, "cloudevents");
    if (name != "ce_time") continue;
    if (const auto instant = parse_instant(said)) text.time = instant->latest();
  }
}

Reading* AlertReader::next() {
  while (impl_->current || impl_->next_element()) {
    Text text = std::move(*impl_->current);
    impl_->current.reset();
    if (!impl_->step(text)) continue;
    if (!impl_->reading.rejection || ++impl_->rejections <= kRejections) return &impl_->reading;
    impl_->last_rejection = std::move(*impl_->reading.rejection);
  }
  if (impl_->rejections <= kRejections) return nullptr;
  Rejection& last = impl_->reading.rejection.emplace(std::move(impl_->last_rejection));
  last.detail = std::to_string(std::exchange(impl_->rejections, 0) - kRejections) +
                " more; the last: " + last.detail;
  impl_->reading.rest = true;
  return &impl_->reading;
}

// True: there is a reading. False: there is another text to look at, or nothing.
bool AlertReader::Impl::step(Text& text) {
  if (text.text.size() > limits.record_bytes)
    return reject(text, ParseError::kTooLarge,
                  std::to_string(text.text.size()) + " bytes, limits.record_bytes is " +
                      std::to_string(limits.record_bytes));
  if (text.text.starts_with("\xEF\xBB\xBF")) text.text.remove_prefix(3);
  if (text.text.starts_with('{')) return step_object(text);
  const std::string_view content = trimmed(text.text);
  if (content.empty()) {
    const bool blank = frames.empty() && text.depth == 0 && !text.unpacked;  // counts 0 (ruling 1)
    return !blank && reject(text, ParseError::kNotAnAlert, "nothing in it");
  }
  if (content.front() == '{') {
    text.text = content;
    return step_object(text);
  }
  if (content.front() == '[' && is_json(content)) {
    text.text = content;
    if (text.element) return reject(text, ParseError::kNotAnAlert, "an array in an array");
    return open_frame(Frame::Kind::kArray, text, "array");
  }
  return step_other(text);
}

bool AlertReader::Impl::step_object(Text& text) {
  auto parsed = parser.parse(text.text, reading.alert);
  if (parsed) return accept(text);
  text.text = trimmed(text.text);
  if (parsed.error().error == ParseError::kNotAnAlert) {
    if (const auto inner = envelope::find_inner(text.text)) {
      if (text.depth < kDepth) return unwrap(*inner, text);
      return reject(text, ParseError::kNotAnAlert, "wrapped more than three times");
    }
  }
  const bool whole_record = text.depth == 0 && !text.element && text.where.empty();
  if (parsed.error().error == ParseError::kNotJson && whole_record && are_lines(text.text))
    return open_frame(Frame::Kind::kLines, text, "lines");
  return reject(text, parsed.error().error, std::move(parsed.error().detail));
}

bool AlertReader::Impl::step_other(Text& text) {
  if (const auto packing = envelope::packing_of(text.text);
      packing != envelope::Packing::kNone && !text.unpacked)
    return unpack(packing, text);
  const std::string_view content = trimmed(text.text);
  if (content.front() == '"' && is_json(content) && text.depth < kDepth) {
    ++text.depth;
    wrap(text, "string");
    std::string inner;
    text.repaired = append_unescaped(content, inner) || text.repaired;
    return own(std::move(inner), text);
  }
  if (const auto prefix = envelope::strip_prefix(content)) {
    wrap(text, prefix->name);
    text.where = "behind its prefix: ";
    text.text = prefix->rest;
    if (prefix->time != kNoTime) text.time = prefix->time;
    return step_object(text);
  }
  if (are_journal_entries(text.text)) return open_frame(Frame::Kind::kJournal, text, "journald");
  if (envelope::is_part_of_line(content))
    return reject(text, ParseError::kNotJson,
                  "a part of a line (P of containerd and CRI-O): what reads the log must join the "
                  "parts (Fluent Bit: multiline.parser cri)");
  const bool braces = content.find('{') != std::string_view::npos;
  return reject(text, ParseError::kNotJson,
                braces ? "neither JSON nor a line whose beginning is known" : "no object in it");
}

bool AlertReader::Impl::unwrap(const envelope::Inner& inner, Text& text) {
  ++text.depth;
  text.element = false;
  wrap(text, inner.name);
  if (inner.time != kNoTime) text.time = inner.time;
  const bool string = inner.value.starts_with('"');
  if (inner.payload == Payload::kAnyValue) {
    std::string alert = envelope::falcosidekick_alert(inner.attributes, inner.value);
    return own(alert.empty() ? envelope::plain_json(inner.value) : std::move(alert), text);
  }
  if (inner.payload == Payload::kResources) return own(envelope::log_records(inner.value), text);
  if (inner.payload == Payload::kBytes && inner.value.starts_with('[')) {
    auto bytes = bytes_of(inner.value);
    if (!bytes) return reject(text, ParseError::kNotAnAlert, "an array, but not of bytes");
    return own(std::move(*bytes), text);
  }
  if (!string) {
    text.renamed = text.renamed || inner.payload == Payload::kElastic;
    text.text = inner.value;
    current = std::move(text);
    return false;
  }
  std::string unwrapped;
  text.repaired = append_unescaped(inner.value, unwrapped) || text.repaired;
  if (inner.payload == Payload::kBase64) {
    auto bytes = from_base64(unwrapped);
    if (!bytes) return reject(text, ParseError::kNotJson, "no base64 in `data_base64`");
    unwrapped = std::move(*bytes);
  }
  return own(std::move(unwrapped), text);
}

bool AlertReader::Impl::unpack(envelope::Packing packing, Text& text) {
  wrap(text, to_string(packing));
  text.unpacked = true;
  std::string unpacked;
  switch (envelope::unpack(packing, text.text, limits.record_bytes, unpacked)) {
    case envelope::Unpacked::kBroken:
      return reject(text, ParseError::kNotJson, "cannot be unpacked");
    case envelope::Unpacked::kTooLarge:
      return reject(
          text, ParseError::kTooLarge,
          "unpacked more than limits.record_bytes, " + std::to_string(limits.record_bytes));
    case envelope::Unpacked::kWhole:
      break;
  }
  return own(std::move(unpacked), text);
}

bool AlertReader::Impl::open_frame(Frame::Kind kind, Text& text, std::string_view name) {
  wrap(text, name);
  std::string_view rest = text.text;
  if (kind == Frame::Kind::kArray) rest.remove_prefix(1);
  frames.push_back({kind, rest, std::move(text), texts.size()});
  return false;
}

bool AlertReader::Impl::next_element() {
  for (; !frames.empty(); frames.pop_back()) {
    Frame& frame = frames.back();
    texts.resize(frame.texts);
    std::string_view element;
    Nanos time = frame.outer.time;
    if (frame.kind == Frame::Kind::kArray) {
      const auto item = take_item(frame.rest);
      if (!item) continue;
      element = item->value;
    } else if (frame.kind == Frame::Kind::kLines) {
      const auto object = take_json(frame.rest);
      if (!object) continue;
      element = *object;
    } else {
      if (frame.rest.empty()) continue;
      const auto entry = envelope::take_journal_entry(frame.rest);
      if (!entry) continue;
      element = entry->message;
      if (entry->time != kNoTime) time = entry->time;
    }
    current = frame.outer;
    current->text = element;
    current->time = time;
    current->element = frame.kind == Frame::Kind::kArray;
    const std::string index = std::to_string(frame.index++);
    current->where += (frame.kind == Frame::Kind::kLines ? "object " : "element ") + index + ": ";
    if (!current->place.empty()) current->place += '.';
    current->place += index;
    return true;
  }
  return false;
}

bool AlertReader::Impl::own(std::string owned, Text& text) {
  text.text = texts.emplace_back(std::move(owned));
  current = std::move(text);
  return false;
}

bool AlertReader::Impl::accept(const Text& text) {
  describe(text);
  reading.rejection.reset();
  if (text.repaired) reading.alert.flags |= kRepaired;
  if (text.renamed) envelope::restore_names(reading.alert);
  return true;
}

bool AlertReader::Impl::reject(const Text& text, ParseError error, std::string detail) {
  describe(text);
  std::string said = text.envelope.empty() ? std::string() : text.envelope + ": ";
  reading.rejection = Rejection{error, said.append(text.where).append(detail)};
  return true;
}

void AlertReader::Impl::describe(const Text& text) {
  if (text.envelope.empty())
    reading.envelope = "bare";
  else
    reading.envelope = text.envelope;
  reading.envelope_time = text.time;
  reading.place = text.place;
}

}  // namespace gyre::schemas
