// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "stages/report/content.h"
#include "stages/report/markdown.h"
#include "stages/report/write.h"

// The Markdown of a finding. Values of an alert stand in code spans or escaped; no tables, since a
// bar in a code span would end a cell.
namespace gyre::stages {

struct DocumentHead {
  std::string title;             ///< ready, as the others
  std::string summary;           ///< our own words and escaped values, ready
  std::string conclusion;        ///< likewise
  std::string blind_spots = {};  ///< a section, or nothing
};

inline std::string bullet(const Detail& detail) {
  // `where`, `from where`: what the field is says as much.
  const auto words = std::count(detail.look_for.begin(), detail.look_for.end(), ' ');
  const std::string look_for =
      words < 3 ? "" : fmt::format(" (look for: {})", markdown_text(detail.look_for));
  std::string values;
  for (const std::string& value : detail.values)
    values += (values.empty() ? "" : ", ") + markdown_code(value);
  return fmt::format("- {}{}{}: {}{}{}{}\n", markdown_code(detail.field),
                     detail.differs() ? ", " : "", detail.count, values,
                     detail.meaning.empty() ? "" : " — ", markdown_text(detail.meaning), look_for);
}

inline void append_details(std::string& out, std::string_view heading,
                           const std::vector<Detail>& details) {
  std::string lines;
  for (const Detail& detail : details)
    if (!detail.differs()) lines += bullet(detail);
  if (!lines.empty()) out += fmt::format("\n### {}\n\n{}", heading, lines);
}

/// What several alerts say differently: it stands apart, so that no two lines read as one event.
inline void append_differing(std::string& out, const Content& content) {
  std::string lines;
  std::size_t differing = 0;
  for (const auto* details : {&content.event, &content.process, &content.user, &content.object})
    for (const Detail& detail : *details) {
      if (!detail.differs()) continue;
      lines += bullet(detail);
      ++differing;
    }
  if (differing == 0) return;
  out += "\n### What differs between these alerts\n\n";
  if (differing > 1)
    out +=
        "Which value of one line came with which of another is known only as far as Falco printed "
        "it, below and in its own log.\n\n";
  out += lines;
}

/// Its name and what it means stand in the summary; the sensor's has no meaning there.
inline std::vector<Detail> about_rule(const Content& content, bool sensor) {
  std::vector<Detail> rule = content.rule;
  if (!sensor && !rule.empty()) rule.erase(rule.begin());
  return rule;
}

/// What Falco printed, to be found again in its own log.
inline void append_samples(std::string& out, const std::vector<Printed>& samples) {
  if (samples.empty()) return;
  out += "\n### Evidence, as Falco printed it (UTC)\n\n";
  for (const Printed& sample : samples)
    out += fmt::format("- {}{}{}: {}\n", markdown_code(format_rfc3339(sample.time)),
                       sample.outcome.empty() ? "" : ", outcome ", sample.outcome,
                       markdown_code(sample.text));
}

inline void append_source(std::string& out, const Because& because) {
  if (!because.field.empty()) out += " " + markdown_code(because.field);
  if (!because.value.empty()) out += " = " + markdown_code(shown(because.value, 128));
  out += '\n';
}

inline void append_because(std::string& out, const Because& because) {
  out += "- " + markdown_text(because.text);
  append_source(out, because);
}

/// `likely benign`: the enumeration's word, as people write it.
inline std::string verdict_words(Verdict verdict) {
  std::string words(to_string(verdict));
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

/// What comes next by itself; `noun` is what would keep it open: `alerts`. Quiet is not remedied.
inline std::string next_text(const Revision& revision, std::string_view noun) {
  if (revision.closed_because.empty())
    return fmt::format("Closes after {} unless more {} come.",
                       format_rfc3339_second(revision.closes_after), noun);
  if (revision.closed_because == "quiet")
    return fmt::format(
        "Closed because no more {} came; whether anything was remedied is not known.", noun);
  if (revision.closed_because == "max_age")
    return "Closed by its age; what goes on stands in the next report.";
  return "Closed at the end of the input.";
}

inline void append_attack(std::string& out, const std::vector<Technique>& attack) {
  if (attack.empty()) return;
  out += fmt::format("\n### ATT&CK (v{})\n\n", kAttackVersion);
  for (const Technique& entry : attack) {
    std::string text = fmt::format("{} {}", entry.tactic, tactic_name(entry.tactic));
    if (!entry.technique.empty()) text += fmt::format(" · {} {}", entry.technique, entry.name);
    if (entry.source != "findings")
      text += entry.source == "mapping" ? " (playbook)" : " (tag of the rule)";
    out += fmt::format("- {}\n", markdown_text(text));
  }
}

inline void append_assessment(std::string& out, const Content& content,
                              const Judgement& judgement) {
  out += "\n### Assessment\n\n";
  for (const Because& because : judgement.because) append_because(out, because);
  out += fmt::format("\nRisk {} of 100:\n\n", judgement.risk);
  for (const RiskTerm& term : judgement.terms) {
    out += fmt::format("- {:+}: {}", term.points, markdown_text(term.because.text));
    append_source(out, term.because);
  }
  if (!judgement.explanations.empty())
    out += "\nOrdinary explanations, and what would prove them:\n\n";
  for (const Explanation& explanation : judgement.explanations) {
    out += fmt::format("- {} — {}\n", markdown_text(explanation.cause),
                       markdown_text(explanation.proof));
  }
  if (!content.missing.empty()) {
    out += "\n### What is not known\n\nNot in these alerts:\n\n";
    for (const Missing& missing : content.missing) {
      out += fmt::format("- {}{}{}\n", markdown_code(missing.field),
                         missing.why.empty() ? "" : " — ", markdown_text(missing.why));
    }
    out += "\nFalco adds them from then on with, in falco.yaml (0.39 or newer):\n\n" +
           markdown_block(content.append_output, "yaml");
  }
  append_attack(out, judgement.attack);
}

inline void append_commands(std::string& out, std::string_view intro,
                            const std::vector<std::string>& commands) {
  if (commands.empty()) return;
  if (!intro.empty()) out += fmt::format("\n{}\n", intro);
  std::string lines;
  for (const std::string& command : commands) lines += command + "\n";
  out += "\n" + markdown_block(lines, "sh");
}

inline void append_line(std::string& out, std::string_view label, std::string_view text) {
  if (!text.empty()) out += fmt::format("- {}: {}\n", label, markdown_text(text));
}

inline void append_one_advice(std::string& out, const Advice& advice) {
  out += fmt::format("\n**{}.**{} {}\n", markdown_text(advice.title),
                     advice.disruptive ? " *Disruptive.*" : "", markdown_text(advice.text));
  std::string conditions;
  for (const std::string& text : advice.preconditions)
    append_line(conditions, "Precondition", text);
  append_line(conditions, "Blast radius", advice.blast_radius);
  if (!conditions.empty()) out += "\n" + conditions;
  append_commands(out, "First keep the evidence (read-only):", advice.record);
  append_commands(out, advice.record.empty() ? "" : "Then:", advice.commands);
  if (!advice.snippet.empty()) out += "\n" + markdown_block(advice.snippet, advice.language);
  std::string reading;
  append_line(reading, "Speaks for ordinary work", advice.if_benign);
  append_line(reading, "Speaks against it", advice.if_suspicious);
  append_line(reading, "If it is gone", advice.if_gone);
  append_line(reading, "Undo", advice.undo);
  if (!reading.empty()) out += "\n" + reading;
  append_commands(out, "", advice.undo_commands);
}

inline void append_advice(std::string& out, const std::vector<Advice>& advice) {
  const std::pair<AdviceKind, std::string_view> kinds[] = {
      {AdviceKind::kVerify, "Verify first (read-only)"},
      {AdviceKind::kContain, "Contain (only if the checks point to an intrusion)"},
      {AdviceKind::kHarden, "Harden"},
      {AdviceKind::kTune, "Tune (only if the checks show it is wanted)"}};
  for (const auto& [kind, heading] : kinds) {
    bool started = false;
    for (const Advice& next : advice) {
      if (next.kind != kind) continue;
      if (!started) out += fmt::format("\n### {}\n", heading);
      started = true;
      append_one_advice(out, next);
    }
  }
  if (advice.empty()) out += "\nNothing to do from this report alone.\n";
}

inline std::string document(const DocumentHead& head, const Content& content,
                            const Judgement& judgement, bool container, bool sensor) {
  std::string out = "# Alert Analysis Report: " + head.title + "\n\n## Summary\n\n";
  out += head.summary;
  out += "\n\n## Detailed Analysis\n";
  append_details(out, "Event", content.event);
  append_details(out, "Process", content.process);
  append_details(out, "User and group", content.user);
  append_details(out, container ? "Container" : "Object", content.object);
  append_details(out, "Falco rule", about_rule(content, sensor));
  append_differing(out, content);
  append_samples(out, content.samples);
  // Of one alert, the evidence says when it was.
  if (content.timeline.size() > 1 || content.samples.empty()) {
    out += "\n### Timeline (UTC)\n\n";
    for (const TimelineEntry& entry : content.timeline)
      out += fmt::format("- {} {}\n", markdown_code(format_rfc3339(entry.time)), entry.text);
  }
  out += head.blind_spots;
  if (!content.impact.empty()) {
    out += "\n### Potential impact\n\n";
    for (const Because& impact : content.impact) append_because(out, impact);
  }
  if (!sensor) append_assessment(out, content, judgement);
  out += "\n## Mitigation Strategies\n";
  append_advice(out, content.advice);
  out += "\n## Conclusion\n\n" + head.conclusion + "\n";
  return out;
}

}  // namespace gyre::stages
