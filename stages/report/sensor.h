// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "schemas/report.h"
#include "schemas/sensor.h"
#include "stages/report/markdown.h"

// What a sensor says that it did not see: its own report, and the blind spots in the reports of
// what it watches.
namespace gyre::stages {

inline std::string loss_text(const records::Loss& loss) {
  if (loss.silent()) return "the sensor reported that no events reached it";
  if (loss.dropped() == 0) return "the sensor reported that it dropped events, not how many";
  const auto share = schemas::share_of(loss);
  if (!share) return fmt::format("at worst {} events dropped", loss.dropped());
  return fmt::format("at worst {} of {} events dropped, {}.{} %", loss.dropped(), loss.events(),
                     *share / 10, *share % 10);
}

inline void write_loss(schemas::JsonWriter& json, const records::Loss& loss) {
  if (loss.dropped() > 0) json.key("dropped").number(static_cast<std::int64_t>(loss.dropped()));
  if (loss.events() > 0) json.key("events").number(static_cast<std::int64_t>(loss.events()));
  if (const auto share = schemas::share_of(loss)) json.key("per_mille").number(*share);
  json.text("text", loss_text(loss));
}

/// `worst_loss` of a sensor_health report: one alert's figures, of the second (or, for a snapshot
/// of metrics, the time since the one before) that it speaks of.
inline void write_worst_loss(schemas::JsonWriter& json, const records::Summary& summary) {
  if (!summary.has_loss()) return;
  json.key("worst_loss").begin_object();
  json.text("time", format_rfc3339(summary.loss().time()));
  write_loss(json, summary.loss());
  json.end_object();
}

/// Whether a limit made one of two of them.
inline bool any_joined(const std::vector<records::BlindSpot>& spots) {
  return std::any_of(spots.begin(), spots.end(), [](const auto& spot) { return spot.joined(); });
}

inline void write_blind_spots(schemas::JsonWriter& json,
                              const std::vector<records::BlindSpot>& spots) {
  if (spots.empty()) return;
  json.key("blind_spots").begin_array();
  for (const records::BlindSpot& spot : spots) {
    json.begin_object()
        .text("from", format_rfc3339_second(spot.first() - 1))
        .text("to", format_rfc3339_second(spot.last() + 1));
    write_loss(json, spot.worst());
    json.end_object();
  }
  json.end_array();
}

inline std::string blind_spots_markdown(const std::vector<records::BlindSpot>& spots) {
  if (spots.empty()) return {};
  std::string out =
      "\n### Blind spots of the sensor\n\nWhat happened then may be missing here, and fields may "
      "be unknown for it.\n\n";
  for (const records::BlindSpot& spot : spots)
    out +=
        fmt::format("- {} to {}: {}\n", format_rfc3339_second(spot.first() - 1),
                    format_rfc3339_second(spot.last() + 1), markdown_text(loss_text(spot.worst())));
  return out;
}

}  // namespace gyre::stages
