// SPDX-License-Identifier: Apache-2.0
#include "stages/by_container/contribution.h"

#include <gtest/gtest.h>

#include "schemas/identity.h"
#include "stages/report/judge.h"
#include "stages/sources.h"
#include "tests/stages/container_task.h"

namespace gyre::stages {
namespace {

TEST(PodOwnerTest, IsThePodsNameWithoutWhatControllersAppend) {
  const auto owner = [](std::string_view pod) { return std::string(owner_of_pod(pod).name); };
  EXPECT_EQ(owner("checkout-6d4b75cb6d-x7k2p"), "checkout");  // Deployment
  EXPECT_EQ(owner("node-agent-8xq2z"), "node-agent");         // DaemonSet, ReplicaSet, Job
  EXPECT_EQ(owner("postgres-0"), "postgres");                 // StatefulSet
  EXPECT_EQ(owner("nightly-report-29384700-bz4kt"), "nightly-report");
  EXPECT_EQ(owner("kube-apiserver-node-a"), "kube-apiserver-node-a");
  EXPECT_EQ(owner("web"), "web");
  EXPECT_EQ(owner("-x7k2p"), "-x7k2p");
  EXPECT_TRUE(owner_of_pod("nightly-report-29384700-bz4kt").scheduled);
  EXPECT_FALSE(owner_of_pod("checkout-6d4b75cb6d-x7k2p").scheduled);
}

// One published finding, decided second by second.
class ContributionTest : public testing::Test {
 protected:
  ContributionTest() {
    series_.set_rule("Rule A");
    series_.set_shape("sh");
    series_.set_source("syscall");
    records::Entity& entity = *series_.mutable_entity();
    entity.set_tenant("default");
    entity.set_cluster("prod");
    entity.set_hostname("node-1");
    entity.set_id("c0ffee000001");
    records::Episode& episode = *series_.add_episodes();
    episode.set_id("00112233445566778899aabbccddeeff");
    episode.mutable_summary()->set_priority(4);
    episode.mutable_counts()->set_alerts(1);
  }

  records::Episode& episode() { return *series_.mutable_episodes(0); }
  std::vector<records::Contribution> at(Second now) {
    return contribute("0123456789abcdef", series_, {}, card_, now, playbooks_);
  }
  // What came since it spoke at second 11 waits for five minutes.
  records::Counts told_five_minutes_later() {
    EXPECT_TRUE(at(20).empty());
    EXPECT_EQ(series_.due(), 311);
    const auto said = at(311);
    EXPECT_EQ(said.size(), 1U);
    return said.empty() ? records::Counts() : said[0].added();
  }
  void card(const std::string& field, const std::string& value) {
    records::Values& values = *card_.add_card();
    values.set_field(field);
    values.add_values(value);
  }

