// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "schemas/alert.h"
#include "schemas/identity.h"
#include "schemas/shape.h"
#include "schemas/sighting.h"
#include "stages/by_container/stage.h"
#include "state/store.h"
#include "tests/contract/contract.h"
#include "tests/stages/next_bundle.h"

namespace gyre::stages {

inline constexpr Second kStart = 1'800'000'000;  // a multiple of every gap that the tests use

/// An alert as intake would hand it on.
struct Given {
  Second at = 0;  ///< seconds after kStart
  std::int64_t id = 0;
  std::string rule = "Rule A";
  schemas::Priority priority = schemas::Priority::kWarning;
  std::string tag = "mitre_execution";
  std::string container = "c0ffee000001";  ///< empty: the host
  std::string shape = "sh";
  schemas::Outcome outcome = schemas::Outcome::kUnknown;
  std::vector<std::pair<std::string, std::string>> fields = {{"container.name", "web"},
                                                             {"proc.name", "sh"}};
  std::string source = "syscall";
  std::string hostname = "node-1";
  Nanos nanos = 0;  ///< within the second
  std::uint32_t shape_version = schemas::kShapeVersion;
  std::string tenant = "default";
  Second behind = 0;  ///< how much earlier than its own time its record was stamped
};

inline records::Sighting sighting(const Given& given) {
  schemas::Alert alert;
  alert.rule = given.rule;
  alert.source = given.source;
  alert.time = (kStart + given.at) * kNanosPerSecond + given.nanos;
  alert.priority = given.priority;
  alert.tags = {given.tag};
  alert.output = "something happened";
  alert.fields = given.fields;
  const Id128 id = IdHasher().add(given.id).finish();
  records::Sighting one;
  one.mutable_entity()->set_kind(given.container.empty() ? records::Entity::HOST
                                                         : records::Entity::CONTAINER);
  one.mutable_entity()->set_tenant(given.tenant);
  one.mutable_entity()->set_cluster("default");
  one.mutable_entity()->set_hostname(given.hostname);
  one.mutable_entity()->set_id(given.container);
  const Id128 key = schemas::finding_key(one.entity(), given.rule, given.shape);
  one.set_finding_key(std::string(view(key)));
  one.set_rule(given.rule);
  one.set_source(given.source);
  one.set_shape(given.shape);
  one.set_shape_version(given.shape_version);
  one.set_second(kStart + given.at - given.behind);
  schemas::summarise(alert, alert.time - given.behind * kNanosPerSecond, id, given.outcome,
                     *one.mutable_summary());
  schemas::append_alert_entry(*one.mutable_alerts(), {view(id), alert.time, given.outcome});
  one.set_arrivals(1);
  return one;
}

/// A task that is fed bundles of one source partition.
class ContainerTask : public testing::Test {
 protected:
  void TearDown() override {
    tests::ReportStream stream;
    for (const schemas::Report& report : reports_)
      EXPECT_THAT(stream.violations(report.json), testing::IsEmpty()) << report.json;
  }

  // Feeds the sightings and a tick that decides everything up to `decided` seconds after kStart.
  void feed(const std::vector<Given>& given, Second decided) {
    records::Bundle bundle =
        next_bundle(given.size(), (kStart + decided + 3) * kNanosPerSecond, position_);
    for (const Given& one : given) *bundle.add_sightings() = sighting(one);
    feed(bundle);
  }

  void feed(const records::Bundle& bundle) {
    Allowance allowance;
    stage_.process(bundle, state_, allowance, reports_, contributions_);
    while (stage_.is_behind(state_)) {
      Allowance more;
      stage_.proceed(state_, more, reports_, contributions_);
    }
    for (const state::Change& change : state_.changelog())
      if (change.value) largest_value_ = std::max(largest_value_, change.value->size());
    state_.commit(++offset_, std::nullopt);
  }

  static std::string value_of(const schemas::Report& report, const std::string& key) {
    const std::string wanted = "\"" + key + "\":\"";
    const std::size_t at = report.json.find(wanted);
    if (at == std::string::npos) return {};
    const std::size_t from = at + wanted.size();
    return report.json.substr(from, report.json.find('"', from) - from);
  }

  static std::uint64_t number_of(const schemas::Report& report, const std::string& key) {
    const std::string wanted = "\"" + key + "\":";
    const std::size_t at = report.json.find(wanted);
    return at == std::string::npos ? 0 : std::stoull(report.json.substr(at + wanted.size()));
  }

  // Kind, reason and second of every revision so far.
  std::vector<std::string> said() const {
    std::vector<std::string> lines;
    for (const schemas::Report& report : reports_)
      lines.push_back(report.kind + " " + value_of(report, "reason") + " @" +
                      std::to_string(report.time - kStart));
    return lines;
  }

  // The newest revision of each report, by id.
  std::map<std::string, schemas::Report> last() const {
    std::map<std::string, schemas::Report> newest;
    for (const schemas::Report& report : reports_) newest[report.id] = report;
    return newest;
  }

  records::Counters counters() const { return state_.checkpoint().counters(); }

  FindingConfig config_{.close_all = true};
  Playbooks playbooks_;
  state::StoreMemory memory_{8 << 20};
  state::Store store_{"", memory_};
  state::Transaction state_{store_};
  ByContainer stage_{config_, playbooks_, {.version = "test", .config_hash = "0"}};
  std::vector<schemas::Report> reports_;
  std::vector<records::Contribution> contributions_;
  Position position_;
  std::int64_t offset_ = 0;
  std::size_t largest_value_ = 0;  ///< of the changelog, so far
};

}  // namespace gyre::stages
