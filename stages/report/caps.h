// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "schemas/report.h"

namespace gyre::stages {

/// The limits of what is kept and said. One that was reached stands in the report, under `caps`,
/// and so is counted by gyre_report_caps_total; no count is ever lost by one.
enum class Cap : std::uint8_t {
  kShapes,
  kLateEpisodes,
  kMembers,
  kFindings,
  kContext,
  kEntities,
  kNames,
  kTechniqueNames,
  kBlindSpots,
  kTimeline,
  kValues,
  kEvidence,
  kTexts,
  kReportSize
};

struct CapText {
  std::string_view what;
  std::string_view text;
};

/// In the order of Cap: what weighs most comes first.
inline constexpr auto kCaps = std::to_array<CapText>({
    {"shapes",
     "More patterns than the limits findings.shapes and findings.per_entity allow: what found no "
     "finding of its own is counted here, exactly. Some of the patterns stand under "
     "evidence.fields.shape."},
    {"late_episodes",
     "More late episodes than a finding keeps apart: late alerts further from each other than the "
     "gap between episodes are counted here, exactly."},
    {"members",
     "More members than are kept: their numbers are lower bounds. The counts of alerts leave out "
     "those of members that were forgotten before the outbreak opened; all others are exact."},
    {"findings", "More findings than are listed: the others are counted, exactly."},
    {"context", "More findings of the entity that are known as harmless than are listed."},
    {"entities", "More members than are listed: members.left_out says how many."},
    {"names", "More clusters, namespaces or images than are listed."},
    {"techniques", "More ATT&CK techniques than are listed."},
    {"blind_spots",
     "More blind spots of the sensor than are kept: some are told as one, with what lay between."},
    {"timeline", "The timeline leaves findings out; they are listed, or counted."},
    {"values",
     "Of some fields not every value is kept: evidence.capped and entity.disagreeing name them."},
    {"evidence",
     "Fields or tags of the alerts, or the ends of very long texts, are not kept: an alert has "
     "more than limits.fields and limits.string_bytes allow, or a finding more than 32."},
    {"texts",
     "Texts are kept to 256 bytes, and what Falco printed to 1,024; one here is as long as that "
     "and may go on."},
    {"report_size",
     "Lists and texts are shorter than elsewhere, to keep the report within 60 KiB."},
});

/// Which of them were reached.
class Caps {
 public:
  void note(Cap cap, bool reached = true) {
    if (reached) reached_ |= 1U << static_cast<unsigned>(cap);
  }

  std::vector<std::string_view> names() const {
    std::vector<std::string_view> names;
    each([&](const CapText& cap) { names.push_back(cap.what); });
    return names;
  }

  void write(schemas::JsonWriter& json) const {
    if (reached_ == 0) return;
    json.key("caps").begin_array();
    each([&](const CapText& cap) {
      json.begin_object().text("what", cap.what).text("text", cap.text).end_object();
    });
    json.end_array();
  }

 private:
  template <typename Look>
  void each(const Look& look) const {
    for (std::size_t i = 0; i < kCaps.size(); ++i)
      if ((reached_ >> i & 1U) != 0) look(kCaps[i]);
  }

  std::uint32_t reached_ = 0;
};

inline std::string_view cap_text(Cap cap) { return kCaps.at(static_cast<std::size_t>(cap)).text; }

}  // namespace gyre::stages
