// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schemas/alert.h"

namespace gyre::schemas::envelope {

/// Gives the fields back the names that Falco gave them: Elastic's integration `falco` renames some
/// of `output_fields` (elastic/integrations packages/falco, ingest pipeline default.yml).
void restore_names(Alert& alert);

}  // namespace gyre::schemas::envelope
