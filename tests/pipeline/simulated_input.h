// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <string>

#include "base/time.h"
#include "pipeline/config.h"

/// What a simulated fleet sends, and the configuration under which it is judged.
namespace gyre::pipeline {

inline constexpr Nanos kSecond = kNanosPerSecond;
inline constexpr Nanos kStart = 1'800'000'000 * kSecond;
inline constexpr std::int32_t kSources = 3;
inline constexpr std::int32_t kTasks = 2;
/// Time that passes after the last record: nothing stays open.
inline constexpr std::array kEnding = {10 * kSecond, 600 * kSecond, 7200 * kSecond,
                                       86'400 * kSecond};

inline Config simulated_config() {
  Config config;
  config.inner.partitions = kTasks;
  config.input.cluster = "simulated";
  config.findings.close_all = true;
  config.findings.lateness = 20;
  config.findings.gap = 60;
  config.findings.keep_closed = 120;
  config.findings.backoff_attention = {600};
  config.outbreaks.hosts = 3;
  config.outbreaks.recurring = 2;
  return config;
}

/// Of rule R on one of R + 2 hosts: one rule is never an outbreak. A host has two containers of one
/// image.
inline std::string simulated_alert(Nanos time, int rule, int host, int container) {
  constexpr std::array kPriorities = {"Critical", "Warning", "Error"};
  return fmt::format(
      R"({{"rule":"Rule {0}","time":"{1}","priority":"{2}","output":"o","hostname":"node-{3}",)"
      R"("output_fields":{{"container.id":"c0ffee00{4:04}","container.image.repository":"app",)"
      R"("evt.type":"execve","proc.cmdline":"sh -c x","proc.name":"sh"}}}})",
      rule, format_rfc3339(time), kPriorities.at(static_cast<std::size_t>(rule)), host, container);
}

}  // namespace gyre::pipeline
