// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "pipeline/commands.h"
#include "pipeline/kafka_broker.h"

namespace gyre::pipeline {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

/// The value at a path of keys; nullptr if there is none.
const Value* find(const Struct& object, std::initializer_list<const char*> path) {
  const Struct* at = &object;
  const Value* value = nullptr;
  for (const char* key : path) {
    if (at == nullptr) return nullptr;
    const auto found = at->fields().find(key);
    if (found == at->fields().end()) return nullptr;
    value = &found->second;
    at = value->has_struct_value() ? &value->struct_value() : nullptr;
  }
  return value;
}

std::string text(const Struct& report, std::initializer_list<const char*> path) {
  const Value* value = find(report, path);
  return value != nullptr && !value->string_value().empty() ? value->string_value() : "-";
}

std::int64_t number(const Struct& report, std::initializer_list<const char*> path) {
  const Value* value = find(report, path);
  return value == nullptr ? 0 : static_cast<std::int64_t>(value->number_value());
}

/// Names in a report are chosen by whoever raised the alert: nothing of them may steer a terminal.
std::string printable(std::string_view text, bool one_line) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool c1 =
        byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    const bool kept = byte >= 0x20 && byte != 0x7f && !c1;
    if (kept || (!one_line && (byte == '\n' || byte == '\t')))
      result += text[i];
    else
      result += ' ';
    if (c1) ++i;
  }
  return result;
}

std::string summary(const Struct& report) {
  const auto part = [&](std::initializer_list<const char*> path) {
    return printable(text(report, path), true);
  };
  return fmt::format("{:<20} {:<13} {:<6} {:<13} {:<13} alerts={} duplicates={} late={} {}",
                     part({"time"}), part({"kind"}), part({"attention", "level"}),
                     part({"severity"}), part({"verdict", "class"}),
                     number(report, {"counts", "alerts"}), number(report, {"counts", "duplicates"}),
                     number(report, {"counts", "late"}), part({"title"}));
}

std::string render(const Struct& report, std::string json, const std::string& format) {
  if (format == "summary") return summary(report);
  if (format == "markdown") return printable(text(report, {"markdown"}), false);
  // A raw line break can stand only between JSON's tokens; one record is one line.
  std::ranges::replace_if(
      json, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return json;
}

struct Newest {
  std::int64_t revision = 0;
  std::string time;
  std::string text;
};

}  // namespace

int reports(const Config& config, const ReportsOptions& options) {
  std::map<std::string, Newest> newest;
  const auto take = [&](const Record& record) {
    const std::string key = record.key.value_or("");
    if (!record.value) {
      newest.erase(key);
      return true;
    }
    Struct report;
    if (!google::protobuf::util::JsonStringToMessage(*record.value, &report).ok() ||
        find(report, {"id"}) == nullptr) {
      std::cerr << fmt::format("gyre: {} partition {} offset {} is no report, left out\n",
                               config.output.topic, record.partition, record.offset);
      return true;
    }
    Newest& held = newest[text(report, {"id"})];
    const std::int64_t revision = number(report, {"revision"});
    if (revision < held.revision) return true;
    const bool repeated = options.follow && revision == held.revision;
    held.revision = revision;
    std::string rendered = render(report, *record.value, options.format);
    if (options.follow) {
      if (!repeated) std::cout << rendered << '\n' << std::flush;
      return static_cast<bool>(std::cout);
    }
    held.time = text(report, {"time"});
    held.text = std::move(rendered);
    return true;
  };
  read_topic({config.kafka.brokers, config.kafka.properties}, config.output.topic, options.follow,
             take);

  std::vector<std::pair<std::string_view, std::string_view>> lines;
  if (!options.follow)
    for (const auto& [id, report] : newest) lines.emplace_back(report.time, report.text);
  std::ranges::stable_sort(lines, {}, [](const auto& line) { return line.first; });
  for (const auto& [time, line] : lines) std::cout << line << '\n';
  std::cout.flush();
  return 0;
}

}  // namespace gyre::pipeline
