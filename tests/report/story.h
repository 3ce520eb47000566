// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <simdjson.h>

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "stages/report/judge.h"
#include "stages/report/playbook.h"
#include "stages/report/write.h"
#include "tests/contract/contract.h"

namespace gyre::stages {

/// The document of a report.
inline std::string markdown_of(const std::string& json) {
  simdjson::dom::parser parser;
  return std::string(std::string_view(parser.parse(json)["markdown"]));
}

/// A finding, told field by field.
struct Story {
  explicit Story(const std::string& rule, std::uint32_t priority = 4) {
    series.set_rule(rule);
    series.set_source("syscall");
    series.set_shape("sh <random>");
    records::Entity& who = *series.mutable_entity();
    who.set_kind(records::Entity::CONTAINER);
    who.set_tenant("default");
    who.set_cluster("lab");
    who.set_hostname("node-7");
    who.set_id("0a1b2c3d4e5f");
    *entity.mutable_entity() = who;
    episode.set_shape_version(1);
    episode.set_id("00112233445566778899aabbccddeeff");
    records::Summary& summary = *episode.mutable_summary();
    summary.set_first(1'700'000'000'000'000'001);
    summary.set_last(1'700'000'009'000'000'002);
    summary.set_priority(priority);
    episode.mutable_counts()->set_alerts(2);
  }

  Story& field(const std::string& name, const std::string& value) {
    fields[name].insert(value);
    episode.mutable_summary()->clear_fields();
    for (const auto& [key, values] : fields) {
      records::Values& added = *episode.mutable_summary()->add_fields();
      added.set_field(key);
      for (const std::string& text : values) added.add_values(text);
    }
    return *this;
  }
  Story& card(const std::string& name, const std::string& value) {
    records::Values& known = *entity.add_card();
    known.set_field(name);
    known.add_values(value);
    return *this;
  }
  Story& outcome(std::uint64_t succeeded, std::uint64_t blocked, std::uint64_t unknown) {
    auto& counts = *episode.mutable_counts()->mutable_outcome();
    counts.set_succeeded(succeeded);
    counts.set_blocked(blocked);
    counts.set_unknown(unknown);
    return *this;
  }

  Story& tag(const std::string& text) {
    episode.mutable_summary()->add_tags(text);
    return *this;
  }

  Judgement judged() const { return judge({series, episode, entity}, playbooks()); }
  /// Holds every report it writes against the contract.
  std::string json() const {
    const Revision revision{1, "opened", 1'700'000'010, 1'700'000'910};
    std::string written =
        write_finding({series, episode, entity}, judged(), playbooks(), revision, {"0.1", "c0ffee"})
            .json;
    EXPECT_THAT(tests::violations("report", written), testing::IsEmpty());
    return written;
  }

  static const Playbooks& playbooks() {
    static const Playbooks all;
    return all;
  }
  records::Series series;
  records::Episode episode;
  records::EntityState entity;
  std::map<std::string, std::set<std::string>> fields;
};

}  // namespace gyre::stages