  Playbooks playbooks_;
  records::Series series_;
  records::EntityState card_;
};

TEST_F(ContributionTest, SpeaksFirstWhenPublishedThenEveryFiveMinutesOfSightingsAndAtClose) {
  EXPECT_TRUE(at(10).empty()) << "not published yet";
  episode().set_revision(1);
  ASSERT_EQ(at(11).size(), 1U);
  EXPECT_TRUE(at(12).empty());
  EXPECT_EQ(series_.due(), 0) << "nothing came, nothing waits";

  episode().mutable_counts()->set_alerts(4);
  EXPECT_EQ(told_five_minutes_later().alerts(), 3U);

  episode().set_closed(true);
  ASSERT_EQ(at(1300).size(), 1U);
  EXPECT_TRUE(at(1301).empty());
}

TEST_F(ContributionTest, SpeaksAtOnceWhenTheJudgementChanges) {
  episode().set_revision(1);
  at(11);
  episode().mutable_published()->set_severity(static_cast<std::uint32_t>(Severity::kCritical));
  EXPECT_EQ(at(12).size(), 1U);
}

TEST_F(ContributionTest, AddsUpToTheFindingsCounts) {
  episode().set_revision(1);
  std::uint64_t sum = 0;
  for (Second now = 0; now < 3000; now += 7) {
    episode().mutable_counts()->set_alerts(episode().counts().alerts() + 2);
    if (now >= 2990) episode().set_closed(true);
    for (const auto& said : at(now)) sum += said.added().alerts();
  }
  EXPECT_EQ(sum, episode().counts().alerts());
}

TEST_F(ContributionTest, WhatIsForgottenSaysWhatItHasNotSaid) {
  episode().set_revision(1);
  episode().set_closed(true);
  at(11);
  const auto dropped = [&] {
    return contribute("0123456789abcdef", series_, {episode()}, card_, 20, playbooks_);
  };
  EXPECT_TRUE(dropped().empty());
  episode().mutable_counts()->set_alerts(3);
  series_.mutable_episodes()->at(0).mutable_contributed()->set_second(19);
  ASSERT_EQ(dropped().size(), 1U);
  EXPECT_EQ(dropped()[0].added().alerts(), 2U);
}

TEST_F(ContributionTest, SpeaksOfCopiesThatComeAfterTheClose) {
  episode().set_revision(1);
  episode().set_closed(true);
  at(11);
  episode().mutable_counts()->set_duplicates(2);
  const records::Counts added = told_five_minutes_later();
  EXPECT_EQ(added.alerts(), 0U);
  EXPECT_EQ(added.duplicates(), 2U);
  EXPECT_TRUE(at(400).empty());

  episode().mutable_counts()->set_duplicates(3);
  const auto dropped = contribute("0123456789abcdef", series_, {episode()}, card_, 400, playbooks_);
  ASSERT_EQ(dropped.size(), 1U);
  EXPECT_EQ(dropped[0].added().duplicates(), 1U);
}

TEST_F(ContributionTest, SaysWhenWhatItAddsBegan) {
  episode().set_revision(1);
  episode().mutable_summary()->set_first(5);
  episode().mutable_summary()->set_last(70);
  episode().mutable_unsaid()->set_first(5);
  episode().mutable_unsaid()->set_last(60);
  episode().mutable_unsaid()->set_priority(2);
  const records::Contribution first = at(11).at(0);
  EXPECT_EQ(first.span().first(), 5);
  EXPECT_EQ(first.span().last(), 60);
  EXPECT_EQ(first.span().priority(), 2U);
  EXPECT_FALSE(episode().has_unsaid());
  episode().mutable_counts()->set_alerts(4);
  episode().mutable_unsaid()->set_first(30);
  EXPECT_EQ(at(311).at(0).span().first(), 30);
}

// A page of an outbreak must not wait five minutes for it.
TEST_F(ContributionTest, WhatItWasJudgedIsToldAtOnce) {
  episode().set_revision(1);
  at(11);
  records::Published& published = *episode().mutable_published();
  published.set_attention(2);
  EXPECT_EQ(at(12).size(), 1U);
  published.set_effect(true);
  EXPECT_EQ(at(13).size(), 1U);
  published.set_counting(true);
  EXPECT_EQ(at(14).size(), 1U);
  EXPECT_TRUE(at(15).empty());
}

TEST_F(ContributionTest, NamesTheWorkloadByOwnerElseByHostAndImage) {
  episode().set_revision(1);
  card("container.image.repository", "registry.example/shop");
  card("container.name", "k8s_app_checkout-6d4b75cb6d-x7k2p_shop_uid_0");
  const auto plain = at(11).at(0).workload();
  EXPECT_EQ(plain.hostname() + " " + plain.image(), "node-1 registry.example/shop");
  EXPECT_TRUE(plain.owner().empty());
  card("k8s.ns.name", "shop");
  card("k8s.pod.name", "checkout-6d4b75cb6d-x7k2p");
  card("container.start_ts", "1800000000000000000");
  episode().clear_contributed();
  const auto said = at(12).at(0);
  EXPECT_EQ(said.workload().cluster() + "/" + said.workload().namespace_() + "/" +
                said.workload().owner() + "/" + said.workload().container(),
            "prod/shop/checkout/app");
  EXPECT_TRUE(said.workload().hostname().empty()) << "its pods are one workload on every node";
  EXPECT_EQ(said.started(), 1'800'000'000'000'000'000);
}

TEST_F(ContributionTest, AHostHasNoWorkloadAndASensorContributesNothing) {
  episode().set_revision(1);
  card("container.image.repository", "registry.example/shop");
  series_.mutable_entity()->set_kind(records::Entity::HOST);
  EXPECT_FALSE(at(11).at(0).has_workload());
  series_.set_source("internal");
  episode().clear_contributed();
  EXPECT_TRUE(at(12).empty());
}

TEST(BundleContributionsTest, TellsEveryPartitionOfASecondAndTheRestOnlyWhatIsTheirs) {
  std::map<std::int32_t, Telling> tasks;
  tasks[2] = {.first = 5, .next = 7, .decided = 100, .advanced = true};
  EXPECT_EQ(bundle_contributions(tasks, 4, 8, "t").size(), 8U);
  tasks[2].advanced = false;
  EXPECT_TRUE(bundle_contributions(tasks, 4, 8, "t").empty());
  records::Contribution one;
  one.set_rule("Rule A");
  tasks[2].contributions = {one, one};
  const auto bundles = bundle_contributions(tasks, 4, 8, "t");
  ASSERT_EQ(bundles.size(), 1U);
  EXPECT_EQ(bundles[0].second.contributions_size(), 2);
  EXPECT_EQ(bundles[0].second.ranges(0).progress(), 101 * kNanosPerSecond);
}

TEST(BundleContributionsTest, PartsOfALargeBatchAddUpAtTheReceiver) {
  std::map<std::int32_t, Telling> tasks;
  records::Contribution one;
  one.set_rule(std::string(3000, 'r'));
  tasks[0] = {.first = 0, .next = 1, .decided = 9, .advanced = true};
  tasks[0].contributions.assign(1000, one);
  const auto bundles = bundle_contributions(tasks, 1, 1, "t");
  ASSERT_GT(bundles.size(), 4U);
  records::Checkpoint checkpoint;
  checkpoint.set_sources(1);
  for (const auto& [target, bundle] : bundles) {
    EXPECT_LT(bundle.ByteSizeLong(), 600U << 10);
    EXPECT_FALSE(is_replay("by_rule", bundle, checkpoint));
    checkpoint.set_outstanding(checkpoint.outstanding() +
                               static_cast<std::uint64_t>(bundle.contributions_size()));
    if (bundle.part() + 1 == bundle.parts()) account("by_rule", bundle, checkpoint);
  }
  EXPECT_EQ(checkpoint.outstanding(), 0U);
  EXPECT_EQ(stream_time(checkpoint), 10 * kNanosPerSecond);
  EXPECT_TRUE(is_replay("by_rule", bundles.front().second, checkpoint));
}

// Alerts that are as late as they may be, of a finding that opens and of one that has just spoken.
class ContributionDelayTest : public ContainerTask {
 protected:
  // How old the oldest is.
  Second longest() {
    const auto notice = [](Second at, std::int64_t id) {
      return Given{.at = at, .id = id, .priority = schemas::Priority::kNotice};
    };
    feed({}, 1000);
    feed({notice(884, 1)}, 1000);
    const Second first = 1001 + config_.settle_below;
    feed({}, first);
    feed({notice(first - 116, 2)}, first + 1000);
    EXPECT_EQ(contributions_.size(), 3U) << "it opens, goes on and closes";
    Second longest = 0;
    for (const records::Contribution& each : contributions_)
      if (each.added().alerts() > 0)
        longest = std::max(longest, each.second() - second_of(each.last()));
    EXPECT_EQ(counters().late(), 0U);
    return longest;
  }
};

TEST_F(ContributionDelayTest, IsLatenessAndTheTimeBetweenTwoContributions) {
  const Second delay = longest();
  EXPECT_LE(delay, longest_delay(config_));
  EXPECT_GE(delay, longest_delay(config_) - 5);
}

TEST_F(ContributionDelayTest, IsLatenessAndTheSettlingWhereThatIsLonger) {
  config_.settle_below = 600;
  const Second delay = longest();
  EXPECT_LE(delay, longest_delay(config_));
  EXPECT_GE(delay, longest_delay(config_) - 5);
}

}  // namespace
}  // namespace gyre::stages
