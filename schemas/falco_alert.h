// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "schemas/report_view.h"

namespace gyre::schemas {

/// One alert as falcosidekick sends it (falcosecurity/falcosidekick, types/types.go FalcoPayload),
/// so that what is fed by falcosidekick today goes on. `uuid` is the same for a revision, however
/// often it is written. Of what has no Falco priority our severity is told in Falco's words.
std::string to_falco_alert(const ReportView& report);

}  // namespace gyre::schemas
