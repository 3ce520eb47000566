// SPDX-License-Identifier: Apache-2.0
#include "tests/pipeline/oracle.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "tests/pipeline/house.h"

namespace gyre::pipeline {

namespace {

using Element = simdjson::dom::element;

std::string text(const Element& element) { return std::string(element.get_string().value()); }

struct Last {
  std::uint64_t revision = 0;
  std::string json;
};

using Wrong = std::vector<std::string>;

std::vector<std::pair<std::string, std::string>> records_of(const MemoryCluster& cluster,
                                                            const std::string& topic) {
  std::vector<std::pair<std::string, std::string>> all;
  for (std::int32_t partition = 0; partition < cluster.partitions(topic); ++partition)
    for (const Record& record : cluster.read(topic, partition))
      all.emplace_back(record.key.value_or(""), record.value.value_or(""));
  return all;
}

std::map<std::string, Last> newest(const MemoryCluster& cluster, const Config& config) {
  std::map<std::string, Last> last;
  simdjson::dom::parser parser;
  for (auto& [id, json] : records_of(cluster, config.outputs.front().topic)) {
    const std::uint64_t revision = parser.parse(json)["revision"].get_uint64().value();
    if (Last& known = last[id]; revision > known.revision) known = {revision, json};
  }
  return last;
}

// Whom and what an alert is about, as text.
std::string place(std::string_view rule, std::string_view host, std::string_view container) {
  return fmt::format("{} on {} in {}", rule, host, container);
}

}  // namespace

std::map<std::string, std::string> last_revisions(const MemoryCluster& cluster,
                                                  const Config& config) {
  constexpr std::array<std::string_view, 4> kMayDiffer = {"revision", "reason", "produced_by",
                                                          "markdown"};
  std::map<std::string, std::string> comparable;
  simdjson::dom::parser parser;
  for (const auto& [id, last] : newest(cluster, config)) {
    std::string& kept = comparable[id];
    const simdjson::dom::object report = parser.parse(last.json).get_object().value();
    for (const auto& [key, value] : report)
      if (std::find(kMayDiffer.begin(), kMayDiffer.end(), key) == kMayDiffer.end())
        kept += fmt::format("{}={} ", key, simdjson::minify(value));
  }
  return comparable;
}

std::map<std::string, std::string> undisturbed(const Config& config,
                                               const stages::Playbooks& playbooks,
                                               std::int32_t sources, Nanos start,
                                               const std::vector<Sent>& sent,
                                               std::span<const Nanos> ending) {
  constexpr Nanos kTogether = 5 * kNanosPerSecond;  // how it is cut into batches is not to be seen
  MemoryCluster cluster;
  create_topics(cluster, config, sources);
  Nanos clock = start;
  Nanos settled = start;
  Process process(cluster, config, playbooks, "undisturbed", clock);
  const auto settle = [&] {
    for (int idle = 0; idle < 3;) idle = process.step() ? 0 : idle + 1;
  };
  for (const Sent& record : sent) {
    if (record.stamp > settled + kTogether) {
      settle();
      settled = record.stamp;
    }
    clock = record.stamp;
    cluster.append(config.input.topic, record.source, record.value, record.stamp);
  }
  settle();
  for (const Nanos wait : ending) {
    clock += wait;
    settle();
  }
  return last_revisions(cluster, config);
}

std::vector<std::string> differences(const std::map<std::string, std::string>& published,
                                     const std::map<std::string, std::string>& expected) {
  constexpr std::size_t kAround = 60;
  Wrong wrong;
  for (const auto& [id, theirs] : expected) {
    const auto found = published.find(id);
    if (found == published.end()) {
      wrong.push_back("without faults there is also the report " + theirs);
      continue;
    }
    const std::string& ours = found->second;
    if (ours == theirs) continue;
    const auto at = static_cast<std::size_t>(
        std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end()).first - ours.begin());
    const std::size_t from = at < kAround ? 0 : at - kAround;
    wrong.push_back(fmt::format("a report differs from that without faults: {} | {}",
                                ours.substr(from, 2 * kAround),
                                theirs.substr(std::min(from, theirs.size()), 2 * kAround)));
  }
  for (const auto& [id, ours] : published)
    if (!expected.contains(id)) wrong.push_back("without faults there is no report " + ours);
  return wrong;
}

namespace {

struct Whole {
  std::set<std::string> hosts;
  std::set<std::string> containers;
  std::uint64_t alerts = 0;
};

// From what was sent.
struct Input {
  std::multiset<std::string> garbage;
  std::map<std::string, std::uint64_t> places;
  std::map<std::string, Whole> rules;

