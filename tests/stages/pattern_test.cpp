// SPDX-License-Identifier: Apache-2.0
// How the members of an outbreak came to it, and what is said of it when.
#include "tests/stages/rule_task.h"

namespace gyre::stages {
namespace {

using PatternTest = RuleTask;
using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

TEST_F(PatternTest, ReplicasAndACrashLoopAreToldApart) {
  const auto tell = [this](const char* owner, Second at, std::vector<Second> started,
                           bool scheduled = false) {
    std::vector<Given> given;
    for (std::size_t i = 0; i < started.size(); ++i)
      given.push_back({.at = at + 60 * static_cast<Second>(i),
                       .container = fmt::format("{}-{}", owner, i),
                       .owner = owner,
                       .started = started[i] == 0 ? 0 : at + started[i],
                       .scheduled = scheduled});
    feed(given, given.back().at);
    EXPECT_EQ(last()["members"]["pattern"].get_string().value(), "recurring");
    return fmt::format("{} {}", last()["title"].get_string().value(),
                       last()["members"]["pattern_because"].get_string().value());
  };
  EXPECT_THAT(tell("replicas", 1000, {-900, -700, -400}),
              AllOf(HasSubstr("3 members, started together"), HasSubstr("within 10 min")));
  EXPECT_THAT(reports_.back().json, HasSubstr("what reached all of them"));
  EXPECT_THAT(
      tell("apart", 3000, {-900, -700, -200}),
      AllOf(HasSubstr("3 members, started one after the other"), HasSubstr("11 min apart")));
  // Two and three seconds before they are seen, a minute after the one before.
  EXPECT_THAT(tell("nightly", 7000, {-2, 57, 118}, true),
              AllOf(HasSubstr("3 members of a scheduled job"), HasSubstr("runs of a")));
  EXPECT_THAT(tell("unknown", 9000, {-2, 57, 0}),
              AllOf(HasSubstr(": 3 members "), HasSubstr("the alerts of 1 tell no start time")));
  EXPECT_EQ(last()["missing"].at(0)["field"].get_string().value(), "container.start_ts");
}

// A finding of before may have been seen since it contributed.
TEST_F(PatternTest, OneAfterTheOtherIsSaidWhenItIsKnown) {
  const auto loop = [](int run, Second at) {
    return Given{
        .at = at, .container = fmt::format("loop-{}", run), .owner = "loop", .started = at};
  };
  feed({loop(0, 10), loop(1, 70), loop(2, 130)}, 200);
  ASSERT_THAT(said(), ElementsAre("opened recurring 3 @130"));
  EXPECT_THAT(last()["title"].get_string().value(), EndsWith("3 members"));
  EXPECT_THAT(last()["members"]["pattern_because"].get_string().value(),
              HasSubstr("not known yet"));
  const Second known = 130 + config_.staleness;
  feed({}, known - 1);
  EXPECT_EQ(reports_.size(), 1U);
  feed({}, known);
  ASSERT_THAT(said().back(), fmt::format("members recurring 3 @{}", known));
  EXPECT_THAT(last()["title"].get_string().value(), EndsWith("started one after the other"));
  EXPECT_THAT(last()["members"]["pattern_because"].get_string().value(),
              HasSubstr("before the next one"));
  EXPECT_THAT(reports_.back().json, HasSubstr("why its containers start anew"));
  // The first one was seen again: it runs beside the others.
  Given again = loop(0, known + 100);
  again.started = 10;
  feed({again}, known + 100);
  EXPECT_THAT(last()["title"].get_string().value(), EndsWith("started together"));
}

TEST_F(PatternTest, APatternThatTurnsOutAsAnotherIsSaid) {
  feed({{.at = 10, .host = "node-1"}, {.at = 11, .host = "node-2"}, {.at = 12, .host = "node-3"}},
       50);
  ASSERT_THAT(said(), ElementsAre("opened rollout 3 @12"));
  feed({{.at = 60, .host = "node-4", .image = "registry.example/other:1"}}, 60);
  ASSERT_EQ(said().back(), "members spread 4 @60");
  EXPECT_THAT(last()["members"]["pattern_because"].get_string().value(), "Their images differ.");
}

// What pages if it spreads must not wait for the tenth member.
TEST_F(PatternTest, AnEffectThatTurnsOutToSpreadPages) {
  std::vector<Given> given;
  for (int host = 1; host <= 3; ++host)
    given.push_back({.at = 10 + host,
                     .host = fmt::format("node-{}", host),
                     .severity = Severity::kHigh,
                     .attention = Attention::kTicket,
                     .effect = true});
  feed(given, 50);
  ASSERT_THAT(said(), ElementsAre("opened rollout 3 @13"));
  ASSERT_EQ(last()["attention"]["level"].get_string().value(), "ticket");
  feed({{.at = 60, .host = "node-4", .started = -3600}}, 60);
  EXPECT_EQ(said().back(), "severity spread 4 @60");
  EXPECT_EQ(last()["attention"]["level"].get_string().value(), "page");
  EXPECT_THAT(last()["attention"]["because"].get_string().value(),
              HasSubstr("seen to have happened, and one pattern"));
}

TEST_F(PatternTest, WhatIsLearnedLateOfAMemberCompletesThePattern) {
  feed({{.at = 10, .host = "node-1"},
        {.at = 11, .host = "node-2"},
        {.at = 12, .host = "node-3", .started = 0}},
       50);
  ASSERT_THAT(said(), ElementsAre("opened unknown 3 @12"));
  EXPECT_EQ(last()["missing"].at(0)["field"].get_string().value(), "container.start_ts");
  feed({{.at = 60, .host = "node-3"}}, 60);
  EXPECT_EQ(said().back(), "members rollout 3 @60");
}

TEST_F(PatternTest, AnImageThatTurnsOutAsTheOthersIsTheirs) {
  const std::string digest = "registry.example/app@sha256:0123";
  feed({{.at = 10, .host = "node-1", .image = digest},
        {.at = 11, .host = "node-2", .image = digest},
        {.at = 12, .host = "node-3"}},
       50);
  ASSERT_THAT(said(), ElementsAre("opened unknown 3 @12"));
  feed({{.at = 60, .host = "node-3", .image = digest}}, 60);
  EXPECT_EQ(said().back(), "members rollout 3 @60");
}

TEST_F(PatternTest, ATagAndADigestOfOneRepositoryAreNotTwoImages) {
  const std::string digest = "registry.example/app@sha256:0123";
  feed({{.at = 10, .host = "node-1"},
        {.at = 11, .host = "node-2"},
        {.at = 12, .host = "node-3", .image = digest}},
       50);
  ASSERT_THAT(said(), ElementsAre("opened unknown 3 @12"));
  EXPECT_EQ(last()["missing"].at(0)["field"].get_string().value(), "container.image.digest");
  feed({{.at = 60, .host = "node-4", .image = "registry.example/app:2"}}, 60);
  EXPECT_EQ(said().back(), "members spread 4 @60") << "two tags are";
}

TEST_F(PatternTest, AContainerWithoutAnIdIsNoHostProcess) {
  records::Bundle bundle = next_bundle(3, (kStart + 51) * kNanosPerSecond, position_);
  for (int host = 1; host <= 3; ++host) {
    records::Contribution& each = *bundle.add_contributions();
    each = contribution({.at = 10, .host = fmt::format("node-{}", host)});
    if (host < 3) continue;
    each.mutable_entity()->set_kind(records::Entity::HOST);
    each.mutable_entity()->set_container_unknown(true);
  }
  feed(bundle);
  ASSERT_THAT(said(), ElementsAre("opened unknown 3 @10"));
  EXPECT_EQ(last()["missing"].at(0)["field"].get_string().value(), "container.id");
}

TEST_F(PatternTest, WhoIsOnNoKnownHostIsCountedOnNone) {
  config_.workloads = 3;
  records::Bundle bundle = next_bundle(3, (kStart + 51) * kNanosPerSecond, position_);
  for (int each = 1; each <= 3; ++each) {
    records::Contribution& made = *bundle.add_contributions();
    made = contribution({.at = 10,
                         .container = fmt::format("c{}", each),
                         .host = "",
                         .owner = fmt::format("owner-{}", each)});
    made.mutable_entity()->set_key_incomplete(true);
  }
  feed(bundle);
  ASSERT_THAT(said(), ElementsAre("opened rollout 3 @10"));
  EXPECT_EQ(last()["members"]["hosts"].get_uint64().value(), 0U);
  EXPECT_THAT(last()["title"].get_string().value(), EndsWith("3 members"));
  EXPECT_THAT(reports_.back().json, Not(HasSubstr("object")));
}

}  // namespace
}  // namespace gyre::stages
