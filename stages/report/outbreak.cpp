// SPDX-License-Identifier: Apache-2.0
#include "stages/report/outbreak.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "schemas/alert.h"
#include "stages/report/attack.h"
#include "stages/report/caps.h"
#include "stages/report/document.h"
#include "stages/report/falco_yaml.h"
#include "stages/report/parts.h"

namespace gyre::stages {

namespace {

constexpr std::size_t kNamesSaid = 32;
constexpr std::size_t kEntitiesInText = 20;

std::string counted(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

// Beyond the cap of exact members a number is a lower bound.
std::string at_least(const records::Outbreak& outbreak, std::uint64_t count,
                     std::string_view noun) {
  return counted(count, noun) + (outbreak.capped() ? " or more" : "");
}

// Of what plugins tell there are requests about objects, by somebody's account.
bool is_of_objects(const OutbreakContent& content) { return content.objects == content.entities; }

// `5 members on 3 hosts`; where no sensor names its host, that is not known.
std::string where_text(const records::Outbreak& outbreak, const OutbreakContent& content) {
  if (is_of_objects(content)) return at_least(outbreak, content.entities, "object");
  if (content.hosts == 0) return at_least(outbreak, content.entities, "member");
  return fmt::format("{} on {}", at_least(outbreak, content.entities, "member"),
                     at_least(outbreak, content.hosts, "host"));
}

std::string_view course_text(Course course) {
  switch (course) {
    case Course::kTogether:
      return ", started together";
    case Course::kInTurn:
      return ", started one after the other";
    case Course::kScheduled:
      return " of a scheduled job";
    case Course::kUnknown:
      break;
  }
  return "";
}

std::string outbreak_title(const records::Group& group, const OutbreakContent& content) {
  const std::string rule = shown(group.rule(), 120);
  const records::Outbreak& outbreak = group.outbreak();
  if (content.pattern == Pattern::kRecurring)
    return shown(
        fmt::format("{} — recurring in {}: {}{}", rule, workload_name(group.workload()),
                    at_least(outbreak, content.entities, "member"), course_text(content.course)),
        240);
  return shown(fmt::format("{} — {}", rule, where_text(outbreak, content)), 240);
}

void write_names(JsonWriter& json, std::string_view name, const std::set<std::string>& names) {
  if (names.empty()) return;
  std::size_t left = kNamesSaid;
  json.key(name).begin_array();
  for (const std::string& each : names)
    if (left-- > 0)
      json.value(shown(each, 256));
    else
      break;
  json.end_array();
}

void write_members(JsonWriter& json, const records::Group& group, const OutbreakContent& content) {
  json.key("members").begin_object();
  write_number(json, "hosts", content.hosts);
  write_number(json, "workloads", content.workloads);
  json.key("entities").begin_array();
  for (const OutbreakContent::Entity& entity : content.earliest)
    json.begin_object()
        .text("key", shown(entity.key, 512))
        .text("finding", entity.finding)
        .text("first_seen", format_rfc3339(entity.first))
        .end_object();
  json.end_array();
  write_number(json, "left_out", content.entities - content.earliest.size());
  json.text("pattern", to_string(content.pattern));
  json.text("pattern_because", content.pattern_because);
  if (group.has_workload()) json.text("workload", shown(workload_name(group.workload()), 512));
  write_number(json, "total", content.entities);
  if (group.outbreak().capped()) json.key("capped").value(true);
  if (content.known > 0) write_number(json, "known_as_test_or_benign", content.known);
  write_names(json, "clusters", content.clusters);
  write_names(json, "namespaces", content.namespaces);
  json.end_object();
}

Caps caps_of(const records::Outbreak& outbreak, const OutbreakContent& content) {
  Caps caps;
  caps.note(Cap::kMembers, outbreak.capped());
  caps.note(Cap::kEntities, content.entities > content.earliest.size());
  caps.note(Cap::kNames, std::max({content.clusters.size(), content.namespaces.size(),
                                   content.images.size()}) > kNamesSaid);
  caps.note(Cap::kTechniqueNames, content.techniques_left_out);
  return caps;
}

std::string_view what_recurring_means(Course course) {
  switch (course) {
    case Course::kTogether:
      return "Replicas of one workload, side by side, show the same behaviour: something reached "
             "all of them, or what was deployed does this by itself.";
    case Course::kInTurn:
      return "Containers of one workload show the same behaviour one after the other, as in a "
             "crash loop, or a job that is run again and again. Where all of them still run, they "
             "are replicas that something reached.";
    case Course::kScheduled:
      return "The runs of a scheduled job show the same behaviour: it is the job's own, or its "
             "image or definition was changed.";
    case Course::kUnknown:
      break;
  }
  return "Containers of one workload show the same behaviour: one after the other, as in a crash "
         "loop or a scheduled job, or replicas side by side that something reached. Their start "
         "times tell which.";
}

std::string_view what_it_means(const OutbreakContent& content) {
  if (is_of_objects(content))
    return "The same was done to several objects: ask whoever did it what for, and why to all of "
           "them.";
  switch (content.pattern) {
    case Pattern::kRollout:
      return "One image was started in several places at about the same time: compare with your "
             "deployments. If it is yours, its behaviour or the rule needs tuning; if not, "
             "somebody else deploys.";
    case Pattern::kSpread:
      return "The same behaviour was seen in different places, and that one image was started in "
             "all of them does not explain it: look for what connects them.";
    case Pattern::kRecurring:
      return what_recurring_means(content.course);
    case Pattern::kUnknown:
      break;
  }
  return "Whether one image was rolled out or something spreads cannot be told from these alerts.";
}

std::string_view where_recurring_acts(Course course) {
  switch (course) {
    case Course::kTogether:
      return "Look at what reached all of them, such as a request, a credential or a peer, and at "
             "what was deployed last. A container that is removed is replaced.";
    case Course::kInTurn:
      return "Look at the workload's image and definition, and at why its containers start anew. "
             "One that is removed is replaced.";
    case Course::kScheduled:
      return "Look at the job's image and definition. If it is not to go on, suspend the job: a "
             "run that is removed does not stop the next one.";
    case Course::kUnknown:
      break;
  }
  return "If they ran one after the other, look at the workload's image and definition; if side by "
         "side, at what reached all of them. A container that is removed is replaced.";
}

// What is done to one member does not stop the others.
std::string_view where_to_act(const OutbreakContent& content) {
  if (is_of_objects(content))
    return "If nobody can say what for, act on the account and its credentials, not on one object "
           "after the other.";
  switch (content.pattern) {
    case Pattern::kRollout:
      return "If nobody rolled this image out, stop the owner that starts it (deployment, daemon "
             "set, job) before single containers: it replaces them.";
    case Pattern::kSpread:
      return "Look for what the members share, such as an image, a credential, a peer or a way in, "
             "and contain that before single members.";
    case Pattern::kRecurring:
      return where_recurring_acts(content.course);
    case Pattern::kUnknown:
      break;
  }
  return "Find out first whether one owner starts all of them: what is done to one member does not "
         "stop the others.";
}

std::string names_line(std::string_view what, const std::set<std::string>& names) {
  if (names.empty()) return {};
  std::string line = fmt::format("- {}:", what);
  std::size_t said = 0;
  for (const std::string& name : names) {
    if (said++ == kEntitiesInText) return line + fmt::format(" and {} more\n", names.size() - 20);
    line += " " + markdown_code(shown(name, 128));
  }
  return line + "\n";
}

std::string outbreak_markdown(const records::Group& group, const OutbreakContent& content,
                              const std::string& title, const std::string& next,
                              const Revision& revision) {
  const Judgement& judgement = content.judgement;
  const records::Outbreak& outbreak = group.outbreak();
  const std::string when = span_text(second_of(content.first), second_of(content.last));
  std::string why = "Why this verdict:";
  for (const Because& because : judgement.because) why += " " + because.text;
  const std::string first = content.earliest.empty()
                                ? std::string()
                                : fmt::format(" First read report {}, the earliest.",
                                              markdown_code(content.earliest.front().finding));
  std::string out = fmt::format(
      "# Alert Analysis Report: {}\n\n## Summary\n\n**Verdict: {} ({} confidence)** · severity {} "
      "· risk {}/100 · {} ({}) · pattern {} · revision {} ({})\n\nRule {} fired with one pattern "
      "{} {}, {} in all, {}.\n\nPattern: {}\n\n{}\n\n{}{}\n\n## Detailed Analysis\n\n### "
      "Members\n\n",
      markdown_text(title), verdict_words(judgement.verdict), to_string(judgement.confidence),
      to_string(judgement.severity), judgement.risk, to_string(judgement.attention),
      markdown_text(judgement.attention_because), to_string(content.pattern), revision.number,
      markdown_text(revision.reason), markdown_code(shown(group.rule(), 256)),
      is_of_objects(content) ? "about" : "in", where_text(outbreak, content),
      at_least(outbreak, content.counts.alerts(), "alert"), when,
      markdown_code(shown(group.shape(), 512)), markdown_text(what_it_means(content)),
      markdown_text(why), first);
  out += names_line("Clusters", content.clusters) + names_line("Namespaces", content.namespaces) +
         names_line("Images", content.images);
  std::size_t said = 0;
  for (const OutbreakContent::Entity& entity : content.earliest) {
    if (said++ == kEntitiesInText) break;
    out += fmt::format("- {} {}, report {}\n", markdown_code(format_rfc3339(entity.first)),
                       markdown_code(shown(entity.key, 256)), markdown_code(entity.finding));
  }
  if (content.entities > kEntitiesInText)
    out += fmt::format("- and {} later ones\n", content.entities - kEntitiesInText);
  if (content.elsewhere > 0)
    out += fmt::format("- all alerts of {} are counted in the outbreaks of their workloads\n",
                       counted(content.elsewhere, "member"));
  append_attack(out, judgement.attack);
  out += fmt::format(
      "\n## Mitigation Strategies\n\nChecks and commands stand in the reports of the members: "
      "verify in the earliest of them first{}, then in one of each cluster. {}\n\n## "
      "Conclusion\n\n{}\n",
      content.earliest.empty() ? "" : ", report " + markdown_code(content.earliest.front().finding),
      where_to_act(content), markdown_text(next));
  return out;
}

}  // namespace

std::string_view to_string(Pattern pattern) {
  constexpr std::array<std::string_view, 4> kNames = {"unknown", "rollout", "spread", "recurring"};
  return kNames.at(static_cast<std::size_t>(pattern));
}

std::string workload_name(const records::Workload& workload) {
  if (workload.owner().empty()) return fmt::format("{}/{}", workload.hostname(), workload.image());
  return fmt::format("{}/{}/{}{}{}", workload.cluster(), workload.namespace_(), workload.owner(),
                     workload.container().empty() ? "" : "/", workload.container());
}

schemas::Report write_outbreak(const records::Group& group, const OutbreakContent& content,
                               std::string_view series, const Revision& revision,
                               const Producer& producer) {
  const records::Outbreak& outbreak = group.outbreak();
  const std::string title = outbreak_title(group, content);
  const std::string next = next_text(revision, "members");
  JsonWriter json;
  json.begin_object();
  write_head(json,
             {"outbreak", outbreak.id(), outbreak.previous_id(), std::string(series),
              to_string(content.judgement.attention), content.judgement.attention_because, title},
             revision);
  json.text("tenant", shown(group.tenant(), 128));
  json.text("shape_key", to_hex(view(schemas::shape_key(group.rule(), group.shape()))));
  json.text("rule", shown(group.rule(), 256));
  json.text("priority", schemas::to_string(static_cast<schemas::Priority>(
                            std::min<std::uint32_t>(content.priority, 7))));
  json.text("severity", to_string(content.judgement.severity));
  json.text("shape", shown(group.shape(), 512));
  json.text("first_seen", format_rfc3339(content.first))
      .text("last_seen", format_rfc3339(content.last));
  write_counts(json, content.counts);
  write_outcome(json, content.counts.outcome());
  write_judgement(json, content.judgement);
  const Caps caps = caps_of(outbreak, content);
  caps.write(json);
  write_members(json, group, content);
  json.key("observables").begin_object();
  write_names(json, "images", content.images);
  write_number(json, "left_out",
               content.images.size() - std::min(content.images.size(), kNamesSaid));
  json.end_object();
  write_producer(json, producer, group.shape_version());
  Content unknown;
  for (const std::string& field : content.judgement.missing)
    unknown.missing.push_back({field,
                               content.pattern == Pattern::kRecurring
                                   ? "Whether its containers ran side by side or in turn."
                                   : "Whether one image was rolled out.",
                               append_output("syscall", group.rule(), {field})});
  write_missing(json, unknown);
  json.text("markdown", outbreak_markdown(group, content, title, next, revision));
  json.end_object();
  return {.id = outbreak.id(),
          .time = revision.decided,
          .revision = revision.number,
          .kind = "outbreak",
          .json = json.take(),
          .caps = caps.names(),
          .attention = std::string(to_string(content.judgement.attention)),
          .reason = std::string(revision.reason)};
}

}  // namespace gyre::stages