  explicit Input(const std::vector<Sent>& sent) {
    simdjson::dom::parser parser;
    std::set<std::string_view> distinct;
    for (const Sent& record : sent) {
      if (!record.value.starts_with('{')) {
        garbage.insert(record.value);
        continue;
      }
      if (!distinct.insert(record.value).second) continue;
      const Element alert = parser.parse(record.value);
      const std::string host = text(alert["hostname"]);
      const std::string container = text(alert["output_fields"].at_key("container.id"));
      ++places[place(text(alert["rule"]), host, container)];
      Whole& rule = rules[text(alert["rule"])];
      rule.hosts.insert(host);
      rule.containers.insert(host + container);
      ++rule.alerts;
    }
  }
};

void judge_revisions(const MemoryCluster& cluster, const Config& config, Wrong& wrong) {
  simdjson::dom::parser parser;
  std::map<std::string, std::multiset<std::uint64_t>> revisions;
  for (auto& [id, json] : records_of(cluster, config.outputs.front().topic))
    revisions[id].insert(parser.parse(json)["revision"].get_uint64().value());
  for (const auto& [id, seen] : revisions) {
    std::uint64_t next = 1;
    for (const std::uint64_t revision : seen)
      if (revision != next++) {
        wrong.push_back(
            fmt::format("report {}: revision {} where {} should be", id, revision, next - 1));
        break;
      }
  }
}

void judge_outbreaks(const Config& config, const Input& input,
                     const std::map<std::string, Whole>& outbreaks,
                     const std::map<std::string, std::uint64_t>& told, Wrong& wrong) {
  for (const auto& [rule, whole] : input.rules) {
    const auto found = outbreaks.find(rule);
    if (whole.hosts.size() < config.outbreaks.hosts) {
      if (found != outbreaks.end())
        wrong.push_back(fmt::format("an outbreak of {} on {} hosts", rule, whole.hosts.size()));
      continue;
    }
    if (found == outbreaks.end()) {
      wrong.push_back(fmt::format("no outbreak of {} on {} hosts", rule, whole.hosts.size()));
      continue;
    }
    expect_equal(wrong, "hosts of the outbreak of " + rule, found->second.hosts.size(),
                 whole.hosts.size());
    expect_equal(wrong, "members of the outbreak of " + rule, found->second.containers.size(),
                 whole.containers.size());
    expect_equal(wrong, "alerts of the outbreaks of " + rule, told.at(rule), whole.alerts);
  }
}

}  // namespace

std::vector<std::string> misreported(const MemoryCluster& cluster, const Config& config,
                                     const std::vector<Sent>& sent) {
  Wrong wrong;
  const Input input(sent);
  std::multiset<std::string> dead;
  for (auto& [key, value] : records_of(cluster, config.input.dead_letter_topic)) dead.insert(value);
  if (dead != input.garbage)
    wrong.push_back(fmt::format("{} dead letters, not the {} that were sent", dead.size(),
                                input.garbage.size()));
  judge_revisions(cluster, config, wrong);

  simdjson::dom::parser parser;
  std::map<std::string, std::uint64_t> counted;
  std::map<std::string, Whole> outbreaks;     // over hosts
  std::map<std::string, std::uint64_t> told;  // by outbreaks of any kind: each alert by one
  for (const auto& [id, last] : newest(cluster, config)) {
    const Element report = parser.parse(last.json);
    const std::string kind = text(report["kind"]);
    if (text(report["state"]) != "closed") wrong.push_back(kind + " " + id + " is still open");
    const std::uint64_t alerts = report["counts"]["alerts"].get_uint64().value();
    if (kind == "finding") {
      const Element entity = report["entity"];
      counted[place(text(report["rule"]), text(entity["hostname"]),
                    text(entity["container_id"]))] += alerts;
    } else if (kind == "outbreak") {
      told[text(report["rule"])] += alerts;
      if (text(report["members"]["pattern"]) == "recurring") continue;
      Whole& rule = outbreaks[text(report["rule"])];
      for (const Element entity : report["members"]["entities"].get_array()) {
        const std::string key = text(entity["key"]);
        rule.containers.insert(key);
        rule.hosts.insert(key.substr(0, key.rfind('/')));
      }
    }
  }
  for (const auto& [where, count] : input.places)
    expect_equal(wrong, "alerts of " + where, counted[where], count);
  expect_equal(wrong, "places with findings", counted.size(), input.places.size());
  judge_outbreaks(config, input, outbreaks, told, wrong);
  return wrong;
}

}  // namespace gyre::pipeline
