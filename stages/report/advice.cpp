// SPDX-License-Identifier: Apache-2.0
#include "stages/report/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/time.h"
#include "stages/report/conditions.h"
#include "stages/report/exception.h"
#include "stages/report/fill.h"
#include "stages/report/playbook_objects.h"

namespace gyre::stages {

namespace {

using playbook::Step;
using Steps = google::protobuf::RepeatedPtrField<Step>;

constexpr std::size_t kLinesPerCommand = 3;
// Around the alerts, so that what led to them is seen.
constexpr Second kMargin = 300;

// An exception for what names alone explain would be what their imitator wants, where it happened.
bool may_be_tuned(const Facts& facts, const Judgement& judgement) {
  // An exception cannot tell a dry run from the request that is meant.
  if (judgement.verdict == Verdict::kSuspicious || was_dry_run(facts)) return false;
  return !judgement.alarming || is_known(judgement) ||
         none_took_effect(facts, judgement.outcome, judgement.effect_observed);
}

std::string utc(Second second) {
  std::string text = format_rfc3339_second(second);  // 2026-03-02T09:00:00Z
  text.replace(text.find('T'), 1, " ");
  text.replace(text.find('Z'), 1, " UTC");
  return text;
}

// What of the entity and of the evidence may fill a placeholder.
class Values {
 public:
  Values(std::string_view report_id, const records::Series& series, const Facts& facts)
      : report_(report_id.substr(0, 8)), entity_(series.entity()), facts_(facts) {}

  std::vector<std::string> operator()(std::string_view name) const {
    const Second since = second_of(facts_.summary().first()) - kMargin;
    const Second until = second_of(facts_.summary().last()) + kMargin;
    if (name == "report") return {report_};
    if (name == "since") return {format_rfc3339_second(since)};
    if (name == "until") return {format_rfc3339_second(until)};
    if (name == "since_utc") return {utc(since)};
    if (name == "until_utc") return {utc(until)};
    if (name == "node") return {entity_.hostname()};
    const bool container =
        entity_.kind() == records::Entity::CONTAINER && !entity_.container_unknown();
    if (name == "container.id") {
      return container ? std::vector<std::string>{entity_.id()} : std::vector<std::string>{};
    }
    const bool of_container = name.starts_with("container.") || name.starts_with("k8s.");
    if ((of_container && !container) || facts_.capped(name)) return {};
    const auto values = facts_.values(name);
    return {values.begin(), values.end()};
  }

