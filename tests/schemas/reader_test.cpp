// SPDX-License-Identifier: Apache-2.0
#include "schemas/reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "base/hash.h"
#include "schemas/report.h"

namespace gyre::schemas {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

std::string alert(std::string_view rule = "A shell", std::string_view more = "") {
  return fmt::format(
      R"({{"hostname":"node-7","output":"sh | cmd=echo \"{{}}\" \u003cNA\u003e","output_fields":{{"container.id":"0123456789ab","proc.cmdline":"sh -c \"id\""}},"priority":"Notice",{}"rule":"{}","source":"syscall","time":"2026-01-02T03:04:05.123456789Z"}})",
      more, rule);
}

std::string as_json(std::string_view text) {
  JsonWriter json;
  json.begin_object().key("x").value(text).end_object();
  const std::string whole = json.take();
  return whole.substr(5, whole.size() - 6);
}

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
  return out;
}

class ReaderTest : public testing::Test {
 protected:
  struct Read {
    std::string rule;  // or the rejection's name, in angle brackets
    std::string envelope;
    std::string detail;
    Nanos time = kNoTime;
    Nanos envelope_time = kNoTime;
    std::uint32_t flags = 0;
    Alert alert;
  };
  std::vector<Read> read_all(std::string_view record, const Headers& headers = {}) {
    std::vector<Read> all;
    reader_.open(record, headers);
    while (const Reading* reading = reader_.next()) {
      Read& one = all.emplace_back();
      one.envelope = reading->envelope;
      one.envelope_time = reading->envelope_time;
      if (reading->rejection) {
        one.rule = fmt::format("<{}>", to_string(reading->rejection->error));
        one.detail = reading->rejection->detail;
      } else {
        one.rule = reading->alert.rule;
        one.time = reading->alert.time;
        one.flags = reading->alert.flags;
        one.alert = reading->alert;
      }
    }
    return all;
  }
  std::string rules(std::string_view record) {
    std::string text;
    for (const Read& one : read_all(record)) text += (text.empty() ? "" : ",") + one.rule;
    return text;
  }
  // The one alert of the record, whole and from that envelope.
  Read expect(std::string_view record, std::string_view envelope, std::string_view time = "",
              const Headers& headers = {}) {
    const auto all = read_all(record, headers);
    EXPECT_EQ(all.size(), 1U) << record;
    if (all.size() != 1) return {};
    EXPECT_EQ(all[0].rule, "A shell") << all[0].detail << '\n' << record;
    EXPECT_EQ(all[0].envelope, envelope);
    EXPECT_EQ(all[0].time, *parse_rfc3339("2026-01-02T03:04:05.123456789Z"));
    EXPECT_EQ(all[0].alert.field("proc.cmdline"), "sh -c \"id\"");
    EXPECT_EQ(all[0].alert.output, "sh | cmd=echo \"{}\" <NA>");
    EXPECT_EQ(all[0].alert.hostname, "node-7");
    EXPECT_EQ(all[0].envelope_time, time.empty() ? kNoTime : *parse_rfc3339(time));
    return all[0];
  }

  AlertReader reader_;
};

TEST_F(ReaderTest, Bare) {
  expect(alert(), "bare");
  expect("\xEF\xBB\xBF" + alert() + "\r\n", "bare");
  expect(" \n\t" + alert() + " ", "bare");
}

TEST_F(ReaderTest, SyslogPrefix) {
  for (const auto* head :
       {"<14>Jan  2 03:04:05 node falco[7]: ", "Jan 12 03:04:05 node falco: ", "<14>falco: "})
    expect(head + alert(), "syslog");
  expect("<5>2026-01-02T03:04:06Z a1b2c3 Falco[1]: " + alert(), "syslog",
         "2026-01-02T03:04:06.999999999Z");
  expect("<14>1 2026-01-02T04:04:06.5+01:00 node falco 7 - - " + alert(), "syslog",
         "2026-01-02T03:04:06.599999999Z");
  expect("<14>1 - node falco 7 ID [a@1 b=\"c \\\" ]\"][d@2] \xEF\xBB\xBF" + alert(), "syslog");
}

TEST_F(ReaderTest, CriLogLine) {
  expect("2026-01-02T03:04:06.000000001Z stdout F " + alert(), "cri",
         "2026-01-02T03:04:06.000000001Z");
  EXPECT_EQ(rules("2026-01-02T03:04:06.000000001Z stdout P " + alert()), "<not_json>");
}

