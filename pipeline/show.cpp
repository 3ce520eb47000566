// SPDX-License-Identifier: Apache-2.0
#include "pipeline/show.h"

#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <initializer_list>
#include <iostream>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"
#include "pipeline/outputs.h"

namespace gyre::pipeline {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

constexpr std::string_view kRow = "{:<9} {:<13} {:<13} {:<13} {:>4} {:>8}  {:<20}  {:<12}  {}\n";

constexpr std::size_t kIdDigits = 12;  // enough for `gyre reports --id`

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

std::string number(const Struct& report, std::initializer_list<const char*> path) {
  const Value* value = find(report, path);
  return value == nullptr ? "-"
                          : fmt::format("{}", static_cast<std::int64_t>(value->number_value()));
}

// Without what steers a terminal: control characters, also those of two bytes.
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

std::string row(const Struct& report, bool colour) {
  const auto part = [&](std::initializer_list<const char*> path) {
    return printable(text(report, path), true);
  };
  const std::string level = part({"attention", "level"});
  const std::string line = fmt::format(
      kRow, level, part({"severity"}), part({"kind"}), part({"verdict", "class"}),
      number(report, {"risk", "score"}), number(report, {"counts", "alerts"}),
      part({"last_seen"}).substr(0, 19) + "Z", part({"id"}).substr(0, kIdDigits), part({"title"}));
  if (!colour) return line;
  const std::string_view start = level == "page"     ? "\033[1;31m"
                                 : level == "ticket" ? "\033[33m"
                                                     : "\033[2m";
  return fmt::format("{}{}\033[0m{}", start, std::string_view(line).substr(0, line.size() - 1),
                     "\n");
}

int urgency(std::string_view level) { return level == "page" ? 0 : level == "ticket" ? 1 : 2; }

}  // namespace

const std::vector<std::string>& format_names() {
  static const std::vector<std::string> names = {"json", "summary", "markdown",
                                                 "ecs",  "ocsf",    "falco"};
  return names;
}

Format format_of(std::string_view name) {
  const auto found = std::find(format_names().begin(), format_names().end(), name);
  CHECK(found != format_names().end());
  return static_cast<Format>(found - format_names().begin());
}

std::optional<schemas::Encoding> encoding_of(Format format) {
  switch (format) {
    case Format::kJson:
      return schemas::Encoding::kNative;
    case Format::kEcs:
      return schemas::Encoding::kEcs;
    case Format::kOcsf:
      return schemas::Encoding::kOcsf;
    case Format::kFalco:
      return schemas::Encoding::kFalco;
    default:
      return std::nullopt;
  }
}

Show::Show(Format format)
    : format_(format), colour_(isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr) {}

bool Show::take(std::string_view json, bool at_once) {
  Struct report;
  if (!google::protobuf::util::JsonStringToMessage(std::string(json), &report).ok() ||
      find(report, {"id"}) == nullptr)
    return false;
  Kept& kept = newest_[text(report, {"id"})];
  const Value* value = find(report, {"revision"});
  const auto revision = value == nullptr ? 0 : static_cast<std::int64_t>(value->number_value());
  if (revision < kept.revision) return true;
  const bool repeated = revision == kept.revision;
  kept.revision = revision;
  kept.urgency = urgency(text(report, {"attention", "level"}));
  kept.time = text(report, {"time"});
  kept.id = text(report, {"id"});
  if (format_ == Format::kSummary) {
    kept.text = row(report, colour_);
  } else if (format_ == Format::kMarkdown) {
    kept.text = printable(text(report, {"markdown"}), false) + '\n';
  } else if (format_ == Format::kFalco && !is_worth_an_alert(json)) {
    kept.text.clear();
  } else {
    kept.text = schemas::encode(json, *encoding_of(format_), true) + '\n';
    // A raw line break can stand only between JSON's tokens; one record is one line.
    std::replace_if(
        kept.text.begin(), kept.text.end() - 1, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  }
  if (!at_once) return true;
  if (!repeated) {
    print_header();
    std::cout << kept.text << std::flush;
  }
  kept.text.clear();
  return true;
}

void Show::print_header() {
  if (format_ != Format::kSummary || header_printed_) return;
  header_printed_ = true;
  std::cout << fmt::format(kRow, "ATTENTION", "SEVERITY", "KIND", "VERDICT", "RISK", "ALERTS",
                           "LAST SEEN", "ID", "TITLE");
}

void Show::print() {
  std::vector<Kept*> all;
  for (auto& [id, kept] : newest_)
    if (!kept.text.empty()) all.push_back(&kept);
  std::sort(all.begin(), all.end(), [](const Kept* a, const Kept* b) {
    return std::tie(a->urgency, a->time, a->id) < std::tie(b->urgency, b->time, b->id);
  });
  if (!all.empty()) print_header();
  for (Kept* kept : all) std::cout << std::exchange(kept->text, {});
  std::cout.flush();
}

}  // namespace gyre::pipeline
