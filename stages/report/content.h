// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "stages/report/advice.h"
#include "stages/report/conditions.h"
#include "stages/report/details.h"
#include "stages/report/falco_yaml.h"
#include "stages/report/judge.h"

// What a finding's report says, gathered once for its JSON and its Markdown.
namespace gyre::stages {

/// How much of each list is written; a report that is still too large is written again with the
/// next row.
struct Limits {
  std::size_t values;
  std::size_t value_bytes;
  std::size_t samples;
  std::size_t output_bytes;
  std::size_t fields;
};
inline constexpr std::array<Limits, 4> kLimits = {
    {{8, 256, 4, 1024, 32}, {4, 256, 4, 512, 32}, {2, 128, 2, 256, 24}, {1, 64, 1, 128, 12}}};
inline constexpr std::size_t kReportBytes = 60 * 1024;

struct Observable {
  std::string_view name;
  std::vector<std::string> values;
};

struct TimelineEntry {
  Nanos time;
  std::string text;
};

struct Missing {
  std::string field;
  std::string why;  ///< what it would tell
  std::string how;  ///< the stanza of falco.yaml that brings it
};

/// What Falco printed of one alert, clipped.
struct Printed {
  Nanos time;
  std::string_view outcome;  ///< of the sensor's own alerts none
  std::string text;
};

struct Content {
  std::vector<Detail> event, process, user, object, rule;
  std::vector<Because> impact;
  std::vector<Observable> observables;
  std::size_t observables_left_out = 0;
  std::vector<Printed> samples;
  std::vector<TimelineEntry> timeline;
  std::vector<Advice> advice;  ///< filled
  std::vector<Missing> missing;
  std::string append_output;  ///< the stanza for all of them
};

/// Of a rule that fires only on success an alert need not name it (ruling 24, 7).
inline std::string_view outcome_word(std::uint32_t outcome, const Playbook& playbook) {
  if (outcome == static_cast<std::uint32_t>(schemas::Outcome::kSucceeded)) return "succeeded";
  if (outcome == static_cast<std::uint32_t>(schemas::Outcome::kBlocked)) return "blocked";
  return playbook.fires_on() == Playbook::SUCCESS ? "succeeded" : "unknown";
}

inline std::string_view outcome_words(const records::Sample& sample, const Playbook& playbook) {
  const std::string_view word = outcome_word(sample.outcome(), playbook);
  return word == "blocked" ? "failed" : word;
}

inline void gather_observables(const Facts& facts, const Limits& limits, Content& content) {
  const std::pair<std::string_view, std::vector<std::string_view>> groups[] = {
      {"users",
       {"user.name", "user.loginname", "ka.user.name", "ct.user", "ka.impuser.name", "gcp.user",
        "okta.actor.name", "okta.target.user.name", "github.user"}},
      {"processes", {"proc.name", "proc.pname", "proc.exepath"}},
      {"command_lines", {"proc.cmdline", "proc.pcmdline"}},
      {"files", {"fd.name", "evt.arg.filename"}},
      {"hashes", {"proc.hash.sha256", "file.hash.sha256", "container.image.digest"}},
      {"ips",
       {"fd.sip", "fd.cip", "fd.rip", "fd.lip", "ka.sourceips", "ct.srcip", "gcp.callerIP",
        "okta.client.ip"}},
      {"ports", {"fd.sport", "fd.cport", "fd.rport", "fd.lport"}},
      {"domains", {"fd.sip.name", "fd.rip.name", "fd.cip.name"}},
      {"images", {"container.image.repository"}}};
  for (const auto& [name, fields] : groups) {
    std::set<std::string> values;
    for (const std::string_view field : fields) {
      for (const std::string_view value : facts.values(field)) {
        // The name of a connection is its two ends, no file.
        if (name == "files" && !value.starts_with('/')) continue;
        if (field != "ka.sourceips") {
          values.insert(shown(value, limits.value_bytes));
          continue;
        }
        for (const std::string_view address : schemas::addresses_in(value))
          values.insert(shown(address, limits.value_bytes));
      }
    }
    if (values.empty()) continue;
    const std::size_t kept = std::min(values.size(), limits.values);
    content.observables_left_out += values.size() - kept;
    content.observables.push_back(
        {name, {values.begin(), std::next(values.begin(), static_cast<std::ptrdiff_t>(kept))}});
  }
}

inline void gather_impact(const Facts& facts, const Judgement& judgement, const Playbook& playbook,
                          bool refused, Content& content) {
  // What one fact proves is said once, in the playbook's words if it has some.
  const auto add = [&](std::string text, const std::string& field, std::string value) {
    const bool said = std::any_of(
        content.impact.begin(), content.impact.end(),
        [&](const Because& other) { return other.field == field && other.value == value; });
    if (!said) content.impact.push_back({std::move(text), field, std::move(value)});
  };
  if (refused) {
    const std::string field(was_dry_run(facts) ? "ka.uri" : result_field(facts));
    add("None seen: no attempt is shown to have got through.", field,
        join_values(facts.values(field), 64));
  }
  for (const playbook::Impact& impact : playbook.impact()) {
    if (!can_claim(impact.when(), facts, judgement.outcome, judgement.effect_observed)) continue;
    const std::string& field = impact.when(0).field();
    content.impact.push_back({impact.text(), field, join_values(facts.values(field), 128)});
  }
  if (const auto yes = facts.any_of("container.privileged", {"true"}); !yes.empty())
    add("The container is privileged: its node is within reach.", "container.privileged",
        std::string(yes));
  for (const std::string_view mount : facts.values("container.mounts")) {
    if (mount.find("docker.sock") == std::string_view::npos &&
        mount.find("containerd.sock") == std::string_view::npos) {
      continue;
    }
    add("A socket of the container runtime is mounted: it controls the node.", "container.mounts",
        shown(mount, 256));
    break;
  }
  const bool mixed = judgement.outcome.blocked() + judgement.outcome.unknown() > 0;
  const std::string_view user = mixed ? facts.single("user.uid") : facts.any_of("user.uid", {"0"});
  if (user == "0" && judgement.effect_observed)
    add("It ran as root of its container or host.", "user.uid", "0");
}

inline void gather_timeline(const Facts& facts, const Playbook& playbook, const Limits& limits,
                            bool sensor, Content& content) {
  const Nanos first = facts.summary().first();
  const Nanos last = facts.summary().last();
  std::map<Nanos, std::string> entries = {{last, "last alert"}};
  entries[first] = first == last ? "alert" : "first alert";
  std::size_t kept = 0;
  for (const records::Sample& sample : facts.summary().samples()) {
    if (kept++ == limits.samples) break;
    std::string& text = entries.try_emplace(sample.time(), "alert").first->second;
    if (sensor || text.find(',') != std::string::npos) continue;
    text += fmt::format(", outcome {}", outcome_words(sample, playbook));
  }
  for (auto& [time, text] : entries) content.timeline.push_back({time, std::move(text)});
}

/// Two of them; where the alerts differ, all: only there stands what belongs together.
inline void gather_samples(const Facts& facts, const Playbook& playbook, const Limits& limits,
                           bool sensor, Content& content) {
  const auto differ = [](const std::vector<Detail>& details) {
    return std::any_of(details.begin(), details.end(),
                       [](const Detail& detail) { return detail.differs(); });
  };
  const bool all = differ(content.event) || differ(content.process) || differ(content.user);
  const std::size_t most = all ? limits.samples : std::min<std::size_t>(limits.samples, 2);
  for (const records::Sample& sample : facts.summary().samples()) {
    if (content.samples.size() == most) break;
    std::string text = shown(sample.output(), std::min<std::size_t>(limits.output_bytes, 400));
    const bool printed = std::any_of(content.samples.begin(), content.samples.end(),
                                     [&](const Printed& other) { return other.text == text; });
    if (!text.empty() && !printed)
      content.samples.push_back(
          {sample.time(), sensor ? "" : outcome_words(sample, playbook), std::move(text)});
  }
  std::stable_sort(content.samples.begin(), content.samples.end(),
                   [](const Printed& a, const Printed& b) { return a.time < b.time; });
}

inline void gather_missing(const records::Series& series, const Facts& facts,
                           const Judgement& judgement, const Playbook& playbook, Content& content) {
  std::vector<std::string> fields = judgement.missing;
  const auto for_exception = missing_for_tuning(playbook, series, facts, judgement);
  std::copy_if(for_exception.begin(), for_exception.end(), std::back_inserter(fields),
               [&](const std::string& field) {
                 return std::find(fields.begin(), fields.end(), field) == fields.end();
               });
  for (const std::string& field : fields) {
    Missing missing{field, "", append_output(series.source(), series.rule(), {field})};
    for (const playbook::KeyField& key : playbook.key_fields())
      if (key.field() == field) missing.why = key.look_for();
    if (field == "evt.res") missing.why = "whether the call succeeded";
    if (field == "proc.pname" && missing.why.empty())
      missing.why = "what started it; the pattern says `<runtime>` of a parent that is not known";
    if (missing.why.empty()) missing.why = meaning_of_field(field);
    if (missing.why.empty()) missing.why = "what an exception would be bound to";
    content.missing.push_back(std::move(missing));
  }
  if (!content.missing.empty())
    content.append_output = append_output(series.source(), series.rule(), fields);
}

inline std::vector<Detail>& group_of(std::string_view field, Content& content) {
  const auto is_any = [&](std::initializer_list<std::string_view> prefixes) {
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](std::string_view prefix) { return field.starts_with(prefix); });
  };
  if (is_any({"proc.", "thread."})) return content.process;
  if (is_any({"user.", "group.", "ka.user.", "ka.impuser.", "ct.user", "gcp.user", "github.user",
              "okta.actor."}))
    return content.user;
  if (is_any(
          {"container.", "k8s.", "ka.target.", "s3.", "github.repo", "github.org", "okta.target."}))
    return content.object;
  return content.event;
}

