// SPDX-License-Identifier: Apache-2.0
#include "pipeline/status.h"

#include <fmt/format.h>

#include "schemas/report.h"

namespace gyre::pipeline {

namespace {

constexpr auto kAliveWithin = std::chrono::seconds(60);
constexpr auto kTurnsWithin = std::chrono::seconds(15);

std::string name_of(const LoopId& loop) { return fmt::format("{} {}", loop.stage, loop.worker); }

std::int64_t in_seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}

void append(std::string& list, const std::string& entry) {
  if (!list.empty()) list += "; ";
  list += entry;
}

}  // namespace

void Status::expect(const LoopId& loop) {
  const std::lock_guard lock(mutex_);
  loops_.try_emplace(loop);
}

void Status::set_ready(const LoopId& loop, bool ready, std::string_view why_not) {
  const std::lock_guard lock(mutex_);
  Loop& state = loops_[loop];
  state.ready = ready;
  state.why_not = why_not;
}

std::pair<bool, std::string> Status::ready_locked(Clock::time_point now) const {
  if (loops_.empty()) return {false, "no stage has started"};
  std::string why;
  for (const auto& [loop, state] : loops_) {
    if (!state.ready) {
      append(why, name_of(loop) + ": " + state.why_not);
    } else if (state.turned && now - *state.turned > kTurnsWithin) {
      append(why, fmt::format("{}: has waited for Kafka for {} s", name_of(loop),
                              in_seconds(now - *state.turned)));
    }
  }
  return {why.empty(), why};
}

std::pair<bool, std::string> Status::ready(Clock::time_point now) const {
  const std::lock_guard lock(mutex_);
  return ready_locked(now);
}

void Status::turned(const LoopId& loop, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  loops_[loop].turned = now;
  loops_[loop].alive = now;
}

void Status::waits(const LoopId& loop, bool waits, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  loops_[loop].waits = waits;
  loops_[loop].alive = now;
}

std::pair<bool, std::string> Status::healthy(Clock::time_point now) const {
  const std::lock_guard lock(mutex_);
  std::string why;
  for (const auto& [loop, state] : loops_) {
    if (!state.alive || state.waits || now - *state.alive <= kAliveWithin) continue;
    append(why, fmt::format("{}: silent for {} s", name_of(loop), in_seconds(now - *state.alive)));
  }
  return {why.empty(), why};
}

void Status::kafka(const LoopId& loop, const KafkaStatistics& now) {
  const std::lock_guard lock(mutex_);
  Client& client = loops_[loop].clients[now.client];
  if (client.now.name != now.name) {
    client.timeouts_before += client.now.timeouts;
    client.disconnects_before += client.now.disconnects;
  }
  client.now = now;
}

std::map<std::pair<std::string, std::string>, KafkaStatistics> Status::kafka() const {
  const std::lock_guard lock(mutex_);
  std::map<std::pair<std::string, std::string>, KafkaStatistics> all;
  for (const auto& [loop, state] : loops_)
    for (const auto& [kind, client] : state.clients) {
      KafkaStatistics& sum = all[{loop.stage, kind}];
      sum.round_trip = std::max(sum.round_trip, client.now.round_trip);
      sum.throttled = std::max(sum.throttled, client.now.throttled);
      sum.queued += client.now.queued;
      sum.timeouts += client.timeouts_before + client.now.timeouts;
      sum.disconnects += client.disconnects_before + client.now.disconnects;
    }
  return all;
}

void Status::assigned(const LoopId& loop, std::span<const std::int32_t> partitions) {
  const std::lock_guard lock(mutex_);
  std::erase_if(tasks_, [&](const auto& entry) {
    return entry.second.stage == loop.stage && entry.second.worker == loop.worker;
  });
  for (const std::int32_t partition : partitions)
    tasks_[{loop.stage, partition}] = {.stage = loop.stage,
                                       .partition = partition,
                                       .worker = loop.worker,
                                       .at = std::nullopt,
                                       .lag = std::nullopt};
}

Status::Task* Status::held(const LoopId& loop, std::int32_t partition) {
  const auto found = tasks_.find({loop.stage, partition});
  return found == tasks_.end() || found->second.worker != loop.worker ? nullptr : &found->second;
}

void Status::task(const LoopId& loop, std::int32_t partition, const TaskStatus& at) {
  const std::lock_guard lock(mutex_);
  if (Task* task = held(loop, partition)) task->at = at;
}

void Status::lag(const LoopId& loop, std::int32_t partition, std::int64_t records) {
  const std::lock_guard lock(mutex_);
  if (Task* task = held(loop, partition)) task->lag = records;
}

std::vector<Status::Task> Status::tasks() const {
  const std::lock_guard lock(mutex_);
  std::vector<Task> all;
  for (const auto& [place, task] : tasks_) all.push_back(task);
  return all;
}

std::string Status::json() const {
  schemas::JsonWriter json;
  json.begin_object();
  {
    const std::lock_guard lock(mutex_);
    json.key("ready").value(ready_locked(Clock::now()).first);
    json.key("loops").begin_array();
    for (const auto& [loop, state] : loops_) {
      json.begin_object().text("stage", loop.stage).key("worker").number(loop.worker);
      json.key("ready").value(state.ready);
      if (!state.ready) json.text("why_not", state.why_not);
      json.end_object();
    }
    json.end_array();
  }
  json.key("tasks").begin_array();
  for (const Task& task : tasks()) {
    json.begin_object().text("stage", task.stage).key("partition").number(task.partition);
    json.key("worker").number(task.worker);
    json.key("recovered").value(task.at.has_value());
    if (task.at) {
      json.key("next_offset").number(task.at->next_offset);
      json.key("changelog_offset").number(task.at->changelog_offset);
      if (task.at->stream_time != kNoTime)
        json.text("stream_time", format_rfc3339(task.at->stream_time));
      if (task.at->held_by >= 0) json.key("held_by").number(task.at->held_by);
      json.key("findings_open").number(task.at->findings_open);
      json.key("outbreaks_open").number(task.at->outbreaks_open);
      if (task.at->stopped) json.key("stopped").value(true);
    }
    if (task.lag) json.key("lag").number(*task.lag);
    json.end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

}  // namespace gyre::pipeline
