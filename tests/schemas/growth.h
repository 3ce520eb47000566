// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>

#include "tests/cpu_time.h"

namespace gyre::schemas {

inline std::string repeated(const std::string& unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

/// How much longer `work` takes for eight times as many of `unit`: 8 where it is linear, 64 where
/// it is quadratic, on any machine and under any sanitizer. The shortest of some times each;
/// `bytes` are the longer text's.
template <typename Work>
double growth(const std::string& unit, std::size_t bytes, const Work& work) {
  const auto least = [&](std::size_t size) {
    const std::string text = repeated(unit, size);
    double seconds = 1e9;
    for (int i = 0; i < 3; ++i) {
      const double began = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
      work(text);
      seconds = std::min(seconds, cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - began);
    }
    return seconds;
  };
  return least(bytes) / least(bytes / 8);
}
inline constexpr double kLinear = 24;

}  // namespace gyre::schemas
