// SPDX-License-Identifier: Apache-2.0
#include "stages/report/write.h"

#include <fmt/format.h>

#include <algorithm>

#include "stages/report/attack.h"
#include "stages/report/caps.h"
#include "stages/report/document.h"
#include "stages/report/parts.h"
#include "stages/report/seen.h"
#include "stages/report/sensor.h"

namespace gyre::stages {

namespace {

// What the results mean, in the playbook's words only where they fit the error (ruling 24: not
// every failure is a refusal).
std::string outcome_text(const Facts& facts, const Judgement& judgement, const Playbook& playbook) {
  if (was_dry_run(facts))
    return "Dry run (dryRun in ka.uri): the API server checked the request and changed nothing, "
           "whatever it answered.";
  const records::OutcomeCounts& outcome = judgement.outcome;
  // Where the rule is about more than the call, its success is not yet what the rule is about.
  const bool of_the_call =
      playbook.has_effect() && !judgement.effect_observed && outcome.succeeded() > 0;
  std::string counts;
  for (const auto& [count, word] :
       {std::pair(outcome.succeeded(), "succeeded"), std::pair(outcome.blocked(), "failed"),
        std::pair(outcome.unknown(), "unknown")})
    if (count > 0) counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", count, word);
  std::string text = fmt::format("Results{}: {}.", of_the_call ? " of the call" : "", counts);
  const bool refusal = !facts.any_of("evt.res", {"EACCES", "EPERM", "EROFS"}).empty() ||
                       (!facts.has("evt.res") && outcome.blocked() > 0);
  // What a refusal means holds for all of them, or is told of its share only.
  const bool some = outcome.blocked() > 0 && refusal && !of_the_call &&
                    (outcome.succeeded() > 0 || judgement.effect_observed);
  if (some) {
    const std::uint64_t all = outcome.succeeded() + outcome.blocked() + outcome.unknown();
    const auto errors = facts.values("evt.res");
    const bool only = std::all_of(errors.begin(), errors.end(), [](std::string_view error) {
      return error == "SUCCESS" || error == "EACCES" || error == "EPERM" || error == "EROFS";
    });
    text += fmt::format(" {} of {} {}.", outcome.blocked(), all,
                        !only                    ? "failed"
                        : outcome.blocked() == 1 ? "was refused"
                                                 : "were refused");
  } else if (outcome.blocked() > 0 && refusal) {
    text +=
        " " + (playbook.blocked().empty() ? std::string("It was refused.") : playbook.blocked());
  }
  for (const std::string_view result : facts.values("evt.res")) {
    const std::string_view meaning = meaning_of_result(result);
    if (result == "SUCCESS" || (refusal && result == "EACCES") || meaning.empty()) continue;
    text += fmt::format(" {}: {}.", shown(result, 32), meaning);
  }
  if (some && outcome.succeeded() > 0)
    text += outcome.succeeded() == 1 ? std::string(" The one that succeeded:")
                                     : fmt::format(" The {} that succeeded:", outcome.succeeded());
  else if (some)
    text += " The rest:";
  if (judgement.effect_observed && playbook.has_effect()) {
    text += " " + playbook.effect().text();
  } else if (outcome.succeeded() > 0) {
    text += " " + playbook.succeeded();
  } else if (outcome.unknown() > 0 &&
             facts.any_of("evt.res", {"EINPROGRESS", "EAGAIN", "EINTR"}).empty()) {
    text += " " + playbook.unknown();
  }
  constexpr std::string_view kWho[] = {"user.name", "user.uid",        "ka.user.name", "ct.user",
                                       "gcp.user",  "okta.actor.name", "github.user"};
  if (some && std::any_of(std::begin(kWho), std::end(kWho),
                          [&](std::string_view field) { return facts.values(field).size() > 1; }))
    text += " Several users are in these alerts: the single ones below say who did which.";
  return text;
}

struct JudgedFinding : Finding {
  const Judgement& judgement;
  const Playbook& playbook;
  const Revision& revision;
  const Facts facts;
  bool sensor;
  bool refused;
};

constexpr std::string_view kLossText =
    "What happened then may have raised no alert, and other reports about this host may be "
    "incomplete: they name these times under Blind spots of the sensor.";

std::string finding_title(const JudgedFinding& finding) {
  return title_of(fmt::format("{} — {}", shown(finding.series.rule(), 120),
                              entity_name(finding.series.entity(), &finding.facts)));
}

// To the second; the nanoseconds stand in the timeline.
std::string when_text(const records::Summary& summary, const records::Counts& counts) {
  std::string text = fmt::format("{} {}", counted(counts.alerts(), "alert"),
                                 span_text(second_of(summary.first()), second_of(summary.last())));
  if (counts.duplicates() > 0)
    text += fmt::format(" ({} removed)", counted(counts.duplicates(), "duplicate"));
  text += ".";
  if (counts.late() > 0) text += fmt::format(" {} of them came late.", counts.late());
  if ((summary.flags() & schemas::kMayRepeat) != 0)
    text += " What came later than copies are known for may repeat alerts already counted.";
  return text;
}

std::string_view preposition(const records::Entity& entity) {
  if (entity.kind() == records::Entity::CONTAINER) return "in";
  return entity.kind() == records::Entity::HOST ? "on" : "about";
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

// Of the risk, what is neither the rule's own nor next to nothing.
std::string signs_text(const Judgement& judgement) {
  std::string text;
  for (const RiskTerm& term : judgement.terms) {
    const std::string& field = term.because.field;
    if (term.points < 10 || field == "priority" || field == "outcome" || field == "rule") continue;
    text += (text.empty() ? " What raises the risk: " : "; ") + term.because.text;
  }
  return text.empty() ? text : text + ".";
}

// What somebody who reads no further does now.
std::string to_do(const JudgedFinding& finding, const Content& content) {
  if (needs_nobody(finding.judgement)) return "Nothing has to be done.";
  const auto check = std::find_if(content.advice.begin(), content.advice.end(),
                                  [](const auto& one) { return one.kind == AdviceKind::kVerify; });
  return check == content.advice.end() ? "" : fmt::format("First: {}.", check->title);
}

// The incident that holds it or takes it up; empty: none.
std::string_view incident_of(const JudgedFinding& judged) {
  const std::string& id = judged.episode.incident_id();
  return id.empty() ? judged.judgement.joins : id;
}

// By which others name it, and what it is part of.
std::string names_markdown(const JudgedFinding& judged) {
  std::string text = " · report " + markdown_code(judged.episode.id());
  if (const auto incident = incident_of(judged); !incident.empty())
    text += fmt::format("\n\nPart of incident {}.", markdown_code(incident));
  return text;
}

DocumentHead finding_text(const JudgedFinding& finding, const Content& content) {
  const records::Counts& counts = finding.episode.counts();
  const Judgement& judgement = finding.judgement;
  DocumentHead head;
  const std::string where = entity_markdown(finding.series.entity(), &finding.facts);
  head.title = fmt::format("{} — {}", markdown_text(shown(finding.series.rule(), 120)), where);
  const std::string when = when_text(finding.facts.summary(), counts);
  const std::string next = next_text(finding.revision, "alerts");
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
  head.summary.insert(head.summary.size() - 2, names_markdown(finding));
  const std::string what = outcome_text(finding.facts, judgement, finding.playbook);
  if (finding.series.overflow()) head.summary += markdown_text(cap_text(Cap::kShapes)) + "\n\n";
  if (finding.episode.late_rest())
    head.summary += markdown_text(cap_text(Cap::kLateEpisodes)) + "\n\n";
  head.summary +=
      fmt::format("Rule {} fired {} {}. {}\n\n", markdown_code(shown(finding.series.rule(), 256)),
                  preposition(finding.series.entity()), where, markdown_text(when));
  head.summary += where_markdown(finding.series.entity(), finding.facts);
  if (const std::string seen = seen_line(finding.facts); !seen.empty())
    head.summary += "Seen: " + seen + "\n\n";
  head.summary += fmt::format("{}\n\nThe rule: {}\n\n", markdown_text(what),
                              markdown_text(finding.playbook.meaning()));
  head.summary += markdown_text(
      fmt::format("{}{} {}", why_text(judgement), signs_text(judgement), to_do(finding, content)));
  head.conclusion = markdown_text(fmt::format("Assessed as {}. {}", verdict, next));
  if (!judgement.would_change.empty()) head.conclusion += "\n\nWhat would change it:\n";
  for (const std::string& change : judgement.would_change)
    head.conclusion += "\n- " + markdown_text(change);
  return head;
}

std::string_view priority_of(const records::Summary& summary) {
  return schemas::to_string(
      static_cast<schemas::Priority>(std::min<std::uint32_t>(summary.priority(), 7)));
}

void write_finding_labels(JsonWriter& json, const JudgedFinding& finding) {
  const records::Series& series = finding.series;
  const records::Summary& summary = finding.episode.summary();
  json.text("tenant", shown(series.entity().tenant(), 128));
  json.text("shape_key", to_hex(view(schemas::shape_key(series.rule(), series.shape()))));
  json.text("incident_id", incident_of(finding));
  json.text("rule", shown(series.rule(), 256));
  if (!finding.sensor) json.text("priority", priority_of(summary));
  json.text("severity", to_string(finding.judgement.severity));
  write_entity(json, series.entity(), finding.facts);
  json.text("shape", shown(series.shape(), 512));
  json.text("first_seen", format_rfc3339(summary.first()))
      .text("last_seen", format_rfc3339(summary.last()));
  write_counts(json, finding.episode.counts());
}

bool is_cut(const records::Summary& summary) {
  // A text is cut at a character, of at most four bytes.
  const auto reaches = [](const std::string& text, std::size_t most) {
    return text.size() + 4 > most;
  };
  return std::any_of(summary.fields().begin(), summary.fields().end(),
                     [&](const records::Values& field) {
                       return std::any_of(field.values().begin(), field.values().end(),
                                          [&](const std::string& value) {
                                            return reaches(value, schemas::kValueBytes);
                                          });
                     }) ||
         std::any_of(summary.samples().begin(), summary.samples().end(), [&](const auto& sample) {
           return reaches(sample.output(), schemas::kSampleOutputBytes);
         });
}

Caps caps_of(const JudgedFinding& finding, const Content& content, const Limits& limits) {
  const records::Summary& summary = finding.facts.summary();
  const auto is_capped = [](const records::Values& values) { return values.capped(); };
  Caps caps;
  caps.note(Cap::kValues,
            content.observables_left_out > 0 || finding.facts.card_capped() ||
                std::any_of(summary.fields().begin(), summary.fields().end(), is_capped));
  caps.note(Cap::kEvidence, (summary.flags() & schemas::kTruncated) != 0);
  caps.note(Cap::kTexts, is_cut(summary));
  caps.note(Cap::kShapes, finding.series.overflow());
  caps.note(Cap::kLateEpisodes, finding.episode.late_rest());
  caps.note(Cap::kBlindSpots, any_joined(finding.revision.blind_spots));
  caps.note(Cap::kReportSize, &limits != &kLimits.front());
  return caps;
}

// Into `report`: its JSON, and the limits that it tells of.
void write_json(const JudgedFinding& finding, const Producer& producer, const Limits& limits,
                schemas::Report& report) {
  const records::Series& series = finding.series;
  const Judgement& judgement = finding.judgement;
  const std::string_view kind = finding.sensor ? "sensor_health" : "finding";
  const Id128 key = schemas::finding_key(series.entity(), series.rule(), series.shape());
  const std::string series_key = finding.sensor
                                     ? hash_of(kind, view(schemas::entity_hash(series.entity())))
                                     : hash_of(kind, view(key));
  Content content = gather(finding.episode.id(), series, finding.facts, judgement, finding.playbook,
                           finding.refused, limits);
  // Nothing is silenced before the whole is understood.
  if (!incident_of(finding).empty())
    std::erase_if(content.advice, [](const Advice& one) { return one.kind == AdviceKind::kTune; });
  JsonWriter json;
  json.begin_object();
  write_head(json,
             {kind, finding.episode.id(), finding.episode.previous_id(), series_key,
              to_string(judgement.attention), judgement.attention_because, finding_title(finding)},
             finding.revision);
  write_finding_labels(json, finding);
  if (!finding.sensor) {
    write_outcome(json, judgement.outcome);
    write_judgement(json, judgement);
  }
  const Caps caps = caps_of(finding, content, limits);
  caps.write(json);
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
  report.json = json.take();
  report.caps = caps.names();
}

}  // namespace

schemas::Report write_finding(const Finding& finding, const Judgement& judgement,
                              const Playbooks& playbooks, const Revision& revision,
                              const Producer& producer) {
  const auto& [series, episode, entity] = finding;
  const Playbook& playbook = playbooks.of(series, episode.summary());
  Facts facts(episode.summary(), entity);
  const bool refused = none_took_effect(facts, judgement.outcome, judgement.effect_observed);
  const JudgedFinding judged{
      finding, judgement, playbook, revision, std::move(facts), is_about_sensor(series), refused};
  schemas::Report report;
  report.id = episode.id();
  report.time = revision.decided;
  report.revision = revision.number;
  report.kind = judged.sensor ? "sensor_health" : "finding";
  report.attention = to_string(judgement.attention);
  report.reason = revision.reason;
  if (!judged.sensor) {
    report.priority = priority_of(episode.summary());
    report.first_alert = episode.summary().first();
  }
  for (const Limits& limits : kLimits) {
    write_json(judged, producer, limits, report);
    if (report.json.size() <= kReportBytes) break;
  }
  return report;
}

}  // namespace gyre::stages
