// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "schemas/identity.h"
#include "schemas/report.h"
#include "stages/report/content.h"
#include "stages/report/markdown.h"
#include "stages/report/write.h"

// The members of a report's JSON, each written the same way wherever it stands.
namespace gyre::stages {

using schemas::JsonWriter;

inline std::string hash_of(std::string_view kind, std::string_view key) {
  return to_hex(view(IdHasher().add(kind).add(key).finish()));
}

/// The next part of an object's key, as it was before it became one.
inline std::string next_part(std::string_view& rest) {
  const std::size_t slash = rest.find('/');
  std::string part(rest.substr(0, slash));
  rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
  for (const auto& [code, byte] : {std::pair("%2F", "/"), std::pair("%25", "%")}) {
    for (std::size_t at = part.find(code); at != std::string::npos; at = part.find(code, at + 1))
      part.replace(at, 3, byte);
  }
  return part;
}

/// NAMESPACE/RESOURCE/NAME of Kubernetes, SOURCE/ACCOUNT/OBJECT of a cloud (docs/identity.md).
template <typename Quote>
std::string object_text(const records::Entity& entity, const Quote& quote) {
  std::string_view rest = entity.id();
  const auto said = [&](std::string_view text) { return quote(shown(text, 128)); };
  const std::string first = next_part(rest);
  const std::string unnamed =
      fmt::format("an object that the alerts do not name ({})", said(first));
  if (entity.kind() == records::Entity::K8S_OBJECT) {
    if (rest.empty()) return unnamed;
    return said(rest) + (first.empty() ? "" : " in namespace " + said(first));
  }
  const std::string account = next_part(rest);
  constexpr std::string_view kHub = "https://github.com/";
  if (rest.starts_with(kHub)) rest.remove_prefix(kHub.size());
  if (rest.empty()) return account.empty() ? unnamed : said(first) + " on " + said(account);
  if (account.empty() || rest.find(account) != std::string_view::npos)
    return fmt::format("{} ({})", said(rest), said(first));
  return fmt::format("{} in {} ({})", said(rest), said(account), said(first));
}

/// For people: `container web (0a1b2c3d4e5f) on node-7`. `quote` is put on each name of the alert.
template <typename Quote>
std::string entity_text(const records::Entity& entity, const Facts* facts, const Quote& quote) {
  const std::string hostname = quote(shown(entity.hostname(), 128));
  if (entity.container_unknown())
    return hostname + ", in a container or not: the alerts do not say";
  if (entity.kind() == records::Entity::HOST) return "host " + hostname;
  if (entity.kind() != records::Entity::CONTAINER) return object_text(entity, quote);
  const std::string id = quote(shown(entity.id(), 128));
  const std::string_view name =
      facts == nullptr ? std::string_view{} : facts->single("container.name");
  if (name.empty()) return fmt::format("container {} on {}", id, hostname);
  return fmt::format("container {} ({}) on {}", quote(shown(name, 128)), id, hostname);
}

inline std::string entity_name(const records::Entity& entity, const Facts* facts) {
  return entity_text(entity, facts, [](std::string text) { return text; });
}

/// The names as code: nothing in them is read, not even as a link.
inline std::string entity_markdown(const records::Entity& entity, const Facts* facts) {
  return entity_text(entity, facts, [](std::string_view text) { return markdown_code(text); });
}

/// What the entity's name leaves out of where it happened, as a paragraph; or nothing.
inline std::string where_markdown(const records::Entity& entity, const Facts& facts) {
  std::string image(facts.single("container.image.repository"));
  if (const auto tag = facts.single("container.image.tag"); !image.empty() && !tag.empty())
    image += ":" + std::string(tag);
  const auto unless_default = [](const std::string& name) { return name == "default" ? "" : name; };
  const std::pair<std::string_view, std::string> parts[] = {
      {"namespace", std::string(facts.single("k8s.ns.name"))},
      {"pod", std::string(facts.single("k8s.pod.name"))},
      {"image", image},
      {"cluster", unless_default(entity.cluster())},
      {"tenant", unless_default(entity.tenant())}};
  std::string line;
  for (const auto& [name, value] : parts)
    if (!value.empty())
      line += fmt::format("{} {} {}", line.empty() ? "Where:" : " ·", name,
                          markdown_code(shown(value, 200)));
  return line.empty() ? line : line + "\n\n";
}

/// One line for lists and tickets. No spreadsheet reads it as a formula.
inline std::string title_of(std::string text) {
  text = shown(text, 240);
  const bool formula =
      !text.empty() && std::string_view("=+-@").find(text[0]) != std::string_view::npos;
  return formula ? "'" + text : text;
}

inline std::string counted(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

/// `at T`, or `from T to T`: to the second.
inline std::string span_text(Second first, Second last) {
  if (first == last) return "at " + format_rfc3339_second(first);
  return fmt::format("from {} to {}", format_rfc3339_second(first), format_rfc3339_second(last));
}

struct Head {
  std::string_view kind;
  std::string id;
  std::string previous_id;
  std::string series;
  std::string_view attention;
  std::string attention_because;
  std::string title;
};

inline void write_head(JsonWriter& json, const Head& head, const Revision& revision) {
  json.text("schema_version", "1.0").text("kind", head.kind).text("id", head.id);
  json.key("revision").number(revision.number);
  json.text("previous_id", head.previous_id).text("series", head.series);
  json.text("time", format_rfc3339_second(revision.decided));
  json.key("attention").begin_object().text("level", head.attention);
  json.text("because", head.attention_because).end_object();
  const bool closed = !revision.closed_because.empty();
  json.text("state", closed ? "closed" : "open");
  if (!closed) json.text("closes_after", format_rfc3339_second(revision.closes_after));
  json.text("reason", revision.reason);
  if (closed) json.text("closed_because", revision.closed_because);
  json.text("title", head.title);
}

/// What alerts of one container say differently: none of it stands as the one value.
inline void write_disagreeing(JsonWriter& json, const Facts& facts) {
  bool begun = false;
  for (const std::string_view field :
       {"container.image.digest", "container.image.repository", "container.image.tag",
        "container.name", "k8s.ns.name", "k8s.pod.name"}) {
    const auto values = facts.values(field);
    if (values.size() < 2) continue;
    if (!begun) json.key("disagreeing").begin_array();
    begun = true;
    json.begin_object().text("field", field).key("values").begin_array();
    for (const std::string_view value : values) json.value(shown(value, 128));
    json.end_array();
    if (facts.capped(field)) json.key("capped").value(true);
    json.end_object();
  }
  if (begun) json.end_array();
}

inline void write_entity(JsonWriter& json, const records::Entity& entity, const Facts& facts) {
  constexpr std::array<std::string_view, 4> kKinds = {"container", "host", "k8s_object", "cloud"};
  const bool container = entity.kind() == records::Entity::CONTAINER && !entity.container_unknown();
  json.key("entity").begin_object();
  json.text("kind", kKinds.at(static_cast<std::size_t>(entity.kind())));
  json.text("key", shown(schemas::entity_key(entity), 512))
      .text("tenant", shown(entity.tenant(), 128));
  json.text("cluster", shown(entity.cluster(), 128))
      .text("hostname", shown(entity.hostname(), 256));
  if (container) json.text("container_id", shown(entity.id(), 128));
  const bool object =
      entity.kind() == records::Entity::K8S_OBJECT || entity.kind() == records::Entity::CLOUD;
  if (object) json.text("object", shown(entity.id(), 256));
  const std::pair<const char*, const char*> fields[] = {
      {"container_name", "container.name"}, {"image", "container.image.repository"},
      {"image_tag", "container.image.tag"}, {"image_digest", "container.image.digest"},
      {"namespace", "k8s.ns.name"},         {"pod", "k8s.pod.name"}};
  for (const auto& [name, field] : fields) json.text(name, shown(facts.single(field), 256));
  write_disagreeing(json, facts);
  if (entity.container_unknown()) json.key("container_unknown").value(true);
  if (entity.key_incomplete()) json.key("key_incomplete").value(true);
  json.end_object();
}

inline void write_number(JsonWriter& json, std::string_view name, std::uint64_t value) {
  json.key(name).number(static_cast<std::int64_t>(value));
}

inline void write_counts(JsonWriter& json, const records::Counts& counts) {
  json.key("counts").begin_object();
  write_number(json, "alerts", counts.alerts());
  write_number(json, "duplicates", counts.duplicates());
  write_number(json, "late", counts.late());
  json.end_object();
}

inline void write_outcome(JsonWriter& json, const records::OutcomeCounts& outcome) {
  json.key("outcome").begin_object();
  write_number(json, "succeeded", outcome.succeeded());
  write_number(json, "blocked", outcome.blocked());
  write_number(json, "unknown", outcome.unknown());
  json.end_object();
}

inline void write_because(JsonWriter& json, const Because& because) {
  json.text("text", because.text).text("field", because.field);
  json.text("value", shown(because.value, 256));
}

inline void write_texts(JsonWriter& json, std::string_view name,
                        const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  json.key(name).begin_array();
  for (const std::string& text : texts) json.value(std::string_view(text));
  json.end_array();
}

inline void write_attack(JsonWriter& json, const std::vector<Technique>& attack) {
  json.key("attack").begin_array();
  for (const Technique& entry : attack) {
    json.begin_object().text("tactic", entry.tactic).text("technique", entry.technique);
    json.text("name", entry.name).text("source", entry.source).end_object();
  }
  json.end_array();
}

inline void write_judgement(JsonWriter& json, const Judgement& judgement) {
  json.key("verdict").begin_object().text("class", to_string(judgement.verdict));
  json.text("confidence", to_string(judgement.confidence)).key("because").begin_array();
  for (const Because& because : judgement.because) {
    json.begin_object();
    write_because(json, because);
    json.end_object();
  }
  json.end_array();
  write_texts(json, "would_change", judgement.would_change);
  if (!judgement.explanations.empty()) {
    json.key("explanations").begin_array();
    for (const Explanation& explanation : judgement.explanations)
      json.begin_object()
          .text("cause", explanation.cause)
          .text("proof", explanation.proof)
          .end_object();
    json.end_array();
  }
  json.end_object();
  json.key("risk").begin_object().key("score").number(judgement.risk).key("terms").begin_array();
  for (const RiskTerm& term : judgement.terms) {
    json.begin_object().key("points").number(term.points);
    write_because(json, term.because);
    json.end_object();
  }
  json.end_array().end_object();
  write_attack(json, judgement.attack);
}

inline void write_details(JsonWriter& json, const Content& content, bool container) {
  const std::pair<std::string_view, const std::vector<Detail>*> groups[] = {
      {"event", &content.event},
      {"process", &content.process},
      {"user", &content.user},
      {container ? "container" : "object", &content.object},
      {"rule", &content.rule}};
  json.key("details").begin_object();
  for (const auto& [name, details] : groups) {
    if (details->empty()) continue;
    json.key(name).begin_array();
    for (const Detail& detail : *details) {
      json.begin_object().text("field", detail.field).text("value", value_text(detail));
      json.text("meaning", detail.meaning).text("look_for", detail.look_for).end_object();
    }
    json.end_array();
  }
  json.end_object();
}

inline void write_evidence(JsonWriter& json, const records::Summary& summary,
                           const Playbook& playbook, const Limits& limits) {
  std::vector<std::string> capped;
  json.key("evidence").begin_object().key("fields").begin_object();
  std::size_t written = 0;
  for (const records::Values& field : summary.fields()) {
    const std::string name = shown(field.field(), 128);
    const auto count = static_cast<std::size_t>(field.values_size());
    const bool shortened =
        std::any_of(field.values().begin(), field.values().end(), [&](const std::string& value) {
          return value.size() > limits.value_bytes || value.find("…") != std::string::npos;
        });
    if (written++ >= limits.fields || field.capped() || count > limits.values || shortened)
      capped.push_back(name);
    if (written > limits.fields) continue;
    json.key(name).begin_array();
    for (std::size_t i = 0; i < std::min(count, limits.values); ++i) {
      json.value(shown(field.values(static_cast<int>(i)), limits.value_bytes));
    }
    json.end_array();
  }
  json.end_object().key("samples").begin_array();
  std::size_t samples = 0;
  for (const records::Sample& sample : summary.samples()) {
    if (samples++ == limits.samples) break;
    json.begin_object()
        .text("time", format_rfc3339(sample.time()))
        .text("uuid", shown(sample.uuid(), 64));
    json.text("output", shown(sample.output(), limits.output_bytes));
    json.text("outcome", outcome_word(sample.outcome(), playbook)).end_object();
  }
  json.end_array();
  write_texts(json, "capped", capped);
  json.end_object();
}

inline void write_content(JsonWriter& json, const Content& content) {
  if (!content.impact.empty()) {
    json.key("impact").begin_array();
    for (const Because& impact : content.impact) {
      json.begin_object();
      write_because(json, impact);
      json.end_object();
    }
    json.end_array();
  }
  json.key("observables").begin_object();
  for (const Observable& group : content.observables) write_texts(json, group.name, group.values);
  write_number(json, "left_out", content.observables_left_out);
  json.end_object();
}

inline void write_timeline(JsonWriter& json, const std::vector<TimelineEntry>& timeline) {
  json.key("timeline").begin_array();
  for (const TimelineEntry& entry : timeline) {
    json.begin_object()
        .text("time", format_rfc3339(entry.time))
        .text("text", entry.text)
        .end_object();
  }
  json.end_array();
}

inline void write_producer(JsonWriter& json, const Producer& producer,
                           std::uint32_t shape_version) {
  json.key("produced_by").begin_object().text("version", producer.version);
  json.text("config_hash", producer.config_hash);
  if (shape_version > 0) write_number(json, "shape_version", shape_version);
  json.end_object();
}

inline void write_missing(JsonWriter& json, const Content& content) {
  if (content.missing.empty()) return;
  json.key("missing").begin_array();
  for (const Missing& missing : content.missing) {
    json.begin_object().text("field", missing.field).text("why", missing.why);
    json.text("how", missing.how).end_object();
  }
  json.end_array();
}

inline void write_one_advice(JsonWriter& json, const Advice& advice) {
  json.begin_object().text("title", advice.title).text("text", advice.text);
  write_texts(json, "preconditions", advice.preconditions);
  write_texts(json, "record", advice.record);
  write_texts(json, "commands", advice.commands);
  json.text("snippet", advice.snippet).text("language", advice.language);
  json.text("if_benign", advice.if_benign).text("if_suspicious", advice.if_suspicious);
  json.text("if_gone", advice.if_gone);
  if (advice.disruptive) json.key("disruptive").value(true);
  json.text("blast_radius", advice.blast_radius).text("undo", advice.undo);
  write_texts(json, "undo_commands", advice.undo_commands);
  json.text("source", advice.source).end_object();
}

inline void write_advice(JsonWriter& json, const std::vector<Advice>& advice) {
  const std::pair<std::string_view, AdviceKind> kinds[] = {{"verify", AdviceKind::kVerify},
                                                           {"contain", AdviceKind::kContain},
                                                           {"harden", AdviceKind::kHarden},
                                                           {"tune", AdviceKind::kTune}};
  json.key("advice").begin_object();
  for (const auto& [name, kind] : kinds) {
    json.key(name).begin_array();
    for (const Advice& next : advice) {
      if (next.kind != kind) continue;
      write_one_advice(json, next);
    }
    json.end_array();
  }
  json.end_object();
}

}  // namespace gyre::stages
