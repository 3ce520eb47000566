// SPDX-License-Identifier: Apache-2.0
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <memory_resource>
#include <optional>

#include "schemas/alert.h"

namespace gyre::schemas {

namespace {

namespace od = simdjson::ondemand;

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kWhitespace = " \t\r\n";
// Deeper objects say nothing that Falco or a shipper would put into a field.
constexpr int kNesting = 16;
constexpr std::size_t kNameBytes = 256;
// Fields looked at before the first `limits.fields` by name are kept: the choice does not depend on
// their order in the record, and the memory is bounded.
constexpr std::size_t kCandidates = 16;

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kWhitespace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhitespace) - first + 1);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool is_unknown(std::string_view text) { return text.empty() || text == "<NA>"; }

// Length of the well-formed UTF-8 sequence at the front, 0 if there is none.
std::size_t sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto in = [](unsigned byte, unsigned low, unsigned high) {
    return byte >= low && byte <= high;
  };
  const unsigned lead = at(0);
  if (lead < 0x80) return 1;
  if (in(lead, 0xC2, 0xDF)) return in(at(1), 0x80, 0xBF) ? 2 : 0;
  if (in(lead, 0xE0, 0xEF)) {
    const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : 0xBF;
    return in(at(1), low, high) && in(at(2), 0x80, 0xBF) ? 3 : 0;
  }
  if (in(lead, 0xF0, 0xF4)) {
    const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
    return in(at(1), low, high) && in(at(2), 0x80, 0xBF) && in(at(3), 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

std::string repaired_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    out += length == 0 ? kReplacement : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::optional<unsigned> code_unit(std::string_view text, std::size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return std::nullopt;
  unsigned value = 0;
  const char* end = text.data() + at + 6;
  const auto result = std::from_chars(text.data() + at + 2, end, value, 16);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return value;
}

// A surrogate escape without its other half becomes \ufffd, of the same length. simdjson would
// refuse the string, or make invalid UTF-8 of it.
bool repair_surrogates(std::string& json) {
  if (json.find("\\ud") == std::string::npos && json.find("\\uD") == std::string::npos)
    return false;
  bool changed = false;
  for (auto i = json.find('\\'); i != std::string::npos; i = json.find('\\', i)) {
    const auto unit = code_unit(json, i);
    if (!unit) {
      i += 2;
      continue;
    }
    const auto next = code_unit(json, i + 6);
    const bool high = *unit >= 0xD800 && *unit <= 0xDBFF;
    if (high && next && *next >= 0xDC00 && *next <= 0xDFFF) {
      i += 12;
      continue;
    }
    if (*unit >= 0xD800 && *unit <= 0xDFFF) {
      json.replace(i, 6, "\\ufffd");
      changed = true;
    }
    i += 6;
  }
  return changed;
}

bool is_json_number(std::string_view text) {
  const auto digits = [&] {
    const std::size_t before = text.size();
    while (!text.empty() && is_digit(text.front())) text.remove_prefix(1);
    return before - text.size();
  };
  const auto skip = [&](std::string_view any_of) {
    const bool found = !text.empty() && any_of.find(text.front()) != std::string_view::npos;
    if (found) text.remove_prefix(1);
    return found;
  };
  skip("-");
  const bool zero = text.starts_with('0');
  const std::size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  if (skip(".") && digits() == 0) return false;
  if (skip("eE")) {
    skip("+-");
    if (digits() == 0) return false;
  }
  return text.empty();
}

// Seconds, milliseconds, microseconds or nanoseconds since the epoch, told apart by magnitude,
// digit by digit: a double would round nanoseconds.
std::optional<Nanos> parse_epoch(std::string_view text) {
  if (text.empty() || !is_json_number(text)) return std::nullopt;
  std::int64_t whole = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, whole);
  if (result.ec != std::errc() || whole <= 0) return std::nullopt;
  std::int64_t unit = 1;
  if (whole < 10'000'000'000) {
    unit = 1'000'000'000;
  } else if (whole < 10'000'000'000'000) {
    unit = 1'000'000;
  } else if (whole < 10'000'000'000'000'000) {
    unit = 1'000;
  }
  Nanos nanos = 0;
  if (__builtin_mul_overflow(whole, unit, &nanos)) return std::nullopt;
  const char* rest = result.ptr;
  if (rest != end && *rest == '.') {
    for (++rest; rest != end && is_digit(*rest); ++rest) {
      unit /= 10;
      if (__builtin_add_overflow(nanos, (*rest - '0') * unit, &nanos)) return std::nullopt;
    }
  }
  if (rest == end) return nanos;
  double value = 0;  // an exponent: whoever wrote it had a double already
  std::from_chars(text.data(), end, value);
  if (!(value < 1e18)) return std::nullopt;
  std::array<char, 64> fixed{};
  const auto written =
      std::to_chars(fixed.data(), fixed.data() + fixed.size(), value, std::chars_format::fixed);
  if (written.ec != std::errc()) return std::nullopt;
  const std::string_view plain(fixed.data(), static_cast<std::size_t>(written.ptr - fixed.data()));
  return plain.find_first_of("eE") == std::string_view::npos ? parse_epoch(plain) : std::nullopt;
}

constexpr std::array<std::string_view, 8> kPriorities = {
    "Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"};

std::optional<Priority> parse_priority(std::string_view text) {
  text = trimmed(text);
  if (text.size() == 1 && text[0] >= '0' && text[0] <= '7')
    return static_cast<Priority>(text[0] - '0');
  if (equal_ignoring_case(text, "Info")) return Priority::kInformational;
  for (std::size_t i = 0; i < kPriorities.size(); ++i)
    if (equal_ignoring_case(text, kPriorities[i])) return static_cast<Priority>(i);
  return std::nullopt;
}

// Fields with an argument in brackets; falcosidekick's bracketReplacer turns `[2]` into `_2`.
constexpr std::array<std::string_view, 18> kBracketed = {
    "proc.aname",        "proc.aexe",        "proc.aexepath",
    "proc.apid",         "proc.acmdline",    "proc.aenv",
    "proc.env",          "evt.arg",          "evt.rawarg",
    "ka.uri.param",      "jevt.value",       "json.value",
    "container.label",   "k8s.pod.label",    "k8s.ns.label",
    "k8smeta.pod.label", "k8smeta.ns.label", "k8smeta.deployment.label"};

// Position of the `_` that was a bracket.
std::optional<std::size_t> replaced_bracket(std::string_view name) {
  const auto at = name.find('_');
  if (at == std::string_view::npos || at + 1 == name.size()) return std::nullopt;
  const bool known =
      std::find(kBracketed.begin(), kBracketed.end(), name.substr(0, at)) != kBracketed.end();
  if (!known || name.find('[') != std::string_view::npos) return std::nullopt;
  return at;
}

}  // namespace