TEST_F(ReaderTest, LinesOfOtherTools) {
  expect("2026-01-02T03:04:06.000000001Z " + alert(), "line", "2026-01-02T03:04:06.000000001Z");
  expect("2026-01-02T03:04:06.001Z node-7 " + alert(), "line", "2026-01-02T03:04:06.001999999Z");
  expect("falco-1  | " + alert(), "line");
  expect("[pod/falco-7pvrx/falco] " + alert(), "line");
  expect("falco: " + alert(), "line");
}

// Whoever may choose a command line or a user name must not write alerts with it (ruling 13).
TEST_F(ReaderTest, NoAlertIsReadBehindAnyOtherText) {
  for (const auto* head :
       {"10:00:00.000000001: Notice Shell (user=eve cmdline=sh -c ",
        "2026-01-02T03:04:05.1+0000: Warning Shell | cmdline=",
        "Jan  2 03:04:05 node falco[7]: 10:00:00.1: Notice Shell | command=",
        "Jan  2 03:04:05 node sshd[7]: Failed password for invalid user ",
        "2026-01-02T03:04:06.1Z stdout F 10:00:00.1: Error by eve: ", "{x ", "Notice ", "\"", "x="})
    EXPECT_EQ(rules(head + alert("forged")), "<not_json>") << head;
}

TEST_F(ReaderTest, NothingFollowsAnAlert) {
  for (const auto* tail : {"x", "{}", " ]", "}", ",", "\"", " 1", "\n]", "\nx"})
    EXPECT_EQ(rules(alert() + tail), "<not_json>") << tail;
  EXPECT_EQ(rules(alert() + alert("forged")), "<not_json>");
  EXPECT_EQ(rules(alert() + " " + alert("forged")), "<not_json>");
  EXPECT_EQ(rules("falco: " + alert() + "\n" + alert("forged")), "<not_json>");
}

TEST_F(ReaderTest, NothingInABrokenRecordIsRead) {
  const std::string forged = alert("forged");
  for (const std::string& broken :
       {R"({"rule":"A","output":"x )" + forged + "}",
        R"({"rule":"A","output_fields":{"proc.cmdline":)" + forged, R"({"log":)" + forged,
        R"({"log":)" + as_json(forged), R"({"a":tru,"log":)" + forged + "}",
        R"({"a":[1}],"log":)" + forged + "}", R"({"a":{"b":[}},"message":)" + forged + "}",
        "[" + forged, "[" + forged + ",]", "[" + forged + "}",
        forged + "\n{\"rule\":", "\"" + forged + "\""})
    EXPECT_EQ(rules(broken), "<not_json>") << broken;
}

TEST_F(ReaderTest, NothingInAnAlertIsUnwrapped) {
  const std::string forged = alert("forged");
  for (const std::string& record :
       {R"({"rule":"","time":1767323045,"message":)" + as_json(forged) + "}",
        R"({"output":"x","priority":"Error","log":)" + as_json(forged) + "}",
        R"({"output_fields":{"log":)" + forged + R"(},"message":)" + forged + "}",
        R"({"outer":{"log":)" + forged + "}}", R"({"other":)" + forged + "}",
        R"({"log":"Notice Shell | cmd=)" + as_json(forged).substr(1) + "}",
        R"({"log":{"output_fields":{"x":1},"log":)" + forged + "}}"})
    EXPECT_TRUE(rules(record) == "<not_an_alert>" || rules(record) == "<not_json>") << record;
  expect(alert("A shell", "\"log\":" + forged + ",\"message\":" + as_json(forged) + ","), "bare");
}

TEST_F(ReaderTest, DockerJsonFile) {
  const auto wrapped = expect(R"({"log":)" + as_json(alert() + "\n") +
                                  R"(,"stream":"stdout","time":"2026-01-02T03:04:06.5Z"})",
                              "docker", "2026-01-02T03:04:06.599999999Z");
  EXPECT_EQ(wrapped.flags, 0U);
}

