// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <simdjson.h>

#include <random>

#include "schemas/alert.h"
#include "schemas/identity.h"
#include "schemas/redact.h"
#include "schemas/report.h"
#include "schemas/shape.h"

namespace gyre::schemas {
namespace {

constexpr std::string_view kPlain =
    R"({"hostname":"node-7","output":"10:00:00.000000001: Notice shell | user=eve","output_fields":{"container.id":"0123456789ab","evt.time":1767323045000000006,"proc.aname[2]":"sshd","proc.cmdline":"sh -c id","proc.name":"sh","proc.pname":null,"user.uid":1000},"priority":"Notice","rule":"A shell","source":"syscall","tags":["shell","container"],"time":"2026-01-02T03:04:05.000000006Z"})";

bool valid(const Alert& alert) {
  const auto utf8 = [](std::string_view text) {
    return simdjson::validate_utf8(text.data(), text.size());
  };
  bool all = utf8(alert.rule) && utf8(alert.source) && utf8(alert.hostname) && utf8(alert.output) &&
             utf8(alert.uuid);
  for (const auto& tag : alert.tags) all = all && utf8(tag);
  for (const auto& [name, value] : alert.fields)
    all = all && utf8(name) && utf8(value) && !value.empty();
  return all;
}

class Parse : public testing::Test {
 protected:
  // The rejection's name, or "" for an alert.
  std::string error(std::string_view record) {
    const auto result = parser_.parse(record, alert_);
    return result ? "" : std::string(to_string(result.error().error));
  }
  Alert ok(std::string_view record) {
    EXPECT_EQ(error(record), "") << record.substr(0, 300);
    return alert_;
  }
  // An alert whose output_fields are these.
  Alert with(std::string_view fields, std::string_view more = "") {
    return ok(R"({"rule":"r","time":"2026-01-02T03:04:05Z",)" + std::string(more) +
              R"("output_fields":{)" + std::string(fields) + "}}");
  }
  AlertParser parser_;
  Alert alert_;
};

TEST_F(Parse, ReadsWhatFalcoWrites) {
  const Alert alert = ok(kPlain);
  EXPECT_EQ(alert.rule, "A shell");
  EXPECT_EQ(alert.time, 1'767'323'045'000'000'006);
  EXPECT_EQ(alert.priority, Priority::kNotice);
  EXPECT_EQ(alert.hostname, "node-7");
  EXPECT_EQ(alert.tags, (std::vector<std::string>{"container", "shell"}));
  EXPECT_EQ(alert.field("evt.time"), "1767323045000000006");
  EXPECT_EQ(alert.field("user.uid"), "1000");
  EXPECT_EQ(alert.field("proc.pname"), "");
  EXPECT_EQ(alert.fields.size(), 6U);
  EXPECT_EQ(alert.flags, 0U);
}

TEST_F(Parse, ReadsFalcosidekicksOrderAndEscapes) {
  const Alert alert = ok(
      R"({"uuid":"u","output":"a \u003cNA\u003e","priority":"debug","rule":"r","time":"2026-01-02T03:04:05.5Z","output_fields":{"proc.aname_2":"x","proc.name":"\u003cNA\u003e"},"source":"syscalls"})");
  EXPECT_EQ(alert.output, "a <NA>");
  EXPECT_EQ(alert.source, "syscall");
  EXPECT_EQ(alert.uuid, "u");
  ASSERT_EQ(alert.fields.size(), 1U);
  EXPECT_EQ(alert.field("proc.aname[2]"), "x");
}

TEST_F(Parse, FieldsAreSortedOneAName) {
  const Alert alert = with(
      R"("z":"1","container":{"image":{"repository":"a"}},"b":"2","b":"3","l":["x",null,4],"t":true)");
  const decltype(alert.fields) want = {
      {"b", "2"}, {"container.image.repository", "a"}, {"l", "x, 4"}, {"t", "true"}, {"z", "1"}};
  EXPECT_EQ(alert.fields, want);
}

// Stores of columns keep an object as its text, or each of its members as a column.
TEST_F(Parse, FieldsAsTextOrFlattened) {
  const decltype(Alert::fields) want = {{"container.id", "0123456789ab"},
                                        {"proc.cmdline", "sh \"x\""}};
  const std::string head = R"({"rule":"r","time":1767323045,)";
  EXPECT_EQ(
      ok(head +
         R"("output_fields":" {\"proc.cmdline\":\"sh \\\"x\\\"\",\"container\":{\"id\":\"0123456789ab\"}}"})")
          .fields,
      want);
  EXPECT_EQ(
      ok(head +
         R"("output_fields.proc.cmdline":"sh \"x\"","output_fields.container":{"id":"0123456789ab"},"output_fields.":1})")
          .fields,
      want);
  EXPECT_EQ(ok(head + R"("output_fields":"{\"a\":\"\\ud800\"}"})").field("a"), "\xEF\xBF\xBD");
  EXPECT_TRUE(alert_.flags & kRepaired);
  for (const auto* text : {R"("{\"a\":1")", R"("{\"a\":1} x")", R"("[1]")", R"("x")"})
    EXPECT_TRUE(ok(head + R"("output_fields":)" + text + "}").fields.empty()) << text;
}

// protobuf's JSON names the sources of Falco's gRPC output in capitals, a Go client numbers them
// (falco userspace/falco/schema.proto).
TEST_F(Parse, SourcesOfTheGrpcOutput) {
  const auto source = [&](const std::string& text) {
    return with("", "\"source\":" + text + ",").source;
  };
  EXPECT_EQ(source(R"("SYSCALL")"), "syscall");
  EXPECT_EQ(source(R"("K8S_audit")"), "k8s_audit");
  EXPECT_EQ(source("0"), "syscall");
  EXPECT_EQ(source("1"), "k8s_audit");
  EXPECT_EQ(source("1.0"), "k8s_audit");
  EXPECT_EQ(source(R"("Internal")"), "internal");
  EXPECT_EQ(source("3"), "3");
  EXPECT_EQ(source(R"("MyPlugin")"), "MyPlugin");
}

TEST_F(Parse, OnlyTopLevelKeysAreTheAlerts) {
  const Alert alert = with(R"("x":{"rule":"forged","time":"2000-01-01T00:00:00Z"})",
                           R"("a":{"rule":"forged","hostname":"h"},)");
  EXPECT_EQ(alert.rule, "r");
  EXPECT_EQ(alert.hostname, "");
  EXPECT_EQ(error(R"({"a":{"rule":"r","time":"2026-01-02T03:04:05Z"}})"), "not_an_alert");
}

TEST_F(Parse, OfEqualKeysTheFirstThatIsKnownCounts) {
  const std::string time = R"(,"time":"2026-01-02T03:04:05Z"})";
  for (const auto* unknown : {"null", R"("")", R"("<NA>")", R"("\u003cNA\u003e")", "{}", "[]"}) {
    const auto twice = [&](const std::string& key, const std::string& first,
                           const std::string& second) {
      const std::string name = "\"" + key + "\":";
      return name + unknown + "," + name + first + "," + name + second;
    };
    const Alert alert =
        ok("{" + twice("rule", R"("r")", R"("s")") + "," + twice("source", R"("a")", R"("b")") +
           "," + twice("priority", R"("Debug")", R"("Error")") + "," +
           twice("hostname", R"("h")", R"("i")") + "," + twice("output", R"("o")", R"("p")") + "," +
           twice("uuid", R"("u")", R"("v")") + "," + twice("tags", R"(["t"])", R"("w")") + time);
    EXPECT_EQ(alert.rule, "r") << unknown;
    EXPECT_EQ(alert.source, "a") << unknown;
    EXPECT_EQ(alert.priority, Priority::kDebug) << unknown;
    EXPECT_EQ(alert.hostname, "h") << unknown;
    EXPECT_EQ(alert.output, "o") << unknown;
    EXPECT_EQ(alert.uuid, "u") << unknown;
    EXPECT_EQ(alert.tags, std::vector<std::string>{"t"}) << unknown;
    for (const auto* key : {"time", "@timestamp", "date"})
      EXPECT_EQ(ok(R"({"rule":"r",)" + twice(key, "1767323045", "1767323046") + "}").time,
                1'767'323'045'000'000'000)
          << key << unknown;
    EXPECT_EQ(ok(R"({"rule":"r","date":1767323045,"time":)" + std::string(unknown) + "}").time,
              1'767'323'045'000'000'000)
        << unknown;
  }
  EXPECT_EQ(ok(R"({"rule":7,"rule":"r")" + time).rule, "r");
  EXPECT_EQ(ok(R"({"rule":"r","tags":[null,{}],"tags":" , ","tags":"t","tags":"u")" + time).tags,
            std::vector<std::string>{"t"});
  EXPECT_EQ(ok(R"({"rule":"r","output_fields":null,"output_fields":{"a":null,"a":1,"a":2},)"
               R"("output_fields":{"b":1})" +
               time)
                .fields,
            (decltype(Alert::fields){{"a", "1"}}));
  for (const auto* unknown : {"{}", R"({"a":null,"b":{}})", R"("{}")", R"("x")", "[]", "7"})
    EXPECT_EQ(ok(R"({"rule":"r","output_fields":)" + std::string(unknown) +
                 R"(,"outputFields":{"a":1},"output_fields":{"a":2})" + time)
                  .fields,
              (decltype(Alert::fields){{"a", "1"}}))
        << unknown;
  EXPECT_EQ(ok(R"({"rule":"r","time":{"seconds":null,"seconds":"1767323045","seconds":1,)"
               R"("nanos":{},"nanos":"","nanos":5,"nanos":6},"time":1})")
                .time,
            1'767'323'045'000'000'005);
  // What is known counts, though nobody can read it.
  EXPECT_EQ(error(R"({"rule":"r","time":"never","time":1767323045})"), "no_time");
}

TEST_F(Parse, PrioritiesInEverySpelling) {
  const auto priority = [&](const std::string& text) {
    return with("", "\"priority\":" + text + ",").priority;
  };
  EXPECT_EQ(priority(R"("cRITICAL")"), Priority::kCritical);
  EXPECT_EQ(priority(R"("Info")"), Priority::kInformational);
  EXPECT_EQ(priority("0"), Priority::kEmergency);
  EXPECT_EQ(priority(R"("7")"), Priority::kDebug);
  EXPECT_EQ(priority("5.0"), Priority::kNotice);
  EXPECT_EQ(priority("5e0"), Priority::kNotice);
  EXPECT_EQ(priority(R"("20e-1")"), Priority::kCritical);
  EXPECT_EQ(priority("0e30"), Priority::kEmergency);
  for (const auto* bad : {"8", "5.5", "-1", "1e1", "1e99", R"("05")", R"("5 0")"}) {
    EXPECT_EQ(priority(bad), Priority::kWarning) << bad;
    EXPECT_TRUE(alert_.flags & kPriorityUnknown) << bad;
  }
  EXPECT_TRUE(with("").flags & kPriorityUnknown);
}

TEST_F(Parse, TimesByMagnitude) {
  const auto time = [&](const std::string& text) {
    return ok("{\"rule\":\"r\",\"time\":" + text + "}").time;
  };
  EXPECT_EQ(time("1767323045"), 1'767'323'045'000'000'000);
  EXPECT_EQ(time("1767323045.000000006"), 1'767'323'045'000'000'006);
  EXPECT_EQ(time("1767323045123"), 1'767'323'045'123'000'000);
  EXPECT_EQ(time("1767323045123456"), 1'767'323'045'123'456'000);
  EXPECT_EQ(time("1767323045123456789"), 1'767'323'045'123'456'789);
  EXPECT_EQ(time(R"("1767323045")"), 1'767'323'045'000'000'000);
  EXPECT_EQ(time("1.767323045e9"), 1'767'323'045'000'000'000);
  EXPECT_EQ(time("0.01767323045e11"), 1'767'323'045'000'000'000);
  EXPECT_EQ(time("0.0176e11"), 1'760'000'000'000'000'000);
  EXPECT_EQ(time("17673230451234567890e-10"), 1'767'323'045'123'456'789);
  EXPECT_EQ(time("1.767323045123456789E+18"), 1'767'323'045'123'456'789);
  EXPECT_EQ(time(R"("1767323045123e0")"), 1'767'323'045'123'000'000);
  EXPECT_EQ(time("1." + std::string(1000, '0') + "e9"), 1'000'000'000'000'000'000);
  EXPECT_EQ(time("1" + std::string(1000, '0') + "e-991"), 1'000'000'000'000'000'000);
  EXPECT_EQ(time(R"({"seconds":17.67323045e8,"nanos":"50e-1"})"), 1'767'323'045'000'000'005);
  EXPECT_EQ(time(R"({"seconds":1767323045.0,"nanos":5.0})"), 1'767'323'045'000'000'005);
  EXPECT_EQ(time(R"({"seconds":"1767323045.000","nanos":0e30})"), 1'767'323'045'000'000'000);
  EXPECT_EQ(time(R"({"seconds":17673230450e-1,"nanos":0.0e-30})"), 1'767'323'045'000'000'000);
  for (const auto* bad : {"null",
                          "-5",
                          "0",
                          "99999999999999999999",
                          "\"now\"",
                          "{}",
                          "1e300",
                          "true",
                          "0e9",
                          "-1.7e9",
                          "0.5",
                          "5e-1",
                          "1e-999999999999999999999",
                          "1e999999999999999999999",
                          "1e-999999999999",
                          "0e-999999999999",
                          "1e999999999999",
                          R"({"seconds":1767323045.5})",
                          R"({"seconds":0.0,"nanos":5})",
                          R"({"seconds":9183110401})",
                          R"({"seconds":1767323045000})",
                          R"({"seconds":1e300})",
                          R"({"seconds":17e8,"nanos":0.5})",
                          R"({"seconds":17e8,"nanos":1e9})",
                          R"({"seconds":17e8,"nanos":-1})",
                          R"({"seconds":17e8,"nanos":1e-999999999999})"})
    EXPECT_EQ(error("{\"rule\":\"r\",\"time\":" + std::string(bad) + "}"), "no_time") << bad;
}

TEST_F(Parse, EveryTruncationIsDead) {
  for (std::size_t size = 0; size < kPlain.size(); ++size)
    ASSERT_EQ(error(kPlain.substr(0, size)), "not_json") << size;
}

TEST_F(Parse, NamesWhatIsWrong) {
  EXPECT_EQ(error(""), "not_json");
  EXPECT_EQ(error("{}"), "not_an_alert");
  EXPECT_EQ(error(R"({"rule":"","time":1767323045})"), "not_an_alert");
  EXPECT_EQ(error(R"({"rule":7,"time":1767323045})"), "not_an_alert");
  EXPECT_EQ(error(R"({"rule":"r"})"), "no_time");
  EXPECT_EQ(error(std::string(1'000'001, ' ')), "too_large");
}

TEST_F(Parse, SaysWhereARecordStopsBeingJson) {
  const auto detail = [&](std::string_view record) {
    const auto parsed = parser_.parse(record, alert_);
    return parsed ? std::string() : parsed.error().detail;
  };
  EXPECT_EQ(detail(R"({"rule":"r"} trailing)"), "something follows the JSON, behind byte 13");
  EXPECT_EQ(detail(R"({"rule":"r","time":176732)"),
            "it ends in the middle of its JSON, behind byte 25");
  EXPECT_EQ(detail(R"({"rule":"r)"), "it ends in the middle of its JSON, behind byte 10");
  EXPECT_EQ(detail(R"({"rule":"r",,"time":1767323045})"), "broken JSON, behind byte 12");
  EXPECT_EQ(detail("[]"), "no JSON object");
}

TEST_F(Parse, EveryByteInAStringOrBehindANumberIsRepairedOrDead) {
  for (int byte = 0x80; byte < 0x100; ++byte) {
    const std::string text = std::string("a") + static_cast<char>(byte) + "b";
    const Alert alert = with("\"fd.name\":\"" + text + "\"");
    EXPECT_EQ(alert.field("fd.name"),
              "a\xEF\xBF\xBD"
              "b");
    EXPECT_TRUE(alert.flags & kRepaired);
  }
  for (int byte = 0; byte < 0x20; ++byte) {
    std::string record = R"({"rule":"r","time":1767323045,"output":"_"})";
    record[record.find('_')] = static_cast<char>(byte);
    EXPECT_EQ(error(record), "not_json") << byte;
  }
  for (int byte = 0; byte < 0x20; ++byte) {
    if (byte == '\t' || byte == '\n' || byte == '\r') continue;
    const std::string number = std::string("7") + static_cast<char>(byte);
    EXPECT_EQ(error(R"({"rule":"r","time":1767323045,"output":)" + number + "}"), "not_json")
        << byte;
  }
  EXPECT_EQ(with(R"("fd.name":"\u0000")").field("fd.name"), std::string_view("\0", 1));
}

TEST_F(Parse, LoneSurrogatesAreRepaired) {
  for (const auto* lone : {R"(\ud800)", R"(\uDFFF)", R"(\udc00)", R"(\ud800\ud800)"}) {
    const Alert alert = with("\"fd.name\":\"x" + std::string(lone) + "\"");
    EXPECT_TRUE(alert.flags & kRepaired) << lone;
    EXPECT_TRUE(alert.field("fd.name").starts_with("x\xEF\xBF\xBD")) << lone;
    EXPECT_TRUE(valid(alert));
  }
  EXPECT_EQ(with(R"("fd.name":"\ud83d\ude00")").field("fd.name"), "\xF0\x9F\x98\x80");
  EXPECT_EQ(alert_.flags & kRepaired, 0U);
  EXPECT_EQ(with(R"("fd.name":"\\ud800")").field("fd.name"), "\\ud800");
  EXPECT_EQ(alert_.flags & kRepaired, 0U);
}

TEST_F(Parse, DepthKillsNothing) {
  for (const auto& [open, close] : {std::pair{"[", "]"}, std::pair{"{\"a\":", "}"}}) {
    std::string deep;
    for (int i = 0; i < 10'000; ++i) deep += open;
    deep += "1";
    for (int i = 0; i < 10'000; ++i) deep += close;
    EXPECT_EQ(with(R"("proc.name":"sh","deep":)" + deep, "\"x\":" + deep + ",").field("proc.name"),
              "sh");
    EXPECT_TRUE(valid(alert_));
  }
}

TEST_F(Parse, LongAndManyAreCutAndFlagged) {
  AlertParser parser({.record_bytes = 4'000'000});
  std::string text;
  while (text.size() < (1U << 20)) text += "\xE2\x82\xAC";
  const std::string head = R"({"rule":"r","time":1767323045,"output_fields":{)";
  ASSERT_TRUE(parser.parse(head + "\"fd.name\":\"" + text + "\"}}", alert_));
  EXPECT_EQ(alert_.field("fd.name").size(), 65'535U);
  EXPECT_TRUE(valid(alert_));
  EXPECT_TRUE(alert_.flags & kTruncated);
  std::string many = head;
  for (int i = 0; i < 100'000; ++i) many += "\"f" + std::to_string(i) + "\":1,";
  ASSERT_TRUE(parser.parse(many + "\"z\":1}}", alert_));
  EXPECT_EQ(alert_.fields.size(), 256U);
  EXPECT_TRUE(alert_.flags & kTruncated);
  ASSERT_TRUE(parser.parse(kPlain, alert_));
  EXPECT_EQ(alert_.flags, 0U);
}

TEST_F(Parse, MutationsNeverThrowAndStayValid) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  IdHasher hasher;
  int alerts = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string record(kPlain);
    for (auto n = 1 + random() % 4; n > 0; --n) {
      const auto at = random() % record.size();
      switch (random() % 4) {
        case 0:
          record[at] = static_cast<char>(random());
          break;
        case 1:
          record.erase(at, 1 + random() % 8);
          break;
        case 2:
          record.insert(at, record.substr(random() % record.size(), random() % 40));
          break;
        default:
          record.insert(at, 1, "{}[]\",:\\u"[random() % 9]);
      }
      if (record.empty()) record = "{";
    }
    if (!parser_.parse(record, alert_)) continue;
    ++alerts;
    ASSERT_TRUE(valid(alert_)) << record;
    ASSERT_FALSE(alert_.rule.empty());
    duplicate_id(alert_, hasher);
    outcome_of(alert_);
    redact(alert_);
    ASSERT_TRUE(valid(alert_)) << record;
    const std::string shape = shape_of(alert_);
    ASSERT_LE(shape.size(), 512U);
    ASSERT_TRUE(simdjson::validate_utf8(shape.data(), shape.size())) << record;
  }
  EXPECT_GT(alerts, 1000);
}

TEST_F(Parse, OutcomeIsSaidNeverGuessed) {
  const auto outcome = [&](std::string_view fields) { return outcome_of(with(fields)).outcome; };
  EXPECT_EQ(outcome(R"("evt.res":"SUCCESS")"), Outcome::kSucceeded);
  EXPECT_EQ(outcome(R"("evt.res":"EACCES","evt.failed":false)"), Outcome::kBlocked);
  EXPECT_EQ(outcome(R"("evt.res":"EINPROGRESS")"), Outcome::kUnknown);
  EXPECT_EQ(outcome(R"("evt.failed":true)"), Outcome::kBlocked);
  EXPECT_EQ(outcome(R"("evt.rawres":-115)"), Outcome::kUnknown);
  EXPECT_EQ(outcome(R"("evt.rawres":-13)"), Outcome::kBlocked);
  EXPECT_EQ(outcome(R"("evt.arg.flags":"O_CREAT|O_F_CREATED")"), Outcome::kSucceeded);
  EXPECT_EQ(outcome(R"("evt.arg.flags":"NO_F_CREATED")"), Outcome::kUnknown);
  EXPECT_EQ(outcome(R"("evt.args":"fd=3(<f>/etc/x) name=x")"), Outcome::kSucceeded);
  EXPECT_EQ(outcome(R"("evt.args":"fd=-13(EACCES) name=/tmp/ fd=3")"), Outcome::kUnknown);
  EXPECT_EQ(outcome(R"("evt.args":"name=/tmp/ fd=3")"), Outcome::kUnknown);
  EXPECT_EQ(outcome(R"("evt.args":"res=-1(EPERM) fd=3(<f>/bin/x) mode=S_ISUID ")"),
            Outcome::kBlocked);
  EXPECT_EQ(outcome(R"("evt.args":"res=-115(EINPROGRESS) fd=3")"), Outcome::kUnknown);
  EXPECT_EQ(outcome(R"("evt.args":"res=0 fd=3(<f>/bin/x) ")"), Outcome::kSucceeded);
  EXPECT_EQ(outcome(R"("evt.args":"res=")"), Outcome::kUnknown);
  EXPECT_EQ(outcome(R"("ka.response.code":"201")"), Outcome::kSucceeded);
  EXPECT_EQ(outcome(R"("ka.response.code":"403")"), Outcome::kBlocked);
  EXPECT_EQ(outcome(R"("ct.error":"AccessDenied")"), Outcome::kBlocked);
  EXPECT_EQ(outcome(R"("okta.result":"ALLOW")"), Outcome::kSucceeded);
  EXPECT_EQ(outcome(R"("okta.result":"FAILURE")"), Outcome::kBlocked);
  EXPECT_EQ(outcome(R"("okta.result":"CHALLENGE")"), Outcome::kUnknown);
  EXPECT_EQ(outcome(""), Outcome::kUnknown);
}

TEST(JsonWriter, EveryByteIsReadBack) {
  std::string all;
  for (int byte = 0; byte < 0x80; ++byte) all += static_cast<char>(byte);
  JsonWriter writer;
  writer.begin_object().key("a").value(all).text("none", "").text("b", "x");
  writer.key("l").begin_array().number(-1).value(true).begin_object().end_object().end_array();
  const std::string json = writer.end_object().take();
  EXPECT_TRUE(json.ends_with(R"(,"b":"x","l":[-1,true,{}]})")) << json;
  simdjson::dom::parser parser;
  std::string_view back;
  ASSERT_EQ(parser.parse(json)["a"].get(back), simdjson::SUCCESS);
  EXPECT_EQ(back, all);
  EXPECT_EQ(writer.begin_array().end_array().take(), "[]");
}

TEST(JsonWriter, EveryCharacterIsReadBackFromEveryPlace) {
  simdjson::dom::parser parser;
  JsonWriter writer;
  for (std::size_t place = 0; place < 20; ++place) {
    for (int byte = 0; byte < 0x80; ++byte) {
      for (const std::string_view beside : {"a", "\"", "\x01", "é", "\U0010FFFF"}) {
        std::string text;
        while (text.size() < place) text += beside;
        text += static_cast<char>(byte);
        text += beside;
        const std::string json = writer.begin_object().key("a").value(text).end_object().take();
        std::string_view back;
        ASSERT_EQ(parser.parse(json)["a"].get(back), simdjson::SUCCESS) << json;
        ASSERT_EQ(back, text) << byte << " at " << place;
      }
    }
  }
}

}  // namespace
}  // namespace gyre::schemas
