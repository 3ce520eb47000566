// SPDX-License-Identifier: Apache-2.0
#include "pipeline/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "pipeline/telemetry.h"
#include "schemas/report.h"

namespace gyre::pipeline {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string line(const std::string& sentence, bool json) {
  return log_line({.json = json}, "T", "info", sentence);
}

TEST(Log, IsLogfmtOrJson) {
  const std::string sentence = "Task recovered stage=intake partition=3 seconds=0.120";
  EXPECT_EQ(line(sentence, false),
            R"(ts=T level=info msg="Task recovered" stage=intake partition=3 seconds=0.120)");
  EXPECT_EQ(line(sentence, true),
            R"({"ts":"T","level":"info","msg":"Task recovered","stage":"intake","partition":"3",)"
            R"("seconds":"0.120"})");
  EXPECT_EQ(line("created gyre.by-rule (16 partitions)", false),
            "ts=T level=info msg=\"created gyre.by-rule (16 partitions)\"");
}

// Values come from brokers and from alerts.
TEST(Log, KeepsAValueOneValueWhateverIsInIt) {
  for (const std::string value :
       {R"(plain)", R"(with blanks)", R"(level=error msg=forged)", R"("quoted" level=error)",
        R"(back\)", R"(\")", R"()", R"( lead)", R"(a=b)", R"(tail=")"}) {
    const std::string written = pipeline::quoted(value);
    const std::string sentence = "Batch failed stage=intake what=" + written + " repeated=2";
    EXPECT_EQ(line(sentence, false),
              "ts=T level=info msg=\"Batch failed\" stage=intake what=" + written + " repeated=2");
    schemas::JsonWriter json;
    json.begin_object().key("what").value(std::string_view(value)).end_object();
    std::string member = json.take();
    member = member.substr(1, member.size() - 2);
    EXPECT_THAT(line(sentence, true),
                HasSubstr(R"("stage":"intake",)" + member + R"(,"repeated":"2"})"));
  }
  EXPECT_EQ(pipeline::quoted("a\nb c"), R"("a\x0ab c")");
}

TEST(Log, SaysNothingBelowItsLevel) {
  set_log({.json = true, .level = LogSettings::Level::kWarning});
  testing::internal::CaptureStderr();
  {
    Telemetry telemetry;
    telemetry.started("1");
    telemetry.warn("Broker is away broker=b1");
  }
  const std::string text = testing::internal::GetCapturedStderr();
  set_log({});
  EXPECT_THAT(text, AllOf(HasSubstr(R"("level":"warning","msg":"Broker is away","broker":"b1"})"),
                          Not(HasSubstr("Started"))));
}

}  // namespace
}  // namespace gyre::pipeline
