// SPDX-License-Identifier: Apache-2.0
#include "stages/intake/understand.h"

#include <algorithm>
#include <string_view>

#include "schemas/printable.h"
#include "schemas/redact.h"
#include "schemas/shape.h"
#include "schemas/sighting.h"
#include "schemas/utf8.h"

namespace gyre::stages {

namespace {

constexpr Nanos kSkew = 5 * kNanosPerSecond;

// All reports about a sensor have one key (ruling 2); the alert's own rule stays as evidence.
constexpr std::string_view kSensorRule = "Sensor health";
constexpr std::string_view kSensorSource = "internal";

Nanos clamp(schemas::Alert& alert, Nanos record_time) {
  if (record_time == kNoTime || alert.time <= record_time) return alert.time;
  if (alert.time > record_time + kSkew) alert.flags |= schemas::kClockSkew;
  return record_time;
}

// State keeps so much of each: the head and the tail, or a padding would hide what follows it.
void shorten(schemas::Alert& alert) {
  for (std::size_t i = 0; i < alert.fields.size(); ++i)
    if (const auto& value = alert.fields[i].second; value.size() > schemas::kValueBytes)
      alert.fields.change(i, schemas::shortened_utf8(value, schemas::kValueBytes));
  if (alert.output.size() > schemas::kSampleOutputBytes)
    alert.output = schemas::shortened_utf8(alert.output, schemas::kSampleOutputBytes);
}

void keep_rule(schemas::Alert& alert) { alert.fields.set("rule", schemas::printable(alert.rule)); }

// Keys are made of the whole names; what state and reports keep of them is bounded.
void set_bounded(std::string& to, std::string_view name) {
  constexpr std::size_t kNameBytes = 256;
  to.assign(schemas::cut_utf8(name, kNameBytes));
}

}  // namespace

void understand(schemas::Alert& alert, Nanos record_time, const schemas::Origin& origin,
                IdHasher& hasher, Understanding& is) {
  is.time = clamp(alert, record_time);
  is.basis = schemas::entity_of(alert, origin, is.entity);
  is.duplicate_id = schemas::duplicate_id(alert, hasher);
  is.native_id = schemas::has_native_id(alert);
  is.outcome = schemas::outcome_of(alert);
  is.heartbeat = schemas::is_heartbeat(alert);
  schemas::redact(alert);
  schemas::separate_image(alert);
  if (schemas::is_sensor_health(alert)) {
    is.rule = kSensorRule;
    is.source = kSensorSource;
    is.shape = is.heartbeat ? "heartbeat" : "sensor health";
    is.finding_key = schemas::finding_key(is.entity, is.rule, is.shape);
    keep_rule(alert);
    shorten(alert);
    return;
  }
  set_bounded(is.source, alert.source);
  is.shape = schemas::shape_of(alert);
  is.finding_key = schemas::finding_key(is.entity, alert.rule, is.shape);
  set_bounded(is.rule, schemas::printable(alert.rule));
  shorten(alert);
}

}  // namespace gyre::stages
