// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "pipeline/commands.h"
#include "pipeline/explanation.h"
#include "pipeline/record_stream.h"
#include "schemas/normalise.h"
#include "schemas/sighting.h"

namespace gyre::pipeline {
namespace {

// Of a path the shape may hold the directory and the name apart.
std::vector<TakenOut> taken_out(const schemas::Alert& alert, const std::string& shape) {
  std::vector<TakenOut> found;
  for (const auto& [name, value] : alert.fields) {
    std::string normal = schemas::normalise(value);
    if (normal == value) continue;
    const std::size_t slash = normal.rfind('/');
    const bool in_parts = slash != std::string::npos && slash > 0 &&
                          shape.find(normal.substr(0, slash)) != std::string::npos;
    if (in_parts || shape.find(normal) != std::string::npos)
      found.push_back({name, value, std::move(normal)});
  }
  return found;
}

records::Series series_of(const stages::Understanding& is) {
  records::Series series;
  *series.mutable_entity() = is.entity;
  series.set_rule(is.rule);
  series.set_source(is.source);
  series.set_shape(is.shape);
  return series;
}

records::Episode episode_of(const schemas::Alert& alert, const stages::Understanding& is) {
  records::Episode episode;
  schemas::summarise(alert, is.time, is.duplicate_id, is.outcome.outcome,
                     *episode.mutable_summary());
  episode.mutable_counts()->set_alerts(1);
  records::OutcomeCounts& outcome = *episode.mutable_counts()->mutable_outcome();
  switch (is.outcome.outcome) {
    case schemas::Outcome::kSucceeded:
      outcome.set_succeeded(1);
      break;
    case schemas::Outcome::kBlocked:
      outcome.set_blocked(1);
      break;
    case schemas::Outcome::kUnknown:
      outcome.set_unknown(1);
      break;
  }
  return episode;
}

class Explainer {
 public:
  Explainer(const Config& config, bool json)
      : config_(config), playbooks_(config.playbooks), reader_(config.limits), json_(json) {}

  void explain(std::size_t line, std::string_view record) {
    reader_.open(record);
    while (schemas::Reading* reading = reader_.next()) {
      found_ = true;
      if (reading->rejection) all_alerts_ = false;
      if (reading->rejection)
        print(json_ ? reject_as_json(line, *reading) : reject_as_text(line, *reading));
      else
        explain(line, *reading);
    }
  }
  /// Something was printed.
  bool found() const { return found_; }
  /// Each record was an alert, or held alerts only.
  bool all_alerts() const { return all_alerts_; }

 private:
  void explain(std::size_t line, schemas::Reading& reading) {
    schemas::Alert& alert = reading.alert;
    std::vector<schemas::IdentityPart> parts = schemas::duplicate_id_parts(alert);
    stages::Understanding is;
    stages::understand(alert, reading.envelope_time,
                       {"", "", config_.input.tenant, config_.input.cluster}, hasher_, is);
    for (schemas::IdentityPart& part : parts)
      if (const auto kept = alert.field(part.name); !kept.empty()) part.value = kept;
    const records::Series series = series_of(is);
    const records::Episode episode = episode_of(alert, is);
    const stages::Playbook& playbook = playbooks_.of(series, episode.summary());
    const Explanation explanation{
        .reading = reading,
        .alert = alert,
        .is = is,
        .parts = std::move(parts),
        .taken_out = taken_out(alert, is.shape),
        .sensor = schemas::is_sensor_health(alert),
        .playbook = playbook,
        .why_playbook = stages::why_chosen(playbook, series, episode.summary()),
        .judgement = stages::judge({series, episode, {}}, playbooks_)};
    print(json_ ? explain_as_json(line, explanation) : explain_as_text(line, explanation));
  }

  static void print(const std::string& text) {
    std::cout << text << '\n' << std::flush;  // a pipe may be read as it comes
    if (!std::cout) throw Failure("cannot write to standard output");
  }

  const Config& config_;
  stages::Playbooks playbooks_;
  schemas::AlertReader reader_;
  IdHasher hasher_;
  bool json_;
  bool found_ = false;
  bool all_alerts_ = true;
};

}  // namespace

int explain(const Config& config, const ExplainOptions& options) {
  std::ifstream file;
  if (options.file != "-") {
    file.open(options.file, std::ios::binary);
    if (!file)
      throw Failure(fmt::format("cannot read {}: no such file, or not readable", options.file));
  }
  std::istream& in = options.file == "-" ? std::cin : file;
  Explainer explainer(config, options.json);
  RecordStream records(in);
  for (std::string record; records.next(record);) explainer.explain(records.line(), record);
  if (in.bad()) throw Failure(fmt::format("cannot read {} to its end", options.file));
  if (!explainer.found())
    std::cerr << fmt::format("gyre: {} holds no alert, nor anything else\n", options.file);
  return explainer.found() && explainer.all_alerts() ? 0 : 1;
}

}  // namespace gyre::pipeline
