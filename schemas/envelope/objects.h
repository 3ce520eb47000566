// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace gyre::schemas::envelope {

/// How the payload of an envelope says its text.
enum class Payload {
  kJson,       ///< a string that holds text, or an object or array that is the text itself
  kElastic,    ///< as kJson; if an object, with fields renamed (schemas/envelope/elastic.h)
  kBase64,     ///< bytes, and so perhaps packed
  kBytes,      ///< an array of byte values: journald's spelling of what it doesn't take for text
  kAnyValue,   ///< OpenTelemetry's
  kResources,  ///< OpenTelemetry's `resourceLogs`, the array of it
};

/// What a shipper's object holds where the alert should be.
struct Inner {
  std::string_view name;
  Payload payload = Payload::kJson;
  std::string_view value;       ///< a JSON value
  std::string_view attributes;  ///< of an OpenTelemetry record: what stands beside it, or empty
  Nanos time = kNoTime;         ///< the last instant that the envelope's own time can mean
};

/// Finds it in a well-formed object by its top-level keys (and `event.original`, which ECS nests).
/// Nothing, if no key is known, or if the object is itself an alert, if a broken one: nothing in an
/// alert is ever unwrapped (ruling 14).
std::optional<Inner> find_inner(std::string_view object);

}  // namespace gyre::schemas::envelope
