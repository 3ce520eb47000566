// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "tests/scenarios/run.h"

namespace gyre::scenarios {
namespace {

using nlohmann::json;
using Revisions = std::vector<json>;

// `counts.alerts`; of a list `findings.size`. None: there is no such thing.
const json* find(const json& report, std::string_view path, json& made) {
  const json* at = &report;
  while (!path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    const std::string key(path.substr(0, dot));
    path.remove_prefix(std::min(dot + 1, path.size()));
    if (at->is_array() && key == "size") {
      made = at->size();
      return &made;
    }
    if (!at->is_object() || !at->contains(key)) return nullptr;
    at = &(*at)[key];
  }
  return at;
}

std::string shown(const json* value) {
  if (value == nullptr) return "absent";
  return value->is_string() ? value->get<std::string>() : value->dump();
}

bool fulfils(const json* value, const Demand& demand) {
  if (demand.range && value != nullptr && value->is_number_integer())
    return demand.range->holds(value->get<std::int64_t>());
  if (demand.text.starts_with('~'))
    return shown(value).find(demand.text.substr(1)) != std::string::npos;
  return shown(value) == demand.text;
}

bool fulfils(const json& report, const Demands& demands) {
  return std::ranges::all_of(demands, [&](const auto& demand) {
    json made;
    return fulfils(find(report, demand.first, made), demand.second);
  });
}

class Check {
 public:
  Check(const Scenario& scenario, const Outcome& outcome)
      : scenario_(scenario), outcome_(outcome), groups_(scenario.expected.size()) {}

  std::vector<std::string> problems() {
    std::int64_t alerts = 0;
    std::int64_t duplicates = 0;
    for (const auto& [id, revisions] : outcome_.reports) {
      follow(revisions);
      sort(revisions);
      const json& last = revisions.back();
      if (last["kind"] != "finding" && last["kind"] != "sensor_health") continue;
      alerts += last["counts"]["alerts"].get<std::int64_t>();
      duplicates += last["counts"]["duplicates"].get<std::int64_t>();
    }
    if (alerts != static_cast<std::int64_t>(outcome_.alerts) ||
        duplicates != static_cast<std::int64_t>(outcome_.copies))
      problems_.push_back(fmt::format("{} alerts and {} copies were sent, {} and {} are told of",
                                      outcome_.alerts, outcome_.copies, alerts, duplicates));
    for (std::size_t i = 0; i < groups_.size(); ++i) look_at(scenario_.expected[i], groups_[i]);
    return std::move(problems_);
  }

 private:
  static std::string name(const json& report) {
    return fmt::format("{} {} ({})", shown(&report["kind"]), shown(&report["id"]),
                       shown(&report["title"]));
  }

  // What holds of every report: nothing is missing, nothing goes back.
  void follow(const Revisions& revisions) {
    for (std::size_t i = 0; i < revisions.size(); ++i) {
      const json& now = revisions[i];
      if (now["revision"] != i + 1)
        problems_.push_back(
            fmt::format("{}: revision {} at place {}", name(now), now["revision"].dump(), i + 1));
      if (i == 0) continue;
      const json& before = revisions[i - 1];
      for (const char* key : {"alerts", "duplicates", "late"})
        if (now["counts"][key].get<std::int64_t>() < before["counts"][key].get<std::int64_t>())
          problems_.push_back(fmt::format("{}: counts.{} falls from {} to {}", name(now), key,
                                          before["counts"][key].dump(), now["counts"][key].dump()));
      if (now["time"] < before["time"])
        problems_.push_back(fmt::format("{}: time falls", name(now)));
    }
    if (revisions.back()["state"] != "closed")
      problems_.push_back(fmt::format("{}: is still open", name(revisions.back())));
  }

  void sort(const Revisions& revisions) {
    for (std::size_t i = 0; i < groups_.size(); ++i)
      if (fulfils(revisions.back(), scenario_.expected[i].where)) {
        groups_[i].push_back(&revisions);
        return;
      }
    problems_.push_back(fmt::format("nobody expects {}, {} revisions, {} alerts",
                                    name(revisions.back()), revisions.size(),
                                    revisions.back()["counts"]["alerts"].dump()));
  }

  void hold(const Place& place, const std::string& what, const std::optional<Range>& range,
            std::int64_t value) {
    if (!range || range->holds(value)) return;
    problems_.push_back(fmt::format("{}: {}: {}", place, what, value));
  }

  void hold(const json& report, const Demands& demands) {
    for (const auto& [path, demand] : demands) {
      json made;
      const json* value = find(report, path, made);
      if (!fulfils(value, demand))
        problems_.push_back(fmt::format("{}: {} is {}, not {}: revision {} of {}", demand.place,
                                        path, shown(value), demand.text, report["revision"].dump(),
                                        name(report)));
    }
  }

  void look_at(const Expected& expected, const std::vector<const Revisions*>& group) {
    hold(expected.place, "count of reports", expected.count,
         static_cast<std::int64_t>(group.size()));
    for (const Revisions* revisions : group) {
      const json& last = revisions->back();
      hold(expected.place, "revisions of " + name(last), expected.revisions,
           static_cast<std::int64_t>(revisions->size()));
      hold(expected.place, "page or ticket in revisions of " + name(last), expected.attended,
           std::ranges::count_if(*revisions, [](const json& report) {
             return report["attention"]["level"] != "record";
           }));
      std::map<std::string, std::int64_t> reasons;
      for (const json& report : *revisions) {
        ++reasons[shown(&report["reason"])];
        hold(report, expected.every);
      }
      if (expected.reasons) {
        for (const auto& [reason, range] : *expected.reasons)
          hold(expected.place, fmt::format("reason {} of {}", reason, name(last)), range,
               reasons[reason]);
        for (const auto& [reason, times] : reasons)
          if (!expected.reasons->contains(reason))
            problems_.push_back(fmt::format("{}: reason {}, {} times, of {}", expected.place,
                                            reason, times, name(last)));
      }
      hold(last, expected.last);
    }
    for (const auto& [path, demand] : expected.sum) {
      json sum = std::int64_t{0};
      for (const Revisions* revisions : group) {
        json made;
        const json* value = find(revisions->back(), path, made);
        if (value != nullptr && value->is_number_integer())
          sum = sum.get<std::int64_t>() + value->get<std::int64_t>();
      }
      if (!fulfils(&sum, demand))
        problems_.push_back(fmt::format("{}: the sum of {} is {}, not {}", demand.place, path,
                                        sum.dump(), demand.text));
    }
  }

  const Scenario& scenario_;
  const Outcome& outcome_;
  std::vector<std::vector<const Revisions*>> groups_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> check(const Scenario& scenario, const Outcome& outcome) {
  return Check(scenario, outcome).problems();
}

std::map<std::string, std::string> closed_reports(const Outcome& outcome) {
  std::map<std::string, std::string> all;
  for (const auto& [id, revisions] : outcome.reports) {
    json last = revisions.back();
    for (const char* key : {"revision", "reason", "produced_by"}) last.erase(key);
    all[id] = last.dump();
  }
  return all;
}

}  // namespace gyre::scenarios
