// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "base/error.h"
#include "pipeline/commands.h"
#include "pipeline/kafka_admin.h"
#include "pipeline/kafka_probe.h"
#include "pipeline/kafka_properties.h"

namespace gyre::pipeline {

namespace {

namespace fs = std::filesystem;

/// Prints what is right, keeps what is not.
class Findings {
 public:
  void add(const std::string& what, const std::string& why_not) {
    if (why_not.empty())
      std::cout << fmt::format("ok {}\n", what) << std::flush;
    else
      problems_.push_back(fmt::format("{}: {}", what, why_not));
  }
  void add(const std::string& problem) { problems_.push_back(problem); }
  void refuse_if_any() const {
    if (problems_.empty()) return;
    throw Refusal(fmt::format("gyre run would not work:\n  {}", fmt::join(problems_, "\n  ")));
  }

 private:
  std::vector<std::string> problems_;
};

/// A directory that is not there yet is made at the start, in the nearest one that is.
std::string why_no_state(const std::string& directory) {
  fs::path existing = fs::absolute(directory);
  std::error_code error;
  while (!fs::exists(existing, error) && existing.has_relative_path())
    existing = existing.parent_path();
  if (!fs::is_directory(existing, error)) return existing.string() + " is no directory";
  if (::access(existing.c_str(), W_OK | X_OK) != 0)
    return fmt::format("{} may not be written: {}", existing.string(), std::strerror(errno));
  const int lock = ::open((directory + "/LOCK.gyre").c_str(), O_RDONLY | O_CLOEXEC);
  if (lock < 0) return {};
  const bool held = ::flock(lock, LOCK_SH | LOCK_NB) != 0;
  ::close(lock);
  if (held) std::cout << fmt::format("a gyre runs on {} now\n", directory);
  return {};
}

bool has_stage(const Config& config, const std::string& stage) {
  return std::find(config.stages.begin(), config.stages.end(), stage) != config.stages.end();
}

/// What the enabled stages write to; of a topic that is not there yet nothing can be said.
std::vector<std::string> written(const Config& config) {
  std::vector<std::string> topics;
  const auto add = [&](std::initializer_list<std::string> more) {
    topics.insert(topics.end(), more);
  };
  if (has_stage(config, "intake"))
    add({config.input.dead_letter_topic, config.by_container_topic(), config.intake_changelog()});
  if (has_stage(config, "by_container"))
    add({config.by_container_changelog(), config.by_container_ids(), config.by_rule_topic()});
  if (has_stage(config, "by_rule")) add({config.by_rule_changelog()});
  if (has_stage(config, "by_container") || has_stage(config, "by_rule"))
    for (const Output& output : config.outputs) add({output.topic});
  return topics;
}

}  // namespace

void check_connection(const Config& config) {
  const KafkaClient client = kafka_client(config);
  Findings findings;
  findings.add("state.directory " + config.state.directory, why_no_state(config.state.directory));
  const TopicsShown shown = show_topics(client, topics_to_run(config), true);
  for (const std::string& line : shown.lines) std::cout << line << '\n';
  for (const std::string& problem : shown.problems) findings.add(problem);
  const auto is_there = [&](const std::string& topic) {
    return std::find(shown.missing.begin(), shown.missing.end(), topic) == shown.missing.end();
  };
  if (has_stage(config, "intake"))
    findings.add("read " + config.input.topic, why_not_read(client, config.input.topic));
  for (const std::string& topic : written(config))
    if (is_there(topic)) findings.add("write " + topic, why_not_write(client, topic));
  for (const std::string& stage : config.stages) {
    const std::string group = config.group(stage);
    findings.add("group " + group, why_not_join(client, group, config.input.topic));
  }
  const std::string id = config.name + "-check";
  findings.add("transactional id " + id, why_not_transact(client, id));
  findings.refuse_if_any();
}

}  // namespace gyre::pipeline
