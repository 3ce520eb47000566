// SPDX-License-Identifier: Apache-2.0
#include "pipeline/explanation.h"

#include <fmt/format.h>

#include <utility>

#include "base/time.h"
#include "schemas/printable.h"
#include "schemas/report.h"
#include "schemas/shape.h"

namespace gyre::pipeline {
namespace {

constexpr std::size_t kShownBytes = 512;  // of one value; it may be 64 KiB

std::string shown(std::string_view text) {
  if (text.size() <= kShownBytes) return std::string(text);
  std::size_t size = kShownBytes;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return fmt::format("{}... ({} bytes)", text.substr(0, size), text.size());
}

std::string_view outcome(const Explanation& e) {
  if (e.judgement.outcome.succeeded() > 0) return "succeeded";
  return e.judgement.outcome.blocked() > 0 ? "blocked" : "unknown";
}

// The clauses of ruling 24, in words.
std::string outcome_because(const Explanation& e) {
  static constexpr std::string_view kClauses[] = {
      "the system call's result",         "whether the system call failed",
      "the system call's return value",   "a flag that only a file that was opened has",
      "the descriptor that was returned", "the server's answer"};
  const schemas::OutcomeBasis& basis = e.is.outcome;
  const bool told_by_rule =
      e.judgement.outcome.succeeded() > 0 && basis.outcome == schemas::Outcome::kUnknown;
  if (told_by_rule) return "no field says so, but this rule fires only on what succeeded";
  if (basis.field.empty()) return "no field says so";
  return fmt::format("{}, {}={}", kClauses[basis.clause - 1], basis.field,
                     shown(e.alert.field(basis.field)));
}

std::string playbook_because(const Explanation& e) {
  if (!e.why_playbook.empty()) return "none names this rule; chosen by " + e.why_playbook;
  return "it names the rule " + schemas::printable(e.alert.rule);
}

std::vector<std::string_view> flags(const schemas::Alert& alert) {
  static constexpr std::pair<std::uint32_t, std::string_view> kFlags[] = {
      {schemas::kRepaired, "repaired"},
      {schemas::kPriorityUnknown, "priority_unknown"},
      {schemas::kClockSkew, "clock_skew"},
      {schemas::kTruncated, "truncated"}};
  std::vector<std::string_view> set;
  for (const auto& [flag, name] : kFlags)
    if ((alert.flags & flag) != 0) set.push_back(name);
  return set;
}

std::string hex(const Id128& id) { return to_hex(view(id)); }

// What is no JSON has no envelope; what is torn out of one has its name.
std::string envelope_of_dead(const schemas::Reading& reading) {
  const bool garbage = reading.rejection->error == schemas::ParseError::kNotJson;
  return garbage && reading.envelope == "bare" ? "" : reading.envelope;
}

class Text {
 public:
  std::string alert(std::size_t line, const Explanation& e) {
    head(line, e.reading.envelope,
         fmt::format("{} ({})", e.alert.rule, schemas::to_string(e.alert.priority)));
    row("time", format_rfc3339(e.is.time));
    for (const std::string_view flag : flags(e.alert)) row("flag", flag);
    entity(e);
    row("duplicate id", hex(e.is.duplicate_id));
    for (const auto& part : e.parts) more(fmt::format("{}={}", part.name, shown(part.value)));
    row("shape", e.is.shape);
    for (const TakenOut& each : e.taken_out)
      more(fmt::format("{}: {} -> {}", each.field, shown(each.from), shown(each.to)));
    row("finding key", hex(e.is.finding_key));
    if (e.sensor)
      row("verdict", "none: the sensor speaks of itself");
    else
      judgement(e);
    return std::move(text_);
  }

  std::string rejection(std::size_t line, const schemas::Reading& reading) {
    head(line, envelope_of_dead(reading), "dead letter");
    row("error", schemas::to_string(reading.rejection->error));
    row("detail", reading.rejection->detail);
    return std::move(text_);
  }

 private:
  void head(std::size_t line, const std::string& envelope, const std::string& what) {
    text_ = fmt::format("line {}: {}\n", line, schemas::printable(what));
    if (!envelope.empty()) row("envelope", envelope);
  }
  void row(std::string_view name, std::string_view value) {
    text_ += fmt::format("  {:<13} {}\n", name, schemas::visible(value));
  }
  void more(std::string_view value) { row("", value); }

  void entity(const Explanation& e) {
    row("entity", schemas::entity_key(e.is.entity));
    const schemas::EntityBasis& basis = e.is.basis;
    const auto because = [&](std::string_view part, std::string_view by) {
      if (!by.empty()) more(fmt::format("{} by {}", part, by));
    };
    because("kind", basis.kind);
    because("tenant", basis.tenant);
    because("cluster", basis.cluster);
    because("hostname", basis.hostname);
    for (const std::string_view name : basis.id) because("id", name);
    if (e.is.entity.key_incomplete()) more("incomplete: the alert names no hostname");
  }

  void judgement(const Explanation& e) {
    const stages::Judgement& is = e.judgement;
    row("outcome", fmt::format("{}: {}", outcome(e), outcome_because(e)));
    row("playbook", fmt::format("{}: {}", e.playbook.id(), playbook_because(e)));
    row("verdict", fmt::format("{}, confidence {}", stages::to_string(is.verdict),
                               stages::to_string(is.confidence)));
    for (const stages::Because& because : is.because) more(said(because, ""));
    row("severity", stages::to_string(is.severity));
    row("risk", std::to_string(is.risk));
    for (const stages::RiskTerm& term : is.terms)
      more(fmt::format("{:+} {}", term.points, said(term.because, ":")));
    row("attention", fmt::format("{}: {}", stages::to_string(is.attention), is.attention_because));
    for (const std::string& field : is.missing) row("missing", field);
  }
  // A field without its value says nothing.
  static std::string said(const stages::Because& because, std::string_view mark) {
    if (because.value.empty()) return because.text;
    return fmt::format("{}{} {}={}", because.text, mark, because.field, shown(because.value));
  }

