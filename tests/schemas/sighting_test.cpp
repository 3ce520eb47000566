// SPDX-License-Identifier: Apache-2.0
#include "schemas/sighting.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <vector>

#include "schemas/shape.h"
#include "tests/schemas/sighting_head.h"

namespace gyre::schemas {
namespace {

// GYRE_SEED=n repeats a run.
std::uint64_t seed() {
  const char* given = std::getenv("GYRE_SEED");
  const std::uint64_t value =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::cout << "GYRE_SEED=" << value << '\n';
  return value;
}

// One alert as a sighting. Copies of one alert share id, time, outcome and fields; they may differ
// in priority, tags, uuid.
records::Sighting sighting_of(std::uint64_t alert, std::mt19937_64& random) {
  std::mt19937_64 own(alert);
  Alert content;
  content.rule = "Rule";
  // Only the readers of events with ids of their own may stamp one differently.
  const bool native = alert % 4 == 0;
  content.time = static_cast<Nanos>((native ? random() : own()) % kNanosPerSecond);
  content.priority = static_cast<Priority>(random() % 8);
  content.uuid = "uuid-" + std::to_string(random() % 5);
  content.output = "output of " + std::to_string(alert);
  for (int i = 0; i < 40; ++i)
    if (own() % 3 == 0)
      content.fields.set("field." + std::to_string(10 + i), "value " + std::to_string(own() % 12));
  content.tags = {"tag" + std::to_string(random() % 40)};
  const auto outcome = static_cast<Outcome>((native ? random() : own()) % 3);
  const Id128 id = IdHasher().add(static_cast<std::int64_t>(alert)).finish();
  records::Sighting sighting;
  sighting.set_finding_key("0123456789abcdef");
  summarise(content, content.time, id, outcome, *sighting.mutable_summary());
  append_alert_entry(*sighting.mutable_alerts(), {view(id), content.time, outcome, native});
  sighting.set_arrivals(1);
  return sighting;
}

records::Sighting merged(const records::Sighting& left, const records::Sighting& right) {
  records::Sighting both = left;
  merge(both, right);
  return both;
}

// A random sighting of up to `alerts` alerts, drawn from few so that sets overlap.
records::Sighting random_sighting(std::mt19937_64& random, int alerts) {
  records::Sighting sighting;
  for (std::uint64_t i = 0; i < 1 + random() % static_cast<std::uint64_t>(alerts); ++i)
    merge(sighting, sighting_of(random() % 30, random));
  return sighting;
}

TEST(Sighting, MergeIsCommutativeAndAssociative) {
  std::mt19937_64 random(seed());
  for (int round = 0; round < 500; ++round) {
    const records::Sighting a = random_sighting(random, 12);
    const records::Sighting b = random_sighting(random, 12);
    const records::Sighting c = random_sighting(random, 12);
    ASSERT_EQ(merged(a, b).SerializeAsString(), merged(b, a).SerializeAsString());
    ASSERT_EQ(merged(merged(a, b), c).SerializeAsString(),
              merged(a, merged(b, c)).SerializeAsString());
  }
}

TEST(Sighting, MergeIsIdempotentInAlertsAndAdditiveInArrivals) {
  std::mt19937_64 random(seed());
  for (int round = 0; round < 200; ++round) {
    const records::Sighting a = random_sighting(random, 12);
    records::Sighting twice = merged(a, a);
    EXPECT_EQ(twice.arrivals(), 2 * a.arrivals());
    twice.set_arrivals(a.arrivals());
    ASSERT_EQ(twice.SerializeAsString(), a.SerializeAsString());
  }
}

TEST(Sighting, AnyOrderAndGroupingOfTheSameAlertsGivesTheSameBytes) {
  std::mt19937_64 random(seed());
  std::vector<records::Sighting> alerts;
  for (int i = 0; i < 200; ++i) alerts.push_back(sighting_of(random() % 120, random));
  records::Sighting expected;
  for (const auto& alert : alerts) merge(expected, alert);
  for (int round = 0; round < 50; ++round) {
    std::shuffle(alerts.begin(), alerts.end(), random);
    std::vector<records::Sighting> groups(1 + random() % 20);
    for (const auto& alert : alerts) merge(groups[random() % groups.size()], alert);
    records::Sighting all;
    for (const auto& group : groups)
      if (group.arrivals() > 0) merge(all, group);
    ASSERT_EQ(all.SerializeAsString(), expected.SerializeAsString());
  }
}

// What intake sends of a single alert is written without a message; it must be one's very bytes.
TEST(Sighting, OfOneAlertIsWrittenAsTheMessageWouldBe) {
  std::mt19937_64 random(seed());
  const auto text = [&](std::size_t most) {
    std::string made;
    for (auto n = random() % (most + 1); n > 0; --n) made += random() % 9 == 0 ? "\xC3\xA4" : "x";
    return made;
  };
  for (int round = 0; round < 2'000; ++round) {
    Alert alert;
    alert.rule = random() % 20 == 0 ? "Falco internal: syscall event drop" : "Rule";
    alert.source = alert.rule == "Rule" ? "syscall" : "internal";
    alert.time = random() % 10 == 0 ? -5 : static_cast<Nanos>(random() >> 1);
    alert.priority = static_cast<Priority>(random() % 8);
    alert.flags = static_cast<std::uint32_t>(random() % 32);
    alert.uuid = text(random() % 2 == 0 ? 3 : 80);
    alert.output = text(random() % 2 == 0 ? 300 : 2'000);
    for (auto n = random() % 36; n > 0; --n)
      alert.fields.set("f." + std::to_string(random() % 1'000) + text(3) +
                           (random() % 200 == 0 ? std::string(300, 'y') : ""),
                       "v" + text(random() % 4 == 0 ? 600 : 20));
    for (auto n = random() % (round % 50 == 0 ? 40 : 5); n > 0; --n)
      alert.tags.push_back(std::to_string(10 + n) + text(round % 70 == 0 ? 300 : 9));
    std::sort(alert.tags.begin(), alert.tags.end());
    const auto outcome = static_cast<Outcome>(random() % 3);
    const Id128 id = IdHasher().add(static_cast<std::int64_t>(random())).finish();
    records::Bundle bundle;
    records::Sighting& sighting = *bundle.add_sightings();
    const Id128 key = IdHasher().add(text(9)).finish();
    sighting.set_finding_key(std::string(view(key)));
    sighting.mutable_entity()->set_kind(records::Entity::HOST);
    sighting.mutable_entity()->set_hostname(text(200));
    sighting.set_rule(alert.rule);
    sighting.set_source(alert.source);
    sighting.set_shape(text(300));
    sighting.set_shape_version(kShapeVersion);
    sighting.set_second(random() % 9 == 0 ? -1 : static_cast<Second>(random() % 100));
    summarise(alert, alert.time - 1, id, outcome, *sighting.mutable_summary());
    append_alert_entry(*sighting.mutable_alerts(), {view(id), alert.time, outcome});
    sighting.set_arrivals(1);
    sighting.set_heartbeat(random() % 2 == 0);
    wire::Writer bytes;
    bytes.raw("before");
    write_sighting(head_of(sighting, key),
                   {.alert = alert, .time = alert.time - 1, .id = id, .outcome = outcome}, bytes);
    ASSERT_EQ(bytes.bytes(), "before" + bundle.SerializeAsString()) << round;
  }
}

TEST(Sighting, KeepsTheMostSeverePriorityAndTheWidestTimes) {
  std::mt19937_64 random(1);
  records::Sighting all;
  std::uint32_t priority = 7;
  Nanos first = kEndOfTime;
  Nanos last = 0;
  for (std::uint64_t i = 0; i < 50; ++i) {
    const records::Sighting one = sighting_of(i, random);
    priority = std::min(priority, one.summary().priority());
    first = std::min(first, one.summary().first());
    last = std::max(last, one.summary().last());
    merge(all, one);
  }
  EXPECT_EQ(all.summary().priority(), priority);
  EXPECT_EQ(all.summary().first(), first);
  EXPECT_EQ(all.summary().last(), last);
}

TEST(Sighting, IsBoundedWhateverItHolds) {
  std::mt19937_64 random(seed());
  records::Sighting all;
  for (std::uint64_t i = 0; i < 2000; ++i) merge(all, sighting_of(i, random));
  EXPECT_LE(all.summary().fields_size(), static_cast<int>(kFieldsPerSummary));
  EXPECT_LE(all.summary().samples_size(), static_cast<int>(kSamples));
  EXPECT_LE(all.summary().tags_size(), static_cast<int>(kTags));
  for (const auto& values : all.summary().fields()) {
    EXPECT_LE(values.values_size(), static_cast<int>(kValuesPerField));
    EXPECT_TRUE(values.capped()) << values.field() << " took more than " << kValuesPerField
                                 << " values without saying so";
  }
  EXPECT_TRUE(all.summary().flags() & kTruncated);
  EXPECT_EQ(all.alerts().size(), 2000 * kAlertEntryBytes);
}

TEST(Sighting, CutsLongValuesAtACharacter) {
  records::Values values;
  std::string text(kValueBytes - 1, 'a');
  text += "\xc3\xa9\xc3\xa9";  // the limit falls inside the first e with accent
  add_value(values, text);
  EXPECT_EQ(values.values(0), std::string(kValueBytes - 1, 'a'));
}

}  // namespace
}  // namespace gyre::schemas
