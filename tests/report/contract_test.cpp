// SPDX-License-Identifier: Apache-2.0
// The contracts: what is published keeps the schemas, and the examples of every release go on
// keeping them. GYRE_WRITE_EXAMPLES=1 writes the examples of this one.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "schemas/contracts.h"
#include "stages/report/incident.h"
#include "stages/report/outbreak.h"
#include "tests/contract/contract.h"
#include "tests/report/story.h"

namespace gyre::stages {
namespace {

using testing::IsEmpty;
using testing::Not;
using tests::violations;

const std::filesystem::path kExamples = std::string(GYRE_SOURCE_DIR) + "/schemas/examples";

std::string read(const std::filesystem::path& file) {
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

Story refused() {
  Story story("Execution from /dev/shm");
  story.field("proc.cmdline",
              "sh -c /dev/shm/falco-event-generator-syscall-ExecutionFromDevShm-q7Zt2K.sh");
  story.field("proc.exepath", "/bin/busybox").field("proc.pname", "event-generator");
  story.field("evt.res", "EACCES").field("evt.type", "execve").field("user.name", "root");
  story.card("container.name", "peaceful_curie").tag("T1059.004").tag("mitre_execution");
  return story.outcome(0, 2, 0);
}

Story escape() {
  Story story("Detect release_agent File Container Escapes", 2);
  story.field("fd.name", "/sys/fs/cgroup/rdma/release_agent").field("proc.cmdline", "sh -i");
  story.field("user.uid", "0").card("container.privileged", "true");
  story.card("k8s.ns.name", "shop").card("k8s.pod.name", "web-5d9c7b-x2x4z");
  return story.outcome(0, 0, 2);
}

Story sensor() {
  Story story("Falco internal: syscall event drop");
  story.series.set_source("internal");
  story.series.mutable_entity()->set_kind(records::Entity::HOST);
  story.series.mutable_entity()->clear_id();
  return story;
}

std::string incident() {
  records::Incident incident;
  incident.set_id("0123456789abcdef0123456789abcdef");
  for (const char* rule : {"Execution from /dev/shm", "Read sensitive file untrusted"}) {
    records::Member& member = *incident.add_members();
    member.set_id(std::string(31, 'a') + (rule[0] == 'E' ? '1' : '2'));
    member.set_rule(rule);
    member.add_tactics(rule[0] == 'E' ? "TA0002" : "TA0006");
    member.set_risk(60);
    member.set_severity(3);
    member.set_first(1'700'000'000'000'000'000);
    member.set_last(1'700'000'009'000'000'000);
    member.mutable_counts()->set_alerts(3);
  }
  return write_incident(refused().entity, incident, judge_incident(incident), Story::playbooks(),
                        {2, "tactic", 1'700'000'010, 1'700'003'610}, {"0.1", "c0ffee"})
      .json;
}

std::string outbreak() {
  records::Group group;
  group.set_tenant("default");
  group.set_rule("Execution from /dev/shm");
  group.set_shape("exec proc=sh cmdline=\"sh -c /dev/shm/<random>.sh\" parent=app");
  group.set_shape_version(1);
  group.mutable_outbreak()->set_id("89abcdef0123456789abcdef01234567");
  OutbreakContent content;
  content.counts.set_alerts(7);
  content.first = 1'700'000'000'000'000'000;
  content.last = 1'700'000'300'000'000'000;
  content.priority = 4;
  content.entities = content.hosts = content.workloads = 3;
  for (const char node : {'1', '2', '3'})
    content.earliest.push_back(
        {std::string("container/default/prod/node-") + node + "/0a1b2c3d4e5f",
         std::string(31, 'a') + node, content.first});
  content.clusters = {"prod"};
  content.namespaces = {"bank", "shop"};
  content.images = {"registry.example/shop/web:1.4"};
  content.pattern_because = "3 of 3 containers have no start time.";
  content.judgement.severity = Severity::kMedium;
  content.judgement.attention = Attention::kTicket;
  content.judgement.attention_because = "one pattern in several places";
  content.judgement.because.push_back({content.pattern_because, "members.pattern", "unknown"});
  content.judgement.risk = 40;
  content.judgement.terms.push_back({40, {"the highest risk of a member", "members", ""}});
  content.judgement.attack.push_back({"TA0002", "T1059.004", "Unix Shell", "rule_tag"});
  content.judgement.missing.emplace_back("container.start_ts");
  return write_outbreak(group, content, "fedcba98765432100123456789abcdef",
                        {1, "opened", 1'700'000'310, 1'700'005'700}, {"0.1", "c0ffee"})
      .json;
}

std::map<std::string, std::string> examples() {
  return {{"report-finding", refused().json()},
          {"report-finding-success", escape().json()},
          {"report-incident", incident()},
          {"report-outbreak", outbreak()},
          {"report-sensor_health", sensor().json()}};
}

TEST(Contract, OfReportsIsKeptByTheExamplesWhichAreWhatIsWritten) {
  for (const auto& [name, json] : examples()) {
    EXPECT_THAT(violations("report", json), IsEmpty()) << name;
    const auto file = kExamples / (name + ".json");
    if (std::getenv("GYRE_WRITE_EXAMPLES") != nullptr) std::ofstream(file) << json << '\n';
    EXPECT_EQ(read(file), json + "\n")
        << name << " has changed; if that is meant: GYRE_WRITE_EXAMPLES=1";
  }
}

TEST(Contract, HasExamplesWhoseOutcomesAddUpToTheirAlerts) {
  simdjson::dom::parser parser;
  for (const char* name : {"report-finding", "report-finding-success"}) {
    const std::string json = read(kExamples / (std::string(name) + ".json"));
    const simdjson::dom::element report = parser.parse(json);
    std::uint64_t sum = 0;
    for (const char* outcome : {"succeeded", "blocked", "unknown"})
      sum += std::uint64_t(report["outcome"][outcome]);
    EXPECT_EQ(std::uint64_t(report["counts"]["alerts"]), sum) << name;
  }
}

TEST(Contract, IsKeptByTheExamplesOfEveryRelease) {
  std::set<std::string> contracts;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kExamples)) {
    if (entry.path().extension() != ".json") continue;
    const std::string name = entry.path().filename().string();
    const std::string contract = name.substr(0, name.find_first_of("-."));
    contracts.insert(contract);
    EXPECT_THAT(violations(contract, read(entry.path())), IsEmpty()) << entry.path();
  }
  EXPECT_THAT(contracts, testing::ElementsAre("dead_letter", "report"));
}

TEST(Contract, IsBrokenByWhatItDoesNotAllow) {
  const std::string json = refused().json();
  for (const auto& [from, to] : std::map<std::string, std::string>{
           {"\"severity\":", "\"severitty\":"},
           {"\"revision\":1", "\"revision\":\"1\""},
           {"\"revision\":1", "\"revision\":0"},
           {"\"reason\":\"opened\"", "\"reason\":\"because\""},
           {"\"alerts\":2,", ""},
           {"\"schema_version\":\"1.0\"", "\"schema_version\":\"2.0\""},
           {"\"closes_after\":", "\"closed_because\":"}}) {
    std::string broken = json;
    const std::size_t at = broken.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    EXPECT_THAT(violations("report", broken.replace(at, from.size(), to)), Not(IsEmpty())) << to;
  }
}

TEST(Contract, PutsWhatRoutersReadIntoTheFirst4000Bytes) {
  Story story = refused();
  story.entity.clear_card();
  for (const char* field : {"container.name", "container.image.repository", "k8s.ns.name",
                            "k8s.pod.name", "container.image.tag"})
    story.card(field, std::string(256, 'x'));
  story.series.set_shape(std::string(512, 'y'));
  const std::string json = story.json();
  for (const char* key :
       {"\"kind\":", "\"attention\":", "\"severity\":", "\"rule\":", "\"entity\":", "\"shape\":",
        "\"last_seen\":", "\"counts\":", "\"outcome\":", "\"verdict\":"})
    EXPECT_LT(json.find(key), 4000U) << key;
}

// One definition of the playbooks' form: the schema names the fields of the messages and no others.
TEST(Contract, OfPlaybooksNamesTheFieldsOfTheirMessages) {
  simdjson::dom::parser parser;
  simdjson::dom::element schema = parser.parse(std::string(schemas::contract("playbook")));
  const auto names_of = [](const simdjson::dom::element& object) {
    std::set<std::string> names;
    for (const auto field : simdjson::dom::object(object["properties"])) names.emplace(field.key);
    return names;
  };
  const auto* file = playbook::File::descriptor()->file();
  for (int i = 0; i < file->message_type_count(); ++i) {
    const auto* message = file->message_type(i);
    std::set<std::string> fields;
    for (int n = 0; n < message->field_count(); ++n) fields.insert(message->field(n)->name());
    if (message->name() == "Step") {
      fields.erase("use");
      fields.erase("line");
    }
    simdjson::dom::element object =
        message->name() == "File" ? schema : schema["$defs"][message->name()].value();
    EXPECT_EQ(names_of(object), fields) << message->name();
  }
}

}  // namespace
}  // namespace gyre::stages
