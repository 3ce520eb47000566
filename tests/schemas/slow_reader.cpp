// SPDX-License-Identifier: Apache-2.0
#include "tests/schemas/slow_reader.h"

#include <fmt/format.h>

#include <ctime>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <set>

namespace gyre::schemas {

namespace {

__extension__ using Wide = __int128;

// A JSON value that keeps the order of its members, equal names and the text of its numbers.
struct Value {
  enum Kind { kNull, kText, kNumber, kTrue, kFalse, kList, kMap } kind = kNull;
  std::string text;
  std::vector<Value> list;
  std::vector<std::pair<std::string, Value>> map;
};

class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Value root;
  bool unsure = false;

  bool null() override { return put({Value::kNull, "", {}, {}}); }
  bool boolean(bool is) override {
    return put({is ? Value::kTrue : Value::kFalse, is ? "true" : "false", {}, {}});
  }
  bool number_integer(number_integer_t n) override {
    return put({Value::kNumber, std::to_string(n), {}, {}});
  }
  bool number_unsigned(number_unsigned_t n) override {
    return put({Value::kNumber, std::to_string(n), {}, {}});
  }
  bool number_float(number_float_t, const string_t& text) override {
    return put({Value::kNumber, text, {}, {}});
  }
  bool string(string_t& text) override { return put({Value::kText, text, {}, {}}); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Value::kMap); }
  bool start_array(std::size_t) override { return open(Value::kList); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    names_.push_back(name);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) override {
    unsure = e.id == 406;  // a number beyond a double
    return false;
  }

 private:
  bool put(Value value) {
    if (open_.empty()) {
      root = std::move(value);
    } else if (open_.back().kind == Value::kMap) {
      open_.back().map.emplace_back(names_.back(), std::move(value));
      names_.pop_back();
    } else {
      open_.back().list.push_back(std::move(value));
    }
    return true;
  }
  bool open(Value::Kind kind) {
    open_.push_back({kind, "", {}, {}});
    return true;
  }
  bool close() {
    Value value = std::move(open_.back());
    open_.pop_back();
    return put(std::move(value));
  }

  std::vector<Value> open_;
  std::vector<std::string> names_;
};

// Well-formed or not, by what nlohmann makes of the bytes in a string.
bool well_formed(const std::string& bytes) {
  for (const char c : bytes)
    if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20) return bytes.size() == 1;
  return nlohmann::json::accept("\"" + bytes + "\"");
}

