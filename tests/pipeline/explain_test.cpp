// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "pipeline/commands.h"

namespace gyre::pipeline {
namespace {

using google::protobuf::Struct;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kAlert =
    R"({"hostname":"node-1","priority":"Warning","rule":"Execution from /dev/shm","source":"syscall",)"
    R"("time":"2026-03-02T09:14:07.5Z","output_fields":{"container.id":"5b0c1f6e9a3d","cluster":"prod",)"
    R"("container.image.repository":"registry.example.com:5000/team/app:1.2","evt.res":"EACCES","evt.type":"execve",)"
    R"("proc.name":"sh","proc.pname":"app","proc.cmdline":"sh -c /dev/shm/job-48151623.sh --password=hunter2secret"}})";

std::string explained(const std::string& input, bool json = false, int code = 0) {
  std::istringstream in(input);
  std::streambuf* const before = std::cin.rdbuf(in.rdbuf());
  testing::internal::CaptureStdout();
  EXPECT_EQ(explain(Config{}, {.file = "-", .json = json}), code);
  std::cin.rdbuf(before);
  std::cin.clear();
  return testing::internal::GetCapturedStdout();
}

std::vector<Struct> objects(const std::string& output) {
  std::vector<Struct> found;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    Struct object;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(line, &object).ok()) << line;
    found.push_back(std::move(object));
  }
  return found;
}

std::string text(const Struct& object, const std::string& name) {
  const auto at = object.fields().find(name);
  return at == object.fields().end() ? "" : at->second.string_value();
}
const Struct& inner(const Struct& object, const std::string& name) {
  return object.fields().at(name).struct_value();
}

TEST(Explain, NamesNoEnvelopeOfGarbage) {
  EXPECT_EQ(explained("garbage\n", false, 1),
            "line 1: dead letter\n  error         not_json\n  detail        no object in it\n\n");
  EXPECT_THAT(explained(R"({"rule":"r"})", false, 1), HasSubstr("envelope      bare\n"));
}

TEST(Explain, SaysThatAnEmptyFileHoldsNothing) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(explained("\n", false, 1), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "gyre: - holds no alert, nor anything else\n");
}

TEST(Explain, SaysEachPartAndWhatDecidedIt) {
  const std::string said = explained(kAlert);
  for (const char* line :
       {"line 1: Execution from /dev/shm (Warning)\n", "envelope      bare\n",
        "entity        container/default/prod/node-1/5b0c1f6e9a3d\n", " cluster by cluster\n",
        " tenant by setting input.tenant\n", " id by container.id\n", " evt.res=EACCES\n",
        "outcome       blocked: the system call's result, evt.res=EACCES\n",
        "playbook      execution_from_dev_shm: it names the rule Execution from /dev/shm\n",
        "verdict       undetermined"})
    EXPECT_THAT(said, HasSubstr(line));
  EXPECT_THAT(said, HasSubstr("proc.cmdline: sh -c /dev/shm/job-48151623.sh"));
}

TEST(Explain, ShowsNoSecretAndNothingThatSteersATerminal) {
  std::string alert = kAlert;
  alert.replace(alert.find("Execution from"), 9, "\\u001b[2J\\u202ex");
  for (const bool json : {false, true}) {
    const std::string said = explained(alert, json);
    EXPECT_THAT(said, Not(HasSubstr("hunter2secret")));
    EXPECT_THAT(said, Not(HasSubstr("\x1b")));
  }
  EXPECT_THAT(explained(alert), Not(HasSubstr("\u202e")));
}

TEST(Explain, NamesNoFieldWhereATermHasNoValue) {
  const std::string said = explained(
      R"({"hostname":"node-1","priority":"Critical","rule":"Detect release_agent File Container Escapes",)"
      R"("time":"2026-03-02T09:14:07Z","output_fields":{"container.id":"5b0c1f6e9a3d"}})");
  EXPECT_THAT(said, HasSubstr("+25 the rule's pattern has hardly any innocent use\n"));
  EXPECT_THAT(said, Not(HasSubstr("=\n")));
  EXPECT_THAT(said, HasSubstr("+50 the rule's priority: priority=Critical\n"));
}

TEST(Explain, GivesProgramsAnObjectAnAlert) {
  const auto said =
      objects(explained(std::string(kAlert) + "\n\nno alert\n" + kAlert + "\n", true, 1));
  ASSERT_EQ(said.size(), 3U);
  const Struct& alert = said[0];
  EXPECT_EQ(alert.fields().at("line").number_value(), 1);
  EXPECT_EQ(text(inner(alert, "entity"), "key"), "container/default/prod/node-1/5b0c1f6e9a3d");
  EXPECT_EQ(text(inner(inner(alert, "entity"), "because"), "cluster"), "cluster");
  EXPECT_EQ(text(inner(alert, "outcome"), "value"), "blocked");
  EXPECT_EQ(text(inner(alert, "playbook"), "id"), "execution_from_dev_shm");
  EXPECT_EQ(text(inner(alert, "verdict"), "class"), "undetermined");
  EXPECT_EQ(text(alert, "duplicate_id").size(), 32U);
  EXPECT_EQ(text(said[1], "error"), "not_json");
  EXPECT_EQ(said[1].fields().at("line").number_value(), 3);
  EXPECT_EQ(text(said[2], "duplicate_id"), text(alert, "duplicate_id"));
}

TEST(Explain, ReadsOneAlertOverManyLines) {
  std::string alert = "{\n";
  for (const char* at = kAlert + 1; *at != '\0'; ++at) {
    alert += *at;
    if (*at == ',') alert += '\n';
  }
  const auto said = objects(explained(alert + "\n", true));
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(text(said[0], "rule"), "Execution from /dev/shm");
}

// One raw block of zstd (RFC 8878 3.1.1): its text stands in it as it is, newlines and all.
TEST(Explain, ReadsAPackedRecordWithNewlinesInIt) {
  std::string alert = R"({"rule":"A shell",)"
                      "\n"
                      R"("time":1767323045})";
  const std::string head("\x28\xB5\x2F\xFD\x20", 5);
  const auto size = static_cast<char>(alert.size());
  const auto said =
      objects(explained(head + size + static_cast<char>((alert.size() << 3 | 1) & 0xFF) +
                            static_cast<char>(alert.size() >> 5) + std::string(1, '\0') + alert,
                        true));
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(text(said[0], "envelope"), "zstd");
  EXPECT_EQ(text(said[0], "rule"), "A shell");
}

TEST(Explain, OfASensorSpeakingOfItselfThereIsNoVerdict) {
  const auto said = objects(explained(
      R"({"hostname":"node-1","priority":"Debug","rule":"Falco internal: syscall event drop","source":"internal",)"
      R"("time":"2026-03-02T09:14:07Z","output_fields":{"n_drops":"4","n_evts":"10"}})",
      true));
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(text(inner(said[0], "entity"), "key"), "host/default/default/node-1");
  EXPECT_EQ(said[0].fields().count("verdict"), 0U);
  EXPECT_EQ(said[0].fields().count("playbook"), 0U);
}

TEST(Explain, NamesTheFileThatItCannotRead) {
  try {
    explain(Config{}, {.file = "/nowhere/alerts.ndjson"});
    FAIL() << "read what is not there";
  } catch (const Failure& failure) {
    EXPECT_THAT(failure.what(), HasSubstr("/nowhere/alerts.ndjson"));
  }
}

}  // namespace
}  // namespace gyre::pipeline
