// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "schemas/encoded_object.h"
#include "schemas/report_view.h"

namespace gyre::schemas {

/// OCSF 1.8.0 (ocsf/ocsf-schema): Incident Finding (2005) for an incident, Detection Finding (2004)
/// for everything else. `time` is when the revision was decided, as everywhere in Gyre. What OCSF
/// has no attribute for stands under `unmapped`; `evidences[].data` is the one open map.
/// `process.uid` is the report's id: a finding folds many processes, and their pids are not kept.
std::string to_ocsf(const ReportView& report, Body body);

}  // namespace gyre::schemas