/// What decides is shown, with what it decides.
inline void gather_key_fields(const Facts& facts, const Playbook& playbook, const Limits& limits,
                              Content& content) {
  for (const playbook::KeyField& key : playbook.key_fields()) {
    const auto values = facts.values(key.field());
    if (values.empty()) continue;
    Detail* shown_already = nullptr;
    for (auto* group : {&content.event, &content.process, &content.user, &content.object})
      for (Detail& detail : *group)
        if (detail.field == key.field()) shown_already = &detail;
    if (shown_already != nullptr)
      shown_already->look_for = key.look_for();
    else
      group_of(key.field(), content)
          .push_back(detail_of(facts, key.field(), limits.value_bytes, key.look_for()));
  }
}

inline Content gather(std::string_view report_id, const records::Series& series, const Facts& facts,
                      const Judgement& judgement, const Playbook& playbook, bool refused,
                      const Limits& limits) {
  Content content;
  content.event = details_of(facts, kEventFields, limits.value_bytes);
  content.process = details_of(facts, kProcessFields, limits.value_bytes);
  content.user = details_of(facts, kUserFields, limits.value_bytes);
  const bool host = series.entity().kind() == records::Entity::HOST;
  // Falco calls the host a container of that name.
  if (!host) content.object = details_of(facts, kObjectFields, limits.value_bytes);
  const bool sensor = is_about_sensor(series);
  const auto of_rule = [&](std::string field, std::string value, std::string meaning) {
    content.rule.push_back(
        {.field = std::move(field), .values = {std::move(value)}, .meaning = std::move(meaning)});
  };
  of_rule("rule", shown(series.rule(), 256), playbook.meaning());
  if (const std::string why = why_chosen(playbook, series, facts.summary());
      !sensor && !why.empty()) {
    of_rule("playbook", playbook.id(),
            "this rule has no playbook of its own; this one was chosen by " + why);
  }
  of_rule("source", shown(series.source(), 64), "where Falco saw it");
  std::vector<std::string_view> tags(facts.summary().tags().begin(), facts.summary().tags().end());
  if (!tags.empty()) {
    std::string joined;
    for (const std::string_view tag : tags) joined += (joined.empty() ? "" : ", ") + shown(tag, 64);
    of_rule("tags", clip(joined, 512), "the rule's own labels");
  }
  gather_observables(facts, limits, content);
  for (Detail& detail : content.process)
    if (detail.field == "proc.pname" &&
        series.shape().find(" parent=<runtime>") != std::string::npos)
      detail.meaning += "; the pattern says <runtime> of runtimes, systemd and init";
  gather_key_fields(facts, playbook, limits, content);
  gather_samples(facts, playbook, limits, sensor, content);
  gather_timeline(facts, playbook, limits, sensor, content);
  content.advice = advise(report_id, playbook, series, facts, judgement);
  if (sensor) return content;
  gather_impact(facts, judgement, playbook, refused, content);
  gather_missing(series, facts, judgement, playbook, content);
  return content;
}

}  // namespace gyre::stages
