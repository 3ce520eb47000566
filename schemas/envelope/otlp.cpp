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

std::string plain_json(std::string_view any_value) {
  std::string json;
  append_plain(any_value, 0, json);
  return json;
}

}  // namespace gyre::schemas::envelope
