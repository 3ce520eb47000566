// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <string>

namespace gyre::schemas {

/// Processor time of this thread, which nobody else's work adds to.
inline double thread_seconds() {
  timespec now{};
  EXPECT_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

inline std::string repeated(const std::string& unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

/// How much longer `work` takes for eight times as many of `unit`: 8 where it is linear, 64 where
/// it is quadratic, on any machine and under any sanitizer. The shortest of some times each.
template <typename Work>
double growth(const std::string& unit, const Work& work) {
  constexpr std::size_t kBytes = 64 << 10;
  const auto least = [&](std::size_t bytes) {
    const std::string text = repeated(unit, bytes);
    double seconds = 1e9;
    for (int i = 0; i < 3; ++i) {
      const double began = thread_seconds();
      work(text);
      seconds = std::min(seconds, thread_seconds() - began);
    }
    return seconds;
  };
  return least(8 * kBytes) / least(kBytes);
}
inline constexpr double kLinear = 24;

}  // namespace gyre::schemas