std::string_view to_string(Priority priority) {
  return kPriorities[static_cast<std::size_t>(priority)];
}

std::string_view to_string(ParseError error) {
  switch (error) {
    case ParseError::kNotJson:
      return "not_json";
    case ParseError::kNotAnAlert:
      return "not_an_alert";
    case ParseError::kNoTime:
      return "no_time";
    case ParseError::kTooLarge:
      return "too_large";
  }
  return "not_json";
}

std::string_view Alert::field(std::string_view name) const {
  const auto at = std::lower_bound(fields.begin(), fields.end(), name,
                                   [](const auto& entry, std::string_view wanted) {
                                     return std::string_view(entry.first) < wanted;
                                   });
  return at != fields.end() && at->first == name ? std::string_view(at->second)
                                                 : std::string_view();
}

struct AlertParser::Impl {
  explicit Impl(ParseLimits wanted) : limits(wanted) {}

  enum Key : unsigned {
    kRule = 1,
    kTime = 2,
    kPriority = 4,
    kSource = 8,
    kHostname = 16,
    kOutput = 32,
    kUuid = 64,
    kTags = 128,
    kOutputFields = 256,
    kOther = 0
  };
  struct Entry {
    std::string_view name;
    std::string_view value;
  };

  tl::expected<void, Rejection> parse(std::string_view record, Alert& alert);
  std::optional<Rejection> read(Alert& alert);
  simdjson::error_code read_top(od::object& object, Alert& alert);
  simdjson::error_code read_key(Key key, od::value value, Alert& alert);
  simdjson::error_code read_tags(od::value value, Alert& alert);
  simdjson::error_code collect(od::object& object, std::string_view prefix, int depth);
  simdjson::error_code collect_value(std::string_view name, od::value value, int depth);
  simdjson::error_code join(od::array& array, std::string_view& text);
  simdjson::error_code scalar(od::value& value, std::string_view& text);
  void finish_fields(Alert& alert);
  void assign(std::string& to, std::string_view text);
  std::string_view cut(std::string_view text);
  std::string_view keep(std::string_view a, std::string_view b = {}, std::string_view c = {});
  static Key key_of(std::string_view name);

