// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "pipeline/config.h"
#include "pipeline/kafka_admin.h"

namespace gyre::pipeline {

/// The commands of DESIGN 8.2. Each returns the process's exit code or throws Failure, Refusal (1)
/// or ConfigError (78).

/// Until SIGTERM or SIGINT: exit 0, or 1 if Kafka holds it up for 15 s more. A second signal ends
/// the process at once, as does one before the stages have begun.
int run(const Config& config);

/// Asks the process that runs with this config whether it is ready (`/readyz`), and prints its
/// answer: 0 if it is, else 1. Throws Failure if it does not answer.
int health(const Config& config);

struct ReplayOptions {
  std::vector<std::string> files;  ///< `-` is standard input; each is a source partition
  std::optional<std::string>
      dead_letters;  ///< NDJSON of error, detail, source, line, value or value_base64 (ruling 16)
  std::optional<std::string> stats;
  std::optional<Nanos> now;     ///< clamps event times
  std::int32_t partitions = 0;  ///< 0: one per file; else dealt round-robin, inner topics alike
  std::size_t batch = 1000;
  Second shuffle = 0;  ///< for tests: disorder of at most this many seconds
  std::uint64_t seed = 1;
  std::string format = "json";  ///< json: every revision; summary, markdown: the newest of each
  std::optional<std::string>
      state;  ///< a directory that is not there yet: state is kept in it instead of in memory
};
int replay(const Config& config, const ReplayOptions& options);

struct GenerateOptions {
  std::string profile = "mixed";  ///< mixed | flood | wide | attack | rollout
  std::uint64_t count = 10'000;
  std::uint64_t seed = 1;
  double rate = 0;             ///< alerts per second of real time; 0: as fast as possible
  double event_rate = 100;     ///< alerts per second of event time
  std::optional<Nanos> start;  ///< event time of the first alert; default: so that the last is now
  std::optional<std::uint32_t> hosts;  ///< none: 50, for `wide` as many as its findings need
  std::uint32_t attacks = 1;           ///< mixed: containers broken into
  std::uint32_t findings = 50'000;     ///< wide: findings that the alerts touch in turn
  double duplicates = 0;               ///< share of exact copies, 0..1
  double garbage = 0;                  ///< share of records that are no alerts, 0..1
  std::optional<std::string> truth;    ///< file for the ground truth, JSON
  bool to_kafka = false;  ///< into config.input.topic, unkeyed, round-robin; else NDJSON on stdout
};
int generate(const Config& config, const GenerateOptions& options);

struct ReportsOptions {
  bool follow = false;
  std::set<std::string> ids;       ///< only these, or what begins so (AskedIds); empty: all
  std::string format = "summary";  ///< summary | markdown | json
};
/// Throws Failure for an id that is not there, unless it is to be waited for.
int reports(const Config& config, const ReportsOptions& options);

struct RedeliverOptions {
  std::optional<std::string> error;  ///< only letters dead of this; none: of any
  bool dry_run = false;
};
/// Feeds dead letters back to the input, each once; prints how many, by error.
int redeliver(const Config& config, const RedeliverOptions& options);

struct ExplainOptions {
  std::string file;   ///< `-` is standard input; a record a line, or one JSON value over many lines
  bool json = false;  ///< an object an alert, else text for people
};
/// What Gyre makes of each alert alone, and why: envelope, entity, duplicate id, shape, finding,
/// outcome, playbook, verdict; of what is no alert the reason. 1 if something is no alert, or
/// nothing is there.
int explain(const Config& config, const ExplainOptions& options);

struct InspectOptions {
  std::string directory;  ///< a state.directory, of a process that runs or not
  bool verify = false;    ///< recompute it from the changelogs of the configuration's `name`
};
/// What a state directory holds, by task; with `verify` Failure if it isn't what its changelogs
/// say.
int inspect(const Config& config, const InspectOptions& options);

struct CheckOptions {
  std::optional<std::string> playbooks;  ///< the directory of playbooks, instead of the config's
  bool coverage = false;                 ///< print which rule has which playbook, as Markdown
  bool connect = false;                  ///< also what `check_connection` looks at
  std::vector<std::string> flags;        ///< of `load_config`
};
/// Validates config (empty: none) and playbooks; prints what is fine or every problem.
int check(const std::string& config_path, const CheckOptions& options);
/// Whether `gyre run` would work from here: brokers, topics, the user's rights, the state
/// directory. Changes nothing. Throws Refusal with every problem.
void check_connection(const Config& config);

/// What every topic must be: of the input nothing but that it exists. The input comes first.
std::vector<TopicSpec> topic_specs(const Config& config);
/// The same for a process that may have state: none of the engine's own topics is created again
/// that this state was made with.
std::vector<TopicSpec> topics_to_run(const Config& config);

/// Creates missing topics and verifies all; prints what it did.
int topics(const Config& config);

}  // namespace gyre::pipeline
