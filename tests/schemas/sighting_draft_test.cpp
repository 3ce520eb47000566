// SPDX-License-Identifier: Apache-2.0
#include "schemas/sighting_draft.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <vector>

#include "schemas/shape.h"
#include "schemas/sighting.h"
#include "schemas/sighting_bytes.h"
#include "tests/schemas/sighting_head.h"

namespace gyre::schemas {
namespace {

std::uint64_t seed() {
  const char* given = std::getenv("GYRE_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10)
                                              : std::random_device()() * std::uint64_t{1};
  std::cout << "GYRE_SEED=" << seed << '\n';
  return seed;
}

// Alerts that often agree, sometimes are copies, and now and then are too much.
class Alerts {
 public:
  explicit Alerts(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t limit) { return random_() % limit; }
  bool one_in(std::size_t many) { return below(many) == 0; }

  std::string text(std::size_t kinds, std::size_t longest) {
    std::string made = std::to_string(below(kinds));
    if (one_in(30)) made.append(below(longest), 'x').append("\xC3\xA4").append(below(9), 'y');
    return made;
  }

  Alert make(bool sensor, std::size_t fields) {
    Alert alert;
    alert.rule = sensor ? "Falco internal: syscall event drop" : "Rule";
    alert.source = sensor ? "internal" : "syscall";
    alert.time = one_in(20) ? -5 : static_cast<Nanos>(below(1'000'000));
    alert.priority = static_cast<Priority>(below(8));
    alert.flags = one_in(4) ? static_cast<std::uint32_t>(below(32)) : 0;
    alert.uuid = one_in(5) ? "" : text(5, 90);
    alert.output = one_in(9) ? "" : text(5, 1'500);
    for (std::size_t i = 0; i < fields; ++i)
      if (!one_in(4))
        alert.fields.set("f." + std::to_string(i) + (one_in(3'000) ? std::string(300, 'n') : ""),
                         text(i % 3 == 0 ? 30 : 2, 400));
    if (one_in(60))
      for (const char* end : {"a", "b"})
        alert.fields.set("g." + std::string(300, 'n') + end, text(9, 9));
    for (std::size_t n = below(one_in(100) ? 40 : 5); n > 0; --n) alert.tags.push_back(text(9, 9));
    std::sort(alert.tags.begin(), alert.tags.end());
    alert.tags.erase(std::unique(alert.tags.begin(), alert.tags.end()), alert.tags.end());
    return alert;
  }

 private:
  std::mt19937_64 random_;
};

TEST(SightingDraft, IsTheBytesOfWhatSummariseMakes) {
  Alerts alerts(seed());
  SightingDraft draft;
  for (int round = 0; round < 3'000; ++round) {
    const bool sensor = alerts.one_in(40);
    const std::size_t fields = alerts.one_in(9) ? 50 : 20;
    const Id128 key = IdHasher().add(std::int64_t{round}).finish();
    records::Bundle bundle;
    records::Sighting& sighting = *bundle.add_sightings();
    sighting.set_finding_key(std::string(view(key)));
    sighting.mutable_entity()->set_hostname(alerts.text(9, 200));
    sighting.set_rule("Rule");
    sighting.set_shape(alerts.text(9, 300));
    sighting.set_shape_version(kShapeVersion);
    sighting.set_second(static_cast<Second>(alerts.below(100)));
    sighting.set_heartbeat(alerts.one_in(9));
    std::map<std::string, std::string> entries;
    std::vector<std::string> written;
    const std::size_t count = 2 + alerts.below(alerts.one_in(20) ? 60 : 6);
    for (std::size_t i = 0; i < count; ++i) {
      const Alert alert = alerts.make(sensor, fields);
      const Id128 id = IdHasher().add(static_cast<std::int64_t>(alerts.below(20))).finish();
      const bool native = id[1] % 2 == 0;
      const auto outcome = static_cast<Outcome>(native ? alerts.below(3) : id[0] & 1);
      const SightedAlert of{.alert = alert,
                            .time = alert.time - 1,
                            .id = id,
                            .native_id = native,
                            .outcome = outcome};
      summarise(alert, of.time, id, outcome, *sighting.mutable_summary());
      std::string entry;
      append_alert_entry(entry, {view(id), alert.time, outcome, native});
      std::string& kept = entries.try_emplace(std::string(view(id)), entry).first->second;
      kept = std::min(kept, entry);
      wire::Writer bytes;
      if (i == 0)
        write_sighting(head_of(sighting, key), of, bytes);
      else
        write_alert(of, bytes);
      written.emplace_back(bytes.bytes());
    }
    draft.start(written.front());
    for (std::size_t i = 1; i < count; ++i) draft.add(written[i]);
    for (const auto& [id, entry] : entries) sighting.mutable_alerts()->append(entry);
    sighting.set_arrivals(count);
    wire::Writer bytes;
    bytes.raw("before");
    draft.write(bytes);
    ASSERT_EQ(bytes.bytes(), "before" + bundle.SerializeAsString()) << round;
  }
}

}  // namespace
}  // namespace gyre::schemas
