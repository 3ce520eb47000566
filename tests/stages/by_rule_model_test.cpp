// SPDX-License-Identifier: Apache-2.0
// by_rule against a naive model that keeps everything and counts again in every second, and against
// itself over other cuts, sources and restores. GYRE_CASES and GYRE_SEED choose other cases.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "base/hash.h"
#include "base/time.h"
#include "stages/by_rule/stage.h"
#include "state/store.h"
#include "tests/contract/contract.h"
#include "tests/stages/naive_outbreaks.h"

namespace gyre::stages::outbreak_model {
namespace {

// Short spans, so that outbreaks open, close by quiet and by age, and come again.
OutbreakConfig short_spans() {
  return {.window = 900, .recurring_window = 6000, .quiet = 1200, .max_age = 8000};
}

records::Contribution contribution(const Given& given) {
  records::Contribution made;
  made.set_finding_key(std::string(view(IdHasher().add(given.entity()).finish())));
  made.set_finding_id(fmt::format("finding-{}", given.finding));
  made.set_second(kStart + given.at);
  records::Entity& entity = *made.mutable_entity();
  entity.set_tenant("default");
  entity.set_cluster(fmt::format("cluster-{}", given.cluster));
  entity.set_hostname(fmt::format("node-{}", given.host));
  entity.set_id(fmt::format("c{}", given.container));
  made.set_rule("Rule A");
  made.set_shape("sh");
  made.set_last(kStart * kNanosPerSecond + given.last());
  made.set_first(kStart * kNanosPerSecond + given.first());
  made.set_priority(4);
  made.mutable_added()->set_alerts(given.alerts);
  made.mutable_added()->set_duplicates(given.copies);
  if (given.alerts > 0) {
    records::Span& span = *made.mutable_span();
    span.set_first(kStart * kNanosPerSecond + given.added_first());
    span.set_last(made.last());
    span.set_priority(made.priority());
  }
  made.set_severity(static_cast<std::uint32_t>(Severity::kMedium));
  made.set_counting(given.counting);
  made.set_image("image:1");
  if (given.owner == -2) return made;
  records::Workload& workload = *made.mutable_workload();
  workload.set_cluster(entity.cluster());
  if (given.owner < 0) {
    workload.set_hostname(entity.hostname());
    workload.set_image("image");
  } else {
    workload.set_namespace_(fmt::format("space-{}", given.owner % 2));
    workload.set_owner(fmt::format("owner-{}", given.owner));
    workload.set_container("main");
    workload.set_scheduled(given.scheduled);
  }
  return made;
}

// Few entities, in bursts with silences between them. In half of the cases some turn out as tests,
// or as none, else some are known as such; in half of them names come late.
std::vector<Given> random_fleet(std::mt19937_64& random) {
  const auto below = [&](std::uint64_t n) { return static_cast<int>(random() % n); };
  std::vector<Given> all;
  std::set<std::pair<Second, std::string>> said;  // a finding contributes once a second
  const int hosts = 1 + below(7);
  const int containers = 1 + below(6);
  const int owners = below(4);
  const bool flips = below(2) == 0;
  const bool late_names = below(2) == 0;
  struct Finding {
    int number = 0;
    Nanos first = 0;
    Nanos last = 0;
    Second named = 0;  // of the container: its owner is known from then on
  };
  std::map<std::string, Finding> findings;
  Second at = 1000;  // sightings before it stay above 0, from which the model counts
  const int bursts = 1 + below(8);
  for (int burst = 0; burst < bursts; ++burst) {
    const int count = 1 + below(40);
    const int pace = 1 + below(400);
    for (int i = 0; i < count; ++i) {
      Given given{};
      given.at = at += below(static_cast<std::uint64_t>(pace));
      given.host = below(static_cast<std::uint64_t>(hosts));
      given.container = below(static_cast<std::uint64_t>(containers));
      given.cluster = given.host % 3 == 2 ? 1 : 0;
      // A container stays where it was deployed.
      given.owner = owners == 0 ? -1 : (given.host + given.container) % (owners + 1) - 1;
      const auto [known, is_new] = findings.try_emplace(given.entity());
      Finding& finding = known->second;
      if (is_new && late_names) finding.named = given.at + below(4000) - 1000;
      if (given.at < finding.named) given.owner = owners == 3 ? -2 : -1;
      given.scheduled = given.owner == 1;
      given.counting = flips ? below(4) != 0 : (given.host * 5 + given.container) % 6 != 5;
      given.old = below(3) == 0 ? below(290) : 0;
      // Some say of a known finding only that it closes, or what is thought of it now.
      const bool news = is_new || below(4) > 0;
      given.alerts = news ? static_cast<std::uint64_t>(1 + below(5)) : 0;
      given.copies = static_cast<std::uint64_t>(std::max(0, below(6) - 2));
      if (!news) given.old = given.at - finding.last / kNanosPerSecond;
      if (!said.emplace(given.at, given.entity()).second) continue;
      const bool another = given.last() > finding.last + 900 * kNanosPerSecond || below(20) == 0;
      if (is_new || (news && another)) {
        ++finding.number;
        finding.first = given.last();
      }
      given.lasted = std::max<Second>(0, (given.last() - finding.first) / kNanosPerSecond);
      given.finding = finding.number;
      given.added = below(static_cast<std::uint64_t>(std::min<Second>(given.lasted, 299)) + 1);
      finding.last = given.last();
      all.push_back(given);
    }
    at += below(9000);
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Given& a, const Given& b) { return a.at < b.at; });
  return all;
}

// The task, fed by one or more partitions of by-container.
class Task {
 public:
  Task(const OutbreakConfig& config, int sources)
      : stage_(config, {.version = "test", .config_hash = "0"}),
        sources_(sources),
        store_(std::make_unique<state::Store>("", memory_)),
        next_(static_cast<std::size_t>(sources)),
        sent_(static_cast<std::size_t>(sources)) {}

