// SPDX-License-Identifier: Apache-2.0
#include "schemas/envelope/otlp.h"

#include "schemas/json_text.h"

namespace gyre::schemas::envelope {

namespace {

constexpr int kNesting = 32;

template <typename Each>
void for_each_element(std::string_view array, Each each) {
  if (!array.starts_with('[')) return;
  array.remove_prefix(1);
  while (const auto item = take_item(array)) each(item->value);
}

void append_list(std::string_view values, int depth, std::string& to);

void append_plain(std::string_view any, int depth, std::string& to) {
  std::string_view rest = any;
  if (!rest.starts_with('{') || depth == kNesting) {
    to += "null";
    return;
  }
  rest.remove_prefix(1);
  const auto item = take_item(rest);
  const std::string kind = item ? unescaped(item->key) : std::string();
  if (kind == "intValue" && item->value.starts_with('"')) {  // 64 bits, as protobuf's JSON has them
    const std::string digits = unescaped(item->value);
    to += is_json_number(digits) ? digits : "null";
  } else if (kind == "stringValue" || kind == "boolValue" || kind == "intValue" ||
             kind == "doubleValue" || kind == "bytesValue") {
    to += item->value;
  } else if (kind == "arrayValue") {
    append_list(member_of(item->value, "values"), depth + 1, to);
  } else if (kind == "kvlistValue") {
    to += '{';
    for_each_element(member_of(item->value, "values"), [&](std::string_view pair) {
      const std::string_view key = member_of(pair, "key");
      if (!key.starts_with('"')) return;
      if (!to.ends_with('{')) to += ',';
      to.append(key).append(":");
      append_plain(member_of(pair, "value"), depth + 1, to);
    });
    to += '}';
  } else {
    to += "null";
  }
}

void append_list(std::string_view values, int depth, std::string& to) {
  to += '[';
  for_each_element(values, [&](std::string_view value) {
    if (!to.ends_with('[')) to += ',';
    append_plain(value, depth, to);
  });
  to += ']';
}

// Go's time.Time prints "2026-01-02 03:04:05.6 +0000 UTC".
std::string without_zone_name(std::string_view token) {
  const auto zone = token.find_last_of("+-");
  if (zone == std::string_view::npos || zone == 0 || token[zone - 1] != ' ')
    return std::string(token);
  std::string time(token.substr(0, zone - 1));
  const std::string_view offset = token.substr(zone);
  return time.append(offset.substr(0, offset.find(' '))).append("\"");
}

}  // namespace

std::string log_records(std::string_view resource_logs) {
  std::string records = "[";
  for_each_element(resource_logs, [&](std::string_view resource) {
    for_each_element(member_of(resource, "scopeLogs"), [&](std::string_view scope) {
      for_each_element(member_of(scope, "logRecords"), [&](std::string_view record) {
        if (records.size() > 1) records += ',';
        records += record;
      });
    });
  });
  return records + "]";
}

std::string falcosidekick_alert(std::string_view attributes, std::string_view body) {
  const std::string_view output = member_of(body, "stringValue");
  if (!output.starts_with('"') || output.starts_with("\"{")) return {};
  std::string alert = "{\"output\":" + std::string(output);
  bool rule = false;
  for_each_element(attributes, [&](std::string_view attribute) {
    const std::string key = unescaped(member_of(attribute, "key"));
    const std::string_view value = member_of(member_of(attribute, "value"), "stringValue");
    if (!value.starts_with('"')) return;
    rule = rule || key == "rule";
    if (key == "timestamp")
      alert.append(",\"time\":").append(without_zone_name(value));
    else if (key == "rule" || key == "priority" || key == "source" || key == "hostname" ||
             key == "tags")
      alert.append(",\"").append(key).append("\":").append(value);
  });
  return rule ? alert + "}" : std::string();
}

std::string plain_json(std::string_view any_value) {
  std::string json;
  append_plain(any_value, 0, json);
  return json;
}

}  // namespace gyre::schemas::envelope
