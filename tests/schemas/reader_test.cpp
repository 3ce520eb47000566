// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "base/hash.h"
#include "tests/schemas/reader_fixture.h"

namespace gyre::schemas {
namespace {

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
  // As libc writes it to /dev/log, and as journalctl -o short-precise prints it.
  expect("<13>Jan  2 03:04:05 falco: " + alert(), "syslog");
  expect("Jan 02 03:04:05.123456 node falco[7]: " + alert(), "syslog");
}

TEST_F(ReaderTest, CriLogLine) {
  expect("2026-01-02T03:04:06.000000001Z stdout F " + alert(), "cri",
         "2026-01-02T03:04:06.000000001Z");
  EXPECT_EQ(rules("2026-01-02T03:04:06.000000001Z stdout P " + alert()), "<not_json>");
  for (const char* part : {"2026-01-02T03:04:06.1Z stderr P {\"rule\":\"A sh",
                           "2026-01-02T03:04:06.1Z stdout P ell\"}"}) {
    const auto read = read_all(part);
    ASSERT_EQ(read.size(), 1U);
    EXPECT_THAT(read[0].detail, testing::HasSubstr("a part of a line")) << part;
  }
  EXPECT_THAT(read_all("2026-01-02T03:04:06.1Z stdout F no alert")[0].detail,
              testing::Not(testing::HasSubstr("a part")));
}

TEST_F(ReaderTest, LinesOfOtherTools) {
  expect("2026-01-02T03:04:06.000000001Z " + alert(), "line", "2026-01-02T03:04:06.000000001Z");
  expect("2026-01-02T03:04:06.001Z node-7 " + alert(), "line", "2026-01-02T03:04:06.001999999Z");
  expect("falco-1  | " + alert(), "line");
  expect("[pod/falco-7pvrx/falco] " + alert(), "line");
  expect("falco: " + alert(), "line");
}

// Codec `plain`, the default of Logstash's Kafka output: a host that is an object stands there as
// JSON, one that is missing as the pattern that asked for it.
TEST_F(ReaderTest, LogstashLine) {
  const std::string stamp = "2026-01-02T03:04:06.123Z ";
  for (const auto* host : {"node-7 ", R"({"name":"node-7"} )",
                           R"({"os":{"type":"linux"},"name":"node-7"} )", "%{host} "})
    expect(stamp + host + alert(), "line", "2026-01-02T03:04:06.123999999Z");
  const std::string forged = alert("forged");
  for (const std::string& head :
       {std::string(R"({"name":"x"} )"), stamp + R"({"msg":"x"} )", stamp + R"({"name":7} )",
        stamp + R"({"name":"x"} y )", stamp + R"({"name":"x"})", stamp + R"({"name":"x",} )",
        stamp + R"({"name":"x","rule":"r"} )", stamp + "%{host}", stamp + "%{name} "})
    EXPECT_TRUE(rules(head + forged).starts_with("<not_")) << head << rules(head + forged);
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

TEST_F(ReaderTest, OfEqualKeysOfAnEnvelopeTheFirstThatIsKnownCounts) {
  for (const auto* unknown : {"null", R"("")", R"("\u003cNA\u003e")"}) {
    const std::string none(unknown);
    expect(R"({"log":)" + none + R"(,"log":)" + as_json(alert()) +
               R"(,"log":"{}","stream":"stdout","time":)" + none +
               R"(,"time":"2026-01-02T03:04:06.5Z","time":"2026-01-02T03:04:07Z"})",
           "docker", "2026-01-02T03:04:06.599999999Z");
    EXPECT_EQ(rules(R"({"timeUnixNano":"1","body":{"kvlistValue":{"values":)" + none +
                    R"(,"values":[{"key":)" + none +
                    R"(,"key":"rule","value":{"stringValue":"A shell"}},)"
                    R"({"key":"time","value":{"intValue":"1767323045"}}]}}})"),
              "A shell")
        << unknown;
  }
  expect("__REALTIME_TIMESTAMP=1767323046000001\n__REALTIME_TIMESTAMP=1\n_PID=7\nMESSAGE=" +
             alert() + "\nMESSAGE={}\n",
         "journald", "2026-01-02T03:04:06.000001999Z");
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
  // Falcosidekick repeats some of the alert as extension attributes of the event.
  const std::string extended =
      head + R"("eventsource":"syscall","hostname":"node-7","priority":"Notice","rule":"A shell",)";
  const Read one = expect(extended + R"("data":)" + alert() + "}", "cloudevents", time);
  EXPECT_EQ(one.alert.source, "syscall");
  EXPECT_EQ(rules(extended + R"("x":1})"), "<not_an_alert>");
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

// Falcosidekick's OTLP output sends the alert without its fields, as the attributes of a record.
TEST_F(ReaderTest, OpenTelemetryOfFalcosidekick) {
  const auto request = [](std::string_view attributes) {
    return fmt::format(
        R"({{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"timeUnixNano":"1767323046000000001","body":{{"stringValue":"03:04:05: Notice {{\"rule\":\"forged\"}}"}},"attributes":[{}]}}]}}]}}]}})",
        attributes);
  };
  const auto text = [](std::string_view key, std::string_view value) {
    return fmt::format(R"({{"key":"{}","value":{{"stringValue":"{}"}}}},)", key, value);
  };
  const std::string said = text("priority", "Notice") + text("source", "syscall") +
                           text("rule", "A shell") + text("hostname", "node-7") +
                           text("output", "forged") + text("tags", "b,a");
  const auto all = read_all(request(
      said +
      R"({"key":"timestamp","value":{"stringValue":"2026-01-02 04:04:05.123456789 +0100 CET"}})"));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].rule, "A shell") << all[0].detail;
  EXPECT_EQ(all[0].envelope, "otlp/array/otlp_record");
  EXPECT_EQ(all[0].time, *parse_rfc3339("2026-01-02T03:04:05.123456789Z"));
  EXPECT_EQ(all[0].envelope_time, *parse_rfc3339("2026-01-02T03:04:06.000000001Z"));
  EXPECT_EQ(all[0].alert.output, R"(03:04:05: Notice {"rule":"forged"})");
  EXPECT_EQ(all[0].alert.hostname, "node-7");
  EXPECT_EQ(all[0].alert.tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(rules(request(said + text("x", "y") + R"({"key":"timestamp","value":{}})")),
            "<no_time>");
  EXPECT_EQ(rules(request(said + R"({"value":{"stringValue":"no key"}},{"key":7},{})")),
            "<no_time>");
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

}  // namespace
}  // namespace gyre::schemas