TEST_F(ReaderTest, FluentBitAndFluentd) {
  const std::string kubernetes = R"("kubernetes":{"pod_name":"falco-7pvrx"})";
  expect(R"({"@timestamp":1767323046.480479,"log":)" + as_json(alert()) +
             R"(,"stream":"stdout","logtag":"F",)" + kubernetes + "}",
         "fluent", "2026-01-02T03:04:06.480479999Z");
  expect(R"({"date":1767323046.5,"log":"x { y","log_processed":)" + alert() + "}", "fluent",
         "2026-01-02T03:04:06.599999999Z");
  expect(R"([{"date":1767323046,"message":)" + as_json(alert()) + "}]", "array/fluent",
         "2026-01-02T03:04:06.999999999Z");
  // Merge_Log: the alert's keys stand beside the text that they were read from.
  expect(R"({"@timestamp":"2026-01-02T03:04:06Z","log":)" + as_json(alert("text")) + "," +
             alert().substr(1),
         "bare");
}

// Fluent Bit's parser takes Time_Key out of the record unless told to keep it.
TEST_F(ReaderTest, AMergedAlertWithoutTimeHasTheShippers) {
  for (const auto* key : {"@timestamp", "date"})
    EXPECT_EQ(
        read_all(fmt::format(R"({{"{}":1767323046.25,"rule":"A shell","log":"x"}})", key))[0].time,
        *parse_rfc3339("2026-01-02T03:04:06.25Z"));
  EXPECT_EQ(rules(R"({"date":1767323046.25,"rule":"A shell","time":"never"})"), "<no_time>");
  EXPECT_EQ(rules(R"({"date":1767323046.25,"log":{"rule":"A shell"}})"), "<no_time>");
}

TEST_F(ReaderTest, Vector) {
  expect(R"({"file":"/var/log/pods/x","kubernetes":{"pod_name":"f"},"message":)" +
             as_json(alert()) +
             R"(,"source_type":"kubernetes_logs","timestamp":"2026-01-02T03:04:06.5Z"})",
         "vector", "2026-01-02T03:04:06.599999999Z");
}

TEST_F(ReaderTest, FilebeatAndElastic) {
  const std::string head =
      R"({"@timestamp":"2026-01-02T03:04:06.123Z","agent":{"type":"filebeat"},)";
  const std::string_view time = "2026-01-02T03:04:06.123999999Z";
  expect(head + R"("message":)" + as_json(alert()) + "}", "elastic", time);
  expect(head + R"("event":{"kind":"alert","original":)" +
             as_json("<5>2026-01-02T03:04:06Z node Falco[1]: " + alert()) +
             R"(},"falco":{"rule":"other"},"rule":{"name":"A shell"}})",
         "elastic/syslog", "2026-01-02T03:04:06.999999999Z");
  expect(head + R"("event.original":)" + as_json(alert()) + "}", "elastic", time);
}

TEST_F(ReaderTest, ElasticsFieldsGetFalcosNames) {
  const auto all = read_all(
      R"({"@timestamp":"2026-01-02T03:04:06.123Z","falco":{"rule":"A shell","time":"2026-01-02T03:04:05.1Z","output_fields":{"client":{"ip":"10.0.0.1"},"destination":{"ip":"10.0.0.2"},"container":{"id":"0123456789ab","image":{"name":"a/b:1"}},"process":{"pid":7,"parent":{"pid":1}},"proc":{"name":"sh"},"fd":{"name":"x"}}},"rule":{"name":"A shell"}})");
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].envelope, "elastic");
  const decltype(Alert::fields) want = {{"container.id", "0123456789ab"},
                                        {"container.image", "a/b:1"},
                                        {"fd.cip", "10.0.0.1"},
                                        {"fd.name", "x"},
                                        {"fd.rip", "10.0.0.2"},
                                        {"proc.name", "sh"},
                                        {"proc.pid", "7"},
                                        {"proc.ppid", "1"}};
  EXPECT_EQ(all[0].alert.fields, want);
}

TEST_F(ReaderTest, Logstash) {
  expect(
      R"({"@timestamp":"2026-01-02T03:04:06.123Z","@version":"1","host":{"name":"h"},"message":)" +
          as_json(alert()) + "}",
      "logstash", "2026-01-02T03:04:06.123999999Z");
}

TEST_F(ReaderTest, JournaldJson) {
  const std::string tail = R"(,"__REALTIME_TIMESTAMP":"1767323046000001","_PID":"7"})";
  const std::string_view time = "2026-01-02T03:04:06.000001999Z";
  expect(R"({"MESSAGE":)" + as_json(alert()) + tail, "journald", time);
  std::string bytes;
  for (const char byte : alert())
    bytes += fmt::format("{}{}", bytes.empty() ? "" : ",", static_cast<unsigned char>(byte));
  expect(R"({"MESSAGE":[)" + bytes + "]" + tail, "journald", time);
  EXPECT_EQ(rules(R"({"MESSAGE":[1,256])" + tail), "<not_an_alert>");
}

