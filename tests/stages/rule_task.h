// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <string>
#include <vector>

#include "base/hash.h"
#include "stages/by_rule/stage.h"
#include "state/store.h"
#include "tests/contract/contract.h"
#include "tests/stages/next_bundle.h"

namespace gyre::stages {

inline constexpr Second kStart = 1'800'000'000;

/// A task that is fed bundles of one partition of by-container.
class RuleTask : public testing::Test {
 protected:
  struct Given {
    Second at = 0;   // seconds after kStart: of decision and sighting
    Second old = 0;  // the sighting was so long before the decision
    std::string container = "c1";
    std::string host = "node-1";
    std::string image = "registry.example/app:1";
    std::string owner;  // in namespace `space`; empty: the workload is host and image
    Second started = -60;
    std::string rule = "Rule A";
    std::string tenant = "default";
    std::string cluster = "prod";
    std::string space = "shop";
    bool counting = true;
    bool scheduled = false;
    Severity severity = Severity::kMedium;
    Attention attention = Attention::kRecord;
    bool effect = false;
    bool suspicious = false;
    std::uint32_t risk = 20;
    bool object = false;  // of a plugin's alert: `container` is its name
    std::uint64_t alerts = 1;
    std::uint64_t copies = 0;
    bool finding_goes_on = false;  // it began at kStart
    std::uint32_t priority = 4;
    Second lasted = 0;  // its alerts began so long before the sighting
    Second late = 0;    // and ended so long before it
    std::vector<std::string> tactics = {};
  };

  static records::Contribution contribution(const Given& given) {
    const Second sighted = given.at - given.old;
    const Second began = given.finding_goes_on ? 0 : sighted;
    records::Contribution made;
    made.set_finding_key(std::string(view(IdHasher()
                                              .add(given.tenant)
                                              .add(given.rule)
                                              .add(given.cluster)
                                              .add(given.host)
                                              .add(given.container)
                                              .finish())));
    made.set_finding_id(to_hex(view(IdHasher().add(made.finding_key()).add(began).finish())));
    made.set_second(kStart + given.at);
    records::Entity& entity = *made.mutable_entity();
    entity.set_tenant(given.tenant);
    entity.set_cluster(given.cluster);
    entity.set_hostname(given.host);
    entity.set_id(given.container);
    made.set_rule(given.rule);
    made.set_shape("sh -c <arg>");
    made.set_first((kStart + began) * kNanosPerSecond);
    made.set_last((kStart + sighted) * kNanosPerSecond + 1);
    made.set_priority(given.priority);
    made.mutable_added()->set_alerts(given.alerts);
    made.mutable_added()->set_duplicates(given.copies);
    if (given.alerts > 0) {
      records::Span& span = *made.mutable_span();
      span.set_first((kStart + sighted - given.lasted) * kNanosPerSecond);
      span.set_last(made.last() - given.late * kNanosPerSecond);
      span.set_priority(given.priority);
    }
    made.set_severity(static_cast<std::uint32_t>(given.severity));
    made.set_attention(static_cast<std::uint32_t>(given.attention));
    made.set_effect_observed(given.effect);
    if (given.suspicious) made.set_verdict(static_cast<std::uint32_t>(Verdict::kSuspicious));
    for (const std::string& tactic : given.tactics) {
      records::Technique& technique = *made.add_attack();
      technique.set_tactic(tactic);
      technique.set_name("a tactic");
      technique.set_source("rule_tag");
    }
    made.set_risk(given.risk);
    made.set_counting(given.counting);
    if (given.object) {
      entity.set_kind(records::Entity::K8S_OBJECT);
      entity.clear_hostname();
      return made;
    }
    records::Workload& workload = *made.mutable_workload();
    workload.set_cluster(given.cluster);
    if (given.owner.empty()) {
      workload.set_hostname(given.host);
      workload.set_image(given.image);
    } else {
      workload.set_namespace_(given.space);
      workload.set_owner(given.owner);
      workload.set_container("main");
      workload.set_scheduled(given.scheduled);
    }
    made.set_image(given.image);
    made.set_started(given.started == 0 ? 0 : (kStart + given.started) * kNanosPerSecond);
    return made;
  }

  // Feeds the contributions and says that every second up to `decided` after kStart is decided.
  void feed(const std::vector<Given>& given, Second decided) {
    records::Bundle bundle =
        next_bundle(given.size(), (kStart + decided + 1) * kNanosPerSecond, position_);
    for (const Given& one : given) *bundle.add_contributions() = contribution(one);
    feed(bundle);
  }

  void feed(const records::Bundle& bundle) {
    const std::size_t before = reports_.size();
    Allowance allowance;
    stage_.process(bundle, state_, allowance, reports_);
    for (std::size_t i = before; i < reports_.size(); ++i)
      EXPECT_THAT(stream_.violations(reports_[i].json), testing::IsEmpty());
    state_.commit(++offset_, std::nullopt);
  }

  // `reason pattern members @second`
  std::vector<std::string> said() const {
    std::vector<std::string> lines;
    simdjson::dom::parser parser;
    for (const schemas::Report& report : reports_) {
      const simdjson::dom::element json = parser.parse(report.json);
      lines.push_back(fmt::format("{} {} {} @{}", json["reason"].get_string().value(),
                                  json["members"]["pattern"].get_string().value(),
                                  json["members"]["total"].get_uint64().value(),
                                  report.time - kStart));
    }
    return lines;
  }

  simdjson::dom::element last() { return parser_.parse(reports_.back().json); }

  records::Counters counters() const { return state_.checkpoint().counters(); }

  OutbreakConfig config_;
  state::StoreMemory memory_{8 << 20};
  state::Store store_{"", memory_};
  state::Transaction state_{store_};
  ByRule stage_{config_, {.version = "test", .config_hash = "0"}};
  std::vector<schemas::Report> reports_;
  tests::ReportStream stream_;
  simdjson::dom::parser parser_;
  Position position_;
  std::int64_t offset_ = 0;
};

}  // namespace gyre::stages
