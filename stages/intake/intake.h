// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/time.h"
#include "schemas/alert.h"
#include "schemas/identity.h"
#include "schemas/reader.h"
#include "schemas/records.pb.h"
#include "stages/intake/combiner.h"
#include "stages/intake/understand.h"

namespace gyre::stages {

/// Header of a record of which only one part is to be counted, by its place in the record
/// (schemas::Reading): the others were, when it came first.
inline constexpr std::string_view kElementHeader = "gyre-element";
/// Instead of a place: all parts that are no alerts, but for the first ones.
inline constexpr std::string_view kRestOfElements = "rest";

/// One record of the input topic. Views hold for the call.
struct IntakeRecord {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  Nanos record_time = kNoTime;  ///< clamps the event time; kNoTime: the envelope's does (ruling 7)
  std::string_view value;
  std::optional<std::string_view> key = {};
  schemas::RecordHeaders headers = {};
  std::string_view tenant;  ///< of the record's headers; empty: none
  std::string_view cluster;
};

struct DeadLetter {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  Nanos record_time = kNoTime;
  std::string error;  ///< schemas::to_string(ParseError)
  std::string detail;
  std::string element;  ///< its place in the record; empty: the record is one; or kRestOfElements
  std::string value;    ///< the original bytes
  std::optional<std::string> key;
  std::vector<std::pair<std::string, std::string>> headers;  ///< the record's own
};

/// What intake remembers of one source partition; its Checkpoint holds the same.
struct SourceState {
  std::int64_t next_offset = 0;
  Nanos progress = kNoTime;
  records::Counters counters;
  std::vector<std::uint64_t> sent_to;  ///< cumulative arrivals by target partition
};

/// Everything one batch of intake wants written.
struct IntakeOutput {
  std::vector<std::pair<std::int32_t, std::string>> bundles;  ///< target partition, encoded Bundle
  std::vector<DeadLetter> dead_letters;
};

/// bytes -> alert -> entity, duplicate id, shape -> sightings, merged within the batch by entity,
/// rule, shape and second (the combiner). A function of (records, source states). One thread.
class Intake {
 public:
  Intake(schemas::ParseLimits limits, std::string tenant, std::string cluster,
         std::int32_t targets);

  /// Folds one record, each of its alerts, into the batch in hand. `source` is the state of its
  /// partition.
  void add(const IntakeRecord& record, SourceState& source);
  /// A tick for a source partition with nothing unread: its progress rises to `progress`, if that
  /// is higher.
  void tick(std::int32_t partition, Nanos progress, SourceState& source);
  /// Ends the batch: one bundle per target partition that has sightings, and to every target once
  /// the progress of a source has come into another second since it was last told (split at 512
  /// KiB). `sources` holds the states of all partitions touched.
  IntakeOutput finish(std::map<std::int32_t, SourceState>& sources, std::int32_t source_partitions,
                      std::string_view sender);
  /// Forgets the batch in hand, after a rollback.
  void reset();

  /// Counts of the batches finished since the last call, for the metrics.
  struct Seen {
    std::map<std::pair<std::string, schemas::Priority>, std::uint64_t> alerts;
    std::map<std::string, std::uint64_t> rules;
    std::map<std::string, std::uint64_t> clusters;
    std::uint64_t without_cluster = 0;  ///< whose cluster neither header, field nor config names
  };
  Seen take_seen();

 private:
  struct Range {
    std::int64_t first;
    std::int64_t next;
    std::vector<std::uint64_t> arrivals;  ///< by target
  };

  void fold(schemas::Alert& alert, Nanos record_time, const IntakeRecord& record,
            SourceState& source, Range& range);
  void reject(const IntakeRecord& record, schemas::Rejection rejection, std::string element,
              SourceState& source);

  schemas::AlertReader reader_;
  IdHasher hasher_;
  std::string tenant_;
  std::string cluster_;
  std::int32_t targets_;
  Understanding is_;  ///< of the alert in hand
  Combiner combiner_;
  std::vector<DeadLetter> dead_letters_;
  std::map<std::int32_t, Range> ranges_;
  std::map<std::int32_t, Second> told_;  ///< the second of progress last told to every target
  Seen seen_;
  Seen in_hand_;  ///< of the batch in hand: rules and clusters
};

}  // namespace gyre::stages
