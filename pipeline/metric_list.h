// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace gyre::pipeline {

/// A metric of /metrics. What it counts is said here and nowhere else: it is its HELP text and its
/// row in docs/metrics.md.
struct Metric {
  std::string_view name;
  std::string_view type;    ///< counter, gauge or histogram
  std::string_view labels;  ///< separated by blanks
  std::string_view help;
};

std::span<const Metric> metric_list();

/// Of a metric of the list; another name is a mistake of ours.
std::string help_of(std::string_view name);

/// The list as a Markdown table, as it stands in docs/metrics.md.
std::string metric_table();

}  // namespace gyre::pipeline