TEST_F(ReaderTest, JournaldExport) {
  const std::string head = "__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1767323046000001\n_PID=7\n";
  const std::string_view time = "2026-01-02T03:04:06.000001999Z";
  expect(head + "MESSAGE=" + alert() + "\nPRIORITY=5\n\n", "journald", time);
  std::string size(8, '\0');
  const std::size_t bytes = alert().size();
  for (std::size_t i = 0; i < 8; ++i) size[i] = static_cast<char>(bytes >> (8 * i));
  expect(head + "OTHER=MESSAGE=x\nMESSAGE\n" + size + alert() + "\n", "journald", time);
  EXPECT_EQ(rules(head + "MESSAGE=" + alert() + "\n\n" + head + "MESSAGE=Started\n\n" + head +
                  "MESSAGE=" + alert("two") + "\n"),
            "A shell,<not_json>,two");
  EXPECT_EQ(rules(head + "MESSAGE=" + alert() + "\nno field\n"), "<not_json>");
  EXPECT_EQ(rules(head + "MESSAGE\n" + std::string(8, '\xFF') + alert() + "\n"), "<not_json>");
}

TEST_F(ReaderTest, CloudEvents) {
  const std::string head =
      R"({"specversion":"1.0","type":"falco.rule.output.v1","source":"falco.org","id":"1","time":"2026-01-02T03:04:06.000000001Z",)";
  const std::string_view time = "2026-01-02T03:04:06.000000001Z";
  expect(head + R"("data":)" + alert() + "}", "cloudevents", time);
  expect(head + R"("data":)" + as_json(alert()) + "}", "cloudevents", time);
  expect(head + R"("data_base64":")" + to_base64(alert()) + "\"}", "cloudevents", time);
  expect("[" + head + R"("data":)" + alert() + "}]", "array/cloudevents", time);
  EXPECT_EQ(rules(head + R"("data_base64":"@@@@"})"), "<not_json>");
  expect(alert(), "cloudevents", time,
         {{"ce_specversion", "1.0"}, {"ce_type", "t"}, {"ce_time", std::string(time)}});
}

TEST_F(ReaderTest, OpenTelemetry) {
  const auto request = [](const std::string& body) {
    return R"({"resourceLogs":[{"resource":{},"scopeLogs":[{"logRecords":[{"timeUnixNano":"1767323046000000001","body":)" +
           body + "}]}]}]}";
  };
  expect(request(R"({"stringValue":)" + as_json(alert()) + "}"), "otlp/array/otlp_record/string",
         "2026-01-02T03:04:06.000000001Z");
  const auto all = read_all(request(
      R"({"kvlistValue":{"values":[{"key":"date","value":{"doubleValue":1767323045.5}},{"key":"rule","value":{"stringValue":"A shell"}},{"key":"tags","value":{"arrayValue":{"values":[{"stringValue":"b"},{"stringValue":"a"}]}}},{"key":"output_fields","value":{"kvlistValue":{"values":[{"key":"user.uid","value":{"intValue":"1000"}},{"key":"proc.name","value":{"stringValue":"s\"h"}},{"key":"x","value":{}}]}}}]}})"));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].rule, "A shell") << all[0].detail;
  EXPECT_EQ(all[0].time, *parse_rfc3339("2026-01-02T03:04:05.5Z"));
  EXPECT_EQ(all[0].alert.tags, (std::vector<std::string>{"a", "b"}));
  const decltype(Alert::fields) want = {{"proc.name", "s\"h"}, {"user.uid", "1000"}};
  EXPECT_EQ(all[0].alert.fields, want);
}

TEST_F(ReaderTest, OtherShippers) {
  const std::string text = as_json(alert());
  expect(R"({"version":"1.1","host":"h","short_message":)" + text + R"(,"timestamp":1767323046.5})",
         "gelf", "2026-01-02T03:04:06.599999999Z");
  expect(R"({"logName":"l","jsonPayload":)" + alert() + "}", "gcp");
  expect(
      R"({"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":[{"id":"1","timestamp":1767323046000,"message":)" +
          text + "}]}",
      "cloudwatch/array/field", "2026-01-02T03:04:06.000999999Z");
  expect(R"({"schema":{"type":"string"},"payload":)" + text + "}", "connect");
}

TEST_F(ReaderTest, JsonTextInsideAStringField) {
  for (const auto* key : {"message", "log", "msg", "data", "value", "body", "payload", "raw_data"})
    expect(fmt::format(R"({{"a":1,"{}":{}}})", key, as_json(alert())), "field");
  expect(as_json(alert()), "string");
}

TEST_F(ReaderTest, UnwrapsThreeDeepAndNoFurther) {
  std::string record = alert();
  for (int depth = 1; depth <= 3; ++depth) {
    record = R"({"log":)" + as_json(record) + "}";
    EXPECT_EQ(rules(record), "A shell") << depth;
  }
  record = R"({"log":)" + as_json(record) + "}";
  EXPECT_EQ(rules(record), "<not_an_alert>");
}

