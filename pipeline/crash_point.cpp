// SPDX-License-Identifier: Apache-2.0
#include "pipeline/crash_point.h"

#ifdef GYRE_CHAOS

#include <sys/time.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <mutex>

#include "base/check.h"

namespace gyre::pipeline {

namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

std::string_view cut(std::string_view& text, char at) {
  const std::string_view part = text.substr(0, text.find(at));
  text.remove_prefix(std::min(text.size(), part.size() + 1));
  return part;
}

std::int64_t number(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

struct Crash {
  std::string_view stage;
  std::string_view point;
  std::int64_t left = 0;  ///< passes until then
  std::int64_t microseconds = 0;
  std::mutex mutex;

  explicit Crash(std::string_view text) {
    stage = cut(text, '.');
    point = cut(text, ':');
    left = number(cut(text, ':'));
    microseconds = number(text);
  }
};

thread_local std::string stage_of_thread;

bool is_state(const std::string& topic) {
  return topic.ends_with(".changelog") || topic.ends_with(".ids");
}

}  // namespace

void crash_stage(const std::string& stage) { stage_of_thread = stage; }

void crash_point(std::string_view point) {
  static Crash crash(environment("GYRE_CRASH"));
  if (crash.point != point || crash.stage != stage_of_thread) return;
  const std::lock_guard lock(crash.mutex);
  if (--crash.left != 0) return;
  if (crash.microseconds == 0) std::raise(SIGKILL);
  const itimerval later{.it_interval = {},
                        .it_value = {.tv_sec = 0, .tv_usec = crash.microseconds}};
  setitimer(ITIMER_REAL, &later, nullptr);  // nobody handles SIGALRM: it ends the process
}

bool commits_apart() { return !environment("GYRE_BUG").empty(); }

std::map<TopicPartition, std::int64_t> commit_apart(Broker& broker, std::vector<OutRecord>& records,
                                                    std::span<const PartitionOffset> offsets) {
  const bool state_first = environment("GYRE_BUG") == "state_apart";
  CHECK(state_first || environment("GYRE_BUG") == "offsets_apart");
  std::map<TopicPartition, std::int64_t> sent;
  for (const bool first : {true, false}) {
    broker.begin();
    for (OutRecord& record : records)
      if (state_first ? is_state(record.topic) == first : first) broker.send(std::move(record));
    sent.merge(broker.commit(state_first == first ? offsets : std::span<const PartitionOffset>()));
  }
  return sent;
}

}  // namespace gyre::pipeline

#endif