  void feed(int source, const std::vector<Given>& given, Second decided) {
    const auto at = static_cast<std::size_t>(source);
    records::Bundle bundle;
    bundle.set_sources(sources_);
    bundle.set_parts(1);
    records::SourceRange& range = *bundle.add_ranges();
    range.set_partition(source);
    range.set_first(next_[at]);
    range.set_next(++next_[at]);
    range.set_progress((kStart + decided + 1) * kNanosPerSecond);
    range.set_arrivals(given.size());
    range.set_sent(sent_[at] += given.size());
    for (const Given& one : given) *bundle.add_contributions() = contribution(one);
    state::Transaction state(*store_);
    Allowance allowance;
    stage_.process(bundle, state, allowance, reports);
    for (state::Change& change : state.changelog()) log_[change.key] = change.value;
    const state::Change checkpoint = state.checkpoint_change();
    log_[checkpoint.key] = checkpoint.value;
    state.commit(++offset_, std::nullopt);
  }

  // A new disk, made from the changelog alone.
  void restore() {
    store_ = std::make_unique<state::Store>("", memory_);
    std::vector<state::Change> changes;
    for (const auto& [key, value] : log_) changes.push_back({key, value});
    state::restore(*store_, std::move(changes), state::kChangelog, offset_);
  }

  records::Counters counters() { return state::Transaction(*store_).checkpoint().counters(); }
  std::vector<schemas::Report> reports;

