// SPDX-License-Identifier: Apache-2.0
//
// What intake costs beside what can't be saved: simdjson reading the same fields of the same
// alerts. One file, all ways in turn, the median of several rounds. What a process has once, all
// keep from round to round: parsers and their memory, and intake with its batches cut as a worker
// that catches up cuts them.
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "base/check.h"
#include "schemas/reader.h"
#include "stages/intake/intake.h"
#include "stages/intake/understand.h"
#include "tests/cpu_time.h"

namespace gyre {
namespace {

constexpr int kRounds = 5;
// The defaults of `batch.records` and `batch.bytes`.
constexpr std::size_t kBatchRecords = 10'000;
constexpr std::size_t kBatchBytes = 8'000'000;

using Lines = std::vector<std::string>;

// A way to read the file; returns the alerts it found.
struct Way {
  std::string name;
  std::function<std::size_t(const Lines&)> read;
  std::vector<double> seconds{};

  double median() {
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2];
  }
};

// Every key and value that AlertParser keeps, unescaped where it is a string, kept nowhere.
std::size_t read_raw(const Lines& lines) {
  namespace od = simdjson::ondemand;
  static od::parser parser;
  static std::string buffer;
  std::size_t alerts = 0;
  std::size_t bytes = 0;
  const auto text_of = [&](od::value value) {
    std::string_view text;
    if (value.type() == od::json_type::string) {
      text = value.get_string();
    } else {
      text = value.raw_json_token();
    }
    bytes += text.size();
  };
  for (const std::string& line : lines) {
    buffer.assign(line);
    buffer.reserve(line.size() + simdjson::SIMDJSON_PADDING);
    od::document document = parser.iterate(buffer.data(), buffer.size(), buffer.capacity());
    for (auto field : document.get_object()) {
      const std::string_view key = field.unescaped_key();
      if (key == "output_fields") {
        for (auto inner : field.value().get_object()) {
          bytes += std::string_view(inner.unescaped_key()).size();
          text_of(inner.value());
        }
      } else if (key == "tags") {
        for (auto tag : field.value().get_array()) text_of(tag.value());
      } else {
        text_of(field.value());
      }
    }
    ++alerts;
  }
  CHECK(bytes > 0);
  return alerts;
}

std::size_t read_parser(const Lines& lines) {
  static schemas::AlertParser parser;
  static schemas::Alert alert;
  std::size_t alerts = 0;
  for (const std::string& line : lines) alerts += parser.parse(line, alert) ? 1 : 0;
  return alerts;
}

std::size_t read_reader(const Lines& lines) {
  static schemas::AlertReader reader;
  std::size_t alerts = 0;
  for (const std::string& line : lines) {
    reader.open(line);
    while (const schemas::Reading* reading = reader.next()) alerts += reading->rejection ? 0 : 1;
  }
  return alerts;
}

std::size_t read_understanding(const Lines& lines) {
  static schemas::AlertReader reader;
  static IdHasher hasher;
  static stages::Understanding is;
  std::size_t alerts = 0;
  for (const std::string& line : lines) {
    reader.open(line);
    while (schemas::Reading* reading = reader.next()) {
      if (reading->rejection) continue;
      stages::understand(reading->alert, kNoTime, {}, hasher, is);
      alerts += is.rule.empty() ? 0 : 1;
    }
  }
  return alerts;
}

std::size_t read_intake(const Lines& lines) {
  static stages::Intake intake({}, "default", "default", 16);
  static std::map<std::int32_t, stages::SourceState> sources;
  stages::SourceState& source = sources[0];
  const std::uint64_t before = source.counters.sent();
  std::size_t records = 0;
  std::size_t bytes = 0;
  for (const std::string& line : lines) {
    intake.add({.partition = 0,
                .offset = source.next_offset,
                .record_time = kNoTime,
                .value = line,
                .headers = {},
                .tenant = {},
                .cluster = {}},
               source);
    bytes += line.size();
    if (++records < kBatchRecords && bytes < kBatchBytes && &line != &lines.back()) continue;
    intake.finish(sources, 1, "bench");
    records = bytes = 0;
  }
  return source.counters.sent() - before;
}

int run(const char* path) {
  std::ifstream file(path, std::ios::binary);
  Lines lines;
  std::size_t bytes = 0;
  for (std::string line; std::getline(file, line);) {
    bytes += line.size();
    lines.push_back(std::move(line));
  }
  if (lines.empty()) {
    std::cerr << "no alerts in " << path << '\n';
    return 1;
  }
  std::vector<Way> ways = {{"raw simdjson", read_raw},
                           {"AlertParser", read_parser},
                           {"AlertReader", read_reader},
                           {"... and understand", read_understanding},
                           {"the whole of intake", read_intake}};
  for (int round = -1; round < kRounds; ++round) {
    for (Way& way : ways) {
      const double before = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
      const std::size_t alerts = way.read(lines);
      if (alerts != lines.size()) {
        std::cerr << way.name << " found " << alerts << " alerts of " << lines.size() << '\n';
        return 1;
      }
      if (round >= 0)
        way.seconds.push_back(cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) -
                              before);  // the first warms up
    }
  }
  const auto count = static_cast<double>(lines.size());
  const double raw = ways.front().median();
  std::cout << fmt::format("{} alerts of {} bytes, median of {} rounds\n\n", lines.size(),
                           bytes / lines.size(), kRounds)
            << fmt::format("{:22}{:>12}{:>22}{:>8}{:>10}\n", "", "alerts/s", "CPU-s per million",
                           "x raw", "of speed");
  for (Way& way : ways)
    std::cout << fmt::format("{:22}{:>12.0f}{:>22.3f}{:>8.2f}{:>10.2f}\n", way.name,
                             count / way.median(), way.median() / count * 1e6, way.median() / raw,
                             raw / way.median());
  return 0;
}

}  // namespace
}  // namespace gyre

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: bench_parse FILE (NDJSON of bare alerts)\n";
    return 64;
  }
  return gyre::run(argv[1]);
}
