// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/encoded_object.h"
#include "schemas/report_view.h"

/// The objects of OCSF 1.8.0 that its classes share. Private to ocsf.cpp.
namespace gyre::schemas::ocsf {

/// A number of an enumeration and the word for it.
struct Caption {
  std::int64_t id;
  std::string_view name;
};

/// Of an RFC 3339 time: since the epoch, UTC (`timestamp_t`).
std::optional<std::int64_t> milliseconds(std::string_view time);

/// `profiles`: whose attributes the record uses; to a validator those of any other are unknown.
void write_metadata(EncodedObject& top, const ReportView& report, Body body,
                    const std::vector<std::string>& profiles);
void write_analytic(EncodedObject& info, const ReportView& report);
void write_attacks(EncodedObject& parent, const ReportView& report);
void write_related_events(EncodedObject& info, const ReportView& report);
/// The host; `container` only in classes with that profile.
void write_device(EncodedObject& top, const ReportView& report, bool container);
void write_resources(EncodedObject& top, const ReportView& report);
void write_evidences(EncodedObject& top, const ReportView& report);
/// Each named after the attribute of this record that holds it.
void write_observables(EncodedObject& top, const ReportView& report);
/// Of an outbreak.
void write_members(EncodedObject& gyre, const ReportView& report);

}  // namespace gyre::schemas::ocsf
