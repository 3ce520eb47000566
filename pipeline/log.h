// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace spdlog {
class logger;
}

namespace gyre::pipeline {

/// The lines that go to standard error.
struct LogSettings {
  enum class Level : std::uint8_t { kDebug, kInfo, kWarning, kError };
  bool json = false;  ///< else logfmt
  Level level = Level::kInfo;
};

/// The words of the configuration, in the order of the enumeration.
inline constexpr std::string_view kLogLevels[] = {"debug", "info", "warning", "error"};

/// For whatever is logged from now on. Before the first call: logfmt, from info.
void set_log(const LogSettings& settings);
/// A logger of these settings.
std::shared_ptr<spdlog::logger> make_logger();

/// A sentence of ours with its facts behind it, `Partitions assigned stage=intake worker=0`, as a
/// line without its end. In JSON every value is a string, so that a key has one type.
std::string log_line(const LogSettings& settings, std::string_view time, std::string_view level,
                     std::string_view sentence);

/// A value of a sentence: one line, in quotes where it has blanks.
std::string quoted(std::string_view value);
/// One line, whatever is in it: values come from brokers and from alerts, and a newline would forge
/// an entry.
std::string one_line(std::string_view text);

}  // namespace gyre::pipeline
