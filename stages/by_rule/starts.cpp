// SPDX-License-Identifier: Apache-2.0
#include "stages/by_rule/starts.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace gyre::stages {

namespace {

// One image is told in three ways at most: so many tell that there is more than one.
constexpr int kImages = 4;

struct Image {
  std::string_view repository, tag, digest;
};

// Of what Contribution.image says.
Image parse_image(std::string_view text) {
  const std::size_t digest = text.find('@');
  if (digest != std::string_view::npos) return {text.substr(0, digest), {}, text.substr(digest)};
  const std::size_t tag = text.rfind(':');
  const std::size_t name = text.rfind('/');  // of a registry with a port
  if (tag == std::string_view::npos || (name != std::string_view::npos && tag < name))
    return {text, {}, {}};
  return {text.substr(0, tag), text.substr(tag), {}};
}

bool differ(std::string_view one, std::string_view other) {
  return !one.empty() && !other.empty() && one != other;
}

// A tag says nothing of a digest.
bool are_different(const std::string& one, const std::string& other) {
  const Image a = parse_image(one);
  const Image b = parse_image(other);
  return a.repository != b.repository || differ(a.digest, b.digest) || differ(a.tag, b.tag);
}

bool has_different_images(const records::Starts& starts) {
  const auto& images = starts.images();
  for (int i = 0; i < images.size(); ++i)
    for (int k = i + 1; k < images.size(); ++k)
      if (are_different(images[i], images[k])) return true;
  return false;
}

bool are_known(const records::Starts& starts) {
  return starts.without_id() + starts.without_image() + starts.without_start() == 0 &&
         starts.images_size() == 1;
}

std::uint64_t members(const records::Starts& starts) {
  return starts.containers() + starts.others();
}

bool is_container(const records::Entity& entity) {
  return entity.kind() == records::Entity::CONTAINER || entity.container_unknown();
}

// Adds `one`, or with -1 takes it out.
void count(const records::Contribution& newest, std::uint64_t one, records::Starts& starts) {
  if (!is_container(newest.entity())) return starts.set_others(starts.others() + one);
  starts.set_containers(starts.containers() + one);
  if (newest.entity().container_unknown()) starts.set_without_id(starts.without_id() + one);
  if (newest.image().empty()) starts.set_without_image(starts.without_image() + one);
  if (newest.started() == 0) starts.set_without_start(starts.without_start() + one);
}

void note_image(const std::string& image, records::Starts& starts) {
  auto& images = *starts.mutable_images();
  if (image.empty() || images.size() == kImages ||
      std::find(images.begin(), images.end(), image) != images.end())
    return;
  *images.Add() = image;
  std::sort(images.begin(), images.end());
}

Second minutes(const records::Starts& starts) {
  return (starts.last() - starts.first()) / kNanosPerSecond / 60;
}

std::string of_containers(const records::Starts& starts, std::string_view which) {
  return fmt::format("Of {} containers the alerts {}.", starts.containers(), which);
}

std::string without(std::uint64_t count, std::string_view what, std::string_view field,
                    std::vector<std::string>& missing) {
  missing.emplace_back(field);
  return fmt::format("of {} tell no {} ({})", count, what, field);
}

// What is not known of the containers, in words; adds the fields that would tell.
std::string tell_unknown(const records::Starts& starts, std::vector<std::string>& missing) {
  std::vector<std::string> all;
  if (starts.without_id() > 0)
    all.push_back(without(starts.without_id(), "id", "container.id", missing));
  if (starts.without_image() > 0)
    all.push_back(without(starts.without_image(), "image", "container.image.repository", missing));
  if (starts.without_start() > 0)
    all.push_back(without(starts.without_start(), "start time", "container.start_ts", missing));
  if (!all.empty()) return of_containers(starts, fmt::format("{}", fmt::join(all, ", ")));
  const bool by_digest =
      std::any_of(starts.images().begin(), starts.images().end(),
                  [](const auto& image) { return image.find('@') != std::string::npos; });
  missing.emplace_back(by_digest ? "container.image.digest" : "container.image.tag");
  return by_digest ? "Not all alerts name the image's digest (container.image.digest)."
                   : "Not all alerts name the image's tag (container.image.tag).";
}

void tell_course(const records::Starts& starts, const OutbreakConfig& config,
                 OutbreakContent& content) {
  std::string& because = content.pattern_because;
  switch (content.course) {
    case Course::kScheduled:
      because += " They are runs of a scheduled job.";
      return;
    case Course::kTogether:
      because +=
          fmt::format(" They were started within {} min, side by side.", config.rollout / 60);
      return;
    case Course::kInTurn:
      because += are_together(starts, config)
                     ? " Each was last seen before the next one was started."
                     : fmt::format(" They were started {} min apart.", minutes(starts));
      return;
    case Course::kUnknown:
      break;
  }
  if (members(starts) < 2) return;
  if (starts.without_start() > 0)
    because +=
        " " + of_containers(starts, without(starts.without_start(), "start time",
                                            "container.start_ts", content.judgement.missing));
  else
    because += " Whether one was still seen when the next one had been started is not known yet.";
}

std::string spread_because(const records::Starts& starts, const OutbreakContent& content) {
  if (starts.others() == members(starts) && content.objects == content.entities)
    return "The members are objects that requests were about.";
  if (starts.others() > 0)
    return fmt::format("{} of the members {} no container{}.", starts.others(),
                       starts.others() == 1 ? "is" : "are", starts.others() == 1 ? "" : "s");
  if (has_different_images(starts)) return "Their images differ.";
  return fmt::format("The containers were started {} min apart.", minutes(starts));
}

}  // namespace

