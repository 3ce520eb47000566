// SPDX-License-Identifier: Apache-2.0
#include "stages/report/incident.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "schemas/sighting.h"
#include "stages/report/attack.h"
#include "stages/report/caps.h"
#include "stages/report/document.h"
#include "stages/report/parts.h"
#include "stages/report/sensor.h"

namespace gyre::stages {

namespace {

// How much of each list is written; an incident that is still too large is written again with the
// next one.
constexpr std::array<std::size_t, 4> kShown = {100, 50, 25, 10};
constexpr std::size_t kTimeline = 50;

// Tactics that this member is the first of.
std::string new_tactics(const records::Member& member, std::set<std::string_view>& seen) {
  std::string names;
  for (const std::string& tactic : member.tactics()) {
    if (!seen.insert(tactic).second) continue;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", tactic_name(tactic));
  }
  return names;
}

// The first alert of every finding; of many, the ends and what began a tactic.
std::vector<TimelineEntry> timeline_of(const records::Incident& incident, std::size_t most,
                                       std::size_t& left_out) {
  std::vector<TimelineEntry> all;
  std::vector<bool> begins;
  std::set<std::string_view> seen;
  for (const records::Member& member : incident.members()) {
    const std::string tactics = new_tactics(member, seen);
    std::string text = "first alert of: " + shown(member.rule(), 120);
    if (!tactics.empty()) text += " (begins " + tactics + ")";
    all.push_back({member.first(), std::move(text)});
    begins.push_back(!tactics.empty());
  }
  const std::size_t end = most / 3;
  std::vector<TimelineEntry> kept;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool at_an_end = i < end || i + end >= all.size();
    if (all.size() <= most || at_an_end || begins[i]) kept.push_back(std::move(all[i]));
  }
  left_out = all.size() - kept.size();
  return kept;
}

struct Writing {
  const records::Incident& incident;
  const Judgement& judgement;
  const Revision& revision;
  std::string title;
  std::string heading;  ///< the title, as Markdown
  std::string where;    ///< likewise
  std::string next;
  std::vector<Advice> advice;  ///< on the entity; of one finding none: its report has it
  std::size_t shown_members;
};

// What can be done with the entity, whatever the findings are about.
std::vector<Advice> advice_for(std::string_view id, const records::EntityState& entity,
                               const Facts& facts, const Judgement& judgement,
                               const Playbooks& playbooks) {
  records::Series series;
  series.set_rule("(incident)");
  *series.mutable_entity() = entity.entity();
  auto advice = advise(id, playbooks.of(series, facts.summary()), series, facts, judgement);
  std::erase_if(advice, [](const Advice& one) { return one.kind == AdviceKind::kHarden; });
  return advice;
}

// Label and value in turn.
std::string seen_markdown(const records::Member& member) {
  std::string line;
  for (int i = 0; i + 1 < member.seen_size(); i += 2)
    line += fmt::format("{}{} {}", line.empty() ? "" : " · ", markdown_text(member.seen(i)),
                        markdown_code(member.seen(i + 1)));
  return line;
}

// Of the gravest findings, who did what to what: for who reads no further.
std::string gravest_markdown(const records::Incident& incident) {
  constexpr std::size_t kMost = 3;
  std::vector<const records::Member*> gravest;
  for (const records::Member& member : incident.members())
    if (member.seen_size() > 0) gravest.push_back(&member);
  std::stable_sort(gravest.begin(), gravest.end(),
                   [](const auto* a, const auto* b) { return a->risk() > b->risk(); });
  std::string text;
  for (const records::Member* member : gravest) {
    std::string line = seen_markdown(*member);
    if (text.find(line) != std::string::npos) continue;
    text += fmt::format("- {}: {}\n", markdown_text(shown(member->rule(), 120)), line);
    if (std::count(text.begin(), text.end(), '\n') == kMost) break;
  }
  return text.empty() ? text : "Seen, the highest risk first:\n\n" + text + "\n";
}

void append_findings(std::string& out, const Writing& writing) {
  const auto& members = writing.incident.members();
  out += "\n### Findings, the oldest first (UTC)\n\n";
  std::size_t written = 0;
  std::set<std::string_view> seen;
  for (const records::Member& member : members) {
    if (written++ == writing.shown_members) break;
    const std::string begins = new_tactics(member, seen);
    out += fmt::format(
        "- {} {}: {}, {}{}{}, report {}\n", markdown_code(format_rfc3339(member.first())),
        markdown_text(shown(member.rule(), 120)), counted(member.counts().alerts(), "alert"),
        member.effect_observed() ? "it happened" : "no alert shows that it happened",
        begins.empty() ? "" : ", begins ", begins, markdown_code(member.id()));
    if (const std::string line = seen_markdown(member); !line.empty())
      out += fmt::format("  {}\n", line);
  }
  const auto all = static_cast<std::size_t>(members.size());
  const std::size_t more =
      all - std::min(writing.shown_members, all) + writing.incident.left_out().findings();
  if (more > 0) out += fmt::format("\n{} more are not listed; they are counted.\n", more);
  const auto context = static_cast<std::size_t>(writing.incident.context_size());
  if (context > 0)
    out += fmt::format("\nNot counted, since known by more than names: {} of the same entity.\n",
                       counted(context, "finding"));
}

// What happened in one paragraph, and where to begin.
std::string summary_of(const Writing& writing) {
  const auto& members = writing.incident.members();
  const std::size_t findings =
      static_cast<std::size_t>(members.size()) + writing.incident.left_out().findings();
  std::uint64_t alerts = writing.incident.left_out().counts().alerts();
  std::set<std::string_view> seen;
  std::string tactics;
  const records::Member* worst = &members[0];
  for (const records::Member& member : members) {
    alerts += member.counts().alerts();
    if (member.risk() > worst->risk()) worst = &member;
    const std::string begins = new_tactics(member, seen);
    if (!begins.empty()) tactics += (tactics.empty() ? "" : ", ") + begins;
  }
  std::string text =
      fmt::format("{}, {}, {}.", counted(findings, "finding"), counted(alerts, "alert"),
                  span_text(second_of(members[0].first()), second_of(writing.incident.last())));
  if (!tactics.empty()) text += fmt::format(" Tactics as they came up: {}.", tactics);
  std::string why = "Why this verdict:";
  for (const Because& because : writing.judgement.because) why += " " + because.text;
  return fmt::format("{}\n\n{}{}\n\n{} report {} ({}){}", markdown_text(text),
                     gravest_markdown(writing.incident), markdown_text(why),
                     findings == 1 ? "What to do stands in" : "First read",
                     markdown_code(worst->id()), markdown_text(shown(worst->rule(), 120)),
                     findings == 1 ? "." : ": it has the highest risk.");
}

std::string markdown_of(const Writing& writing, const std::vector<TimelineEntry>& timeline) {
  const Judgement& judgement = writing.judgement;
  std::string out = fmt::format(
      "# Alert Analysis Report: {}\n\n## Summary\n\n**Verdict: {} ({} confidence)** · severity {} "
      "· risk {}/100 · {} ({}) · revision {} ({})\n\n{}{}\n\n## Detailed Analysis\n",
      writing.heading, verdict_words(judgement.verdict), to_string(judgement.confidence),
      to_string(judgement.severity), judgement.risk, to_string(judgement.attention),
      markdown_text(judgement.attention_because), writing.revision.number,
      markdown_text(writing.revision.reason), writing.where, summary_of(writing));
  append_findings(out, writing);
  const auto members = static_cast<std::size_t>(writing.incident.members_size());
  if (members > writing.shown_members) {  // else all of them stand above
    out += "\n### Timeline (UTC)\n\n";
    for (const TimelineEntry& entry : timeline)
      out += fmt::format("- {} {}\n", markdown_code(format_rfc3339(entry.time)),
                         markdown_text(entry.text));
  }
  out += blind_spots_markdown(writing.revision.blind_spots);
  append_assessment(out, Content{}, judgement);
  out +=
      "\n## Mitigation Strategies\n\nThe advice on what happened stands in the reports of the "
      "findings; verify there first, in the order of the list.";
  if (!writing.advice.empty()) {
    out += " Of the entity as a whole:\n";
    append_advice(out, writing.advice);
  } else {
    out += '\n';
  }
  out += "\n## Conclusion\n\n" + markdown_text(writing.next) + "\n";
  return out;
}

Caps caps_of(const Writing& writing, const Facts& card, std::size_t timeline_left_out) {
  Caps caps;
  caps.note(Cap::kValues, card.card_capped());
  caps.note(Cap::kBlindSpots, any_joined(writing.revision.blind_spots));
  caps.note(Cap::kFindings, writing.incident.left_out().findings() > 0);
  caps.note(Cap::kContext, writing.incident.incomplete());
  caps.note(Cap::kTimeline, timeline_left_out > 0);
  caps.note(Cap::kReportSize, writing.shown_members < kShown.front());
  return caps;
}

// Returns the limits that it tells of.
Caps write_members(JsonWriter& json, const Writing& writing,
                   const std::vector<TimelineEntry>& timeline, std::size_t timeline_left_out,
                   const Facts& card) {
  const records::Incident& incident = writing.incident;
  records::Counts counts = incident.left_out().counts();
  std::vector<std::string> ids;
  for (const records::Member& member : incident.members()) {
    schemas::merge(counts, member.counts());
    ids.push_back(member.id());
  }
  json.text("first_seen", format_rfc3339(incident.members(0).first()));
  json.text("last_seen", format_rfc3339(incident.last()));
  if (incident.left_out().findings() > 0)
    write_number(json, "findings_left_out", incident.left_out().findings());
  if (timeline_left_out > 0) write_number(json, "timeline_left_out", timeline_left_out);
  write_counts(json, counts);
  write_outcome(json, counts.outcome());
  write_judgement(json, writing.judgement);
  write_texts(json, "findings", ids);
  write_texts(json, "context", {incident.context().begin(), incident.context().end()});
  const Caps caps = caps_of(writing, card, timeline_left_out);
  caps.write(json);
  write_blind_spots(json, writing.revision.blind_spots);
  write_timeline(json, timeline);
  return caps;
}

}  // namespace

