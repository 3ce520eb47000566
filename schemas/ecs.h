// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "schemas/encoded_object.h"
#include "schemas/report_view.h"

namespace gyre::schemas {

/// Elastic Common Schema 9.4.0 (elastic/ecs, generated/csv/fields.csv). What ECS has no field for
/// stands under `labels`, all of them keywords, and under the objects `falco` and `gyre`, where
/// numbers are numbers;
/// `falco.output_fields` is the one open map, to be indexed as `flattened`.
std::string to_ecs(const ReportView& report, Body body);

}  // namespace gyre::schemas