  ParseLimits limits;
  od::parser parser;
  std::string buffer;
  std::string scratch;
  std::vector<Entry> entries;
  std::array<std::byte, 16'384> first_chunk;
  // What is made, not found, in the record: joined names and arrays. Emptied with every record.
  std::pmr::monotonic_buffer_resource arena{first_chunk.data(), first_chunk.size()};
  unsigned seen = 0;
  bool truncated = false;
  std::optional<Priority> priority;
  std::optional<Nanos> time;
};

AlertParser::AlertParser(ParseLimits limits) : impl_(new Impl(limits)) {}
AlertParser::~AlertParser() { delete impl_; }

tl::expected<void, Rejection> AlertParser::parse(std::string_view record, Alert& alert) {
  return impl_->parse(record, alert);
}

tl::expected<void, Rejection> AlertParser::Impl::parse(std::string_view record, Alert& alert) {
  if (record.size() > limits.record_bytes) {
    return tl::unexpected(Rejection{
        ParseError::kTooLarge, std::to_string(record.size()) + " bytes, limits.record_bytes is " +
                                   std::to_string(limits.record_bytes)});
  }
  const auto brace = record.find('{');
  if (brace == std::string_view::npos)
    return tl::unexpected(Rejection{ParseError::kNotJson, "no object in it"});
  buffer.assign(record.substr(brace));
  alert.flags = 0;
  auto rejection = read(alert);
  if (rejection && rejection->error == ParseError::kNotJson &&
      !simdjson::validate_utf8(buffer.data(), buffer.size())) {
    buffer = repaired_utf8(buffer);
    alert.flags = kRepaired;
    rejection = read(alert);
  }
  if (rejection) return tl::unexpected(std::move(*rejection));
  return {};
}

std::optional<Rejection> AlertParser::Impl::read(Alert& alert) {
  if (repair_surrogates(buffer)) alert.flags |= kRepaired;
  buffer.reserve(buffer.size() + simdjson::SIMDJSON_PADDING);
  for (auto* text : {&alert.rule, &alert.source, &alert.hostname, &alert.output, &alert.uuid})
    text->clear();
  alert.tags.clear();
  entries.clear();
  arena.release();
  seen = 0;
  truncated = false;
  priority.reset();
  time.reset();

  od::document document;
  od::object object;
  auto error = parser.iterate(buffer.data(), buffer.size(), buffer.capacity()).get(document);
  if (error == simdjson::SUCCESS) error = document.get_object().get(object);
  if (error == simdjson::SUCCESS) error = read_top(object, alert);
  if (error != simdjson::SUCCESS)
    return Rejection{ParseError::kNotJson, simdjson::error_message(error)};
  if (document.current_location().error() != simdjson::OUT_OF_BOUNDS)
    return Rejection{ParseError::kNotJson, "something follows the object"};
  if (alert.rule.empty()) return Rejection{ParseError::kNotAnAlert, "no `rule` at its top level"};
  if (!time) {
    return Rejection{ParseError::kNoTime,
                     seen & kTime ? "`time` is neither RFC 3339 nor a number since the epoch"
                                  : "no `time` at its top level"};
  }
  alert.time = *time;
  alert.priority = priority.value_or(Priority::kWarning);
  if (alert.source.empty() || alert.source == "syscalls") alert.source = "syscall";
  std::sort(alert.tags.begin(), alert.tags.end());
  alert.tags.erase(std::unique(alert.tags.begin(), alert.tags.end()), alert.tags.end());
  finish_fields(alert);
  if (!priority) alert.flags |= kPriorityUnknown;
  if (truncated) alert.flags |= kTruncated;
  return std::nullopt;
}