schemas::Report write_incident(const records::EntityState& entity,
                               const records::Incident& incident, const Judgement& judgement,
                               const Playbooks& playbooks, const Revision& revision,
                               const Producer& producer) {
  records::Summary span;
  span.set_first(incident.members(0).first());
  span.set_last(incident.last());
  const Facts facts(span, entity);
  const std::size_t findings =
      static_cast<std::size_t>(incident.members_size()) + incident.left_out().findings();
  Writing writing{.incident = incident,
                  .judgement = judgement,
                  .revision = revision,
                  .title = title_of(fmt::format("{} — {}", counted(findings, "finding"),
                                                entity_name(entity.entity(), &facts))),
                  .heading = fmt::format("{} — {}", counted(findings, "finding"),
                                         entity_markdown(entity.entity(), &facts)),
                  .where = where_markdown(entity.entity(), facts),
                  .next = next_text(revision, "findings"),
                  .advice = findings > 1
                                ? advice_for(incident.id(), entity, facts, judgement, playbooks)
                                : std::vector<Advice>{},
                  .shown_members = 0};
  schemas::Report report{.id = incident.id(),
                         .time = revision.decided,
                         .revision = revision.number,
                         .kind = "incident",
                         .json = {},
                         .attention = std::string(to_string(judgement.attention)),
                         .reason = std::string(revision.reason)};
  for (const std::size_t most : kShown) {
    writing.shown_members = most;
    std::size_t left_out = 0;
    const auto timeline = timeline_of(incident, std::min(most, kTimeline), left_out);
    JsonWriter json;
    json.begin_object();
    write_head(json,
               {"incident", incident.id(), incident.previous_id(),
                hash_of("incident", view(schemas::entity_hash(entity.entity()))),
                to_string(judgement.attention), judgement.attention_because, writing.title},
               revision);
    json.text("tenant", shown(entity.entity().tenant(), 128)).text("incident_id", incident.id());
    json.text("severity", to_string(judgement.severity));
    write_entity(json, entity.entity(), facts);
    report.caps = write_members(json, writing, timeline, left_out, facts).names();
    write_producer(json, producer, 0);
    if (!writing.advice.empty()) write_advice(json, writing.advice);
    json.text("markdown", markdown_of(writing, timeline));
    json.end_object();
    report.json = json.take();
    if (report.json.size() <= kReportBytes) break;
  }
  return report;
}

}  // namespace gyre::stages
