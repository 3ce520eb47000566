// SPDX-License-Identifier: Apache-2.0
#include "schemas/encoding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "tests/contract/promises.h"

// How reports look to those who do not read ours. The reports are schemas/examples.
namespace gyre::schemas {
namespace {

using Json = nlohmann::ordered_json;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;

const std::filesystem::path kRoot = GYRE_SOURCE_DIR;

std::string read(const std::filesystem::path& file) {
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

std::map<std::string, std::string> reports() {
  std::map<std::string, std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator(kRoot / "schemas" / "examples")) {
    const std::string name = entry.path().stem().string();
    if (!name.starts_with("report-")) continue;
    std::string text = read(entry.path());
    text.pop_back();
    all[name.substr(7)] = text;
  }
  return all;
}

Json report(const std::string& name) { return Json::parse(reports().at(name)); }

Json encoded(const Json& report, Encoding encoding, bool markdown = false) {
  return Json::parse(encode(report.dump(), encoding, markdown));
}

TEST(Encoding, OfEveryExampleKeepsItsPromises) {
  EXPECT_THAT(reports(), testing::SizeIs(testing::Ge(5U)));
  for (const auto& [name, json] : reports())
    EXPECT_THAT(tests::encoding_violations(json), IsEmpty()) << name;
}

TEST(Encoding, InOcsfKeepsTheSchemasOfItsClasses) {
  if (!tests::has_ocsf_schemas()) GTEST_SKIP() << "the schemas of OCSF are not here";
  const auto violations = [](const Json& broken) {
    return tests::encoding_violations(broken.dump());
  };
  Json finding = report("finding");
  EXPECT_THAT(violations(finding), IsEmpty());
  finding["severity"] = "low";
  finding["time"] = "yesterday";  // a record without its time is what the schema refuses
  EXPECT_THAT(violations(finding), Contains(HasSubstr("ocsf")));
}

TEST(Encoding, NativeWithoutMarkdownIsTheSameWithoutItsLastKey) {
  for (const auto& [name, json] : reports()) {
    EXPECT_EQ(encode(json, Encoding::kNative, true), json);
    Json without = Json::parse(json);
    without.erase("markdown");
    EXPECT_EQ(Json::parse(encode(json, Encoding::kNative, false)).dump(), without.dump()) << name;
  }
}

TEST(Encoding, InEcsSaysWhatTheReportSays) {
  const Json ecs = encoded(report("finding-success"), Encoding::kEcs, true);
  EXPECT_EQ(ecs["@timestamp"], "2023-11-14T22:13:30Z");
  EXPECT_EQ(ecs["event"]["kind"], "alert");
  EXPECT_EQ(ecs["event"]["id"], "00112233445566778899aabbccddeeff/1");
  EXPECT_EQ(ecs["event"]["action"], "finding-created");
  EXPECT_EQ(ecs["event"]["severity"], 99);
  EXPECT_EQ(ecs["event"]["outcome"], "success");
  EXPECT_EQ(ecs["event"]["duration"], 9'000'000'001);
  EXPECT_EQ(ecs["event"]["category"],
            (Json{"intrusion_detection", "file"}));  // its alerts name no process
  EXPECT_EQ(ecs["orchestrator"]["resource"]["name"], "web-5d9c7b-x2x4z");
  EXPECT_EQ(ecs["container"]["id"], "0a1b2c3d4e5f");
  EXPECT_EQ(ecs["file"]["path"], "/sys/fs/cgroup/rdma/release_agent");
  EXPECT_EQ(ecs["labels"]["attention"], "page");
  EXPECT_EQ(ecs["gyre"]["counts"]["alerts"], 2);
  EXPECT_EQ(ecs["falco"]["output_fields"]["proc.cmdline"], Json{"sh -i"});
  EXPECT_THAT(ecs["gyre"]["markdown"].get<std::string>(), HasSubstr("# Alert Analysis Report"));
}

// Of two users and two programs nobody knows who ran which, nor whose call it was that succeeded.
TEST(Encoding, NamesNobodyBesideWhatAnotherDid) {
  Json finding = report("finding-success");
  Json& fields = finding["evidence"]["fields"];
  fields["user.name"] = Json{"amy", "zed"};
  fields["user.uid"] = Json{"1000", "1001"};
  fields["proc.name"] = Json{"cat"};
  fields["proc.pid"] = Json{"7", "8"};
  fields["fd.sip"] = Json{"192.0.2.1", "192.0.2.2"};
  fields["proc.cmdline"] = Json{"cat"};
  finding["evidence"]["capped"] = Json{"proc.cmdline"};  // and others, left out
  EXPECT_THAT(tests::encoding_violations(finding.dump()), IsEmpty());
  const Json ecs = encoded(finding, Encoding::kEcs);
  EXPECT_FALSE(ecs.contains("user"));
  EXPECT_FALSE(ecs.contains("destination"));
  EXPECT_EQ(ecs["process"], Json::parse(R"({"name":"cat"})"));
  EXPECT_THAT(ecs["event"]["category"], testing::Contains("network"));
  EXPECT_EQ(ecs["falco"]["output_fields"]["user.name"], (Json{"amy", "zed"}));
  const Json evidence = encoded(finding, Encoding::kOcsf)["evidences"][0];
  EXPECT_FALSE(evidence.contains("user"));
  EXPECT_EQ(evidence["data"]["user.uid"], (Json{"1000", "1001"}));
  const Json alert = encoded(finding, Encoding::kFalco)["output_fields"];
  for (const char* field : {"user.name", "user.uid", "proc.pid", "fd.sip", "proc.cmdline"})
    EXPECT_FALSE(alert.contains(field)) << field;
  EXPECT_EQ(alert["proc.name"], "cat");
  finding["evidence"]["fields"]["proc.cmdline"] = Json{"cat a…z"};  // only its middle is left out
  EXPECT_EQ(encoded(finding, Encoding::kEcs)["process"]["command_line"], "cat a…z");
}

TEST(Encoding, InOcsfNothingEndsAfterItWasDecided) {
  Json finding = report("finding-success");
  finding["time"] = "2023-11-14T22:13:20Z";
  finding["first_seen"] = "2023-11-14T22:13:20.250000000Z";
  finding["last_seen"] = "2023-11-14T22:13:20.750000000Z";
  const Json ocsf = encoded(finding, Encoding::kOcsf);
  EXPECT_EQ(ocsf["end_time"], 1'700'000'000'750);
  EXPECT_EQ(ocsf["time"], 1'700'000'000'750);
  EXPECT_EQ(ocsf["finding_info"]["modified_time"], 1'700'000'000'750);
}

TEST(Encoding, InEcsNamesTheCloudAndWhatTheApiServerNamed) {
  Json finding = report("finding-success");
  finding["details"]["rule"] =
      Json::parse(R"([{"field":"source","value":"aws_cloudtrail","meaning":"m"}])");
  finding["evidence"]["fields"] =
      Json::parse(R"({"ct.user.accountid":["123456789012"],"ct.region":["eu-north-1"]})");
  EXPECT_EQ(encoded(finding, Encoding::kEcs)["cloud"],
            Json::parse(R"({"provider":"aws","region":"eu-north-1",
                            "account":{"id":"123456789012"}})"));
  finding["entity"]["kind"] = "k8s_object";
  finding["evidence"]["fields"] =
      Json::parse(R"({"ka.resp.name":["web-x1"],"ka.target.resource":["pods"]})");
  EXPECT_EQ(encoded(finding, Encoding::kEcs)["orchestrator"]["resource"],
            Json::parse(R"({"type":"pods","name":"web-x1"})"));
}

TEST(Encoding, TellsEveryTacticAndTechniqueApart) {
  Json finding = report("finding");
  finding["attack"] = Json::parse(
      R"([{"tactic":"TA0002","technique":"T1059.004","name":"Unix Shell","source":"rule_tag"},
          {"tactic":"TA0006","technique":"T1555","name":"Credentials from Password Stores","source":"mapping"},
          {"tactic":"TA0008","name":"Lateral Movement","source":"mapping"}])");
  const Json threat = encoded(finding, Encoding::kEcs)["threat"];
  EXPECT_EQ(threat["tactic"]["id"], (Json{"TA0002", "TA0006", "TA0008"}));
  EXPECT_EQ(threat["tactic"]["name"], (Json{"Execution", "Credential Access", "Lateral Movement"}));
  EXPECT_EQ(threat["technique"]["id"], (Json{"T1059", "T1555"}));
  EXPECT_EQ(threat["technique"]["subtechnique"]["id"], Json{"T1059.004"});
  const Json attacks = encoded(finding, Encoding::kOcsf)["finding_info"]["attacks"];
  EXPECT_EQ(attacks[0]["technique"], Json::parse(R"({"uid":"T1059"})"));
  EXPECT_EQ(attacks[0]["sub_technique"], Json::parse(R"({"uid":"T1059.004","name":"Unix Shell"})"));
  EXPECT_EQ(attacks[1]["technique"]["name"], "Credentials from Password Stores");
  EXPECT_FALSE(attacks[2].contains("technique"));
  EXPECT_EQ(encoded(finding, Encoding::kFalco)["tags"],
            (Json{"T1059.004", "T1555", "mitre_credential_access", "mitre_execution",
                  "mitre_lateral_movement"}));
}

TEST(Encoding, InOcsfIsMadeChangedAndClosed) {
  Json finding = report("finding-success");
  Json ocsf = encoded(finding, Encoding::kOcsf);
  EXPECT_EQ(ocsf["type_uid"], 200401);
  EXPECT_EQ(ocsf["is_alert"], true);
  EXPECT_EQ(ocsf["status"], "New");
  EXPECT_EQ(ocsf["time"], 1'700'000'010'000);
  EXPECT_EQ(ocsf["metadata"]["uid"], "00112233445566778899aabbccddeeff-1");
  finding["revision"] = 2;
  finding["reason"] = "periodic";
  ocsf = encoded(finding, Encoding::kOcsf);
  EXPECT_EQ(ocsf["type_uid"], 200402);
  EXPECT_EQ(ocsf["is_alert"], false);  // nobody is told the same twice
  finding["reason"] = "success";
  EXPECT_EQ(encoded(finding, Encoding::kOcsf)["is_alert"], true);
  finding["state"] = finding["reason"] = "closed";
  finding["closed_because"] = "quiet";
  finding.erase("closes_after");
  ocsf = encoded(finding, Encoding::kOcsf);
  EXPECT_EQ(ocsf["type_uid"], 200403);
  EXPECT_EQ(ocsf["status_id"], 99);
  EXPECT_EQ(ocsf["status"], "Inactive");
}

TEST(Encoding, InOcsfIsAnIncidentWithItsFindings) {
  const Json ocsf = encoded(report("incident"), Encoding::kOcsf);
  EXPECT_EQ(ocsf["class_uid"], 2005);
  EXPECT_EQ(ocsf["finding_info_list"].size(), 2U);
  EXPECT_EQ(ocsf["verdict"], "Insufficient Data");
  EXPECT_EQ(ocsf["device"]["container"]["uid"], "0a1b2c3d4e5f");
  EXPECT_EQ(encoded(report("outbreak"), Encoding::kOcsf)["class_uid"], 2004);
}

TEST(Encoding, AsAnAlertIsWhatFalcosidekickSends) {
  Json finding = report("finding-success");
  finding["evidence"]["fields"]["fd.sport"] = Json{"443"};
  finding["evidence"]["fields"]["fd.cport"] = Json{"http"};
  const Json alert = encoded(finding, Encoding::kFalco);
  EXPECT_EQ(alert["rule"], "Detect release_agent File Container Escapes");
  EXPECT_EQ(alert["priority"], "Critical");
  EXPECT_EQ(alert["time"], "2023-11-14T22:13:30.000000000Z");
  EXPECT_EQ(alert["hostname"], "node-7");
  EXPECT_EQ(alert["source"], "syscall");
  EXPECT_EQ(alert["output"],
            "22:13:30.000000000: Critical Detect release_agent File Container Escapes — container "
            "0a1b2c3d4e5f on node-7 | 2 alerts, suspicious with high confidence, risk 100/100, "
            "revision 1 (opened)");
  const Json& fields = alert["output_fields"];
  EXPECT_EQ(fields["proc.cmdline"], "sh -i");
  EXPECT_EQ(fields["user.uid"], 0);  // a number, as Falco prints it
  EXPECT_EQ(fields["fd.sport"], 443);
  EXPECT_FALSE(fields.contains("fd.cport"));
  EXPECT_EQ(fields["k8s.pod.name"], "web-5d9c7b-x2x4z");
  EXPECT_EQ(fields["gyre.risk"], 100);
}

TEST(Encoding, AsAnAlertOfWhatHasNoPriorityTellsTheSeverity) {
  Json incident = report("incident");
  for (const auto& [severity, priority] : std::map<std::string, std::string>{
           {"critical", "Critical"}, {"high", "Error"}, {"medium", "Warning"}, {"low", "Notice"}}) {
    incident["severity"] = severity;
    EXPECT_EQ(encoded(incident, Encoding::kFalco)["priority"], priority);
  }
  EXPECT_EQ(encoded(incident, Encoding::kFalco)["rule"], "Gyre incident");
}

// What is read twice, after an aborted transaction, is one alert.
TEST(Encoding, AsAnAlertHasTheSameIdWheneverItIsWritten) {
  Json finding = report("finding");
  const std::string uuid = encoded(finding, Encoding::kFalco)["uuid"];
  EXPECT_THAT(uuid,
              MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_EQ(encoded(finding, Encoding::kFalco)["uuid"], uuid);
  finding["revision"] = 2;
  EXPECT_NE(encoded(finding, Encoding::kFalco)["uuid"], uuid);
}

// Whoever sends a request to the Kubernetes API can write all of its addresses but the last.
TEST(Encoding, TellsTheAddressThatTheApiServerSawFromThoseItWasTold) {
  Json finding = report("finding");
  finding["evidence"]["fields"].erase("fd.cip");
  finding["evidence"]["fields"]["ka.sourceips"] = Json{"8.8.8.8, 203.0.113.9"};
  finding["observables"]["ips"] = Json{"203.0.113.9", "8.8.8.8"};
  const Json ecs = encoded(finding, Encoding::kEcs);
  EXPECT_EQ(ecs["source"]["ip"], "203.0.113.9");
  EXPECT_EQ(ecs["related"]["ip"], (Json{"203.0.113.9", "8.8.8.8"}));
  const Json ocsf = encoded(finding, Encoding::kOcsf);
  EXPECT_EQ(ocsf["evidences"][0]["src_endpoint"]["ip"], "203.0.113.9");
  EXPECT_EQ(ocsf["evidences"][0]["src_endpoint"]["intermediate_ips"], (Json{"8.8.8.8"}));
  EXPECT_THAT(tests::encoding_violations(finding.dump()), IsEmpty());
}

// One address that is none makes Elasticsearch refuse the whole record.
TEST(Encoding, TakesNothingForAnAddressThatIsNone) {
  Json finding = report("finding");
  const auto with = [&](const std::string& address) {
    finding["evidence"]["fields"]["fd.sip"] = Json{address};
    finding["evidence"]["fields"]["fd.sport"] = Json{"65536"};
    finding["observables"]["ips"] = Json{address};
    return finding;
  };
  for (const char* wrong : {"10.0.0.256", "10.0.0", "::1::", "localhost", "10.0.0.1 "}) {
    EXPECT_THAT(tests::encoding_violations(with(wrong).dump()), IsEmpty());
    EXPECT_FALSE(encoded(finding, Encoding::kEcs).contains("destination")) << wrong;
    EXPECT_FALSE(encoded(finding, Encoding::kEcs)["related"].contains("ip")) << wrong;
    EXPECT_FALSE(encoded(finding, Encoding::kOcsf)["evidences"][0].contains("dst_endpoint"))
        << wrong;
  }
  const Json ecs = encoded(with("2001:db8::1"), Encoding::kEcs);
  EXPECT_EQ(ecs["destination"], Json::parse(R"({"ip":"2001:db8::1"})"));
  EXPECT_EQ(ecs["related"]["ip"], Json{"2001:db8::1"});
}

TEST(Encoding, LeavesTheMarkdownOutWhereItWouldBeTooLargeAndSaysSo) {
  Json finding = report("finding");
  finding["markdown"] = std::string(kEncodedBytes, 'x');
  for (const Encoding encoding : {Encoding::kEcs, Encoding::kOcsf}) {
    const std::string json = encode(finding.dump(), encoding, true);
    EXPECT_LT(json.size(), kEncodedBytes);
    EXPECT_THAT(json, Not(HasSubstr("xxxxxx")));
  }
  EXPECT_EQ(encoded(finding, Encoding::kEcs, true)["labels"]["markdown"], "left out: too large");
  EXPECT_EQ(encoded(finding, Encoding::kOcsf, true)["metadata"]["is_truncated"], true);
  EXPECT_FALSE(encoded(finding, Encoding::kOcsf, false)["metadata"].contains("is_truncated"));
}

TEST(Encoding, KeepsHostileTextAsText) {
  Json finding = report("finding-success");
  const std::string hostile = "\"},\"severity\":\"low\\\n\x01\xe2\x80\xae</script>";
  finding["evidence"]["fields"]["proc.cmdline"] = Json{hostile};
  finding["evidence"]["fields"]["proc.name"] = Json{hostile};
  finding["evidence"]["fields"][hostile] = Json{hostile};
  finding["entity"]["hostname"] = hostile;
  EXPECT_THAT(tests::encoding_violations(finding.dump()), IsEmpty());
  EXPECT_EQ(encoded(finding, Encoding::kEcs)["process"]["command_line"], hostile);
  EXPECT_EQ(encoded(finding, Encoding::kOcsf)["device"]["hostname"], hostile);
  EXPECT_EQ(encoded(finding, Encoding::kFalco)["output_fields"][hostile], hostile);
}

TEST(Promises, AreHeldAgainstWhatBreaksThem) {
  const auto broken = [](const std::string& json) { return tests::broken_promises("test", json); };
  EXPECT_THAT(broken(R"({"a":1,"b":["x"]})"), IsEmpty());
  EXPECT_THAT(broken(R"({"a":null})"), Contains(HasSubstr("a is null")));
  EXPECT_THAT(broken(R"({"c":{"d.e":1}})"), Contains(HasSubstr("d.e has a dot")));
  EXPECT_THAT(broken(R"({"b":[1]})"), Contains("b[] is integer here and was string"));
  EXPECT_THAT(broken(R"({"a":1.5})"), Contains("a is number here and was integer"));
  EXPECT_THAT(broken(R"({"a":1,"a":1})"), Contains(HasSubstr("stands twice")));
  EXPECT_THAT(broken("{\"a\":\n1}"), Contains("more than one line"));
  EXPECT_THAT(broken(R"({"f":["x"],"g":")" + std::string(4000, 'y') + R"(","late":1})"),
              Contains("late stands behind the first 4,000 bytes"));
  EXPECT_THAT(broken(R"({"markdown":")" + std::string(kEncodedBytes, 'y') + R"("})"),
              Contains(HasSubstr(" bytes")));
}

// docs/outputs.md shows what is really written.
TEST(Encoding, ExamplesInTheDocumentAreWhatIsWritten) {
  const auto file = kRoot / "docs" / "outputs.md";
  std::string document = read(file);
  for (const Encoding encoding :
       {Encoding::kNative, Encoding::kEcs, Encoding::kOcsf, Encoding::kFalco}) {
    const std::string_view name = to_string(encoding);
    const std::string begin = "<!-- " + std::string(name) + " -->\n```json\n";
    const std::size_t at = document.find(begin);
    ASSERT_NE(at, std::string::npos) << name;
    const std::size_t from = at + begin.size();
    const std::size_t end = document.find("\n```\n", from);
    const std::string example = encoded(report("finding-success"), encoding).dump(1);
    if (std::getenv("GYRE_WRITE_EXAMPLES") != nullptr)
      document.replace(from, end - from, example);
    else
      EXPECT_EQ(document.substr(from, end - from), example)
          << "GYRE_WRITE_EXAMPLES=1 writes it anew";
  }
  if (std::getenv("GYRE_WRITE_EXAMPLES") != nullptr) std::ofstream(file) << document;
}

}  // namespace
}  // namespace gyre::schemas