AlertParser::Impl::Key AlertParser::Impl::key_of(std::string_view name) {
  static constexpr std::pair<std::string_view, Key> kKeys[] = {
      {"rule", kRule},     {"time", kTime},         {"priority", kPriority},
      {"source", kSource}, {"hostname", kHostname}, {"output", kOutput},
      {"uuid", kUuid},     {"tags", kTags},         {"output_fields", kOutputFields}};
  for (const auto& [text, key] : kKeys)
    if (name == text) return key;
  return kOther;
}

simdjson::error_code AlertParser::Impl::read_top(od::object& object, Alert& alert) {
  for (auto result : object) {
    od::field field;
    if (const auto error = std::move(result).get(field)) return error;
    std::string_view name;
    if (const auto error = field.unescaped_key().get(name)) return error;
    const Key key = key_of(name);
    if (key == kOther || (seen & key) != 0) continue;  // the first of two equal keys counts
    seen |= key;
    if (const auto error = read_key(key, field.value(), alert)) return error;
  }
  return simdjson::SUCCESS;
}

simdjson::error_code AlertParser::Impl::read_key(Key key, od::value value, Alert& alert) {
  od::json_type type;
  if (const auto error = value.type().get(type)) return error;
  if (type == od::json_type::object) {
    od::object object;
    if (key != kOutputFields) return simdjson::SUCCESS;
    if (const auto error = value.get_object().get(object)) return error;
    return collect(object, {}, 0);
  }
  if (type == od::json_type::array)
    return key == kTags ? read_tags(value, alert) : simdjson::SUCCESS;
  std::string_view text;
  if (const auto error = scalar(value, text)) return error;
  switch (key) {
    case kRule:
      if (type == od::json_type::string) assign(alert.rule, text);
      break;
    case kTime:
      time = parse_rfc3339(trimmed(text));
      if (!time) time = parse_epoch(trimmed(text));
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
      if (!is_unknown(text)) alert.tags.emplace_back(cut(text));
      break;
    case kOutputFields:
    case kOther:
      break;
  }
  return simdjson::SUCCESS;
}

simdjson::error_code AlertParser::Impl::read_tags(od::value value, Alert& alert) {
  od::array array;
  if (const auto error = value.get_array().get(array)) return error;
  for (auto result : array) {
    od::value element;
    if (const auto error = std::move(result).get(element)) return error;
    od::json_type type;
    if (const auto error = element.type().get(type)) return error;
    if (type != od::json_type::string) continue;
    std::string_view text;
    if (const auto error = scalar(element, text)) return error;
    if (is_unknown(text)) continue;
    if (alert.tags.size() == limits.fields) {
      truncated = true;
    } else {
      alert.tags.emplace_back(cut(text));
    }
  }
  return simdjson::SUCCESS;
}

