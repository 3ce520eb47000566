// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <iostream>
#include <optional>
#include <set>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "pipeline/asked_ids.h"
#include "pipeline/commands.h"
#include "pipeline/log.h"
#include "pipeline/show.h"
#include "schemas/contracts.h"

namespace gyre::pipeline {
namespace {

enum ExitCode : int { kFine = 0, kFailed = 1, kUsage = 64, kBadConfig = 78 };

struct Options {
  std::string config;  ///< empty: every key at its default
  ReplayOptions replay;
  GenerateOptions generate;
  ReportsOptions reports;
  CheckOptions check;
  ExplainOptions explain;
  RedeliverOptions redeliver;
  InspectOptions inspect;
  std::string schema;
  std::set<std::string> stages;    ///< empty: as the configuration says
  std::vector<std::string> flags;  ///< KEY=VALUE, over file and environment
};

CLI::App* command(CLI::App& app, Options& options, const std::string& name, const std::string& what,
                  const std::string& example, bool needs_config = false) {
  CLI::App* sub = app.add_subcommand(name, what);
  sub->footer("Example:\n  " + example);
  CLI::Option* config =
      sub->add_option("-c,--config", options.config, "The configuration, YAML")->type_name("FILE");
  if (needs_config) config->required();
  sub->add_option(
         "--set", options.flags,
         "A key of the configuration, over the file and the environment; any number of them")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  return sub;
}

void add_time(CLI::App* sub, const std::string& name, std::optional<Nanos>& into,
              const std::string& what) {
  const auto to_nanos = [](std::string& text) {
    const auto time = parse_rfc3339(text);
    if (!time) return text + " is no time as 2026-01-02T03:04:05Z";
    text = std::to_string(*time);
    return std::string();
  };
  sub->add_option(name, into, what)->type_name("TIME")->transform(CLI::Validator(to_nanos, ""));
}

void add_replay(CLI::App& app, Options& options) {
  CLI::App* sub = command(app, options, "replay", "Read alerts from files, print reports as NDJSON",
                          "gyre replay --stats stats.json alerts.ndjson > reports.ndjson");
  ReplayOptions& replay = options.replay;
  sub->add_option("FILE", replay.files,
                  "Alerts, a line each or one JSON value over many lines; - is stdin")
      ->required();
  sub->add_option("--dead-letters", replay.dead_letters, "Write what is no alert here, as NDJSON")
      ->type_name("FILE")
      ->check([](const std::string& file) {
        return file == "-" ? "standard output is for the reports; name a file" : "";
      });
  sub->add_option("--stats", replay.stats, "Write the counts here, as JSON")->type_name("FILE");
  add_time(sub, "--now", replay.now, "No event is later than this");
  sub->add_option("--partitions", replay.partitions,
                  "Deal the input to N source partitions instead of one a file")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  sub->add_option("--batch", replay.batch, "Records a batch")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  sub->add_option("--shuffle", replay.shuffle, "For tests: disorder of at most this much")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 86'400));
  sub->add_option("--seed", replay.seed, "Of the shuffle")->type_name("N")->capture_default_str();
  sub->add_option("--state", replay.state,
                  "Keep the state in this new directory, instead of in memory")
      ->type_name("DIRECTORY")
      ->check(CLI::NonexistentPath);
  sub->add_option(
         "--format", replay.format,
         "json, ecs, ocsf, falco: every revision, NDJSON; summary, markdown: the newest of "
         "each report")
      ->capture_default_str()
      ->check(CLI::IsMember(format_names()));
}

void add_generate(CLI::App& app, Options& options) {
  CLI::App* sub =
      command(app, options, "generate", "Make the alerts of a fleet, the same for a seed",
              "gyre generate --profile attack --count 1000 --seed 7 > alerts.ndjson");
  GenerateOptions& generate = options.generate;
  sub->add_option("--profile", generate.profile, "What happens in the fleet")
      ->capture_default_str()
      ->check(CLI::IsMember({"mixed", "flood", "wide", "attack", "rollout"}));
  const auto number = [&](const std::string& name, auto& into, const std::string& what) {
    return sub->add_option(name, into, what)->type_name("N")->capture_default_str();
  };
  number("--count", generate.count, "Alerts")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000'000'000}));
  number("--seed", generate.seed, "The same seed makes the same alerts");
  number("--rate", generate.rate, "Alerts a second of real time; 0: as fast as possible")
      ->check(CLI::Range(0.0, 1e9));
  number("--event-rate", generate.event_rate, "Alerts a second of event time")
      ->check(CLI::Range(1e-6, 1e9));
  add_time(sub, "--start", generate.start, "Time of the first event; default: the last is now");
  sub->add_option("--hosts", generate.hosts,
                  "Machines of the fleet; default: 50, for wide as many as its findings need")
      ->type_name("N")
      ->check(CLI::Range(1, 100'000));
  number("--attacks", generate.attacks, "mixed: containers broken into")
      ->check(CLI::Range(1, 10'000));
  number("--findings", generate.findings, "wide: findings that the alerts touch in turn")
      ->check(CLI::Range(1, 1'000'000'000));
  number("--duplicates", generate.duplicates, "Share of exact copies")->check(CLI::Range(0.0, 1.0));
  number("--garbage", generate.garbage, "Share of records that are no alerts")
      ->check(CLI::Range(0.0, 1.0));
  sub->add_option("--truth", generate.truth, "Write what really happened here, as JSON")
      ->type_name("FILE");
  sub->add_flag("--kafka", generate.to_kafka, "Send to the input topic instead of stdout");
}

void add_explain(CLI::App& app, Options& options) {
  CLI::App* sub = command(app, options, "explain", "Say what becomes of each alert, and why",
                          "kubectl logs -n falco daemonset/falco | gyre explain -");
  sub->add_option(
         "FILE", options.explain.file,
         "Alerts, a line each or one JSON value over many lines; - is stdin. Exit code 1 if "
         "one of them is no alert")
      ->required();
  sub->add_flag("--json", options.explain.json, "For programs: one JSON object an alert");
}

void add_redeliver(CLI::App& app, Options& options) {
  CLI::App* sub = command(app, options, "redeliver",
                          "Feed dead letters back to the input, after what killed them is cured",
                          "gyre redeliver -c gyre.yaml --error too_large --dry-run", true);
  std::vector<std::string> errors;
  for (const schemas::ParseError error : schemas::kParseErrors)
    errors.emplace_back(schemas::to_string(error));
  sub->add_option("--error", options.redeliver.error, "Only letters dead of this")
      ->type_name("WORD")
      ->check(CLI::IsMember(errors));
  sub->add_flag("--dry-run", options.redeliver.dry_run, "Only count them");
}

void add_state(CLI::App& app, Options& options) {
  CLI::App* sub = command(app, options, "state", "Show what a state directory holds",
                          "gyre state /var/lib/gyre --verify -c gyre.yaml");
  sub->add_option("DIRECTORY", options.inspect.directory, "The state.directory of a process")
      ->required();
  sub->add_flag("--verify", options.inspect.verify,
                "Recompute it from its changelogs; exit code 1 if it is not what they say")
      ->needs("--config");
}

void add_commands(CLI::App& app, Options& options) {
  command(app, options, "run", "Process the input topic until SIGTERM", "gyre run -c gyre.yaml",
          true)
      ->add_option("--stages", options.stages, "Only these, in place of `stages` of the file")
      ->type_name("STAGE,...")
      ->delimiter(',')
      ->check(CLI::IsMember({"intake", "by_container", "by_rule"}));
  command(app, options, "health", "Ask the running process whether it is ready",
          "gyre health -c gyre.yaml", true);
  add_replay(app, options);
  add_generate(app, options);
  CLI::App* reports = command(app, options, "reports", "Show the newest revision of each report",
                              "gyre reports -c gyre.yaml --format markdown");
  reports->add_flag("--follow", options.reports.follow, "Go on with each new revision as it comes");
  reports
      ->add_option("--id", options.reports.ids,
                   "Only the report with this id, or with the only one that begins so (8 digits or "
                   "more); any number of them")
      ->type_name("ID")
      ->check([](const std::string& id) {
        return AskedIds::is_beginning(id)
                   ? std::string()
                   : id + " is no id nor the beginning of one: 8 to 32 digits, 0-9 and a-f";
      })
      ->allow_extra_args(false);
  reports->add_option("--format", options.reports.format, "How to show them")
      ->capture_default_str()
      ->check(CLI::IsMember(format_names()));
  add_explain(app, options);
  add_redeliver(app, options);
  add_state(app, options);
  CLI::App* check = command(app, options, "check", "Validate the configuration and the playbooks",
                            "gyre check -c gyre.yaml");
  check->add_option("--playbooks", options.check.playbooks, "Playbooks, instead of the config's")
      ->type_name("DIRECTORY");
  check->add_flag("--coverage", options.check.coverage,
                  "Print which rule has which playbook, as a Markdown table");
  check->add_flag("--connect", options.check.connect,
                  "Ask Kafka, too: brokers, topics, rights; and look at the state directory");
  CLI::App* config = app.add_subcommand("config", "What counts as the configuration");
  config->require_subcommand(1);
  config->footer("Example:\n  gyre config dump -c gyre.yaml");
  command(*config, options, "dump", "Print it as one file, each value with where it comes from",
          "gyre config dump -c gyre.yaml");
  CLI::App* schema = app.add_subcommand("schema", "Print a contract as JSON Schema");
  schema->footer("Example:\n  gyre schema report");
  schema->add_option("NAME", options.schema, "Which one")
      ->required()
      ->check(CLI::IsMember(schemas::contract_names()));
  command(app, options, "topics", "Create missing topics and verify all of them",
          "gyre topics -c gyre.yaml");
}

/// `replay` ends with its input: an audit, so every report is closed unless the file says
/// otherwise.
Config config_of(const std::string& name, const Options& options,
                 ConfigOrigins* origins = nullptr) {
  Config defaults;
  defaults.findings.close_all = name == "replay";
  defaults.findings.flash = name == "run" || name == "config";
  const Checked checked = name == "run" ? Checked::kHere : Checked::kAlone;
  return options.config.empty()
             ? parse_config("", "the defaults", defaults, checked, options.flags, origins)
             : load_config(options.config, defaults, checked, options.flags, origins);
}

int dump(const Options& options) {
  ConfigOrigins origins;
  const Config config = config_of("config", options, &origins);
  std::cout << config_dump(config, origins);
  return kFine;
}

int dispatch(const std::string& name, const Options& options) {
  if (name == "schema") {
    std::cout << schemas::contract(options.schema);
    return kFine;
  }
  if (name == "check") {
    CheckOptions asked = options.check;
    asked.flags = options.flags;
    return check(options.config, asked);
  }
  if (name == "config") return dump(options);
  Config config = config_of(name, options);
  set_log(config.log);
  if (!options.stages.empty()) config.stages.assign(options.stages.begin(), options.stages.end());
  if (name == "run") return run(config);
  if (name == "health") return health(config);
  if (name == "replay") return replay(config, options.replay);
  if (name == "generate") return generate(config, options.generate);
  if (name == "redeliver") return redeliver(config, options.redeliver);
  if (name == "state") return inspect(config, options.inspect);
  if (name == "explain") return explain(config, options.explain);
  if (name == "reports") return reports(config, options.reports);
  return topics(config);
}

/// What was printed may still be in a buffer, and a full disk must not look like a success.
int printed(int code) {
  std::cout.flush();
  if (code == kFine && !std::cout) throw Failure("cannot write to standard output");
  return code;
}

int main_of(int argc, char** argv) {
  // Else a replay of standard input takes it byte for byte from the C library, a tenth of its time.
  std::ios::sync_with_stdio(false);
  set_log({});
  CLI::App app("Turns Falco alerts into few correct reports.", "gyre");
  app.set_version_flag("--version", std::string("gyre ") + GYRE_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0, 1 failure while running, 64 wrong usage, 78 wrong configuration.\n"
      "Example:\n  gyre run -c gyre.yaml");
  Options options;
  add_commands(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) {
      std::cerr << "gyre: " << error.what() << "; try gyre --help\n";
      return kUsage;
    }
    app.exit(error);  // prints --help, --version
    return std::cout.flush() ? kFine : kFailed;
  }
  try {
    return printed(dispatch(app.get_subcommands().front()->get_name(), options));
  } catch (const ConfigError& error) {
    std::cerr << "gyre: the configuration is wrong:\n" << error.what() << '\n';
    return kBadConfig;
  } catch (const Failure& error) {
    std::cerr << "gyre: " << error.what() << '\n';
  } catch (const Refusal& error) {
    std::cerr << "gyre: refused to go on: " << error.what() << '\n';
  }
  return kFailed;
}

}  // namespace
}  // namespace gyre::pipeline

int main(int argc, char** argv) { return gyre::pipeline::main_of(argc, argv); }
