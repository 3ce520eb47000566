// SPDX-License-Identifier: Apache-2.0
#include "pipeline/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "base/error.h"
#include "pipeline/commands.h"
#include "pipeline/kafka_handles.h"
#include "pipeline/kafka_properties.h"
#include "tests/pipeline/config_text.h"

namespace gyre::pipeline {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Environment() { unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
};

TEST(Config, AnEmptyFileGivesTheDefaults) {
  const Config config = read("# nothing\n");
  EXPECT_EQ(config.name, "gyre");
  EXPECT_EQ(config.findings.gap, 15 * 60);
  EXPECT_THAT(config.stages, ElementsAre("intake", "by_container", "by_rule"));
  EXPECT_FALSE(config.instance.empty());
}

TEST(Config, ReadsEveryKindOfValue) {
  const Config config = read(R"(
name: edge
instance: edge-1
workers: 3
stages: [intake]
kafka:
  brokers: "a:9092, b:9093,c"
  properties: {security.protocol: SSL, fetch.min.bytes: 10, enable.ssl.certificate.verification: true}
input: {start: 2026-01-02T03:04:05Z, tenant: blue, cluster: west}
admin:
inner: {partitions: 4, replication_factor: 1}
state: {directory: /tmp/edge, cache: 1GiB}
batch: {linger: 5ms, bytes: 100000}
limits: {record_bytes: 64KiB, fields: 99}
findings: {gap: 20m, settle_error: 0s, backoff_record: [90s, 2h], max_age: 2d}
reports: {close: all}
)");
  EXPECT_EQ(config.workers, 3);
  EXPECT_THAT(config.stages, ElementsAre("intake"));
  EXPECT_EQ(config.kafka.properties.at("fetch.min.bytes"), "10");
  EXPECT_EQ(config.kafka.properties.at("enable.ssl.certificate.verification"), "true");
  EXPECT_EQ(config.input.start, "2026-01-02T03:04:05Z");
  EXPECT_EQ(config.state.cache_bytes, std::size_t{1} << 30);
  EXPECT_EQ(config.batch.linger, std::chrono::milliseconds(5));
  EXPECT_EQ(config.batch.bytes, 100'000U);
  EXPECT_EQ(config.limits.record_bytes, 65'536U);
  EXPECT_EQ(config.findings.gap, 1200);
  EXPECT_EQ(config.findings.settle_error, 0);
  EXPECT_EQ(config.findings.max_age, 2 * 86'400);
  EXPECT_THAT(config.findings.backoff_record, ElementsAre(90, 7200));
  EXPECT_TRUE(config.findings.close_all);
  EXPECT_EQ(config.client_id("intake", 2), "edge-intake-edge-1-2");
}

TEST(Config, AnUnknownKeyIsRefusedWithPlaceAndNearestKey) {
  EXPECT_EQ(refusal("name: a\nfindings:\n  gapp: 15m\n"),
            "gyre.yaml:3:3: unknown key findings.gapp; the nearest known one is findings.gap");
  EXPECT_THAT(refusal("lateness: 1m\n"), HasSubstr("nearest known one is findings.lateness"));
  EXPECT_THAT(refusal("kafak: {}\n"), HasSubstr("nearest known one is kafka"));
}

TEST(Config, EveryProblemIsInOneMessageInOrder) {
  const std::string message = refusal("workers: 0\nwhat: 1\nfindings:\n  gap: 15\n");
  EXPECT_THAT(message, StartsWith("gyre.yaml:1:10: workers: \"0\" is not a whole number from 1"));
  EXPECT_LT(message.find("gyre.yaml:2:1: unknown key what"),
            message.find("gyre.yaml:4:8: findings.gap: \"15\" is not a duration"));
  EXPECT_EQ(std::ranges::count(message, '\n'), 2);
}

TEST(Config, WrongValuesAreRefused) {
  for (const char* yaml : {"workers: many",
                           "workers: 1.5",
                           "workers: [1]",
                           "workers:",
                           "workers: 99999999999999999999",
                           "name: a b",
                           "name: ''",
                           "instance: a/b",
                           "stages: []",
                           "stages: intake",
                           "stages: [outtake]",
                           "stages: [intake, intake]",
                           "kafka: 7",
                           "kafka: [a]",
                           "kafka: {brokers: 'a:1,,b:2'}",
                           "kafka: {brokers: 'a:99999'}",
                           "kafka: {brokers: ''}",
                           "kafka: {properties: [a]}",
                           "kafka: {properties: {a: {b: c}}}",
                           "input: {topic: a/b}",
                           "input: {topic: ..}",
                           "input: {start: yesterday}",
                           "input: {tenant: ''}",
                           "inner: {partitions: 0}",
                           "inner: {replication_factor: 33}",
                           "state: {directory: ''}",
                           "state: {cache: 1}",
                           "state: {cache: 64kb}",
                           "admin: {listen: 9464}",
                           "batch: {linger: 20}",
                           "batch: {linger: 1m}",
                           "limits: {string_bytes: -1}",
                           "findings: {gap: 1500ms}",
                           "findings: {gap: 9999999999999999d}",
                           "findings: {gap: m}",
                           "findings: {backoff_record: [2m, 1m]}",
                           "findings: {backoff_record: []}",
                           "findings: {lateness: 1s}",
                           "findings: {max_age: 5m}",
                           "findings: {gap: 1m}",
                           "findings: {gap: 2h}",
                           "findings: {keep_closed: 0s}",
                           "findings: {keep_closed: 20m}",
                           "findings: {duplicate_horizon: 2h}",
                           "findings: {incident_gap: 2h}",
                           "findings: {incident_risk: 101}",
                           "reports: {close: none}",
                           "reports: {close: true}",
                           "- a",
                           "text",
                           "a: b: c",
                           "a: [",
                           "name: a\nname: b",
                           "{a: 1}: 2",
                           "name: a\n---\nname: b",
                           "input: {topic: t}\noutputs: [{topic: t}]",
                           "outputs: [{topic: gyre.by-container}]",
                           "outputs: [{topic: a}, {topic: a}]",
                           "outputs: []",
                           "outputs: {topic: a}",
                           "outputs: [a]",
                           "outputs: [{encoding: ecs}]",
                           "outputs: [{topic: a b}]",
                           "outputs: [{topic: a, encoding: cef}]",
                           "outputs: [{topic: a, markdown: some}]",
                           "outputs: [{topic: a, encoding: falco, markdown: always}]",
                           "outputs: [{topic: a, filter: [page]}]",
                           "outputs: [{topic: a, filter: {attention: page}}]",
                           "outputs: [{topic: a, filter: {attention: [pager]}}]",
                           "outputs: [{topic: a, filter: {severity: []}}]",
                           "outputs: [{topic: a, filter: {kind: [alert]}}]",
                           "outputs: [{topic: a, topic: b}]",
                           "log: {format: xml}",
                           "log: {level: trace}"}) {
    EXPECT_THAT(refusal(yaml), StartsWith("gyre.yaml")) << yaml;
  }
}

TEST(Config, BrokenYamlIsRefusedWithItsPlace) {
  EXPECT_THAT(refusal("name: a\nkafka: [\n"), StartsWith("gyre.yaml:3:1: "));
  EXPECT_THAT(refusal("name: 'a\n"), StartsWith("gyre.yaml:"));
}

TEST(Config, ATabThatIndentsIsNamedWithItsCure) {
  for (const char* yaml : {"kafka:\n\tbrokers: a\n", "kafka:\n  brokers: a\n\tproperties: {}\n",
                           "outputs:\n  -\ttopic: a\n", "outputs:\n\t- topic: a\n"})
    EXPECT_THAT(refusal(yaml), HasSubstr(": a tab in front of the line; YAML takes only spaces"))
        << yaml;
  EXPECT_THAT(refusal("kafka:\tbrokers: a\n"), Not(HasSubstr("a tab")));
}

TEST(Config, PutsTheEnvironmentIntoValues) {
  const Environment name("GYRE_TEST_NAME", "edge");
  const Environment empty("GYRE_TEST_EMPTY", "");
  EXPECT_EQ(read("name: ${GYRE_TEST_NAME}-1").name, "edge-1");
  EXPECT_EQ(read("name: ${GYRE_TEST_NAME}.${GYRE_TEST_ABSENT:-x}").name, "edge.x");
  EXPECT_EQ(read("name: ${GYRE_TEST_EMPTY:-full}").name, "full");
  EXPECT_EQ(read("playbooks: a${GYRE_TEST_EMPTY}b").playbooks, "ab");
  EXPECT_EQ(read("playbooks: a$${GYRE_TEST_NAME}$b").playbooks, "a${GYRE_TEST_NAME}$b");
  EXPECT_EQ(read("workers: ${GYRE_TEST_ABSENT:-4}").workers, 4);
  EXPECT_THAT(refusal("name: ${GYRE_TEST_ABSENT}"),
              AllOf(HasSubstr("1:7"), HasSubstr("${GYRE_TEST_ABSENT} is not set")));
  EXPECT_THAT(refusal("name: ${GYRE_TEST"), HasSubstr("closing"));
}

TEST(Config, AVariableIsNeverYamlAndNeverPrinted) {
  const Environment yaml("GYRE_TEST_YAML", "x\nworkers: 7 # ${HOME}");
  const Config config = read("playbooks: ${GYRE_TEST_YAML}");
  EXPECT_EQ(config.playbooks, "x\nworkers: 7 # ${HOME}");
  EXPECT_EQ(config.workers, 1);
  const Environment secret("GYRE_TEST_SECRET", "hunter2");
  EXPECT_THAT(refusal("workers: ${GYRE_TEST_SECRET}"),
              AllOf(HasSubstr("the value of \"${GYRE_TEST_SECRET}\""), Not(HasSubstr("hunter2"))));
  EXPECT_EQ(config_values(read("kafka: {properties: {sasl.password: '${GYRE_TEST_SECRET}'}}"))
                .at("kafka.properties"),
            "{sasl.password}");
}

TEST(Config, PropertiesThatTheEngineOwnsAreRefusedWithTheReason) {
  ASSERT_FALSE(owned_properties().empty());
  for (const auto& [name, reason] : owned_properties())
    EXPECT_THAT(refusal("kafka: {properties: {" + name + ": x}}"),
                AllOf(StartsWith("gyre.yaml:1:"), HasSubstr(name), HasSubstr(reason)));
}

TEST(Config, AnOwnedPropertyIsOwnedHoweverItIsSpelled) {
  for (const char* name :
       {"topic.auto.offset.reset", "topic.topic.auto.offset.reset", "topic.request.required.acks",
        "acks", "retries", "max.in.flight", "delivery.timeout.ms", "bootstrap.servers",
        "topic.enable.auto.commit", "auto.commit.enable"})
    EXPECT_THAT(refusal(std::string("kafka: {properties: {") + name + ": x}}"),
                AllOf(HasSubstr(name), HasSubstr("is set by the engine")));
}

TEST(Config, APropertyThatLibrdkafkaDoesNotTakeIsRefused) {
  EXPECT_THAT(refusal("kafka: {properties: {linger.s: 1}}"),
              AllOf(StartsWith("gyre.yaml:1:"),
                    HasSubstr("kafka.properties.linger.s is not taken by librdkafka: No such")));
  EXPECT_THAT(refusal("kafka: {properties: {security.protocol: TLS}}"), HasSubstr("TLS"));
  const Environment secret("GYRE_TEST_SECRET", "hunter2");
  EXPECT_THAT(refusal("kafka: {properties: {security.protocol: '${GYRE_TEST_SECRET}'}}"),
              AllOf(HasSubstr("because of its value"), Not(HasSubstr("hunter2"))));
}

TEST(Config, OnePropertyTwiceIsRefusedWhateverItsNames) {
  EXPECT_THAT(refusal("kafka: {properties: {linger.ms: 1, linger.ms: 2}}"),
              HasSubstr("kafka.properties.linger.ms stands here twice"));
  EXPECT_THAT(refusal("kafka: {properties: {queue.buffering.max.ms: 1, linger.ms: 2}}"),
              HasSubstr("kafka.properties.linger.ms stands here twice"));
}

TEST(Config, AValueThatAnAliasDoesNotTakeIsRefusedByTheNameThatWasWritten) {
  EXPECT_THAT(refusal("kafka: {properties: {linger.ms: abc}}"),
              AllOf(HasSubstr("linger.ms"), Not(HasSubstr("queue.buffering.max.ms"))));
}

TEST(Config, AProblemOfTheWholeNamesALineToo) {
  EXPECT_EQ(refusal("input: {topic: a}\noutputs:\n  - topic: a\n"),
            "gyre.yaml:3:5: outputs[0].topic and input.topic are the same topic, a");
  EXPECT_THAT(refusal("findings:\n  gap: 60s\n"),
              StartsWith("gyre.yaml:2:3: findings.gap must be at least findings.lateness"));
  // Members would be forgotten before those of other hosts come.
  EXPECT_THAT(refusal("outbreaks:\n  recurring_window: 10m\n"),
              StartsWith("gyre.yaml:2:3: outbreaks.recurring_window must be at least "
                         "outbreaks.window"));
}

TEST(Config, ABadWaitIsOneProblem) {
  EXPECT_THAT(refusal("findings:\n  backoff_attention: [2m, x, 3m]\n"),
              AllOf(StartsWith("gyre.yaml:2:27: "), Not(HasSubstr("\n"))));
}

TEST(Config, WhatItNamesOnThisMachineIsCheckedOnlyWhereItIsUsed) {
  const std::string yaml =
      "playbooks: /no/such\nname: a b\nkafka:\n  properties:\n    security.protocol: ssl\n"
      "    ssl.ca.location: /no/such/file\n";
  EXPECT_THAT(refusal(yaml), Not(HasSubstr("/no/such")));
  testing::internal::CaptureStderr();
  try {
    parse_config(yaml, "gyre.yaml", {}, Checked::kHere);
    FAIL() << "taken";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(),
                AllOf(StartsWith("gyre.yaml:1:1: playbooks: /no/such is no directory"),
                      HasSubstr("\ngyre.yaml:2:7: name"),
                      HasSubstr("\ngyre.yaml:6:5: kafka.properties: ")));
    EXPECT_EQ(std::ranges::count(std::string(error.what()), '\n'), 2);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Config, PropertiesThatExcludeEachOtherAreRefusedByTheCheck) {
  EXPECT_THROW(
      check_properties({"", {{"max.poll.interval.ms", "5000"}, {"session.timeout.ms", "9000"}}}),
      ConfigError);
  EXPECT_THROW(
      check_properties({"", {{"security.protocol", "ssl"}, {"ssl.ca.location", "/no/such/file"}}}),
      ConfigError);
  check_properties({"", {{"linger.ms", "1"}}});
}

TEST(Config, TheEnginesPropertiesWinHoweverTheUsersAreSpelled) {
  const kafka::Conf conf =
      kafka::make_conf({"", {{"topic.auto.offset.reset", "earliest"}, {"topic.acks", "1"}}},
                       {{"linger.ms", "5"}}, {{"auto.offset.reset", "error"}, {"acks", "0"}});
  const auto value = [&](const char* name) {
    std::array<char, 100> text{};
    std::size_t size = text.size();
    EXPECT_EQ(rd_kafka_conf_get(conf.get(), name, text.data(), &size), RD_KAFKA_CONF_OK) << name;
    return std::string(text.data());
  };
  EXPECT_EQ(value("auto.offset.reset"), "error");
  EXPECT_EQ(value("acks"), "0");
}

TEST(Config, TheInstanceIsTheHostsUnlessSomethingSaysOtherwise) {
  EXPECT_FALSE(read("").instance.empty());
  const Environment given("GYRE_INSTANCE", "from-environment");
  EXPECT_EQ(read("").instance, "from-environment");
  const Environment bad("GYRE_INSTANCE", "a b");
  EXPECT_THAT(refusal("workers: 1"),
              StartsWith("GYRE_INSTANCE: instance: its value is not a name"));
}

Config with_flags(const std::string& yaml, const std::vector<std::string>& flags) {
  return parse_config(yaml, "gyre.yaml", {}, Checked::kAlone, flags);
}

TEST(Config, AFlagWinsOverTheEnvironmentThatOverTheFileAndThatOverTheDefault) {
  const std::string yaml = "findings: {gap: 20m}\nworkers: 2\nname: file\n";
  const Environment gap("GYRE_FINDINGS_GAP", "30m");
  const Environment workers("GYRE_WORKERS", "3");
  const Environment nothing("GYRE_NAME", "");  // says nothing
  const Config config = with_flags(yaml, {"findings.gap=40m", "input.cluster=a=b"});
  EXPECT_EQ(config.findings.gap, 2400);
  EXPECT_EQ(config.workers, 3);
  EXPECT_EQ(config.name, "file");
  EXPECT_EQ(config.input.cluster, "a=b");
  EXPECT_EQ(config.input.topic, "falco.alerts");
}

TEST(Config, AMisspelledVariableIsRefusedAndOthersAreLeftAlone) {
  const Environment password("GYRE_KAFKA_PASSWORD", "hunter2");
  const Environment service("GYRE_PORT_9464_TCP_ADDR", "10.0.0.1");
  EXPECT_EQ(refusal(""), "");
  const Environment slip("GYRE_FINDING_GAP", "30m");
  EXPECT_THAT(refusal(""), AllOf(HasSubstr("GYRE_FINDING_GAP"), HasSubstr("GYRE_FINDINGS_GAP"),
                                 Not(HasSubstr("30m"))));
}

TEST(Config, ListsAndMapsOutsideOfTheFileAreYaml) {
  const Environment stages("GYRE_STAGES", "[intake, by_rule]");
  const Environment outputs("GYRE_OUTPUTS", "[{topic: siem, encoding: ocsf}]");
  const Environment properties("GYRE_KAFKA_PROPERTIES", "{sasl.mechanism: PLAIN}");
  const Config config = with_flags("kafka: {properties: {sasl.mechanisms: GSSAPI, linger.ms: 7}}",
                                   {"kafka.properties.security.protocol=SASL_SSL"});
  EXPECT_THAT(config.stages, ElementsAre("intake", "by_rule"));
  EXPECT_EQ(config.outputs.at(0).encoding, schemas::Encoding::kOcsf);
  // One property under two names: who comes later says it.
  EXPECT_EQ(
      config.kafka.properties,
      (std::map<std::string, std::string>{
          {"sasl.mechanism", "PLAIN"}, {"linger.ms", "7"}, {"security.protocol", "SASL_SSL"}}));
  const Environment broken("GYRE_STAGES", "[intake");
  EXPECT_THAT(refusal(""), StartsWith("GYRE_STAGES: stages must be YAML of one line"));
}

TEST(Config, WhatStandsOutsideOfTheFileIsTakenAsItIsAndNeverQuoted) {
  const Environment name("GYRE_PLAYBOOKS", "${HOME} # x");
  EXPECT_EQ(read("").playbooks, "${HOME} # x");
  const Environment workers("GYRE_WORKERS", "hunter2");
  const Environment properties("GYRE_KAFKA_PROPERTIES", "{security.protocol: hunter2}");
  EXPECT_THAT(refusal(""), AllOf(HasSubstr("GYRE_WORKERS: workers: its value is not a whole"),
                                 HasSubstr("because of its value"), Not(HasSubstr("hunter2"))));
}

TEST(Config, AWrongFlagIsRefusedWithTheNearestKey) {
  EXPECT_THROW(with_flags("", {"workers"}), ConfigError);
  try {
    with_flags("workers: 0", {"findings.gapp=1h", "workers=-1"});
    FAIL() << "taken";
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(),
                 "gyre.yaml:1:10: workers: \"0\" is not a whole number from 1 to 256\n"
                 "--set: unknown key findings.gapp; the nearest known one is findings.gap\n"
                 "--set: workers: \"-1\" is not a whole number from 1 to 256");
  }
}

TEST(Config, APropertyMayStandInAFile) {
  const auto file = std::filesystem::path(testing::TempDir()) / fmt::format("secret{}", getpid());
  std::ofstream(file) << "hunter2\r\n";
  const Config config =
      read(fmt::format("kafka: {{properties: {{sasl.password_file: '{}'}}}}", file.string()));
  EXPECT_TRUE(config.kafka.properties.empty());
  EXPECT_EQ(kafka_client(config).properties.at("sasl.password"), "hunter2");
  std::ofstream(file) << "";
  EXPECT_THROW(kafka_client(config), ConfigError);  // it is empty
  std::filesystem::remove(file);
  EXPECT_THROW(kafka_client(config), ConfigError);
  // Whoever gives it anew, gives it another way.
  EXPECT_TRUE(
      with_flags(fmt::format("kafka: {{properties: {{sasl.password_file: '{}'}}}}", file.string()),
                 {"kafka.properties.sasl.password=x"})
          .kafka.property_files.empty());
  EXPECT_THAT(refusal("kafka: {properties: {group.id_file: x}}"), HasSubstr("set by the engine"));
  EXPECT_THAT(refusal("kafka: {properties: {sasl.pass_file: x}}"),
              HasSubstr("sasl.pass is no property of librdkafka"));
  EXPECT_THAT(refusal("kafka: {properties: {sasl.password: x, sasl.password_file: y}}"),
              HasSubstr("stands here twice"));
}

TEST(Config, TheDumpReadsTheSameSaysWhereFromAndHoldsNoSecret) {
  const Environment workers("GYRE_WORKERS", "3");
  const std::string yaml = R"(
name: edge
kafka: {properties: {sasl.password: hunter2, ssl.key.pem: hunter2, ssl.ca.location: '/a "b"'}}
input: {cluster: "west, 2"}
outputs:
  - topic: a
  - {topic: b, encoding: ecs, markdown: ends, filter: {attention: [page, ticket], tenant: ["x, y"]}}
findings: {backoff_record: [90s, 2h]}
)";
  ConfigOrigins origins;
  const Config config =
      parse_config(yaml, "gyre.yaml", {}, Checked::kAlone, {"batch.linger=5ms"}, &origins);
  const std::string dump = config_dump(config, origins);
  EXPECT_THAT(
      dump,
      AllOf(HasSubstr("name: edge  # gyre.yaml:2\n"), HasSubstr("workers: 3  # GYRE_WORKERS\n"),
            HasSubstr("batch:\n  linger: 5ms  # --set\n"), HasSubstr("sasl.password: \"****\""),
            Not(HasSubstr("hunter2")), HasSubstr("\nplaybooks: \"\"\n")));
  const Config again = parse_config(dump, "dump");
  auto values = config_values(config);
  EXPECT_EQ(config_values(again), values);
  EXPECT_EQ(again.kafka.properties.at("ssl.ca.location"), "/a \"b\"");
  EXPECT_THROW(kafka_client(again), ConfigError);  // whoever runs it says the secrets anew
}

TEST(Config, ReadsOutputs) {
  EXPECT_EQ(read("").outputs.at(0).topic, "falco.reports");
  const Config config = read(R"(
outputs:
  - topic: falco.reports
  - topic: pager
    encoding: falco
    filter: {attention: [page], severity: [high, critical], kind: [finding], tenant: [blue]}
  - {topic: siem, encoding: ocsf, markdown: never}
)");
  ASSERT_EQ(config.outputs.size(), 3U);
  EXPECT_EQ(config.outputs[1].encoding, schemas::Encoding::kFalco);
  EXPECT_THAT(config.outputs[1].filter.attention, ElementsAre("page"));
  EXPECT_THAT(config.outputs[1].filter.severity, ElementsAre("high", "critical"));
  EXPECT_EQ(config.outputs[2].markdown, Output::Markdown::kNever);
  EXPECT_EQ(refusal("outputs:\n  - topik: a\n"),
            "gyre.yaml:2:5: unknown key outputs[0].topik; the nearest known one is topic\n"
            "gyre.yaml:2:5: outputs[0] names no topic");
}

TEST(Config, TheHashCoversWhatDecisionsDependOnAndNothingElse) {
  const std::string hash = read("").semantic_hash();
  EXPECT_EQ(hash.size(), 16U);
  EXPECT_EQ(read("{name: other, workers: 4, batch: {records: 5}}").semantic_hash(), hash);
  EXPECT_EQ(read("findings: {gap: 900s}").semantic_hash(), hash);
  for (const char* yaml : {"findings: {gap: 901s}", "limits: {fields: 255}", "input: {tenant: t}",
                           "input: {cluster: c}", "reports: {close: all}",
                           "overrides: [{tenant: [a], findings: {gap: 15m}}]",
                           "findings: {backoff_record: [10m, 1h]}"})
    EXPECT_NE(read(yaml).semantic_hash(), hash) << yaml;
}

TEST(Config, DefaultsMayBeACommandsOwn) {
  Config defaults;
  defaults.findings.close_all = true;
  EXPECT_TRUE(parse_config("", "x", defaults).findings.close_all);
  EXPECT_FALSE(parse_config("reports: {close: changed}", "x", defaults).findings.close_all);
}

TEST(Config, AFileThatCannotBeReadIsAConfigError) {
  EXPECT_THROW(load_config("/nonexistent/gyre.yaml"), ConfigError);
  EXPECT_THROW(load_config("/"), ConfigError);
}

TEST(Config, TheExampleIsValid) {
  const Config config = load_config(GYRE_SOURCE_DIR "/deploy/gyre.yaml");
  EXPECT_EQ(config.input.topic, "falco.alerts");
}

/// Rows `| `key` | `default` | meaning |`.
std::map<std::string, std::string> documented() {
  std::ifstream file(GYRE_SOURCE_DIR "/docs/configuration.md");
  std::map<std::string, std::string> rows;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("| `")) continue;
    const auto key_end = line.find("` | ");
    const auto value_end = line.find(" | ", key_end + 4);
    std::string value = line.substr(key_end + 4, value_end - key_end - 4);
    std::erase(value, '`');
    rows[line.substr(3, key_end - 3)] = value;
  }
  return rows;
}