// Text of a string, number (of any size, as it stands) or boolean; empty for null. Only peeks at
// what is no string: the iteration steps over it.
simdjson::error_code AlertParser::Impl::scalar(od::value& value, std::string_view& text) {
  od::json_type type;
  if (const auto error = value.type().get(type)) return error;
  if (type == od::json_type::string) return value.get_string().get(text);
  const std::string_view token = trimmed(value.raw_json_token());
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

simdjson::error_code AlertParser::Impl::collect(od::object& object, std::string_view prefix,
                                                int depth) {
  for (auto result : object) {
    od::field field;
    if (const auto error = std::move(result).get(field)) return error;
    std::string_view name;
    if (const auto error = field.unescaped_key().get(name)) return error;
    if (entries.size() >= kCandidates * limits.fields || depth == kNesting ||
        prefix.size() + 1 + name.size() > kNameBytes) {
      truncated = true;
      continue;
    }
    if (!prefix.empty()) name = keep(prefix, ".", name);
    if (const auto error = collect_value(name, field.value(), depth)) return error;
  }
  return simdjson::SUCCESS;
}

simdjson::error_code AlertParser::Impl::collect_value(std::string_view name, od::value value,
                                                      int depth) {
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
  } else if (const auto error = scalar(value, text)) {
    return error;
  }
  if (is_unknown(text) || name.empty()) return simdjson::SUCCESS;
  if (const auto at = replaced_bracket(name)) {
    const std::string_view argument = name.substr(*at + 1);
    scratch.assign(argument).append("]");
    name = keep(name.substr(0, *at), "[", scratch);
  }
  entries.push_back({name, cut(text)});
  return simdjson::SUCCESS;
}

simdjson::error_code AlertParser::Impl::join(od::array& array, std::string_view& text) {
  scratch.clear();
  for (auto result : array) {
    od::value element;
    if (const auto error = std::move(result).get(element)) return error;
    if (scratch.size() > limits.string_bytes) continue;
    od::json_type type;
    if (const auto error = element.type().get(type)) return error;
    std::string_view item;
    if (type == od::json_type::object) {
      od::object inner;
      if (const auto error = element.get_object().get(inner)) return error;
      if (const auto error = inner.raw_json().get(item)) return error;
    } else if (type == od::json_type::array) {
      od::array inner;
      if (const auto error = element.get_array().get(inner)) return error;
      if (const auto error = inner.raw_json().get(item)) return error;
    } else if (const auto error = scalar(element, item)) {
      return error;
    }
    item = trimmed(item);
    if (is_unknown(item)) continue;
    if (!scratch.empty()) scratch += ", ";
    scratch += item;
  }
  text = keep(cut(scratch));
  return simdjson::SUCCESS;
}

void AlertParser::Impl::finish_fields(Alert& alert) {
  const auto by_name = [](const Entry& a, const Entry& b) { return a.name < b.name; };
  if (!std::is_sorted(entries.begin(), entries.end(), by_name))
    std::stable_sort(entries.begin(), entries.end(), by_name);
  const auto same = [](const Entry& a, const Entry& b) { return a.name == b.name; };
  entries.erase(std::unique(entries.begin(), entries.end(), same), entries.end());
  if (entries.size() > limits.fields) {
    entries.resize(limits.fields);
    truncated = true;
  }
  alert.fields.resize(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    alert.fields[i].first.assign(entries[i].name);
    alert.fields[i].second.assign(entries[i].value);
  }
}

void AlertParser::Impl::assign(std::string& to, std::string_view text) {
  if (is_unknown(text)) {
    to.clear();
  } else {
    to.assign(cut(text));
  }
}

std::string_view AlertParser::Impl::cut(std::string_view text) {
  if (text.size() <= limits.string_bytes) return text;
  truncated = true;
  std::size_t size = limits.string_bytes;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return text.substr(0, size);
}

std::string_view AlertParser::Impl::keep(std::string_view a, std::string_view b,
                                         std::string_view c) {
  const std::size_t size = a.size() + b.size() + c.size();
  if (size == 0) return {};
  auto* memory = static_cast<char*>(arena.allocate(size, 1));
  char* to = memory;
  for (const auto part : {a, b, c}) to = std::copy(part.begin(), part.end(), to);
  return {memory, size};
}

}  // namespace gyre::schemas
