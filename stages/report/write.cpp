// SPDX-License-Identifier: Apache-2.0
#include "stages/report/write.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "stages/report/attack.h"
#include "stages/report/document.h"
#include "stages/report/parts.h"
#include "stages/report/sensor.h"

namespace gyre::stages {

namespace {

std::string counted(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

// What the results mean, in the playbook's words only where they fit the error (ruling 24: not
// every failure is a refusal).
std::string outcome_text(const Facts& facts, const Judgement& judgement, const Playbook& playbook) {
  const records::OutcomeCounts& outcome = judgement.outcome;
  std::string text = fmt::format("Results: {} succeeded, {} failed, {} unknown.",
                                 outcome.succeeded(), outcome.blocked(), outcome.unknown());
  const bool refusal = !facts.any_of("evt.res", {"EACCES", "EPERM", "EROFS"}).empty() ||
                       (!facts.has("evt.res") && outcome.blocked() > 0);
  if (outcome.blocked() > 0 && refusal) text += " " + playbook.blocked();
  for (const std::string_view result : facts.values("evt.res")) {
    const std::string_view meaning = meaning_of_result(result);
    if (result == "SUCCESS" || (refusal && result == "EACCES") || meaning.empty()) continue;
    text += fmt::format(" {}: {}.", shown(result, 32), meaning);
  }
  if (judgement.effect_observed && playbook.has_effect()) {
    text += " " + playbook.effect().text();
  } else if (outcome.succeeded() > 0) {
    text += " " + playbook.succeeded();
  } else if (outcome.unknown() > 0) {
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

std::string finding_title(const Finding& finding) {
  return title_of(fmt::format("{} — {}", shown(finding.series.rule(), 120),
                              entity_name(finding.series.entity(), &finding.facts)));
}

DocumentHead finding_text(const Finding& finding) {
  const records::Counts& counts = finding.episode.counts();
  const Judgement& judgement = finding.judgement;
  DocumentHead head;
  const std::string where = entity_markdown(finding.series.entity(), &finding.facts);
  head.title = fmt::format("{} — {}", markdown_text(shown(finding.series.rule(), 120)), where);
  const std::string when = fmt::format(
      "{} from {} to {} ({} removed).", counted(counts.alerts(), "alert"),
      format_rfc3339(finding.facts.summary().first()),
      format_rfc3339(finding.facts.summary().last()), counted(counts.duplicates(), "duplicate"));
  const std::string next = finding.episode.closed()
                               ? fmt::format("Closed: {}.", finding.episode.closed_because())
                               : fmt::format("Closes after {} unless more alerts come.",
                                             format_rfc3339_second(finding.revision.closes_after));
  if (finding.sensor) {
    head.summary = fmt::format("The sensor reported on itself: {}. {}", where, markdown_text(when));
    const records::Summary& said = finding.facts.summary();
    if (said.has_loss()) head.summary += "\n\n" + markdown_text(loss_text(said.loss())) + "\\.";
    head.conclusion = markdown_text("This is about the sensor, not about a workload. " + next);
    return head;
  }
  const std::string verdict = fmt::format("{} ({} confidence)", to_string(judgement.verdict),
                                          to_string(judgement.confidence));
  head.summary = fmt::format("**Verdict: {}** · severity {} · risk {}/100 · revision {} ({})\n\n",
                             markdown_text(verdict), to_string(judgement.severity), judgement.risk,
                             finding.revision.number, markdown_text(finding.revision.reason));
  const std::string what = outcome_text(finding.facts, judgement, finding.playbook);
  if (finding.series.overflow()) head.summary += markdown_text(kOverflowText) + "\n\n";
  head.summary +=
      fmt::format("Rule {} fired in {}. {}\n\n{}", markdown_code(shown(finding.series.rule(), 256)),
                  where, markdown_text(when), markdown_text(what));
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
void write_caps(JsonWriter& json, const records::Series& series) {
  if (!series.overflow()) return;
  json.key("caps").begin_array().begin_object().text("what", "shapes");
  json.text("text", std::string(kOverflowText)).end_object().end_array();
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
  write_caps(json, series);
  write_worst_loss(json, finding.facts.summary());
  write_blind_spots(json, finding.revision.blind_spots);
  write_details(json, content, series.entity().kind() == records::Entity::CONTAINER);
  write_content(json, content);
  write_evidence(json, finding.facts.summary(), limits);
  write_timeline(json, content.timeline);
  write_producer(json, producer, series.shape_version());
  write_advice(json, content.advice);
  write_missing(json, content);
  DocumentHead head = finding_text(finding);
  head.blind_spots = blind_spots_markdown(finding.revision.blind_spots);
  json.text("markdown", document(head, content, judgement, finding.sensor));
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

namespace {

std::vector<Technique> incident_tactics(const records::Incident& incident) {
  std::set<std::string> ids;
  for (const records::Member& member : incident.members()) {
    ids.insert(member.tactics().begin(), member.tactics().end());
  }
  std::vector<Technique> tactics;
  for (const Tactic& tactic : kTactics) {
    if (ids.count(std::string(tactic.id)) == 0) continue;
    tactics.push_back({std::string(tactic.id), "", std::string(tactic.name), "mapping"});
  }
  return tactics;
}

std::vector<const records::Member*> members_by_time(const records::Incident& incident) {
  std::vector<const records::Member*> members;
  for (const records::Member& member : incident.members()) members.push_back(&member);
  std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) {
    return std::pair(a->first(), a->id()) < std::pair(b->first(), b->id());
  });
  return members;
}

// How many tactics were entered one after the other in the order of the matrix.
std::size_t tactics_in_order(const std::vector<const records::Member*>& members) {
  std::vector<std::size_t> longest(kTactics.size(), 0);
  for (const records::Member* member : members) {
    for (const std::string& tactic : member->tactics()) {
      const std::size_t order = tactic_order(tactic);
      if (order == kTactics.size()) continue;
      const auto end = longest.begin() + static_cast<std::ptrdiff_t>(order);
      const std::size_t before = order == 0 ? 0 : *std::max_element(longest.begin(), end);
      longest[order] = std::max(longest[order], before + 1);
    }
  }
  return *std::max_element(longest.begin(), longest.end());
}

Judgement judge_incident(const records::Incident& incident,
                         const std::vector<const records::Member*>& members) {
  Judgement judgement;
  judgement.risk = incident_risk(incident);
  judgement.attack = incident_tactics(incident);
  bool suspicious = false;
  for (const records::Member* member : members) {
    const bool known = (member->verdict() == static_cast<std::uint32_t>(Verdict::kTest) ||
                        member->verdict() == static_cast<std::uint32_t>(Verdict::kLikelyBenign)) &&
                       member->confidence() >= static_cast<std::uint32_t>(Confidence::kMedium);
    if (known) continue;
    judgement.severity = std::max(
        judgement.severity, static_cast<Severity>(std::min<std::uint32_t>(member->severity(), 4)));
    judgement.effect_observed = judgement.effect_observed || member->effect_observed();
    suspicious =
        suspicious || member->verdict() == static_cast<std::uint32_t>(Verdict::kSuspicious);
  }
  const std::size_t in_order = tactics_in_order(members);
  if (in_order >= 3) {
    judgement.because.push_back({"Tactics followed each other in the order of the matrix.",
                                 "tactics", std::to_string(in_order)});
  }
  if (suspicious) judgement.because.push_back({"A finding in it is suspicious.", "findings", ""});
  if (suspicious || in_order >= 3) {
    judgement.verdict = Verdict::kSuspicious;
    judgement.confidence = Confidence::kMedium;
    judgement.severity = std::max(judgement.severity, Severity::kHigh);
  } else {
    judgement.because.push_back(
        {"Several findings of one entity; none of them is conclusive.", "findings", ""});
  }
  const bool page = judgement.severity >= Severity::kHigh && judgement.effect_observed;
  judgement.attention = page ? Attention::kPage : Attention::kTicket;
  judgement.attention_because =
      page ? fmt::format("severity {}, and it happened", to_string(judgement.severity))
           : "findings of one entity that belong together";
  return judgement;
}

void write_members(JsonWriter& json, const std::vector<const records::Member*>& members,
                   const Judgement& judgement, std::uint32_t left_out) {
  records::Counts counts;
  Nanos last = members.empty() ? 0 : members.front()->last();
  std::vector<std::string> ids;
  std::vector<TimelineEntry> timeline;
  for (const records::Member* member : members) {
    schemas::merge(counts, member->counts());
    last = std::max(last, member->last());
    ids.push_back(member->id());
    timeline.push_back({member->first(), "first alert of: " + shown(member->rule(), 120)});
  }
  if (!members.empty()) {
    json.text("first_seen", format_rfc3339(members.front()->first()));
    json.text("last_seen", format_rfc3339(last));
  }
  write_counts(json, counts);
  write_outcome(json, counts.outcome());
  write_judgement(json, judgement);
  write_texts(json, "findings", ids);
  if (left_out > 0) write_number(json, "findings_left_out", left_out);
  write_timeline(json, timeline);
}

std::string incident_markdown(const std::string& title, const Judgement& judgement,
                              const std::vector<const records::Member*>& members,
                              const std::string& next) {
  std::string out = fmt::format(
      "# Alert Analysis Report: {}\n\n## Summary\n\n**Verdict: {}** ({} confidence) · severity {} "
      "· "
      "risk {}/100\n\n{} of one entity belong together.\n\n## Detailed Analysis\n\n### "
      "Findings\n\n",
      title, to_string(judgement.verdict), to_string(judgement.confidence),
      to_string(judgement.severity), judgement.risk, counted(members.size(), "finding"));
  for (const records::Member* member : members) {
    out += fmt::format(
        "- {} {}: {}, {}, report {}\n", markdown_code(format_rfc3339(member->first())),
        markdown_text(shown(member->rule(), 120)), counted(member->counts().alerts(), "alert"),
        member->effect_observed() ? "it happened" : "no alert shows that it happened",
        markdown_code(member->id()));
  }
  if (!judgement.attack.empty()) out += fmt::format("\n### ATT&CK (v{})\n\n", kAttackVersion);
  for (const Technique& tactic : judgement.attack) {
    out += fmt::format("- {} {}\n", tactic.tactic, tactic.name);
  }
  out += "\n### Assessment\n\n";
  for (const Because& because : judgement.because) append_because(out, because);
  out +=
      "\n## Mitigation Strategies\n\nThe advice stands in the reports of the findings; verify "
      "there "
      "first, in the order of the list.\n\n## Conclusion\n\n" +
      markdown_text(next) + "\n";
  return out;
}

}  // namespace

int incident_risk(const records::Incident& incident) {
  std::map<std::string, int> highest;
  for (const records::Member& member : incident.members()) {
    int& risk = highest[member.rule()];
    risk = std::max(risk, static_cast<int>(std::min<std::uint32_t>(member.risk(), 100)));
  }
  std::vector<int> risks;
  for (const auto& [rule, risk] : highest) risks.push_back(risk);
  std::sort(risks.rbegin(), risks.rend());
  // In 2520ths, which every weight of the first ten divides; the sum is rounded down once.
  constexpr int kWhole = 2520;
  int sum = 0;
  for (std::size_t i = 0; i < risks.size(); ++i) sum += risks[i] * kWhole / static_cast<int>(i + 1);
  return std::min(sum / kWhole, 100);
}

schemas::Report write_incident(const records::EntityState& entity,
                               const records::Incident& incident, const Revision& revision,
                               const Producer& producer) {
  const auto members = members_by_time(incident);
  const Judgement judgement = judge_incident(incident, members);
  const records::Summary none;
  const Facts facts(none, entity);
  const std::string title = title_of(
      fmt::format("{} — {}", counted(members.size() + incident.members_left_out(), "finding"),
                  entity_name(entity.entity(), &facts)));
  const bool closed = revision.reason == "closed";
  // Before its quiet time is over, only its age closes an incident.
  const std::string closed_because =
      revision.decided >= revision.closes_after ? "quiet" : "max_age";
  const std::string next = closed ? "Closed: " + closed_because + "."
                                  : fmt::format("Closes after {} unless more comes.",
                                                format_rfc3339_second(revision.closes_after));
  JsonWriter json;
  json.begin_object();
  write_head(
      json,
      {"incident", incident.id(), incident.previous_id(),
       hash_of("incident", view(schemas::entity_hash(entity.entity()))),
       to_string(judgement.attention), judgement.attention_because, closed, closed_because, title},
      revision);
  json.text("tenant", shown(entity.entity().tenant(), 128)).text("incident_id", incident.id());
  json.text("severity", to_string(judgement.severity));
  write_entity(json, entity.entity(), facts);
  write_members(json, members, judgement, incident.members_left_out());
  write_producer(json, producer, 0);
  json.text("markdown", incident_markdown(fmt::format("{} — {}", counted(members.size(), "finding"),
                                                      entity_markdown(entity.entity(), &facts)),
                                          judgement, members, next));
  json.end_object();
  return {incident.id(), revision.decided, revision.number, "incident", json.take()};
}

}  // namespace gyre::stages