TEST_F(ReaderTest, ArraysAndWhatIsBadInThem) {
  expect("[" + alert() + "]", "array");
  EXPECT_EQ(rules("[]"), "");
  EXPECT_EQ(rules(" [ ] "), "");
  const auto all = read_all("[" + alert("one") + ",7,{},[" + alert("nested") + "]," + R"({"log":)" +
                            as_json(alert("two")) + "}," + as_json(alert("three")) + "]");
  std::string text;
  for (const Read& one : all) text += one.rule + " " + one.detail + "\n";
  EXPECT_EQ(text,
            "one \n"
            "<not_json> array: element 1: no object in it\n"
            "<not_an_alert> array: element 2: no `rule` at its top level\n"
            "<not_an_alert> array: element 3: an array in an array\n"
            "two \nthree \n");
}

TEST_F(ReaderTest, DeadLettersOfOneRecordAreBounded) {
  std::string record = "[" + alert("first");
  for (int i = 0; i < 100'000; ++i) record += ",0";
  const auto all = read_all(record + "," + alert("last") + "]");
  ASSERT_EQ(all.size(), 2U + 17U);
  EXPECT_EQ(all[0].rule, "first");
  EXPECT_EQ(all[17].rule, "last");
  EXPECT_EQ(all[18].detail, "99984 more; the last: array: element 100000: no object in it");
}

TEST_F(ReaderTest, ObjectsOneBelowTheOther) {
  EXPECT_EQ(rules(alert("one") + "\n" + alert("two") + "\r\n\n" + alert("three") + "\n"),
            "one,two,three");
  const auto all = read_all(alert("one") + "\n{}\n");
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].detail, "lines: object 1: no `rule` at its top level");
  EXPECT_EQ(rules(R"({"log":)" + as_json(alert("one") + "\n" + alert("two")) + "}"), "<not_json>");
}

TEST_F(ReaderTest, GzipAndZstd) {
  expect(gzip(alert()), "gzip");
  expect(zstd(alert()), "zstd");
  expect(gzip("[" + alert() + "]"), "gzip/array");
  EXPECT_EQ(rules(gzip(alert("one") + "\n") + gzip(alert("two"))), "one,two") << "members";
  EXPECT_EQ(rules(zstd(alert("one") + "\n") + zstd(alert("two"))), "one,two") << "frames";
  for (const std::string& packed : {gzip(alert()), zstd(alert())}) {
    for (std::size_t size = 4; size < packed.size(); ++size)
      ASSERT_EQ(rules(packed.substr(0, size)), "<not_json>") << size;
    EXPECT_EQ(rules(packed + "x"), "<not_json>");
  }
  EXPECT_EQ(rules(gzip(gzip(alert()))), "<not_json>");
  const std::string bomb(200'000'000, ' ');
  EXPECT_EQ(rules(gzip(bomb)), "<too_large>");
  EXPECT_EQ(rules(zstd(bomb)), "<too_large>");
}

TEST_F(ReaderTest, ALongRecordIsNotLookedAt) {
  EXPECT_EQ(rules(alert() + std::string(1'000'000, ' ')), "<too_large>");
  EXPECT_EQ(rules(std::string(1'000'001, '[')), "<too_large>");
}

TEST_F(ReaderTest, BlankIsNothingButAnEmptyEnvelopeIsDead) {
  EXPECT_EQ(rules(""), "");
  EXPECT_EQ(rules(" \r\n"), "");
  EXPECT_EQ(rules("\xEF\xBB\xBF"), "");
  EXPECT_EQ(rules("{}"), "<not_an_alert>");
  EXPECT_EQ(rules(R"({"log":"","stream":"stdout"})"), "<not_an_alert>");
  EXPECT_EQ(rules(gzip("")), "<not_an_alert>");
  EXPECT_EQ(rules("null"), "<not_json>");
}

TEST_F(ReaderTest, WhatWasRepairedInAnEnvelopeIsFlagged) {
  std::string text = as_json(alert());
  text.insert(text.find("node-7"), R"(\ud800)");
  const auto lone = read_all(R"({"log":)" + text + "}");
  EXPECT_EQ(lone[0].alert.hostname, "\xEF\xBF\xBDnode-7");
  EXPECT_TRUE(lone[0].flags & kRepaired);
  text = as_json(alert());
  text.insert(text.find("node-7"), "\xFF");
  const auto bad = read_all(R"({"log":)" + text + "}");
  EXPECT_EQ(bad[0].alert.hostname, "\xEF\xBF\xBDnode-7");
  EXPECT_TRUE(bad[0].flags & kRepaired);
}

}  // namespace
}  // namespace gyre::schemas
