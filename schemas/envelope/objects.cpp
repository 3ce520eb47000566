// SPDX-License-Identifier: Apache-2.0
#include "schemas/envelope/objects.h"

#include <algorithm>
#include <array>
#include <vector>

#include "schemas/alert_values.h"
#include "schemas/json_text.h"

namespace gyre::schemas::envelope {

namespace {

constexpr std::string_view kAttributes = "attributes";

using Keys = std::array<std::string_view, 5>;  // empty: no more

// One shipper's object: known by its marks, the first payload that can hold JSON is the alert's.
struct Recogniser {
  std::string_view name;
  Keys all;       ///< marks that it must have
  Keys any;       ///< marks of which it must have one, if any are named
  Keys payloads;  ///< in the order in which they are looked at
  Payload payload = Payload::kJson;
  Keys times;
};

// The first that fits counts: those with sharper marks stand before those with weaker ones.
constexpr std::array kRecognisers = {
    // CloudEvents 1.0, JSON format 2.4 and 3.1.
    Recogniser{"cloudevents", {"specversion", "type"}, {}, {"data"}, Payload::kJson, {"time"}},
    Recogniser{
        "cloudevents", {"specversion", "type"}, {}, {"data_base64"}, Payload::kBase64, {"time"}},
    // OTLP/JSON: an export request, and each of its log records.
    Recogniser{"otlp", {"resourceLogs"}, {}, {"resourceLogs"}, Payload::kResources, {}},
    Recogniser{"otlp_record",
               {"body"},
               {"timeUnixNano", "observedTimeUnixNano", "severityNumber"},
               {"body"},
               Payload::kAnyValue,
               {"timeUnixNano", "observedTimeUnixNano"}},
    // journalctl -o json: systemd's JOURNAL_EXPORT_FORMATS.
    Recogniser{"journald",
               {"MESSAGE"},
               {"__REALTIME_TIMESTAMP", "__CURSOR", "_BOOT_ID", "_PID", "SYSLOG_IDENTIFIER"},
               {"MESSAGE"},
               Payload::kBytes,
               {"__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP"}},
    // Vector's sources kubernetes_logs, docker_logs, file, journald, syslog ...
    Recogniser{"vector", {"source_type"}, {}, {"message", "log"}, Payload::kJson, {"timestamp"}},
    // Logstash's codec json.
    Recogniser{"logstash",
               {"@version"},
               {},
               {"event.original", "message"},
               Payload::kJson,
               {"@timestamp"}},
    // Filebeat, Elastic Agent, and Elastic's integration `falco`.
    Recogniser{"elastic",
               {},
               {"agent", "ecs", "@metadata", "event.original", "falco"},
               {"event.original", "falco", "message"},
               Payload::kElastic,
               {"@timestamp"}},
    Recogniser{"gelf",
               {"version", "short_message"},
               {},
               {"full_message", "short_message"},
               Payload::kJson,
               {"timestamp"}},
    // Google Cloud Logging's LogEntry.
    Recogniser{"gcp",
               {"logName"},
               {},
               {"jsonPayload", "textPayload"},
               Payload::kJson,
               {"timestamp", "receiveTimestamp"}},
    // CloudWatch Logs' subscription: an array of events with a message each.
    Recogniser{"cloudwatch", {"logGroup", "logEvents"}, {}, {"logEvents"}, Payload::kJson, {}},
    // Fluent Bit and Fluentd: tail, with the filter kubernetes, with Merge_Log_Key.
    Recogniser{"fluent",
               {},
               {"kubernetes", "logtag", "log_processed", "@timestamp", "date"},
               {"log_processed", "log", "message", "msg", "data"},
               Payload::kJson,
               {"@timestamp", "date", "time"}},
    // Docker's json-file.
    Recogniser{"docker", {"log"}, {"stream", "attrs"}, {"log"}, Payload::kJson, {"time"}},
    // Kafka Connect's JsonConverter with schemas.enable.
    Recogniser{"connect", {"schema", "payload"}, {}, {"payload"}, Payload::kJson, {}},
    // Any other that says nothing of itself: rsyslog's templates, home-made bridges.
    Recogniser{"field",
               {},
               {},
               {"message", "log", "msg", "MESSAGE", "event.original"},
               Payload::kJson,
               {"@timestamp", "timestamp", "time", "timereported"}},
    Recogniser{"field",
               {},
               {},
               {"raw_data", "data", "value", "body"},
               Payload::kJson,
               {"@timestamp", "timestamp", "time"}},
    Recogniser{"field",
               {},
               {},
               {"payload", "line", "alert", "event", "_raw"},
               Payload::kJson,
               {"@timestamp", "timestamp", "time", "_time"}},
};

bool known(std::string_view key) {
  const auto holds = [&](const Keys& keys) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  const bool held =
      std::any_of(kRecognisers.begin(), kRecognisers.end(), [&](const Recogniser& form) {
        return holds(form.all) || holds(form.any) || holds(form.payloads) || holds(form.times);
      });
  return held || key == kAttributes;
}

// The known top-level members, of equal keys the first that says something. Bounded by the number
// of known keys.
class Members {
 public:
  explicit Members(std::string_view object) {
    object.remove_prefix(1);
    while (const auto item = take_item(object)) add(unescaped(item->key), item->value);
  }

