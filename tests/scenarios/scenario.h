// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "pipeline/config.h"

/// A promise as a file: alerts that come in, and the reports that must come out. The form is
/// explained in README.md beside the files.
namespace gyre::scenarios {

/// Where something stands: `file:line`, for messages.
using Place = std::string;

/// A field's value: text with placeholders, or a number; none takes the field out.
struct FieldValue {
  std::string text;
  bool number = false;
  Place place;
};

/// What one alert looks like. Texts may hold the placeholders of README.md.
struct Template {
  std::string rule;
  std::string priority = "Warning";
  std::string source = "syscall";
  std::string host = "node-{h}";
  std::vector<std::string> tags;
  std::map<std::string, FieldValue> fields;
  Place place;
};

/// A template, repeated and spread.
struct Series {
  Template alert;
  Nanos at = 0;  ///< after the scenario's start
  Nanos every = kNanosPerSecond;
  std::int64_t times = 1;  ///< in each container
  std::int64_t hosts = 1;
  std::int64_t containers = 1;  ///< on each host
  Nanos stagger = 0;            ///< between the first alerts of one container and the next
  std::optional<Nanos> age;     ///< of a container at its first alert; none: not told
  std::optional<std::int32_t> partition;  ///< none: dealt in turn
  Nanos lag = 0;                          ///< from the event to its arrival
  std::optional<Nanos> delivered;  ///< all arrive from here on, a millisecond after each other
  Nanos clock = 0;                 ///< the sensor's clock is ahead by this
  std::int64_t copies = 0;         ///< exact ones, that follow at once
};

enum class Act : std::uint8_t { kStop, kResume, kPause, kContinue, kRestart };

/// Something that happens to Gyre or its brokers.
struct Event {
  Nanos at = 0;
  Act act = Act::kStop;
  std::int32_t partition = 0;  ///< of kStop and kResume: the source partition's broker
};

/// A number that is demanded.
struct Range {
  std::int64_t low = 0;
  std::int64_t high = std::numeric_limits<std::int64_t>::max();
  bool holds(std::int64_t value) const { return low <= value && value <= high; }
};

/// A value at a path of a report's JSON (`counts.alerts`).
struct Demand {
  std::string text;  ///< the scalar as JSON prints it, strings without quotes
  std::optional<Range> range;
  Place place;
};
using Demands = std::map<std::string, Demand>;

/// What some of the reports must be. A report belongs to the first one whose `where` its last
/// revision fulfils.
struct Expected {
  Demands where;
  std::optional<Range> count;
  std::optional<Range> revisions;  ///< of each report
  std::optional<Range> attended;   ///< of each: revisions with attention page or ticket
  std::optional<std::map<std::string, Range>> reasons;  ///< of each; unnamed ones must not be
  Demands last;                                         ///< in the last revision
  Demands every;                                        ///< in every revision
  Demands sum;                                          ///< over the last revisions of all
  Place place;
};

struct Scenario {
  std::string promise;
  bool large = false;   ///< too long for every run
  bool varies = false;  ///< what is late depends on the cut: reports need not be the same
  Nanos start = 0;
  std::int32_t sources = 0;  ///< source partitions; 0: as many as inner ones
  pipeline::Config config;
  std::vector<Series> alerts;
  std::vector<Event> events;  ///< by time
  std::vector<Expected> expected;
};

/// Throws ConfigError that names file and line of what is wrong.
Scenario read_scenario(const std::string& file);

}  // namespace gyre::scenarios
