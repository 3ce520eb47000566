// SPDX-License-Identifier: Apache-2.0
#include "stages/report/write.h"

#include <fmt/format.h>

#include <algorithm>

#include "stages/report/attack.h"
#include "stages/report/document.h"
#include "stages/report/parts.h"
#include "stages/report/sensor.h"

namespace gyre::stages {

namespace {

// What the results mean, in the playbook's words only where they fit the error (ruling 24: not
// every failure is a refusal).
std::string outcome_text(const Facts& facts, const Judgement& judgement, const Playbook& playbook) {
  const records::OutcomeCounts& outcome = judgement.outcome;
  // Where the rule is about more than the call, its success is not yet what the rule is about.
  const bool of_the_call =
      playbook.has_effect() && !judgement.effect_observed && outcome.succeeded() > 0;
  std::string text = fmt::format("Results{}: {} succeeded, {} failed, {} unknown.",
                                 of_the_call ? " of the call" : "", outcome.succeeded(),
                                 outcome.blocked(), outcome.unknown());
  const bool refusal = !facts.any_of("evt.res", {"EACCES", "EPERM", "EROFS"}).empty() ||
                       (!facts.has("evt.res") && outcome.blocked() > 0);
  if (outcome.blocked() > 0 && refusal)
    text +=
        " " + (playbook.blocked().empty() ? std::string("It was refused.") : playbook.blocked());
  for (const std::string_view result : facts.values("evt.res")) {
    const std::string_view meaning = meaning_of_result(result);
    if (result == "SUCCESS" || (refusal && result == "EACCES") || meaning.empty()) continue;
    text += fmt::format(" {}: {}.", shown(result, 32), meaning);
  }
  if (judgement.effect_observed && playbook.has_effect()) {
    text += " " + playbook.effect().text();
  } else if (outcome.succeeded() > 0) {
    text += " " + playbook.succeeded();
  } else if (outcome.unknown() > 0 &&
             facts.any_of("evt.res", {"EINPROGRESS", "EAGAIN", "EINTR"}).empty()) {
    text += " " + playbook.unknown();
  }
  return text;
}

struct Finding {
  const records::Series& series;
  const records::Episode& episode;
  const Judgement& judgement;
  const Playbook& playbook;
  const Revision& revision;
  const Facts facts;
  bool sensor;
  bool refused;
};

constexpr std::string_view kOverflowText =
    "More patterns than the limits findings.shapes and findings.per_entity allow: what found no "
    "finding of its own is counted here, exactly. Some of the patterns stand under "
    "evidence.fields.shape.";

constexpr std::string_view kLateRestText =
    "More late episodes than a finding keeps apart: late alerts further from each other than the "
    "gap between episodes are counted here, exactly.";

constexpr std::string_view kLossText =
    "What happened then may have raised no alert, and other reports about this host may be "
    "incomplete: they name these times under Blind spots of the sensor.";

std::string finding_title(const Finding& finding) {
  return title_of(fmt::format("{} — {}", shown(finding.series.rule(), 120),
                              entity_name(finding.series.entity(), &finding.facts)));
}

// To the second; the nanoseconds stand in the timeline.
std::string when_text(const records::Summary& summary, const records::Counts& counts) {
  std::string text = fmt::format("{} {}", counted(counts.alerts(), "alert"),
                                 span_text(second_of(summary.first()), second_of(summary.last())));
  if (counts.duplicates() > 0)
    text += fmt::format(" ({} removed)", counted(counts.duplicates(), "duplicate"));
  return text + ".";
}

std::string_view preposition(const records::Entity& entity) {
  if (entity.kind() == records::Entity::CONTAINER) return "in";
  return entity.kind() == records::Entity::HOST ? "on" : "about";
}

// Who did what to what, in the alerts' own words: the one line that tells this finding from others.
std::string seen_line(const Facts& facts) {
  const std::pair<std::string_view, std::vector<std::string_view>> parts[] = {
      {"by", {"ka.user.name", "ct.user", "gcp.user", "okta.actor.name", "github.user"}},
      {"from", {"ka.sourceips", "ct.srcip", "gcp.callerIP", "okta.client.ip"}},
      {"did", {"ka.verb", "ct.name", "gcp.methodName", "okta.evt.type", "github.action"}},
      {"process", {"proc.name"}},
      {"command line", {"proc.cmdline"}},
      {"parent", {"proc.pname"}},
      {"user", {"user.name", "user.uid"}},
      {"on",
       {"fd.name", "evt.arg.filename", "evt.arg.path", "evt.arg.newpath", "evt.arg.linkpath"}},
      {"on", {"ka.target.resource", "s3.bucket", "gcp.resourceName", "github.repo.name"}},
      {"named", {"ka.target.name", "ct.request.name", "okta.target.user.name"}}};
  std::string line;
  for (const auto& [label, fields] : parts) {
    const auto field = std::find_if(fields.begin(), fields.end(),
                                    [&](std::string_view name) { return facts.has(name); });
    if (field == fields.end()) continue;
    line += fmt::format("{}{} {}", line.empty() ? "" : " · ", label,
                        markdown_code(shown(facts.values(*field).front(), 160)));
    if (facts.values(*field).size() > 1)
      line += fmt::format(" and {} more", facts.values(*field).size() - 1);
  }
  return line;
}

// Of what is known, what proves it: that it looks so comes first and proves nothing.
std::string why_text(const Judgement& judgement) {
  if (judgement.because.empty()) return {};
  std::string text = "Why this verdict:";
  const bool known = is_known(judgement) && judgement.because.size() > 1;
  for (std::size_t i = known ? 1 : 0; i < (known ? judgement.because.size() : 1); ++i)
    text += " " + judgement.because[i].text;
  return text;
}

// What somebody who reads no further does now.
std::string to_do(const Finding& finding, const Content& content) {
  if (is_known(finding.judgement)) return "Nothing has to be done.";
  const auto check = std::find_if(content.advice.begin(), content.advice.end(),
                                  [](const auto& one) { return one.kind == AdviceKind::kVerify; });
  return check == content.advice.end() ? "" : fmt::format("First: {}.", check->title);
}

DocumentHead finding_text(const Finding& finding, const Content& content) {
  const records::Counts& counts = finding.episode.counts();
  const Judgement& judgement = finding.judgement;
  DocumentHead head;
  const std::string where = entity_markdown(finding.series.entity(), &finding.facts);
  head.title = fmt::format("{} — {}", markdown_text(shown(finding.series.rule(), 120)), where);
  const std::string when = when_text(finding.facts.summary(), counts);
  const std::string next =
      next_text(finding.episode.closed() ? finding.episode.closed_because() : std::string(),
                finding.revision.closes_after, "alerts");
  if (finding.sensor) {
    head.summary = fmt::format("The sensor reported on itself: {}. {}", where, markdown_text(when));
    const records::Summary& said = finding.facts.summary();
    if (said.has_loss()) {
      head.summary += fmt::format("\n\n**Severity {}**: {}.\n\n{}", to_string(judgement.severity),
                                  markdown_text(loss_text(said.loss())), markdown_text(kLossText));
      head.summary += " " + markdown_text(to_do(finding, content));
    }
    head.conclusion = markdown_text("This is about the sensor, not about a workload. " + next);
    return head;
  }
  const std::string verdict = fmt::format("{} ({} confidence)", verdict_words(judgement.verdict),
                                          to_string(judgement.confidence));
  head.summary =
      fmt::format("**Verdict: {}** · severity {} · risk {}/100 · {} ({}) · revision {} ({})\n\n",
                  markdown_text(verdict), to_string(judgement.severity), judgement.risk,
                  to_string(judgement.attention), markdown_text(judgement.attention_because),
                  finding.revision.number, markdown_text(finding.revision.reason));
  const std::string what = outcome_text(finding.facts, judgement, finding.playbook);
  if (finding.series.overflow()) head.summary += markdown_text(kOverflowText) + "\n\n";
  if (finding.episode.late_rest()) head.summary += markdown_text(kLateRestText) + "\n\n";
  head.summary +=
      fmt::format("Rule {} fired {} {}. {}\n\n", markdown_code(shown(finding.series.rule(), 256)),
                  preposition(finding.series.entity()), where, markdown_text(when));
  head.summary += fmt::format("The rule: {}\n\n", markdown_text(finding.playbook.meaning()));
  if (const std::string seen = seen_line(finding.facts); !seen.empty())
    head.summary += "Seen: " + seen + "\n\n";
  head.summary += markdown_text(what);
  head.summary += "\n\n" + markdown_text(why_text(judgement) + " " + to_do(finding, content));
  head.conclusion = markdown_text(fmt::format("Assessed as {}. {}", verdict, next));
  if (!judgement.would_change.empty()) head.conclusion += "\n\nWhat would change it:\n";
  for (const std::string& change : judgement.would_change)
    head.conclusion += "\n- " + markdown_text(change);
  return head;
}

void write_finding_labels(JsonWriter& json, const Finding& finding) {
  const records::Series& series = finding.series;
  const records::Summary& summary = finding.episode.summary();
  json.text("tenant", shown(series.entity().tenant(), 128));
  json.text("shape_key", to_hex(view(schemas::shape_key(series.rule(), series.shape()))));
  json.text("incident_id", finding.episode.incident_id());
  json.text("rule", shown(series.rule(), 256));
  if (!finding.sensor) {
    const auto priority =
        static_cast<schemas::Priority>(std::min<std::uint32_t>(summary.priority(), 7));
    json.text("priority", schemas::to_string(priority));
  }
  json.text("severity", to_string(finding.judgement.severity));
  write_entity(json, series.entity(), finding.facts);
  json.text("shape", shown(series.shape(), 512));
  json.text("first_seen", format_rfc3339(summary.first()))
      .text("last_seen", format_rfc3339(summary.last()));
  write_counts(json, finding.episode.counts());
}

// The finding holds what found no place of its own: a limit that bit is said.
void write_caps(JsonWriter& json, const Finding& finding) {
  const bool overflow = finding.series.overflow();
  const bool late_rest = finding.episode.late_rest();
  if (!overflow && !late_rest) return;
  const auto cap = [&](std::string_view what, std::string_view text) {
    json.begin_object().text("what", what).text("text", text).end_object();
  };
  json.key("caps").begin_array();
  if (overflow) cap("shapes", kOverflowText);
  if (late_rest) cap("late_episodes", kLateRestText);
  json.end_array();
}

std::string finding_json(const Finding& finding, const Producer& producer, const Limits& limits) {
  const records::Series& series = finding.series;
  const Judgement& judgement = finding.judgement;
  const std::string_view kind = finding.sensor ? "sensor_health" : "finding";
  const Id128 key = schemas::finding_key(series.entity(), series.rule(), series.shape());
  const std::string series_key = finding.sensor
                                     ? hash_of(kind, view(schemas::entity_hash(series.entity())))
                                     : hash_of(kind, view(key));
  const Content content =
      gather(series, finding.facts, judgement, finding.playbook, finding.refused, limits);
  JsonWriter json;
  json.begin_object();
  write_head(json,
             {kind, finding.episode.id(), finding.episode.previous_id(), series_key,
              to_string(judgement.attention), judgement.attention_because, finding.episode.closed(),
              finding.episode.closed_because(), finding_title(finding)},
             finding.revision);
  write_finding_labels(json, finding);
  if (!finding.sensor) {
    write_outcome(json, judgement.outcome);
    write_judgement(json, judgement);
  }
  write_caps(json, finding);
  write_worst_loss(json, finding.facts.summary());
  write_blind_spots(json, finding.revision.blind_spots);
  write_details(json, content, series.entity().kind() == records::Entity::CONTAINER);
  write_content(json, content);
  write_evidence(json, finding.facts.summary(), finding.playbook, limits);
  write_timeline(json, content.timeline);
  write_producer(json, producer, finding.episode.shape_version());
  write_advice(json, content.advice);
  write_missing(json, content);
  DocumentHead head = finding_text(finding, content);
  head.blind_spots = blind_spots_markdown(finding.revision.blind_spots);
  json.text("markdown",
            document(head, content, judgement, series.entity().kind() == records::Entity::CONTAINER,
                     finding.sensor));
  json.end_object();
  return json.take();
}

}  // namespace

schemas::Report write_finding(const records::Series& series, const records::Episode& episode,
                              const records::EntityState& entity, const Judgement& judgement,
                              const Playbooks& playbooks, const Revision& revision,
                              const Producer& producer) {
  const Playbook& playbook = playbooks.of(series, episode.summary());
  const Finding finding{
      series,
      episode,
      judgement,
      playbook,
      revision,
      Facts(episode.summary(), entity),
      is_about_sensor(series),
      all_refused(judgement.outcome, judgement.effect_observed, playbook.has_effect())};
  schemas::Report report;
  report.id = episode.id();
  report.time = revision.decided;
  report.revision = revision.number;
  report.kind = finding.sensor ? "sensor_health" : "finding";
  for (const Limits& limits : kLimits) {
    report.json = finding_json(finding, producer, limits);
    if (report.json.size() <= kReportBytes) break;
  }
  return report;
}

}  // namespace gyre::stages
