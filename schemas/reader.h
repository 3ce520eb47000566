// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "schemas/alert.h"

namespace gyre::schemas {

/// A record's Kafka headers: name, value.
using RecordHeaders = std::span<const std::pair<std::string, std::string>>;

/// One alert of a record, or why a part of it is none.
struct Reading {
  Alert alert;                         ///< undefined when there is a rejection
  std::optional<Rejection> rejection;  ///< counts as one dead letter that holds the whole record
  /// What the alert was wrapped in, from the outside in: `bare`, `docker`, `gzip/array` ...
  std::string envelope;
  /// When the innermost envelope that says so was made: the last instant that its text can mean (a
  /// syslog line of :16Z may be as late as :16.999999999). kNoTime: none says. Ruling 7.
  Nanos envelope_time = kNoTime;
  /// Where in its record it stands, the same whatever else is readable: the indices of what holds
  /// several, from the outside in: `1.0`. Empty: the record holds nothing else.
  std::string place;
  bool rest = false;  ///< a rejection that stands for all further ones of its record
};

/// Takes the alerts out of a record, whoever wrapped it (schemas/envelope/). Keeps its buffers
/// between records. One thread. Never throws on any input. Rulings 1 and 12 to 14:
/// - a record whose top level is an alert is that alert, and costs what AlertParser costs;
/// - else only top-level keys are unwrapped, at most three deep, and only what is well-formed;
/// - a blank record and an empty array hold nothing.
class AlertReader {
 public:
  explicit AlertReader(ParseLimits limits = {});
  ~AlertReader();
  AlertReader(const AlertReader&) = delete;
  AlertReader& operator=(const AlertReader&) = delete;

  /// Takes up a record. `value` and `headers` must live until it is read to its end.
  void open(std::string_view value, RecordHeaders headers = {});
  /// The record's next alert or rejection, for the caller to change until the next call; null at
  /// the record's end.
  Reading* next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre::schemas
