// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/contribution.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "schemas/identity.h"
#include "stages/report/facts.h"
#include "stages/report/judge.h"

namespace gyre::stages {

namespace {

constexpr std::size_t kBundleBytes = 512 << 10;
constexpr std::size_t kTechniques = 64;  // more than a finding's tags and playbook can name
constexpr std::string_view kGenerated = "bcdfghjklmnpqrstvwxz2456789";

bool all_of(std::string_view text, std::string_view alphabet) {
  return text.find_first_not_of(alphabet) == std::string_view::npos;
}

// Takes `-part` off the end of `name` if it is long enough and of these characters.
std::string_view without_part(std::string_view name, std::size_t shortest, std::size_t longest,
                              std::string_view alphabet) {
  const std::size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return name;
  const std::string_view part = name.substr(dash + 1);
  const bool generated =
      part.size() >= shortest && part.size() <= longest && all_of(part, alphabet);
  return generated ? name.substr(0, dash) : name;
}

// The container runtime interface of Docker spells `k8s_container_pod_namespace_uid_attempt`.
std::string_view container_name(std::string_view name) {
  constexpr std::string_view kPrefix = "k8s_";
  if (!name.starts_with(kPrefix)) return name;
  name.remove_prefix(kPrefix.size());
  return name.substr(0, name.find('_'));
}

std::optional<records::Workload> workload_of(const records::Entity& entity, const Facts& facts) {
  if (entity.kind() != records::Entity::CONTAINER || entity.container_unknown())
    return std::nullopt;
  records::Workload workload;
  const std::string_view pod = facts.single("k8s.pod.name");
  const std::string_view space = facts.single("k8s.ns.name");
  if (!pod.empty() && !space.empty()) {
    const PodOwner owner = owner_of_pod(pod);
    workload.set_cluster(entity.cluster());
    workload.set_namespace_(std::string(space));
    workload.set_owner(std::string(owner.name));
    workload.set_container(std::string(container_name(facts.single("container.name"))));
    workload.set_scheduled(owner.scheduled);
    return workload;
  }
  const std::string_view image = facts.single("container.image.repository");
  if (image.empty() || entity.key_incomplete()) return std::nullopt;
  workload.set_cluster(entity.cluster());
  workload.set_hostname(entity.hostname());
  workload.set_image(std::string(image));
  return workload;
}

// Names what is deployed as exactly as is known.
std::string image_of(const Facts& facts) {
  const std::string_view repository = facts.single("container.image.repository");
  if (repository.empty()) return {};
  const std::string_view digest = facts.single("container.image.digest");
  if (!digest.empty()) return fmt::format("{}@{}", repository, digest);
  const std::string_view tag = facts.single("container.image.tag");
  return tag.empty() ? std::string(repository) : fmt::format("{}:{}", repository, tag);
}

Nanos started(const Facts& facts) {
  const std::string_view text = facts.single("container.start_ts");
  Nanos time = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), time);
  return error == std::errc() && end == text.data() + text.size() && time > 0 ? time : 0;
}

// What `now` has that `before` had not; counts never fall.
records::Counts added(const records::Counts& before, const records::Counts& now) {
  records::Counts added;
  added.set_alerts(now.alerts() - before.alerts());
  added.set_duplicates(now.duplicates() - before.duplicates());
  added.set_late(now.late() - before.late());
  auto& outcome = *added.mutable_outcome();
  outcome.set_succeeded(now.outcome().succeeded() - before.outcome().succeeded());
  outcome.set_blocked(now.outcome().blocked() - before.outcome().blocked());
  outcome.set_unknown(now.outcome().unknown() - before.outcome().unknown());
  return added;
}

bool has_news(const records::Episode& episode) {
  return episode.counts().alerts() > episode.contributed().counts().alerts();
}

bool has_copies(const records::Episode& episode) {
  return episode.counts().duplicates() > episode.contributed().counts().duplicates();
}

bool is_judged_anew(const records::Published& now, const records::Contributed& said) {
  return now.severity() != said.severity() || now.verdict() != said.verdict() ||
         now.attention() != said.attention() || now.effect() != said.effect() ||
         now.counting() != said.counting();
}

records::Contribution make(std::string_view finding_key, const Finding& finding, Second now,
                           const Playbooks& playbooks) {
  const auto& [series, episode, entity] = finding;
  const Judgement judgement = judge(finding, playbooks);
  const Facts facts(episode.summary(), entity);
  records::Contribution made;
  made.set_finding_key(std::string(finding_key));
  made.set_finding_id(episode.id());
  made.set_second(now);
  *made.mutable_entity() = series.entity();
  made.set_rule(series.rule());
  made.set_shape(series.shape());
  made.set_shape_version(episode.shape_version());
  made.set_first(episode.summary().first());
  made.set_last(episode.summary().last());
  made.set_priority(episode.summary().priority());
  *made.mutable_added() = added(episode.contributed().counts(), episode.counts());
  if (episode.has_unsaid()) *made.mutable_span() = episode.unsaid();
  made.set_severity(static_cast<std::uint32_t>(judgement.severity));
  made.set_verdict(static_cast<std::uint32_t>(judgement.verdict));
  made.set_attention(static_cast<std::uint32_t>(judgement.attention));
  made.set_risk(static_cast<std::uint32_t>(judgement.risk));
  made.set_effect_observed(judgement.effect_observed);
  made.set_counting(judgement.counts_for_incidents);
  for (const Technique& technique : judgement.attack) {
    if (made.attack_size() == static_cast<int>(kTechniques)) break;
    records::Technique& known = *made.add_attack();
    known.set_tactic(technique.tactic);
    known.set_technique(technique.technique);
    known.set_name(technique.name);
    known.set_source(technique.source);
  }
  if (auto workload = workload_of(series.entity(), facts))
    *made.mutable_workload() = std::move(*workload);
  made.set_image(image_of(facts));
  made.set_started(started(facts));
  return made;
}

}  // namespace