 private:
  ByRule stage_;
  int sources_;
  state::StoreMemory memory_{8 << 20};
  std::unique_ptr<state::Store> store_;
  std::map<std::string, std::optional<std::string>> log_;
  std::vector<std::int64_t> next_;
  std::vector<std::uint64_t> sent_;
  std::int64_t offset_ = 0;
};

Lines lines_of(const std::vector<schemas::Report>& reports) {
  Lines lines;
  simdjson::dom::parser parser;
  for (const schemas::Report& report : reports) {
    const simdjson::dom::element json = parser.parse(report.json);
    std::string_view workload = "fleet";
    if (json["members"]["workload"].get(workload) != simdjson::SUCCESS) workload = "fleet";
    const auto time = [&](std::string_view key) {
      return *parse_rfc3339(json[key].get_string().value()) - kStart * kNanosPerSecond;
    };
    const auto number = [&](std::string_view of, std::string_view key) {
      return json[of][key].get_uint64().value();
    };
    lines.push_back(
        line({report.time - kStart, std::string(workload),
              std::string(json["reason"].get_string().value()), number("members", "total"),
              number("members", "hosts"), number("counts", "alerts"),
              number("counts", "duplicates"), time("first_seen"), time("last_seen")}));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(ByRuleModel, SaysWhatTheNaiveModelSays) {
  const std::uint64_t first = number_from("GYRE_SEED", 1);
  const std::uint64_t cases = number_from("GYRE_CASES", 40);
  const OutbreakConfig config = short_spans();
  std::map<std::string, int> seen;
  for (std::uint64_t seed = first; seed < first + cases; ++seed) {
    std::mt19937_64 random(seed);
    const std::vector<Given> all = random_fleet(random);
    const Second end = all.back().at + 20'000;
    Task task(config, 1);
    for (std::size_t from = 0; from < all.size();) {
      std::vector<Given> cut;
      const std::size_t size = 1 + random() % 20;
      while (from < all.size() && cut.size() < size) cut.push_back(all[from++]);
      task.feed(0, cut, from < all.size() ? all[from].at - 1 : end);
    }
    const Lines said = lines_of(task.reports);
    ASSERT_EQ(said, naive_outbreaks(config, all, end)) << "GYRE_SEED=" << seed;
    ASSERT_EQ(task.counters().outbreaks_open(), 0) << "GYRE_SEED=" << seed;
    for (const std::string& line : said)
      ++seen[line.substr(7, line.find(' ', 7) - 7) == "fleet" ? "fleet" : "workload"];
  }
  EXPECT_GT(seen["fleet"], 0);
  EXPECT_GT(seen["workload"], 0);
  RecordProperty("reports", seen["fleet"] + seen["workload"]);
}

TEST(ByRuleModel, CutsSourcesAndRestoresCannotBeSeen) {
  const std::uint64_t first = number_from("GYRE_SEED", 1);
  const std::uint64_t cases = number_from("GYRE_CASES", 150);
  OutbreakConfig config = short_spans();
  for (std::uint64_t seed = first; seed < first + cases; ++seed) {
    std::mt19937_64 random(seed);
    config.members = seed % 3 == 0 ? 1 + seed % 8 : 10'000;
    const std::vector<Given> all = random_fleet(random);
    const Second end = all.back().at + 20'000;
    Task whole(config, 1);
    whole.feed(0, all, end);

    // A host belongs to one partition of by-container; each goes on at its own pace.
    const int sources = 1 + static_cast<int>(random() % 4);
    Task task(config, sources);
    std::vector<std::vector<Given>> left(static_cast<std::size_t>(sources));
    for (const Given& given : all)
      left[static_cast<std::size_t>(given.host % sources)].push_back(given);
    std::vector<std::size_t> at(static_cast<std::size_t>(sources));
    std::vector<bool> done(static_cast<std::size_t>(sources));
    while (std::find(done.begin(), done.end(), false) != done.end()) {
      const auto source = static_cast<std::size_t>(random()) % static_cast<std::size_t>(sources);
      std::vector<Given> cut;
      for (std::size_t size = random() % 9; size > 0 && at[source] < left[source].size(); --size)
        cut.push_back(left[source][at[source]++]);
      const bool more = at[source] < left[source].size();
      task.feed(static_cast<int>(source), cut, more ? left[source][at[source]].at - 1 : end);
      done[source] = !more;
      if (random() % 8 == 0) task.restore();
    }
    ASSERT_EQ(task.reports.size(), whole.reports.size()) << "GYRE_SEED=" << seed;
    for (std::size_t i = 0; i < whole.reports.size(); ++i)
      ASSERT_EQ(task.reports[i].json, whole.reports[i].json) << "GYRE_SEED=" << seed;

    // Members never fall.
    tests::ReportStream stream;
    simdjson::dom::parser parser;
    std::map<std::string, std::uint64_t> last;
    for (const schemas::Report& report : whole.reports) {
      ASSERT_THAT(stream.violations(report.json), testing::IsEmpty()) << "GYRE_SEED=" << seed;
      const std::uint64_t members =
          parser.parse(report.json)["members"]["total"].get_uint64().value();
      ASSERT_GE(members, last[report.id]) << "GYRE_SEED=" << seed;
      last[report.id] = members;
    }
  }
}

}  // namespace
}  // namespace gyre::stages::outbreak_model