std::string with_valid_utf8(std::string_view text, bool& repaired) {
  std::string out;
  while (!text.empty()) {
    std::size_t length = 0;
    for (std::size_t n = 1; n <= 4 && n <= text.size() && length == 0; ++n)
      if (well_formed(std::string(text.substr(0, n)))) length = n;
    repaired = repaired || length == 0;
    out += length == 0 ? std::string("\xEF\xBF\xBD") : std::string(text.substr(0, length));
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string without_lone_surrogates(const std::string& text, bool& repaired) {
  static const std::regex tokens(
      R"((\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|(\\[^]))");
  std::string out;
  auto from = text.begin();
  for (std::sregex_iterator at(text.begin(), text.end(), tokens), end; at != end; ++at) {
    out.append(from, (*at)[0].first);
    const bool lone = (*at)[2].matched;
    out += lone ? "\\ufffd" : at->str();
    repaired = repaired || lone;
    from = (*at)[0].second;
  }
  return out.append(from, text.end());
}

bool unknown(const std::string& text) { return text.empty() || text == "<NA>"; }

std::string trim(const std::string& text) {
  std::string rest = text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  while (!rest.empty() && std::string(" \t\r\n").find(rest.back()) != std::string::npos)
    rest.pop_back();
  return rest;
}

const std::regex& number() {
  static const std::regex is(R"((-?)(0|[1-9]\d*)(\.(\d+))?([eE][+-]?\d+)?)");
  return is;
}

// The digits in front of a number's point, without leading zeros, and those behind it.
std::optional<std::pair<std::string, std::string>> digits_of(const std::string& text) {
  std::smatch part;
  if (!std::regex_match(text, part, number())) return std::nullopt;
  if (part[1].length() > 0 || part[5].length() > 5) return std::nullopt;
  std::string whole = part[2].str();
  std::string digits = part[4].str();
  int power = part[5].matched ? std::stoi(part[5].str().substr(1)) : 0;
  for (; power > 0; --power) {
    whole += digits.empty() ? '0' : digits.front();
    digits.erase(0, 1);
  }
  for (; power < 0; ++power) {
    digits.insert(0, 1, whole.empty() ? '0' : whole.back());
    if (!whole.empty()) whole.pop_back();
  }
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  return std::pair(whole, digits);
}

// A number without a fraction, of at most `most` digits.
std::optional<std::int64_t> slow_whole(const std::string& text, std::size_t most) {
  const auto digits = digits_of(trim(text));
  if (!digits || digits->first.size() > most) return std::nullopt;
  if (digits->second.find_first_not_of('0') != std::string::npos) return std::nullopt;
  return digits->first.empty() ? 0 : std::stoll(digits->first);
}

std::optional<Nanos> slow_time(const std::string& given) {
  std::string text = trim(given);
  if (std::regex_match(text, number())) {
    const auto read = digits_of(text);
    if (!read) return std::nullopt;
    const auto& [whole, digits] = *read;
    if (whole.empty() || whole.size() > 19) return std::nullopt;
    Wide nanos = std::stoull(whole);
    int decimals = whole.size() <= 10 ? 9 : whole.size() <= 13 ? 6 : 3;
    if (whole.size() > 16) decimals = 0;
    std::string fraction = (digits + "000000000").substr(0, static_cast<std::size_t>(decimals));
    for (const char digit : fraction) nanos = nanos * 10 + (digit - '0');
    if (nanos > kLastEventTime) return std::nullopt;
    return static_cast<Nanos>(nanos);
  }
  static const std::regex date(
      R"((\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)([.,](\d*))?(([Zz])([+-][\d:]{0,5})?|([+-])(\d\d):?(\d\d)))");
  std::smatch part;
  if (!std::regex_match(text, part, date)) return std::nullopt;
  std::tm tm{};
  tm.tm_year = std::stoi(part[1]) - 1900;
  tm.tm_mon = std::stoi(part[2]) - 1;
  tm.tm_mday = std::stoi(part[3]);
  tm.tm_hour = std::stoi(part[4]);
  tm.tm_min = std::stoi(part[5]);
  tm.tm_sec = std::stoi(part[6]);
  if (tm.tm_year < -220 || tm.tm_year > 360 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
    return std::nullopt;
  std::tm normalised = tm;
  normalised.tm_sec = 0;
  const std::time_t minute = timegm(&normalised);
  if (normalised.tm_mday != tm.tm_mday || normalised.tm_mon != tm.tm_mon) return std::nullopt;
  std::int64_t offset = 0;
  if (part[13].matched) {
    if (std::stoi(part[13]) > 23 || std::stoi(part[14]) > 59) return std::nullopt;
    offset = (std::stoi(part[13]) * 60 + std::stoi(part[14])) * 60;
    if (part[12] == "-") offset = -offset;
  }
  const std::string fraction = (part[8].str() + "000000000").substr(0, 9);
  return (static_cast<std::int64_t>(minute) + tm.tm_sec - offset) * kNanosPerSecond +
         std::stoll(fraction);
}

std::optional<Nanos> slow_time(const Value& value, bool& unsure) {
  if (value.kind != Value::kMap)
    return value.kind == Value::kList ? std::nullopt : slow_time(value.text);
  std::string seconds;
  std::string nanos;
  for (const auto& [name, part] : value.map) {
    if (part.kind == Value::kMap || part.kind == Value::kList) unsure = true;
    if (name == "seconds" && unknown(seconds)) seconds = part.text;
    if (name == "nanos" && unknown(nanos)) nanos = part.text;
  }
  if (unknown(nanos)) nanos = "0";
  const auto whole = slow_whole(seconds, 10);
  const auto rest = slow_whole(nanos, 9);
  if (!whole || *whole == 0 || !rest || *whole > kLastEventTime / kNanosPerSecond)
    return std::nullopt;
  return *whole * kNanosPerSecond + *rest;
}

std::optional<Priority> slow_priority(std::string text) {
  text = trim(text);
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  static const std::map<std::string, int> numbers = {
      {"emergency", 0}, {"alert", 1}, {"critical", 2},      {"error", 3}, {"warning", 4},
      {"notice", 5},    {"info", 6},  {"informational", 6}, {"debug", 7}};
  if (const auto number = slow_whole(text, 1); number && *number <= 7)
    return static_cast<Priority>(*number);
  const auto at = numbers.find(text);
  return at == numbers.end() ? std::nullopt : std::optional(static_cast<Priority>(at->second));
}

std::string slow_source(const std::string& text) {
  if (const auto number = slow_whole(text, 1); number && *number <= 2)
    return *number == 0 ? "syscall" : *number == 1 ? "k8s_audit" : "internal";
  static const std::regex syscall("(syscalls?)?|[sS][yY][sS][cC][aA][lL][lL]");
  static const std::regex audit("[kK]8[sS]_[aA][uU][dD][iI][tT]");
  static const std::regex internal("[iI][nN][tT][eE][rR][nN][aA][lL]");
  return std::regex_match(text, syscall)    ? "syscall"
         : std::regex_match(text, audit)    ? "k8s_audit"
         : std::regex_match(text, internal) ? "internal"
                                            : text;
}

std::string with_bracket(const std::string& name) {
  static const std::regex replaced(
      R"((proc\.a(?:name|exe|exepath|pid|cmdline|env)|proc\.env|evt\.(?:raw)?arg|ka\.uri\.param|jevt\.value|json\.value|container\.label|k8s\.(?:pod|ns)\.label|k8smeta\.(?:pod|ns|deployment)\.label)_([^\[]+))");
  std::smatch part;
  return std::regex_match(name, part, replaced) ? part[1].str() + "[" + part[2].str() + "]" : name;
}

class Found {
 public:
  Found(const ParseLimits& limits, bool& truncated) : limits_(limits), truncated_(truncated) {}

  std::string cut(const std::string& text) {
    if (text.size() <= limits_.string_bytes) return text;
    truncated_ = true;
    std::string whole = text.substr(0, limits_.string_bytes);
    while (!nlohmann::json::accept(nlohmann::json(whole).dump(
               -1, ' ', false, nlohmann::json::error_handler_t::ignore)) ||
           nlohmann::json(whole).dump(-1, ' ', false, nlohmann::json::error_handler_t::ignore) !=
               nlohmann::json(whole).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
      whole.pop_back();
    return whole;
  }

  void collect(const Value& map, const std::string& prefix, int depth) {
    for (const auto& [key, value] : map.map) {
      if (depth == 16 || prefix.size() + 1 + key.size() > 256) {
        truncated_ = true;
        continue;
      }
      std::string name = prefix.empty() ? key : prefix + "." + key;
      if (value.kind == Value::kMap) {
        collect(value, name, depth + 1);
        continue;
      }
      const std::string text = value.kind == Value::kList ? joined(value) : value.text;
      if (!unknown(text)) name = with_bracket(name);
      if (!unknown(text) && !name.empty()) found_.emplace(name, cut(text));
    }
  }

  bool has_some(const Value& value) const {
    bool truncated = false;
    Found alone(limits_, truncated);
    if (value.kind == Value::kMap) alone.collect(value, "", 0);
    return !alone.found_.empty();
  }

  void finish(Alert& alert) {
    for (const auto& [name, text] : found_) {
      if (alert.fields.size() == limits_.fields) {
        truncated_ = true;
        break;
      }
      alert.fields.set(name, text);
    }
  }

 private:
  std::string joined(const Value& list) {
    std::string text;
    for (const Value& item : list.list) {
      if (item.kind == Value::kMap || item.kind == Value::kList) return std::string(kAnyText);
      const std::string element = trim(item.text);
      if (!unknown(element)) text += (text.empty() ? "" : ", ") + element;
    }
    return text;
  }

  ParseLimits limits_;
  bool& truncated_;
  std::map<std::string, std::string> found_;
};

std::vector<std::string> tags_of(const Value& value, Found& fields) {
  std::set<std::string> tags;
  const auto add = [&](const std::string& text) {
    if (!unknown(trim(text))) tags.insert(fields.cut(trim(text)));
  };
  if (value.kind == Value::kList) {
    for (const Value& item : value.list)
      if (item.kind == Value::kText) add(item.text);
  } else if (value.kind != Value::kMap) {
    std::stringstream list(value.text);
    for (std::string tag; std::getline(list, tag, ',');) add(tag);
  }
  return {tags.begin(), tags.end()};
}

// Whether the value of that key says anything at all.
bool known(const std::string& name, const Value& value, Found& fields) {
  if (name == "tags") return !tags_of(value, fields).empty();
  if (name == "rule") return value.kind == Value::kText && !unknown(value.text);
  if (name == "output_fields") return fields.has_some(value);
  if (name == "time")
    for (const auto& [part, said] : value.map)
      if (part == "seconds" && !unknown(said.text)) return true;
  return !unknown(value.text);
}

}  // namespace

SlowReading slow_read(std::string_view json, const ParseLimits& limits) {
  SlowReading reading;
  Alert& alert = reading.alert;
  bool repaired = false;
  const std::string text = without_lone_surrogates(with_valid_utf8(json, repaired), repaired);
  if (repaired) alert.flags |= kRepaired;
  Builder builder;
  // nlohmann takes a NUL for the end of its input.
  if (text.find('\0') != std::string::npos || !nlohmann::json::sax_parse(text, &builder)) {
    reading.error = builder.unsure ? "unsure" : "not_json";
    return reading;
  }
  if (builder.root.kind != Value::kMap) {
    reading.error = "not_json";
    return reading;
  }
  bool truncated = false;
  bool unsure = false;
  Found fields(limits, truncated);
  std::map<std::string, Value> top;  // of equal names the first that is known
  std::set<std::string> names;
  auto& members = builder.root.map;
  for (auto& [name, value] : members) {
    if (name == "outputFields") name = "output_fields";
    names.insert(name);
    if (known(name, value, fields)) top.emplace(name, value);
  }
  truncated = false;
  const auto scalar = [&](const char* name) {
    const auto at = top.find(name);
    if (at == top.end() || at->second.kind == Value::kList || at->second.kind == Value::kMap)
      return std::string();
    return unknown(at->second.text) ? std::string() : fields.cut(at->second.text);
  };
  alert.rule = top["rule"].kind == Value::kText ? scalar("rule") : "";
  alert.source = scalar("source");
  alert.source = slow_source(alert.source);
  alert.hostname = scalar("hostname");
  alert.output = scalar("output");
  alert.uuid = scalar("uuid");
  alert.tags = tags_of(top["tags"], fields);
  // In the order of the record: of two equal names the first that is known counts.
  bool collected = false;
  for (const auto& [name, value] : members) {
    if (name == "output_fields" && !collected) {
      collected = known(name, value, fields);
      if (value.kind == Value::kMap) fields.collect(value, "", 0);
      if (value.kind == Value::kText) unsure = unsure || trim(value.text).starts_with("{");
    } else if (name.starts_with("output_fields.")) {
      fields.collect({Value::kMap, "", {}, {{name.substr(14), value}}}, "", 0);
    }
  }
  fields.finish(alert);
  std::optional<Nanos> time;
  if (top.count("time") > 0) {
    time = slow_time(top["time"], unsure);
  } else {
    // Which of the two stands first decides; both at once is parse_test's.
    unsure = top.count("@timestamp") > 0 && top.count("date") > 0;
    for (const char* name : {"@timestamp", "date"})
      if (!time && top.count(name) > 0 && top[name].kind != Value::kMap)
        time = slow_time(top[name], unsure);
  }
  const auto priority = slow_priority(scalar("priority"));
  alert.priority = priority.value_or(Priority::kWarning);
  alert.time = time.value_or(0);
  if (!priority) alert.flags |= kPriorityUnknown;
  if (truncated) alert.flags |= kTruncated;
  if (alert.rule.empty() || (names.count("specversion") > 0 && names.count("output_fields") == 0)) {
    reading.error = "not_an_alert";
  } else if (!time) {
    reading.error = "no_time";
  }
  if (unsure && reading.error != "not_an_alert") reading.error = "unsure";
  return reading;
}

}  // namespace gyre::schemas