 private:
  const std::string report_;
  const records::Entity& entity_;
  const Facts& facts_;
};

std::vector<std::string> fill_all(const google::protobuf::RepeatedPtrField<std::string>& commands,
                                  const Values& values) {
  std::vector<std::string> filled;
  for (const std::string& command : commands) {
    for (std::string& line : fill(command, values, kLinesPerCommand))
      filled.push_back(std::move(line));
  }
  return filled;
}

// What a cluster itself runs in; a manifest that narrows all of it would stop the cluster.
bool is_system_namespace(std::string_view name) {
  static constexpr std::array<std::string_view, 4> kFronts = {"kube-", "openshift", "gke-", "gmp-"};
  static constexpr std::array<std::string_view, 4> kNames = {"tigera-operator", "cilium", "linkerd",
                                                             "falco"};
  return name.ends_with("-system") ||
         std::any_of(kFronts.begin(), kFronts.end(),
                     [&](std::string_view front) { return name.starts_with(front); }) ||
         std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

// Does what is to be pasted reach a whole namespace of the cluster's own?
bool hits_the_cluster(const Step& step, const Values& values) {
  for (const std::string& name : placeholders(step.snippet())) {
    if (name != "k8s.ns.name" && name != "ka.target.namespace") continue;
    const auto spaces = values(name);
    if (std::any_of(spaces.begin(), spaces.end(), is_system_namespace)) return true;
  }
  return false;
}

class Writer {
 public:
  Writer(std::string_view report_id, const records::Series& series, const Facts& facts,
         const Judgement& judgement)
      : facts_(facts),
        judgement_(judgement),
        values_(report_id, series, facts),
        platforms_(platforms_of(series.entity(), facts)),
        checked_(platforms_) {
    // In a container or not: who looks into it looks at the host as well, and does nothing there.
    if (series.entity().container_unknown()) checked_.insert(Step::HOST);
  }

  void add(AdviceKind kind, const Steps& steps, std::vector<Advice>& into) const {
    for (const Step& step : steps) {
      if (applies(kind, step)) add(kind, step, into);
    }
  }

 private:
  bool applies(AdviceKind kind, const Step& step) const {
    return is_here(step.platforms(), kind == AdviceKind::kVerify ? checked_ : platforms_) &&
           !hits_the_cluster(step, values_) &&
           !(kind == AdviceKind::kContain && may_hit_a_bystander(step)) &&
           all_proven(step.when(), facts_, judgement_.outcome, judgement_.effect_observed);
  }

  // Some calls were refused, and which of the objects these named is not known.
  bool may_hit_a_bystander(const Step& step) const {
    if (judgement_.outcome.blocked() == 0) return false;
    const auto objects = objects_of(step);
    return std::any_of(objects.begin(), objects.end(),
                       [&](const std::string& field) { return facts_.values(field).size() > 1; });
  }

  void add(AdviceKind kind, const Step& step, std::vector<Advice>& into) const {
    Advice advice;
    advice.kind = kind;
    advice.commands = fill_all(step.commands(), values_);
    if (advice.commands.empty() && !step.commands().empty()) return;
    const auto snippets = fill(step.snippet(), values_, 1);
    if (snippets.empty()) return;
    advice.snippet = snippets.front();
    advice.language = step.language() == "falco" ? "yaml" : step.language();
    advice.record = fill_all(step.record(), values_);
    const bool keeps_only = step.commands().empty() && !step.record().empty();
    if (keeps_only && advice.record.empty()) return;
    advice.undo_commands = fill_all(step.undo_commands(), values_);
    advice.title = step.title();
    advice.text = step.text();
    advice.preconditions.assign(step.preconditions().begin(), step.preconditions().end());
    advice.if_benign = step.if_benign();
    advice.if_suspicious = step.if_suspicious();
    advice.if_gone = step.if_gone();
    advice.disruptive = step.disruptive();
    advice.blast_radius = step.blast_radius();
    advice.undo = step.undo();
    advice.source = step.source();
    into.push_back(std::move(advice));
  }

  const Facts& facts_;
  const Judgement& judgement_;
  const Values values_;
  const std::set<Step::Platform> platforms_;
  std::set<Step::Platform> checked_;
};

}  // namespace

std::vector<Advice> advise(std::string_view report_id, const Playbook& playbook,
                           const records::Series& series, const Facts& facts,
                           const Judgement& judgement) {
  std::vector<Advice> advice;
  const Writer writer(report_id, series, facts, judgement);
  writer.add(AdviceKind::kVerify, playbook.checks(), advice);
  if (!needs_nobody(judgement)) {
    // What was not made cannot be taken back; somebody else's of that name may be there.
    if (!was_dry_run(facts)) writer.add(AdviceKind::kContain, playbook.containment(), advice);
    writer.add(AdviceKind::kHarden, playbook.hardening(), advice);
  }
  if (!may_be_tuned(facts, judgement)) return advice;
  if (const auto snippet = falco_exception(playbook, series, facts)) {
    Advice exception;
    exception.kind = AdviceKind::kTune;
    exception.title = "Except exactly this in Falco";
    exception.text =
        "Made from the evidence of these alerts, as narrow as it allows; what differs in any of "
        "its fields still alerts. Falco 0.37 or newer; load it after the file that defines the "
        "rule.";
    exception.preconditions = {"the checks show that this is wanted and stays so"};
    exception.snippet = *snippet;
    exception.language = "yaml";
    advice.push_back(std::move(exception));
  } else if (const auto missing = missing_for_tuning(playbook, series, facts, judgement);
             !missing.empty()) {
    Advice more;
    more.kind = AdviceKind::kTune;
    more.title = "Let Falco print what an exception needs";
    more.text = fmt::format(
        "No exception is offered here: without {} it would except more than these alerts show. "
        "The stanza under what is not known adds {} to the next ones.",
        fmt::join(missing, ", "), missing.size() == 1 ? "it" : "them");
    advice.push_back(std::move(more));
  }
  writer.add(AdviceKind::kTune, playbook.tuning(), advice);
  return advice;
}

std::vector<std::string> missing_for_tuning(const Playbook& playbook, const records::Series& series,
                                            const Facts& facts, const Judgement& judgement) {
  if (!may_be_tuned(facts, judgement)) return {};
  return missing_for_exception(playbook, series, facts);
}

}  // namespace gyre::stages
