// SPDX-License-Identifier: Apache-2.0
// As caps_test.cpp, of outbreaks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/stages/rule_task.h"

namespace gyre::stages {
namespace {

using testing::IsEmpty;

class OutbreakCapsTest : public RuleTask {
 protected:
  void tell(int count, const std::function<void(int, records::Contribution&)>& change) {
    records::Bundle bundle =
        next_bundle(static_cast<std::size_t>(count), (kStart + 100) * kNanosPerSecond, position_);
    for (int i = 0; i < count; ++i) {
      records::Contribution& made = *bundle.add_contributions();
      made = contribution({.at = 10 + i % 5,
                           .container = fmt::format("c{}", i),
                           .host = fmt::format("node-{}", i)});
      change(i, made);
    }
    feed(bundle);
    RuleTask::feed({}, 20'000);
  }

  std::set<std::string> caps() const {
    std::set<std::string> all;
    for (const schemas::Report& report : reports_)
      for (const std::string_view cap : report.caps) {
        EXPECT_NE(report.json.find("{\"what\":\"" + std::string(cap) + '"'), std::string::npos);
        all.insert(std::string(cap));
      }
    return all;
  }
};

TEST_F(OutbreakCapsTest, AnOrdinaryOneReachesNone) {
  tell(5, [](int, records::Contribution&) {});
  EXPECT_FALSE(reports_.empty());
  EXPECT_THAT(caps(), IsEmpty());
}

TEST_F(OutbreakCapsTest, MoreMembersThanAreKept) {
  config_.members = 5;
  tell(8, [](int, records::Contribution&) {});
  EXPECT_EQ(caps(), std::set<std::string>{"members"});
}

TEST_F(OutbreakCapsTest, MoreMembersThanAreListed) {
  tell(60, [](int, records::Contribution&) {});
  EXPECT_EQ(caps(), std::set<std::string>{"entities"});
}

TEST_F(OutbreakCapsTest, MoreClustersThanAreListed) {
  tell(40, [](int i, records::Contribution& made) {
    made.mutable_entity()->set_cluster(fmt::format("cluster-{}", i));
  });
  EXPECT_EQ(caps(), std::set<std::string>{"names"});
}

TEST_F(OutbreakCapsTest, MoreTechniquesThanAreListed) {
  tell(40, [](int i, records::Contribution& made) {
    records::Technique& technique = *made.add_attack();
    technique.set_tactic("TA0002");
    technique.set_technique(fmt::format("T{}", 1000 + i));
    technique.set_name("a technique");
    technique.set_source("rule_tag");
  });
  EXPECT_EQ(caps(), std::set<std::string>{"techniques"});
}

}  // namespace
}  // namespace gyre::stages
