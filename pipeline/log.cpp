// SPDX-License-Identifier: Apache-2.0
#include "pipeline/log.h"

#include <fmt/format.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "base/time.h"
#include "schemas/report.h"

namespace gyre::pipeline {

namespace {

using Pair = std::pair<std::string, std::string>;

LogSettings& settings_now() {
  static LogSettings settings;
  return settings;
}

spdlog::level::level_enum to_spdlog(LogSettings::Level level) {
  switch (level) {
    case LogSettings::Level::kDebug:
      return spdlog::level::debug;
    case LogSettings::Level::kInfo:
      return spdlog::level::info;
    case LogSettings::Level::kWarning:
      return spdlog::level::warn;
    default:
      return spdlog::level::err;
  }
}

bool is_key(std::string_view text) {
  return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == text.npos;
}

/// Where the next ` key=` begins: its blank.
std::size_t next_pair(std::string_view text, std::size_t from) {
  for (std::size_t at = text.find(' ', from); at != text.npos; at = text.find(' ', at + 1)) {
    const std::size_t equals = text.find_first_of(" =\"", at + 1);
    if (equals != text.npos && text[equals] == '=' && is_key(text.substr(at + 1, equals - at - 1)))
      return at;
  }
  return text.size();
}

/// A value as it stands there, taken off the front: what `quoted` made, or all up to the next pair.
std::string_view take_value(std::string_view& rest) {
  std::size_t end = next_pair(rest, 0);
  if (rest.starts_with('"')) {
    for (end = 1; end < rest.size() && rest[end] != '"'; ++end)
      if (rest[end] == '\\') ++end;
    end = std::min(end + 1, rest.size());
  }
  const std::string_view value = rest.substr(0, end);
  rest.remove_prefix(end);
  return value;
}

std::string unquoted(std::string_view value) {
  if (!value.starts_with('"')) return std::string(value);
  std::string text;
  for (std::size_t at = 1; at + 1 < value.size(); ++at) {
    const bool escape = value[at] == '\\' && (value[at + 1] == '"' || value[at + 1] == '\\');
    text += value[escape ? ++at : at];
  }
  return text;
}

std::vector<Pair> pairs_of(std::string_view rest) {
  std::vector<Pair> pairs;
  while (!rest.empty()) {
    const std::size_t at = next_pair(rest, 0);
    if (at == rest.size()) break;
    rest.remove_prefix(at + 1);
    const std::size_t equals = rest.find('=');
    const std::string key(rest.substr(0, equals));
    rest.remove_prefix(equals + 1);
    pairs.emplace_back(key, take_value(rest));
  }
  return pairs;
}

class Formatter : public spdlog::formatter {
 public:
  explicit Formatter(const LogSettings& settings) : settings_(settings) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const Nanos time =
        std::chrono::duration_cast<std::chrono::nanoseconds>(message.time.time_since_epoch())
            .count();
    constexpr std::size_t kToMilliseconds = 23;
    const auto level = spdlog::level::to_string_view(message.level);
    const std::string line =
        log_line(settings_, format_rfc3339(time).substr(0, kToMilliseconds) + "Z",
                 {level.data(), level.size()}, {message.payload.data(), message.payload.size()}) +
        '\n';
    out.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<Formatter>(settings_);
  }

 private:
  LogSettings settings_;
};

}  // namespace

void set_log(const LogSettings& settings) {
  settings_now() = settings;
  spdlog::set_default_logger(make_logger());
}

std::shared_ptr<spdlog::logger> make_logger() {
  auto logger =
      std::make_shared<spdlog::logger>("gyre", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(std::make_unique<Formatter>(settings_now()));
  logger->set_level(to_spdlog(settings_now().level));
  logger->flush_on(spdlog::level::info);
  return logger;
}

std::string log_line(const LogSettings& settings, std::string_view time, std::string_view level,
                     std::string_view sentence) {
  const std::size_t end = next_pair(sentence, 0);
  std::vector<Pair> all = {{"ts", std::string(time)},
                           {"level", std::string(level)},
                           {"msg", std::string(sentence.substr(0, end))}};
  for (Pair& pair : pairs_of(sentence.substr(end))) all.push_back(std::move(pair));
  if (settings.json) {
    schemas::JsonWriter json;
    json.begin_object();
    for (const auto& [key, value] : all) json.key(key).value(std::string_view(unquoted(value)));
    json.end_object();
    return json.take();
  }
  std::string line;
  for (const auto& [key, value] : all)
    line += fmt::format("{}{}={}", line.empty() ? "" : " ", key,
                        value.starts_with('"') ? value : quoted(value));
  return line;
}

std::string quoted(std::string_view value) {
  const bool plain = !value.empty() && value.find_first_of(" =\"\\") == value.npos;
  if (plain) return one_line(value);
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return one_line(out + '"');
}

std::string one_line(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace gyre::pipeline