PodOwner owner_of_pod(std::string_view pod) {
  constexpr std::string_view kDigits = "0123456789";
  const std::string_view controller = without_part(pod, 5, 5, kGenerated);
  // The ordinal of a StatefulSet.
  if (controller == pod) return {without_part(pod, 1, 5, kDigits), false};
  // A CronJob's jobs carry the minute or second of their schedule, a Deployment's replica sets a
  // hash of the template.
  const std::string_view cron = without_part(controller, 8, 10, kDigits);
  if (cron != controller) return {cron, true};
  return {without_part(controller, 6, 10, kGenerated), false};
}

Second longest_delay(const FindingConfig& config) {
  return config.lateness + std::max({config.settle_error, config.settle_warning,
                                     config.settle_below, kContributeEvery});
}

std::vector<records::Contribution> contribute(std::string_view finding_key, records::Series& series,
                                              const std::vector<records::Episode>& dropped,
                                              const records::EntityState& entity, Second now,
                                              const Playbooks& playbooks) {
  // An overflow finding holds many patterns: what it shares with another one means nothing.
  if (is_about_sensor(series) || series.overflow()) return {};
  std::vector<records::Contribution> contributions;
  for (const records::Episode& episode : dropped)
    if (has_news(episode) || has_copies(episode))
      contributions.push_back(make(finding_key, {series, episode, entity}, now, playbooks));
  for (records::Episode& episode : *series.mutable_episodes()) {
    if (episode.revision() == 0) continue;
    const records::Contributed& said = episode.contributed();
    const bool judged = is_judged_anew(episode.published(), said);
    // Copies of what is open are told at its close at the latest.
    const bool news = has_news(episode) || (episode.closed() && has_copies(episode));
    const Second next = said.second() + kContributeEvery;
    const bool due = !episode.has_contributed() || judged || (episode.closed() && !said.closed()) ||
                     (news && next <= now);
    if (due) {
      contributions.push_back(make(finding_key, {series, episode, entity}, now, playbooks));
      records::Contributed& saying = *episode.mutable_contributed();
      saying.set_second(now);
      *saying.mutable_counts() = episode.counts();
      saying.set_severity(episode.published().severity());
      saying.set_verdict(episode.published().verdict());
      saying.set_attention(episode.published().attention());
      saying.set_effect(episode.published().effect());
      saying.set_counting(episode.published().counting());
      saying.set_closed(episode.closed());
      episode.clear_unsaid();
    } else if (news) {
      series.set_due(series.due() == 0 ? next : std::min(series.due(), next));
    }
  }
  return contributions;
}

std::vector<std::pair<std::int32_t, records::Bundle>> bundle_contributions(
    std::map<std::int32_t, Telling>& tasks, std::int32_t sources, std::int32_t targets,
    std::string_view sender) {
  std::vector<std::vector<records::Contribution>> by_target(static_cast<std::size_t>(targets));
  std::map<std::pair<std::int32_t, std::int32_t>, std::uint64_t> arrivals;
  bool tell_all = false;
  for (auto& [partition, task] : tasks) {
    task.sent_to.resize(static_cast<std::size_t>(targets));
    tell_all = tell_all || task.advanced;
    for (records::Contribution& contribution : task.contributions) {
      const Id128 key = schemas::rule_key(contribution.entity().tenant(), contribution.rule(),
                                          contribution.shape());
      const std::uint32_t target =
          schemas::rule_partition(key, static_cast<std::uint32_t>(targets));
      ++arrivals[{partition, static_cast<std::int32_t>(target)}];
      by_target[target].push_back(std::move(contribution));
    }
    task.contributions.clear();
  }

  std::vector<std::pair<std::int32_t, records::Bundle>> bundles;
  for (std::int32_t target = 0; target < targets; ++target) {
    auto& contributions = by_target[static_cast<std::size_t>(target)];
    if (contributions.empty() && !tell_all) continue;
    std::vector<records::Bundle> parts(1);
    std::size_t bytes = 0;
    for (records::Contribution& contribution : contributions) {
      const std::size_t size = contribution.ByteSizeLong();
      if (bytes > 0 && bytes + size > kBundleBytes) {
        parts.emplace_back();
        bytes = 0;
      }
      bytes += size;
      *parts.back().add_contributions() = std::move(contribution);
    }
    for (std::size_t part = 0; part < parts.size(); ++part) {
      records::Bundle& bundle = parts[part];
      bundle.set_sources(sources);
      bundle.set_sender(std::string(sender));
      bundle.set_part(static_cast<std::uint32_t>(part));
      bundle.set_parts(static_cast<std::uint32_t>(parts.size()));
      for (auto& [partition, task] : tasks) {
        std::uint64_t& sent = task.sent_to[static_cast<std::size_t>(target)];
        const auto arrived = arrivals.find({partition, target});
        records::SourceRange& said = *bundle.add_ranges();
        said.set_partition(partition);
        said.set_first(task.first);
        said.set_next(task.next);
        said.set_progress((task.decided + 1) * kNanosPerSecond);
        said.set_arrivals(arrived == arrivals.end() ? 0 : arrived->second);
        if (part == 0) sent += said.arrivals();
        said.set_sent(sent);
      }
      bundles.emplace_back(target, std::move(bundle));
    }
  }
  return bundles;
}

}  // namespace gyre::stages
