// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/time.h"
#include "schemas/alert.h"
#include "schemas/records.pb.h"

namespace gyre::schemas {

inline constexpr std::size_t kValuesPerField = 8;
inline constexpr std::size_t kFieldsPerSummary = 32;
inline constexpr std::size_t kSamples = 4;
inline constexpr std::size_t kTags = 32;
inline constexpr std::size_t kValueBytes = 256;
inline constexpr std::size_t kSampleUuidBytes = 64;
inline constexpr std::size_t kSampleOutputBytes = 1024;
/// Bytes of one entry of Sighting.alerts: id, time, outcome and whether the id is a native one.
inline constexpr std::size_t kAlertEntryBytes = 16 + 8 + 1;

/// One entry of Sighting.alerts.
struct AlertEntry {
  std::string_view id;  ///< 16 bytes
  Nanos time;           ///< the alert's own, unclamped
  Outcome outcome;
  bool native_id = false;  ///< has_native_id (schemas/identity.h)
};
AlertEntry alert_entry(std::string_view alerts, std::size_t index);
std::array<char, kAlertEntryBytes> encoded_alert_entry(const AlertEntry& entry);
void append_alert_entry(std::string& alerts, const AlertEntry& entry);
/// The entries' bytes, in their order.
std::vector<std::string_view> split_alert_entries(std::string_view alerts);
/// Leaves of each id the smallest entry; `entries` are sorted. Copies by native id may differ in
/// time: which one stays must not depend on who came first.
void leave_one_an_id(std::vector<std::string_view>& entries);

/// Adds one alert to the summary; `time` is the clamped event time.
void summarise(const Alert& alert, Nanos time, const Id128& id, Outcome outcome,
               records::Summary& summary);

/// The one merge (DESIGN 3, "the algebra"): associative and commutative, idempotent in the set of
/// alerts, additive in arrivals. Both are of the same finding key and second.
void merge(records::Sighting& into, const records::Sighting& from);
void merge(records::Summary& into, const records::Summary& from);
void merge(records::Counts& into, const records::Counts& from);
/// Two of one finding: what they add is summed up, the rest is the newer one's; of one second,
/// `from` is.
void merge(records::Contribution& into, const records::Contribution& from);
/// Lets the span reach over another one; one without `last` is empty.
void widen(records::Span& into, const records::Span& from);
/// Counts the outcome of one more alert.
void count_outcome(Outcome outcome, records::OutcomeCounts& counts);
/// `sum` and what `now` has more than `before`.
records::Counts plus_difference(const records::Counts& sum, const records::Counts& now,
                                const records::Counts& before);
/// Leaves one value of each field, one sample and a few tags, chosen as ever, and says that there
/// were more: at most 20 KiB.
void thin(records::Summary& summary);
/// Union, capped at the k values of smallest hash.
void merge(records::Values& into, const records::Values& from);
void add_value(records::Values& into, std::string_view value);
void add_value(records::Summary& into, std::string_view field, std::string_view value);

/// The field's values, or none.
const records::Values* find_field(const records::Summary& summary, std::string_view field);
/// Its only value; empty if unknown or several.
std::string_view single(const records::Summary& summary, std::string_view field);

}  // namespace gyre::schemas
