// SPDX-License-Identifier: Apache-2.0
// by_container against a slow model of it: the whole input in memory, decided second by second from
// the rules as written (DESIGN 6 and 7, rulings 17 to 22), with none of the stage's code. Random
// fleets, any order within the disorder, any batches, copies, several sources, crashes between
// batches.
//
// GYRE_MODEL_CASES (default 500) and GYRE_MODEL_SEED (default 1) choose how many and which.
#include <gtest/gtest.h>
#include <simdjson.h>

#include <cstdlib>
#include <optional>
#include <random>
#include <set>
#include <tuple>

#include "tests/stages/container_task.h"

namespace gyre::stages {
namespace {

constexpr Second kEnd = 40'000;  // after kStart: everything has closed and is forgotten

std::uint64_t environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Small numbers, so that a case meets every border.
FindingConfig small_config(bool all) {
  FindingConfig config;
  config.lateness = 20;
  config.gap = 60;
  config.max_age = 300;
  config.keep_closed = 100;
  config.settle_error = 2;
  config.settle_warning = 5;
  config.settle_below = 9;
  config.backoff_attention = config.backoff_record = {10, 40, 90};
  config.incident_gap = 120;
  config.incident_max_age = 600;
  config.close_all = all;
  return config;
}

struct Case {
  std::vector<Given> alerts;  // by time; copies are equal elements
  FindingConfig config;
  bool quiet;  // nothing but counts and times differs: every revision can be foreseen
};

Nanos time_of(const Given& given) { return (kStart + given.at) * kNanosPerSecond + given.nanos; }

Case make_case(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto any = [&](std::uint64_t n) { return random() % n; };
  Case made{{}, small_config(true), any(2) == 0};
  const std::uint64_t containers = 1 + any(3);
  const std::uint64_t rules = 1 + any(3);
  const std::uint64_t shapes = 1 + any(3);
  constexpr schemas::Priority kPriorities[] = {
      schemas::Priority::kCritical, schemas::Priority::kError, schemas::Priority::kWarning,
      schemas::Priority::kNotice};
  constexpr const char* kTags[] = {"mitre_execution", "mitre_persistence", "mitre_discovery"};
  // Steps that lie on and beside the borders of gap and age, in nanoseconds.
  const Nanos gap = made.config.gap * kNanosPerSecond;
  const Nanos steps[] = {1,
                         kNanosPerSecond / 3,
                         kNanosPerSecond,
                         4 * kNanosPerSecond,
                         gap / 2,
                         gap - 1,
                         gap,
                         gap + 1,
                         gap * 2,
                         gap * 3};
  Nanos now = static_cast<Nanos>(any(1'000'000'000));
  const std::uint64_t count = 1 + any(any(8) == 0 ? 120 : 30);
  for (std::uint64_t i = 0; i < count; ++i) {
    now += steps[any(any(3) == 0 ? std::size(steps) : 4)];
    Given given;
    given.at = now / kNanosPerSecond;
    given.nanos = now % kNanosPerSecond;
    given.id = static_cast<std::int64_t>(i);
    const std::uint64_t rule = any(rules);
    given.rule = "Rule " + std::to_string(rule);
    given.tag = kTags[rule];
    given.priority = kPriorities[made.quiet ? (seed + rule) % 4 : any(4)];
    given.container = "c0ffee00000" + std::to_string(any(containers));
    given.shape = "shape " + std::to_string(any(shapes));
    given.fields = {{"proc.name", "sh"}};
    if (!made.quiet) {
      given.outcome = static_cast<schemas::Outcome>(any(3));
      given.fields.emplace_back("user.name", any(4) == 0 ? "root" : "www");
      if (any(5) == 0) given.fields.emplace_back("container.name", "web");
    }
    const std::uint64_t copies = any(6) == 0 ? 1 + any(3) : 1;
    for (std::uint64_t copy = 0; copy < copies; ++copy) made.alerts.push_back(given);
  }
  return made;
}

// What the last revision of a finding says.
struct Final {
  std::string previous_id;
  std::string first_seen, last_seen, closed_because, time, priority;
  std::uint64_t alerts = 0, duplicates = 0, succeeded = 0, blocked = 0, unknown = 0;
  auto operator<=>(const Final&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Final& final) {
  return out << final.first_seen << " .. " << final.last_seen << ' ' << final.closed_because << " @"
             << final.time << ' ' << final.priority << ' ' << final.alerts << '+'
             << final.duplicates << " (" << final.succeeded << ' ' << final.blocked << ' '
             << final.unknown << ") after " << final.previous_id;
}

// A revision: second, id, reason.
using Line = std::tuple<Second, std::string, std::string>;

// ---- the model -------------------------------------------------------------------------------

struct Story {
  Second opened = 0;
  std::vector<Given> alerts;
  std::uint64_t arrivals = 0;
  std::string id;
  std::string previous;
  Second said_at = 0;
  std::size_t said_alerts = 0;
  std::size_t periodic = 0;
  std::optional<Second> closed;

  Nanos first() const { return time_of(alerts.front()); }
  Nanos last() const { return time_of(alerts.back()); }
  schemas::Priority highest() const {
    schemas::Priority highest = schemas::Priority::kDebug;
    for (const Given& alert : alerts) highest = std::min(highest, alert.priority);
    return highest;
  }
};

struct Model {
  std::map<std::string, Final> finals;
  std::vector<Line> lines;  // of findings; reasons hold for quiet cases only
};

std::size_t digits(std::size_t count) { return std::to_string(count).size(); }

std::string finding_id(const Given& given, Nanos first, Second gap) {
  const records::Sighting one = sighting(given);
  return to_hex(
      view(IdHasher().add("finding").add(one.finding_key()).add(second_of(first) / gap).finish()));
}

void close_story(Story& story, Second now, bool quiet, Model& model) {
  Final& final = model.finals[story.id];
  final.previous_id = story.previous;
  final.first_seen = format_rfc3339(story.first());
  final.last_seen = format_rfc3339(story.last());
  final.closed_because = quiet ? "quiet" : "max_age";
  final.time = format_rfc3339_second(now);
  final.priority = schemas::to_string(story.highest());
  final.alerts = story.alerts.size();
  final.duplicates = story.arrivals - story.alerts.size();
  for (const Given& alert : story.alerts) {
    final.succeeded += alert.outcome == schemas::Outcome::kSucceeded;
    final.blocked += alert.outcome == schemas::Outcome::kBlocked;
    final.unknown += alert.outcome == schemas::Outcome::kUnknown;
  }
  model.lines.emplace_back(now, story.id, "closed");
  story.closed = now;
}

void run_key(const std::vector<Given>& alerts, const FindingConfig& config, Model& model) {
  const Second settle[] = {
      0, 0, 0, config.settle_error, config.settle_warning, config.settle_below};
  std::vector<Story> stories;
  std::size_t next = 0;
  for (Second now = kStart; now < kStart + kEnd; ++now) {
    // All of this second's alerts go where its first one belongs (ruling 17: seconds are whole).
    std::vector<Given> fresh;
    std::uint64_t arrivals = 0;
    std::set<std::int64_t> ids;
    for (; next < alerts.size() && kStart + alerts[next].at == now; ++next) {
      ++arrivals;
      if (ids.insert(alerts[next].id).second) fresh.push_back(alerts[next]);
    }
    if (!fresh.empty()) {
      const Nanos t = time_of(fresh.front());
      const bool joins = !stories.empty() && !stories.back().closed &&
                         t <= stories.back().last() + config.gap * kNanosPerSecond &&
                         t - stories.back().first() < config.max_age * kNanosPerSecond;
      if (!joins) {
        Story story;
        story.opened = now;
        story.id = finding_id(fresh.front(), t, config.gap);
        if (!stories.empty() &&
            (!stories.back().closed || now <= *stories.back().closed + config.keep_closed))
          story.previous = stories.back().id;
        stories.push_back(story);
      }
      Story& story = stories.back();
      story.alerts.insert(story.alerts.end(), fresh.begin(), fresh.end());
      story.arrivals += arrivals;
    }
    for (Story& story : stories) {
      if (story.closed) continue;
      const Second quiet = second_of(story.last()) + config.gap + config.lateness + 1;
      const Second old = second_of(story.first()) + config.max_age + config.lateness + 1;
      const std::size_t count = story.alerts.size();
      std::string reason;
      if (story.said_alerts == 0) {
        const Second due =
            story.opened +
            settle[std::min<std::size_t>(static_cast<std::size_t>(story.highest()), 5)];
        if (now >= std::min({due, quiet, old})) reason = "opened";
      } else if (count > story.said_alerts) {
        const Second wait = config.backoff_record[std::min<std::size_t>(story.periodic, 2)];
        if (digits(count) > digits(story.said_alerts)) {
          reason = "volume";
        } else if (now >= story.said_at + wait) {
          reason = "periodic";
          ++story.periodic;
        }
      }
      if (!reason.empty()) {
        model.lines.emplace_back(now, story.id, reason);
        story.said_at = now;
        story.said_alerts = count;
      }
      if (now >= std::min(quiet, old)) close_story(story, now, now >= quiet, model);
    }
    const bool over = next == alerts.size() && (stories.empty() || stories.back().closed);
    if (over) break;
  }
}

Model run_model(const Case& given) {
  std::map<std::tuple<std::string, std::string, std::string>, std::vector<Given>> keys;
  for (const Given& alert : given.alerts)
    keys[{alert.container, alert.rule, alert.shape}].push_back(alert);
  Model model;
  for (const auto& [key, alerts] : keys) run_key(alerts, given.config, model);
  std::sort(model.lines.begin(), model.lines.end());
  return model;
}

// ---- the stage -------------------------------------------------------------------------------

// One way in which a case may reach the stage.
class Delivery {
 public:
  Delivery(const Case& given, std::uint64_t seed, const Playbooks& playbooks, state::Store& store)
      : random_(seed),
        config_(given.config),
        store_(store),
        stage_(config_, playbooks, {.version = "test", .config_hash = "0"}) {
    store_.wipe();
    sources_.resize(1 + any(4));
    for (const Given& alert : given.alerts) {
      const Nanos moved = static_cast<Nanos>(any(2'000'000'000));
      sources_[any(sources_.size())].waiting.emplace_back(time_of(alert) + moved, alert);
    }
    for (Source& source : sources_)
      std::stable_sort(source.waiting.begin(), source.waiting.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
  }

  std::vector<schemas::Report> run() {
    while (step(1 + any(12))) {
    }
    // Nothing is unread any more: the same ticks that idle sources get.
    for (Source& source : sources_) source.progress = (kStart + kEnd) * kNanosPerSecond;
    send({});
    while (stage_.is_behind(state_)) proceed();
    return std::move(reports_);
  }

 private:
  struct Source {
    std::vector<std::pair<Nanos, Given>> waiting;
    std::size_t next = 0;
    Nanos progress = kNoTime;
    std::uint64_t sent = 0;
  };

  std::uint64_t any(std::uint64_t n) { return random_() % n; }

  bool step(std::uint64_t count) {
    std::vector<std::pair<std::size_t, Given>> batch;
    for (std::uint64_t i = 0; i < count; ++i) {
      std::vector<std::size_t> unread;
      for (std::size_t s = 0; s < sources_.size(); ++s)
        if (sources_[s].next < sources_[s].waiting.size()) unread.push_back(s);
      if (unread.empty()) break;
      const std::size_t source = unread[any(unread.size())];
      Source& from = sources_[source];
      batch.emplace_back(source, from.waiting[from.next++].second);
      from.progress = std::max(from.progress, time_of(batch.back().second));
    }
    if (batch.empty()) return false;
    send(batch);
    return true;
  }

  void send(const std::vector<std::pair<std::size_t, Given>>& batch) {
    records::Bundle bundle;
    bundle.set_sources(static_cast<std::int32_t>(sources_.size()));
    bundle.set_parts(1);
    std::map<std::size_t, std::uint64_t> arrivals;
    // The combiner merges some of a key and second; whether it did must not be seen.
    std::map<std::pair<std::string, Second>, records::Sighting> combined;
    for (const auto& [source, alert] : batch) {
      ++arrivals[source];
      records::Sighting one = sighting(alert);
      if (any(3) == 0) {
        *bundle.add_sightings() = std::move(one);
      } else {
        auto& into = combined[{one.finding_key(), one.second()}];
        schemas::merge(into, one);
      }
    }
    for (auto& [key, one] : combined) *bundle.add_sightings() = std::move(one);
    for (std::size_t s = 0; s < sources_.size(); ++s) {
      Source& source = sources_[s];
      if (source.progress == kNoTime) continue;
      records::SourceRange& range = *bundle.add_ranges();
      range.set_partition(static_cast<std::int32_t>(s));
      range.set_first(static_cast<std::int64_t>(source.sent));
      source.sent += arrivals[s];
      range.set_next(static_cast<std::int64_t>(source.sent));
      range.set_progress(source.progress);
      range.set_arrivals(arrivals[s]);
      range.set_sent(source.sent);
    }
    std::vector<schemas::Report> reports;
    std::vector<records::Contribution> contributions;
    if (any(8) == 0) {  // the first attempt dies before its commit
      Allowance allowance;
      stage_.process(bundle, state_, allowance, reports, contributions);
      state_.rollback();
      reports.clear();
    }
    // Often no more than a second or two fits into the batch; the rest is decided later.
    Allowance allowance = some_allowance();
    stage_.process(bundle, state_, allowance, reports, contributions);
    commit(reports);
    while (stage_.is_behind(state_) && any(3) > 0) proceed();
  }

  Allowance some_allowance() { return any(2) == 0 ? Allowance() : Allowance(1 + any(3)); }

  void proceed() {
    std::vector<schemas::Report> reports;
    std::vector<records::Contribution> contributions;
    Allowance allowance = some_allowance();
    stage_.proceed(state_, allowance, reports, contributions);
    commit(reports);
  }

  void commit(const std::vector<schemas::Report>& reports) {
    keep_log();
    state_.commit(++offset_, std::nullopt);
    reports_.insert(reports_.end(), reports.begin(), reports.end());
    if (any(10) == 0) lose_disk();
  }

  void keep_log() {
    for (const auto& changes : {state_.changelog(), state_.ids()})
      for (const state::Change& change : changes) log_[change.key] = change.value;
    log_[state_.checkpoint_change().key] = state_.checkpoint_change().value;
  }

  void lose_disk() {
    store_.wipe();
    std::vector<state::Change> changes;
    for (const auto& [key, value] : log_) changes.push_back({key, value});
    state::restore(store_, changes, state::kChangelog, offset_);
  }

  std::mt19937_64 random_;
  FindingConfig config_;
  std::vector<Source> sources_;
  state::Store& store_;
  state::Transaction state_{store_};
  ByContainer stage_;
  std::map<std::string, std::optional<std::string>> log_;
  std::int64_t offset_ = 0;
  std::vector<schemas::Report> reports_;
};

std::string text(const simdjson::dom::element& report, std::string_view key) {
  std::string_view value;
  return report[key].get(value) == simdjson::SUCCESS ? std::string(value) : std::string();
}

std::uint64_t count(const simdjson::dom::element& report, std::string_view group,
                    std::string_view key) {
  return report[group][key].get_uint64().value();
}

// What holds for every stream of reports (ruling 31).
class Stream {
 public:
  void check(const schemas::Report& report) {
    const simdjson::dom::element json = parser_.parse(report.json);
    Said& said = said_[report.id];
    EXPECT_EQ(report.revision, said.revision + 1) << "a hole in the revisions";
    EXPECT_GE(report.time, said.time);
    const std::uint64_t alerts = count(json, "counts", "alerts");
    EXPECT_GE(alerts, said.alerts);
    EXPECT_GE(count(json, "counts", "duplicates"), said.duplicates);
    const std::string reason = text(json, "reason");
    EXPECT_EQ(reason == "opened", report.revision == 1);
    if (report.kind == "finding") {
      const int risk = static_cast<int>(json["risk"]["score"].get_int64().value());
      const int severity =
          level(text(json, "severity"), {"informational", "low", "medium", "high", "critical"});
      std::string_view attention = json["attention"]["level"].get_string().value();
      const int routed = level(std::string(attention), {"record", "ticket", "page"});
      if (reason != "verdict") {
        EXPECT_GE(severity, said.severity) << report.json;
        EXPECT_GE(routed, said.attention) << report.json;
        EXPECT_GE(risk, said.risk) << report.json;
      }
      said.severity = severity;
      said.attention = routed;
      said.risk = risk;
    }
    EXPECT_FALSE(said.closed && text(json, "state") == "open") << "reopened";
    said.closed = text(json, "state") == "closed";
    said.revision = report.revision;
    said.time = report.time;
    said.alerts = alerts;
    said.duplicates = count(json, "counts", "duplicates");
  }

 private:
  struct Said {
    std::uint32_t revision = 0;
    Second time = 0;
    std::uint64_t alerts = 0, duplicates = 0;
    int severity = 0, attention = 0, risk = 0;
    bool closed = false;
  };

  static int level(const std::string& name, std::initializer_list<const char*> names) {
    int level = 0;
    for (const char* next : names) {
      if (name == next) return level;
      ++level;
    }
    ADD_FAILURE() << name;
    return -1;
  }

  simdjson::dom::parser parser_;
  std::map<std::string, Said> said_;
};

std::vector<std::string> sorted_lines(const std::vector<schemas::Report>& reports) {
  std::vector<std::string> lines;
  for (const schemas::Report& report : reports) lines.push_back(report.json);
  std::sort(lines.begin(), lines.end());
  return lines;
}

void compare(const Model& model, const std::vector<schemas::Report>& reports, bool quiet) {
  simdjson::dom::parser parser;
  std::map<std::string, Final> finals;
  std::vector<Line> lines;
  for (const schemas::Report& report : reports) {
    if (report.kind != "finding") continue;
    const simdjson::dom::element json = parser.parse(report.json);
    lines.emplace_back(report.time, report.id, text(json, "reason"));
    finals[report.id] = {text(json, "previous_id"),
                         text(json, "first_seen"),
                         text(json, "last_seen"),
                         text(json, "closed_because"),
                         text(json, "time"),
                         text(json, "priority"),
                         count(json, "counts", "alerts"),
                         count(json, "counts", "duplicates"),
                         count(json, "outcome", "succeeded"),
                         count(json, "outcome", "blocked"),
                         count(json, "outcome", "unknown")};
  }
  EXPECT_EQ(finals, model.finals);
  if (!quiet) return;
  std::sort(lines.begin(), lines.end());
  EXPECT_EQ(lines, model.lines);
}

// Incidents hold what their members say.
void check_incidents(const std::vector<schemas::Report>& reports) {
  simdjson::dom::parser parser;
  simdjson::dom::parser finding_parser;
  std::map<std::string, schemas::Report> last;
  for (const schemas::Report& report : reports) last[report.id] = report;
  for (const auto& [id, report] : last) {
    if (report.kind != "incident") continue;
    const simdjson::dom::element json = parser.parse(report.json);
    EXPECT_EQ(text(json, "state"), "closed");
    std::uint64_t alerts = 0;
    const simdjson::dom::array members = json["findings"].get_array().value();
    for (const simdjson::dom::element member : members) {
      const std::string name(member.get_string().value());
      ASSERT_TRUE(last.contains(name)) << "an incident names a finding that was never published";
      const simdjson::dom::element finding = finding_parser.parse(last[name].json);
      alerts += count(finding, "counts", "alerts");
      // Written with the finding's next revision; there may have been none.
      const std::string said = text(finding, "incident_id");
      EXPECT_TRUE(said.empty() || said == id) << said;
      EXPECT_EQ(text(finding["entity"], "key"), text(json["entity"], "key"));
    }
    // What was still open when the incident's age ended it has counted on since.
    if (text(json, "closed_because") == "quiet")
      EXPECT_EQ(count(json, "counts", "alerts"), alerts);
    else
      EXPECT_LE(count(json, "counts", "alerts"), alerts);
  }
}

TEST(Model, AgreesWithTheStageForEveryOrderBatchCopyAndCrash) {
  const std::uint64_t first = environment("GYRE_MODEL_SEED", 1);
  const std::uint64_t cases = environment("GYRE_MODEL_CASES", 500);
  const Playbooks playbooks;
  const state::StoreMemory memory(8 << 20);
  std::unique_ptr<state::Store> store;
  std::uint64_t revisions = 0;
  for (std::uint64_t seed = first; seed < first + cases; ++seed) {
    SCOPED_TRACE("GYRE_MODEL_SEED=" + std::to_string(seed) + " GYRE_MODEL_CASES=1");
    const Case given = make_case(seed);
    const Model model = run_model(given);
    if (seed % 20 == 0 || !store) store = std::make_unique<state::Store>("", memory);
    const auto reports = Delivery(given, seed * 2, playbooks, *store).run();
    compare(model, reports, given.quiet);
    // What the model does not foresee, judgements and incidents, must not depend on the way either.
    if (seed % 3 == 0) {
      const auto again = Delivery(given, seed * 2 + 1, playbooks, *store).run();
      EXPECT_EQ(sorted_lines(reports), sorted_lines(again));
    }
    Stream stream;
    for (const schemas::Report& report : reports) stream.check(report);
    check_incidents(reports);
    revisions += reports.size();
    if (HasFailure()) return;
  }
  std::cout << cases << " cases from seed " << first << ", " << revisions << " revisions\n";
}

}  // namespace
}  // namespace gyre::stages