TEST(Config, TheDocsNameEveryKeyWithItsDefaultAndNoOther) {
  auto known = config_values(Config{});
  known["instance"] = "the hostname";
  EXPECT_EQ(documented(), known);
}

TEST(Topics, InnerTopicsHaveThePartitionsAndKeepWhatIsNotRead) {
  const auto specs = topic_specs(read("inner: {partitions: 4, replication_factor: 1}"));
  ASSERT_EQ(specs.size(), 9U);
  EXPECT_EQ(specs[0].name, "falco.alerts");
  EXPECT_FALSE(specs[0].create);
  EXPECT_TRUE(specs[0].config.empty());
  const auto named = [&](const std::string& name) {
    return *std::ranges::find(specs, name, &TopicSpec::name);
  };
  EXPECT_EQ(named("gyre.by-container").config.at("retention.ms"), "-1");
  EXPECT_EQ(named("gyre.by-container").config.at("cleanup.policy"), "delete");
  EXPECT_EQ(named("gyre.by-rule").config.at("retention.ms"), "-1");
  EXPECT_EQ(named("gyre.by-rule.changelog").config.at("cleanup.policy"), "compact");
  EXPECT_EQ(named("gyre.by-container.changelog").config.at("cleanup.policy"), "compact");
  EXPECT_EQ(named("gyre.by-container.ids").config.at("cleanup.policy"), "compact,delete");
  // Four times the horizon and the lateness, 62 min.
  EXPECT_EQ(named("gyre.by-container.ids").at_least.at("retention.ms"), 14'880'000);
  for (const TopicSpec& spec : specs) {
    const bool inner = spec.name.starts_with("gyre.");
    EXPECT_EQ(spec.exact, inner) << spec.name;
    EXPECT_EQ(spec.partitions, inner ? 4 : spec.partitions) << spec.name;
    EXPECT_EQ(spec.config.contains("segment.bytes"), inner) << spec.name;
    EXPECT_EQ(spec.config.contains("retention.bytes"), inner) << spec.name;
  }
  for (const char* output : {"falco.reports", "falco.alerts.dead-letter"})
    EXPECT_EQ(named(output).config.at("message.timestamp.type"), "LogAppendTime");
}

}  // namespace
}  // namespace gyre::pipeline