  std::string_view operator[](std::string_view key) const {
    const auto at = find(key);
    return at == members_.end() ? std::string_view() : at->value;
  }
  bool has(std::string_view key) const { return !(*this)[key].empty(); }
  // Whole or not. A CloudEvent is none, whatever falcosidekick repeats of the alert beside it.
  bool alert() const {
    return fields_ || (!has("specversion") && (rule_ || (output_ && priority_)));
  }

 private:
  struct Member {
    std::string key;
    std::string_view value;
  };

  void add(std::string key, std::string_view value) {
    output_ = output_ || key == "output";
    priority_ = priority_ || key == "priority";
    fields_ = fields_ || key == "output_fields" || key == "outputFields";
    rule_ = rule_ || (key == "rule" && value.starts_with('"'));
    if (key == "event" && value.starts_with('{')) {
      std::string_view event = value.substr(1);
      while (const auto item = take_item(event))
        if (unescaped(item->key) == "original") add("event.original", item->value);
    }
    if (!known(key)) return;
    const auto at = find(key);
    if (at == members_.end())
      members_.push_back({std::move(key), value});
    else if (says_nothing(at->value))
      members_[static_cast<std::size_t>(at - members_.begin())].value = value;
  }
  std::vector<Member>::const_iterator find(std::string_view key) const {
    return std::find_if(members_.begin(), members_.end(),
                        [&](const Member& member) { return member.key == key; });
  }

  std::vector<Member> members_;
  bool output_ = false;
  bool priority_ = false;
  bool rule_ = false;
  bool fields_ = false;
};

bool can_hold_json(std::string_view value, Payload payload) {
  if (value.empty()) return false;
  if (value.front() == '{' || value.front() == '[') return true;
  if (value.front() != '"') return false;
  return payload == Payload::kBase64 || value.find('{') != std::string_view::npos;
}

bool fits(const Recogniser& form, const Members& members) {
  const auto has = [&](std::string_view key) { return members.has(key); };
  const auto named = [](std::string_view key) { return !key.empty(); };
  return std::all_of(form.all.begin(), form.all.end(),
                     [&](std::string_view key) { return key.empty() || members.has(key); }) &&
         (std::none_of(form.any.begin(), form.any.end(), named) ||
          std::any_of(form.any.begin(), form.any.end(), has));
}

Nanos time_of(const Recogniser& form, const Members& members) {
  for (const std::string_view key : form.times) {
    const std::string_view value = members[key];
    if (value.empty()) continue;
    const auto instant =
        value.starts_with('"') ? parse_instant(unescaped(value)) : parse_instant(value);
    if (instant) return instant->latest();
  }
  return kNoTime;
}

}  // namespace

std::optional<Inner> find_inner(std::string_view object) {
  const Members members(object);
  if (members.alert()) return std::nullopt;
  for (const Recogniser& form : kRecognisers) {
    if (!fits(form, members)) continue;
    for (const std::string_view key : form.payloads) {
      const std::string_view value = members[key];
      if (can_hold_json(value, form.payload))
        return Inner{form.name, form.payload, value, members[kAttributes], time_of(form, members)};
    }
  }
  return std::nullopt;
}

}  // namespace gyre::schemas::envelope
