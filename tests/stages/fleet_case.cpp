// SPDX-License-Identifier: Apache-2.0
#include "tests/stages/fleet_case.h"

#include <algorithm>
#include <functional>
#include <random>

namespace gyre::stages {
namespace {

constexpr schemas::Priority kPriorities[] = {schemas::Priority::kCritical,
                                             schemas::Priority::kError, schemas::Priority::kWarning,
                                             schemas::Priority::kNotice};

FindingConfig small_config() {
  FindingConfig config;
  config.lateness = 20;
  config.gap = 60;
  config.max_age = 300;
  config.keep_closed = 100;
  config.duplicate_horizon = 160;
  config.settle_error = 2;
  config.settle_warning = 5;
  config.settle_below = 9;
  config.backoff_attention = config.backoff_record = {10, 40, 90};
  config.incident_gap = 120;
  config.incident_max_age = 600;
  return config;
}

constexpr const char* kTags[] = {"mitre_execution", "mitre_persistence", "mitre_discovery"};

// More findings of one container than an incident lists: most before there is an incident, and
// some that go on when the others are silent.
void add_crowd(const std::function<std::uint64_t(std::uint64_t)>& any, std::int64_t& id,
               Case& made) {
  const auto add = [&](Second at, std::uint64_t shape, const char* tag) {
    Given given;
    given.at = at;
    given.id = id++;
    given.rule = "Rule " + std::to_string(shape % 3);
    given.tag = tag;
    given.priority = schemas::Priority::kNotice;
    given.hostname = "node-0";
    given.container = "c0ffee0crowd";
    given.shape = "shape " + std::to_string(shape);
    given.fields = {{"proc.name", "sh"}};
    made.alerts.push_back(given);
  };
  const std::uint64_t shapes = 101 + any(60);
  Second at = static_cast<Second>(any(20));
  for (std::uint64_t shape = 0; shape < shapes; ++shape) {
    add(at, shape, kTags[0]);
    if (any(4) == 0) at += static_cast<Second>(1 + any(2));
  }
  at += static_cast<Second>(any(40));
  add(at, 0, kTags[1]);
  add(at, 1, kTags[2]);
  const std::uint64_t more = any(12);
  for (std::uint64_t i = 0; i < more; ++i) {
    at += made.config.gap / 2 + static_cast<Second>(any(30));
    for (std::uint64_t shape = shapes - 5; shape < shapes; ++shape)
      if (any(2) == 0) add(at, shape, kTags[0]);
  }
}

// A finding that lasts, and a sensor that lost something meanwhile.
void add_drops(std::uint64_t seed, const std::function<std::uint64_t(std::uint64_t)>& any,
               std::int64_t& id, Case& made) {
  Given given;
  given.rule = "Rule 0";
  given.tag = kTags[0];
  given.priority = kPriorities[seed % 4];
  given.hostname = "node-0";
  given.container = "c0ffee000000";
  given.shape = "shape 0";
  given.fields = {{"proc.name", "sh"}};
  for (Second at = 0; at < 700; at += 20 + static_cast<Second>(any(40))) {
    given.at = at;
    given.id = id++;
    made.alerts.push_back(given);
  }
  Given drop;
  drop.rule = "Falco internal: syscall event drop";
  drop.priority = schemas::Priority::kDebug;
  drop.container.clear();
  drop.shape = "sensor health";
  drop.fields = {{"n_drops", "100"}, {"n_evts", "1000"}};
  drop.source = "internal";
  const std::uint64_t drops = 1 + any(4);
  for (std::uint64_t i = 0; i < drops; ++i) {
    drop.at = static_cast<Second>(any(any(2) == 0 ? 30 : 800));
    drop.id = id++;
    drop.hostname = "node-" + std::to_string(any(2));
    made.alerts.push_back(drop);
  }
}

}  // namespace

Case make_case(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto any = [&](std::uint64_t n) { return random() % n; };
  Case made;
  made.config = small_config();
  made.quiet = any(2) == 0;
  made.tight = any(6) == 0;
  if (made.tight) {
    made.config.shapes = 1 + static_cast<std::uint32_t>(any(3));
    made.config.per_entity = made.config.shapes + static_cast<std::uint32_t>(any(3));
  }
  // Beyond the disorder one in five, half of them so far that alerts are late.
  if (any(5) == 0)
    made.disorder =
        any(2) == 0 ? made.config.lateness : made.config.keep_closed + made.config.gap * 3;
  made.config.close_all = any(8) > 0;
  if (made.disorder == made.config.lateness) made.stamped = any(2) == 0;
  const std::uint64_t hosts = 1 + any(3);
  const std::uint64_t containers = 1 + any(3);
  const std::uint64_t rules = 1 + any(3);
  const std::uint64_t shapes = 1 + any(made.tight ? 8 : 3);
  // Steps that lie on and beside the borders of gap and age, in nanoseconds.
  const Nanos gap = made.config.gap * kNanosPerSecond;
  const Nanos steps[] = {1,
                         kNanosPerSecond / 3,
                         kNanosPerSecond,
                         4 * kNanosPerSecond,
                         gap / 2,
                         gap - 1,
                         gap,
                         gap + 1,
                         gap * 2,
                         gap * 3};
  Nanos now = static_cast<Nanos>(any(1'000'000'000));
  const std::uint64_t count = 1 + any(any(8) == 0 ? 120 : 30);
  for (std::uint64_t i = 0; i < count; ++i) {
    now += steps[any(any(3) == 0 ? std::size(steps) : 4)];
    Given given;
    given.at = now / kNanosPerSecond;
    given.nanos = now % kNanosPerSecond;
    given.id = static_cast<std::int64_t>(i);
    const std::uint64_t rule = any(rules);
    given.rule = "Rule " + std::to_string(rule);
    given.tag = kTags[rule];
    given.priority = kPriorities[made.quiet ? (seed + rule) % 4 : any(4)];
    given.hostname = "node-" + std::to_string(any(hosts));
    if (any(8) > 0)
      given.container = "c0ffee00000" + std::to_string(any(containers));
    else
      given.container.clear();
    given.shape = "shape " + std::to_string(any(shapes));
    given.fields = {{"proc.name", "sh"}};
    if (!made.quiet) {
      given.outcome = static_cast<schemas::Outcome>(any(3));
      given.fields.emplace_back("user.name", any(4) == 0 ? "root" : "www");
      if (any(5) == 0) given.fields.emplace_back("container.name", "web");
    }
    const std::uint64_t copies = any(6) == 0 ? 1 + any(3) : 1;
    for (std::uint64_t copy = 0; copy < copies; ++copy) {
      made.alerts.push_back(given);
      if (made.stamped && any(2) == 0) made.alerts.back().behind = static_cast<Second>(any(90));
    }
  }
  std::int64_t id = 1'000'000;
  if (!made.tight && any(20) == 0) add_crowd(any, id, made);
  if (!made.tight && any(8) == 0) add_drops(seed, any, id, made);
  std::stable_sort(made.alerts.begin(), made.alerts.end(),
                   [](const Given& a, const Given& b) { return time_of(a) < time_of(b); });
  return made;
}

}  // namespace gyre::stages
