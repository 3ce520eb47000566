// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace gyre::schemas::envelope {

/// The log records of OTLP/JSON's `resourceLogs` as one JSON array.
std::string log_records(std::string_view resource_logs);

/// The alert that falcosidekick's OTLP output spreads over a log record's attributes (outputs/
/// otlp_logs.go): its text is the body, its time Go's, its fields are missing. Empty, if the
/// attributes name no rule.
std::string falcosidekick_alert(std::string_view attributes, std::string_view body);

/// OpenTelemetry's AnyValue (`{"stringValue":"x"}`) as the JSON value that it stands for; what is
/// none, or nested deeper than any alert, is null.
std::string plain_json(std::string_view any_value);

}  // namespace gyre::schemas::envelope