void note_start(const records::Contribution& newest, records::Starts& starts) {
  count(newest, 1, starts);
  if (!is_container(newest.entity())) return;
  note_image(newest.image(), starts);
  const Nanos started = newest.started();
  if (started == 0) return;
  starts.set_first(starts.first() == 0 ? started : std::min(starts.first(), started));
  starts.set_last(std::max(starts.last(), started));
}

void take_out_start(const records::Contribution& before, records::Starts& starts) {
  count(before, static_cast<std::uint64_t>(-1), starts);
}

bool are_together(const records::Starts& starts, const OutbreakConfig& config) {
  return starts.last() - starts.first() <= config.rollout * kNanosPerSecond;
}

Pattern pattern_of(const records::Group& group, const records::Starts& starts,
                   const OutbreakConfig& config) {
  if (group.has_workload()) return Pattern::kRecurring;
  if (members(starts) < 2) return Pattern::kUnknown;
  if (starts.others() > 0 || has_different_images(starts) || !are_together(starts, config))
    return Pattern::kSpread;
  return are_known(starts) ? Pattern::kRollout : Pattern::kUnknown;
}

std::optional<Second> course_known_at(const records::Group& group, const records::Starts& starts,
                                      const OutbreakConfig& config) {
  if (!group.has_workload() || group.workload().scheduled() || members(starts) < 2 ||
      starts.without_start() > 0 || starts.side_by_side() || !are_together(starts, config))
    return std::nullopt;
  return second_of(starts.last()) + config.staleness;
}

Course course_of(const records::Group& group, const records::Starts& starts, Second now,
                 const OutbreakConfig& config) {
  if (!group.has_workload()) return Course::kUnknown;
  if (group.workload().scheduled()) return Course::kScheduled;
  if (members(starts) < 2) return Course::kUnknown;
  // A crash loop starts its first containers within a minute, so that start times alone don't tell.
  if (!are_together(starts, config)) return Course::kInTurn;
  if (starts.without_start() > 0) return Course::kUnknown;
  if (starts.side_by_side()) return Course::kTogether;
  const auto known = course_known_at(group, starts, config);
  return known && now >= *known ? Course::kInTurn : Course::kUnknown;
}

void tell_pattern(const records::Group& group, Second now, const OutbreakConfig& config,
                  OutbreakContent& content) {
  const records::Starts& starts = content.starts;
  content.pattern = pattern_of(group, starts, config);
  content.course = course_of(group, starts, now, config);
  switch (content.pattern) {
    case Pattern::kRecurring:
      content.pattern_because = fmt::format("{} or more containers of one workload within {} h.",
                                            config.recurring, config.recurring_window / 3600);
      return tell_course(starts, config, content);
    case Pattern::kSpread:
      content.pattern_because = spread_because(starts, content);
      return;
    case Pattern::kRollout:
      content.pattern_because =
          fmt::format("{} containers of one image were started within {} min.", starts.containers(),
                      config.rollout / 60);
      return;
    case Pattern::kUnknown:
      break;
  }
  content.pattern_because = members(starts) < 2
                                ? "Fewer than two of the members are neither tests nor benign."
                                : tell_unknown(starts, content.judgement.missing);
}

}  // namespace gyre::stages
