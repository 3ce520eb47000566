// SPDX-License-Identifier: Apache-2.0
#include "tests/stages/fleet_case.h"

#include <random>

namespace gyre::stages {
namespace {

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
  const std::uint64_t hosts = 1 + any(3);
  const std::uint64_t containers = 1 + any(3);
  const std::uint64_t rules = 1 + any(3);
  const std::uint64_t shapes = 1 + any(made.tight ? 8 : 3);
  constexpr schemas::Priority kPriorities[] = {
      schemas::Priority::kCritical, schemas::Priority::kError, schemas::Priority::kWarning,
      schemas::Priority::kNotice};
  constexpr const char* kTags[] = {"mitre_execution", "mitre_persistence", "mitre_discovery"};
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
    for (std::uint64_t copy = 0; copy < copies; ++copy) made.alerts.push_back(given);
  }
  return made;
}

}  // namespace gyre::stages