  std::string text_;
};

class Json {
 public:
  std::string alert(std::size_t line, const Explanation& e) {
    head(line, e.reading.envelope);
    json_.text("rule", schemas::printable(e.alert.rule))
        .text("priority", schemas::to_string(e.alert.priority))
        .text("time", format_rfc3339(e.is.time));
    texts("flags", flags(e.alert));
    entity(e);
    json_.text("duplicate_id", hex(e.is.duplicate_id)).key("duplicate_id_parts").begin_array();
    for (const auto& part : e.parts)
      json_.begin_object().text("name", part.name).text("value", shown(part.value)).end_object();
    json_.end_array().text("shape", e.is.shape);
    json_.key("shape_version").number(schemas::kShapeVersion).key("taken_out").begin_array();
    for (const TakenOut& each : e.taken_out)
      json_.begin_object()
          .text("field", each.field)
          .text("from", shown(each.from))
          .text("to", shown(each.to))
          .end_object();
    json_.end_array()
        .text("finding_key", hex(e.is.finding_key))
        .text("shape_key", hex(schemas::shape_key(e.is.rule, e.is.shape)));
    if (!e.sensor) judgement(e);
    return json_.end_object().take();
  }

  std::string rejection(std::size_t line, const schemas::Reading& reading) {
    head(line, envelope_of_dead(reading));
    json_.text("error", schemas::to_string(reading.rejection->error))
        .text("detail", reading.rejection->detail);
    return json_.end_object().take();
  }

 private:
  void head(std::size_t line, const std::string& envelope) {
    json_.begin_object().key("line").number(static_cast<std::int64_t>(line));
    json_.text("envelope", envelope);
  }
  template <typename Texts>
  void texts(std::string_view name, const Texts& values) {
    json_.key(name).begin_array();
    for (const auto& value : values) json_.value(std::string_view(value));
    json_.end_array();
  }

  void entity(const Explanation& e) {
    static constexpr std::string_view kKinds[] = {"container", "host", "k8s_object", "cloud"};
    const records::Entity& entity = e.is.entity;
    const schemas::EntityBasis& basis = e.is.basis;
    json_.key("entity")
        .begin_object()
        .text("kind", kKinds[entity.kind()])
        .text("key", schemas::entity_key(entity))
        .text("tenant", entity.tenant())
        .text("cluster", entity.cluster())
        .text("hostname", entity.hostname())
        .text("id", entity.id());
    if (entity.container_unknown()) json_.key("container_unknown").value(true);
    if (entity.key_incomplete()) json_.key("key_incomplete").value(true);
    json_.key("because")
        .begin_object()
        .text("kind", basis.kind)
        .text("tenant", basis.tenant)
        .text("cluster", basis.cluster)
        .text("hostname", basis.hostname);
    std::vector<std::string_view> id;
    for (const std::string_view name : basis.id)
      if (!name.empty()) id.push_back(name);
    texts("id", id);
    json_.end_object().end_object();
  }

  void judgement(const Explanation& e) {
    const stages::Judgement& is = e.judgement;
    json_.key("outcome")
        .begin_object()
        .text("value", outcome(e))
        .text("because", outcome_because(e))
        .text("field", e.is.outcome.field)
        .end_object();
    json_.key("playbook")
        .begin_object()
        .text("id", e.playbook.id())
        .text("because", playbook_because(e))
        .end_object();
    json_.key("verdict")
        .begin_object()
        .text("class", stages::to_string(is.verdict))
        .text("confidence", stages::to_string(is.confidence))
        .key("because")
        .begin_array();
    for (const stages::Because& because : is.because) reason(because);
    json_.end_array();
    texts("would_change", is.would_change);
    json_.end_object().text("severity", stages::to_string(is.severity));
    json_.key("risk").begin_object().key("score").number(is.risk).key("terms").begin_array();
    for (const stages::RiskTerm& term : is.terms) {
      json_.begin_object().key("points").number(term.points);
      because_of(term.because);
    }
    json_.end_array().end_object();
    json_.key("attention")
        .begin_object()
        .text("level", stages::to_string(is.attention))
        .text("because", is.attention_because)
        .end_object();
    texts("missing", is.missing);
  }
  void reason(const stages::Because& because) {
    json_.begin_object();
    because_of(because);
  }
  void because_of(const stages::Because& because) {
    json_.text("text", because.text)
        .text("field", because.field)
        .text("value", shown(because.value))
        .end_object();
  }

  schemas::JsonWriter json_;
};

}  // namespace

std::string explain_as_text(std::size_t line, const Explanation& explanation) {
  return Text().alert(line, explanation);
}
std::string reject_as_text(std::size_t line, const schemas::Reading& reading) {
  return Text().rejection(line, reading);
}
std::string explain_as_json(std::size_t line, const Explanation& explanation) {
  return Json().alert(line, explanation);
}
std::string reject_as_json(std::size_t line, const schemas::Reading& reading) {
  return Json().rejection(line, reading);
}

}  // namespace gyre::pipeline
