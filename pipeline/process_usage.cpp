// SPDX-License-Identifier: Apache-2.0
#include "pipeline/process_usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

namespace gyre::pipeline {

namespace {

std::string content(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Fields of /proc/self/stat from the third on: the second, the name in brackets, may hold blanks.
std::vector<double> stat_fields() {
  const std::string text = content("/proc/self/stat");
  const auto bracket = text.rfind(')');
  if (bracket == std::string::npos) return {};
  std::istringstream rest(text.substr(bracket + 1));
  std::vector<double> fields;
  std::string state;
  rest >> state;
  for (double value = 0; rest >> value;) fields.push_back(value);
  return fields;
}

double clock_seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// Asked once: Unix time less time since boot moves whenever the clock is set. /proc/stat would say
// it, too, but is hidden from a service with ProcSubset=pid.
double boot_time() {
  static const double boot = clock_seconds(CLOCK_REALTIME) - clock_seconds(CLOCK_BOOTTIME);
  return boot;
}

}  // namespace

std::optional<ProcessUsage> process_usage() {
  // Indices: field number of proc(5) less 4.
  constexpr std::size_t kUser = 10, kSystem = 11, kThreads = 16, kStart = 18, kVirtual = 19,
                        kResident = 20;
  const std::vector<double> fields = stat_fields();
  if (fields.size() <= kResident) return std::nullopt;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  ProcessUsage usage{
      .cpu_seconds = (fields[kUser] + fields[kSystem]) / ticks,
      .resident_bytes = fields[kResident] * static_cast<double>(sysconf(_SC_PAGESIZE)),
      .virtual_bytes = fields[kVirtual],
      .threads = fields[kThreads],
      .start_time = boot_time() + fields[kStart] / ticks};
  std::error_code error;
  for (auto at = std::filesystem::directory_iterator("/proc/self/fd", error);
       !error && at != std::filesystem::directory_iterator(); at.increment(error))
    ++usage.open_files;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) usage.max_files = static_cast<double>(limit.rlim_cur);
  return usage;
}

}  // namespace gyre::pipeline
