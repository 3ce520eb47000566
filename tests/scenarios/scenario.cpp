// SPDX-License-Identifier: Apache-2.0
#include "tests/scenarios/scenario.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <string_view>

#include "base/error.h"

namespace gyre::scenarios {
namespace {

using Handler = std::function<void(const YAML::Node&)>;

class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  Scenario read() {
    try {
      return scenario(YAML::LoadFile(file_));
    } catch (const YAML::Exception& error) {
      throw ConfigError(fmt::format("{}:{}: {}", file_, error.mark.line + 1, error.msg));
    }
  }

 private:
  Place place(const YAML::Node& node) const {
    return fmt::format("{}:{}", file_, node.Mark().line + 1);
  }
  [[noreturn]] void refuse(const YAML::Node& node, const std::string& what) const {
    throw ConfigError(fmt::format("{}: {}", place(node), what));
  }

  void mapping(const YAML::Node& node, const std::map<std::string, Handler>& keys) const {
    if (!node.IsMap()) refuse(node, "a mapping is wanted here");
    for (const auto& entry : node) {
      const auto key = keys.find(entry.first.as<std::string>());
      if (key == keys.end())
        refuse(entry.first, fmt::format("unknown key `{}`", entry.first.as<std::string>()));
      key->second(entry.second);
    }
  }
  void list(const YAML::Node& node, const Handler& each) const {
    if (!node.IsSequence()) refuse(node, "a list is wanted here");
    for (const auto& item : node) each(item);
  }

  std::int64_t integer(const YAML::Node& node, std::int64_t low = 0) const {
    const auto text = node.as<std::string>();
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < low)
      refuse(node, fmt::format("`{}` is not a whole number from {}", text, low));
    return value;
  }

  // `250ms`, `10m`, `-2s`, `1h30m`.
  Nanos duration(const YAML::Node& node) const {
    static const std::map<std::string_view, Nanos> kUnits = {{"ns", 1},
                                                             {"ms", 1'000'000},
                                                             {"s", kNanosPerSecond},
                                                             {"m", 60 * kNanosPerSecond},
                                                             {"h", 3600 * kNanosPerSecond},
                                                             {"d", 86'400 * kNanosPerSecond}};
    const auto text = node.as<std::string>();
    std::string_view rest = text;
    const bool minus = rest.starts_with('-');
    if (minus) rest.remove_prefix(1);
    Nanos sum = 0;
    do {
      std::int64_t value = 0;
      const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
      rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
      const std::size_t letters = std::min(rest.find_first_of("0123456789"), rest.size());
      const auto unit = kUnits.find(rest.substr(0, letters));
      if (error != std::errc() || unit == kUnits.end())
        refuse(node, fmt::format("`{}` is not a duration as `250ms` or `1h30m`", text));
      sum += value * unit->second;
      rest.remove_prefix(letters);
    } while (!rest.empty());
    return minus ? -sum : sum;
  }

  // `5`, `..5`, `2..`, `2..5`.
  std::optional<Range> as_range(const std::string& text) const {
    const auto number = [](std::string_view part, std::int64_t absent) {
      std::int64_t value = absent;
      const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
      return part.empty() || (error == std::errc() && end == part.data() + part.size())
                 ? std::optional(value)
                 : std::nullopt;
    };
    const std::size_t dots = text.find("..");
    const std::string_view all = text;
    const auto low = number(all.substr(0, dots), 0);
    const auto high = dots == std::string::npos
                          ? low
                          : number(all.substr(dots + 2), std::numeric_limits<std::int64_t>::max());
    if (text.empty() || !low || !high) return std::nullopt;
    return Range{*low, *high};
  }
  Range range(const YAML::Node& node) const {
    const auto range = as_range(node.as<std::string>());
    if (!range) refuse(node, "not a number, `..5`, `2..` or `2..5`");
    return *range;
  }
  Demands demands(const YAML::Node& node) const {
    if (!node.IsMap()) refuse(node, "a mapping is wanted here");
    Demands all;
    for (const auto& entry : node) {
      const auto text = entry.second.as<std::string>();
      all[entry.first.as<std::string>()] = {text, as_range(text), place(entry.first)};
    }
    return all;
  }

  void fields(const YAML::Node& node, std::map<std::string, FieldValue>& into) const {
    if (!node.IsMap()) refuse(node, "a mapping is wanted here");
    for (const auto& entry : node) {
      const auto name = entry.first.as<std::string>();
      if (entry.second.IsNull()) {
        into.erase(name);
        continue;
      }
      const auto text = entry.second.as<std::string>();
      // yaml-cpp tags what is quoted with `!`.
      const bool number = entry.second.Tag() != "!" && !text.empty() &&
                          text.find_first_not_of("-0123456789") == std::string::npos;
      into[name] = {text, number, place(entry.first)};
    }
  }

  // The keys that a template and a series share.
  std::map<std::string, Handler> alert_keys(Template& into) const {
    return {
        {"rule", [&](const YAML::Node& node) { into.rule = node.as<std::string>(); }},
        {"priority", [&](const YAML::Node& node) { into.priority = node.as<std::string>(); }},
        {"source", [&](const YAML::Node& node) { into.source = node.as<std::string>(); }},
        {"host", [&](const YAML::Node& node) { into.host = node.as<std::string>(); }},
        {"tags", [&](const YAML::Node& node) { into.tags = node.as<std::vector<std::string>>(); }},
        {"fields", [&](const YAML::Node& node) { fields(node, into.fields); }}};
  }

  void templates(const YAML::Node& node) {
    if (!node.IsMap()) refuse(node, "a mapping is wanted here");
    for (const auto& entry : node) {
      Template& made = templates_[entry.first.as<std::string>()];
      made.place = place(entry.first);
      mapping(entry.second, alert_keys(made));
      if (made.rule.empty()) refuse(entry.first, "a template needs a rule");
    }
  }

  Series series(const YAML::Node& node) const {
    Series made;
    if (!node.IsMap() || !node["alert"]) refuse(node, "needs `alert`, the name of a template");
    const auto found = templates_.find(node["alert"].as<std::string>());
    if (found == templates_.end())
      refuse(node["alert"],
             fmt::format("there is no template `{}`", node["alert"].as<std::string>()));
    made.alert = found->second;
    made.alert.place = place(node);
    std::map<std::string, Handler> keys = alert_keys(made.alert);
    const auto time = [&](const std::string& name, Nanos& into) {
      keys[name] = [&](const YAML::Node& value) { into = duration(value); };
    };
    const auto number = [&](const std::string& name, std::int64_t& into, std::int64_t low) {
      keys[name] = [&, low](const YAML::Node& value) { into = integer(value, low); };
    };
    keys["alert"] = [](const YAML::Node&) {};
    time("at", made.at);
    time("every", made.every);
    time("stagger", made.stagger);
    time("lag", made.lag);
    time("clock", made.clock);
    number("times", made.times, 1);
    number("hosts", made.hosts, 1);
    number("containers", made.containers, 1);
    number("copies", made.copies, 0);
    keys["age"] = [&](const YAML::Node& value) { made.age = duration(value); };
    keys["delivered"] = [&](const YAML::Node& value) { made.delivered = duration(value); };
    keys["partition"] = [&](const YAML::Node& value) {
      made.partition = static_cast<std::int32_t>(integer(value));
    };
    mapping(node, keys);
    return made;
  }

  Event event(const YAML::Node& node) const {
    Event made;
    bool named = false;
    const auto act = [&](Act what, bool of_partition) {
      return [&, what, of_partition](const YAML::Node& value) {
        if (std::exchange(named, true)) refuse(value, "one thing at a time");
        made.act = what;
        if (of_partition) made.partition = static_cast<std::int32_t>(integer(value));
      };
    };
    mapping(node, {{"at", [&](const YAML::Node& value) { made.at = duration(value); }},
                   {"stop_source", act(Act::kStop, true)},
                   {"resume_source", act(Act::kResume, true)},
                   {"pause", act(Act::kPause, false)},
                   {"continue", act(Act::kContinue, false)},
                   {"restart", act(Act::kRestart, false)}});
    if (!named) refuse(node, "nothing happens here");
    return made;
  }

  Expected expected(const YAML::Node& node) const {
    Expected made;
    made.place = place(node);
    const auto with_range = [&](std::optional<Range>& into) {
      return [&](const YAML::Node& value) { into = range(value); };
    };
    const auto with_demands = [&](Demands& into) {
      return [&](const YAML::Node& value) { into = demands(value); };
    };
    mapping(node, {{"where", with_demands(made.where)},
                   {"count", with_range(made.count)},
                   {"revisions", with_range(made.revisions)},
                   {"attended", with_range(made.attended)},
                   {"reasons",
                    [&](const YAML::Node& value) {
                      if (!value.IsMap()) refuse(value, "a mapping is wanted here");
                      made.reasons.emplace();
                      for (const auto& entry : value)
                        (*made.reasons)[entry.first.as<std::string>()] = range(entry.second);
                    }},
                   {"last", with_demands(made.last)},
                   {"every", with_demands(made.every)},
                   {"sum", with_demands(made.sum)}});
    return made;
  }

  Scenario scenario(const YAML::Node& root) {
    Scenario made;
    const auto flag = [&](bool& into) {
      return [&](const YAML::Node& node) { into = node.as<bool>(); };
    };
    // A template must be known before it is used, wherever it stands.
    if (root.IsMap() && root["templates"]) templates(root["templates"]);
    made.config.findings.close_all = true;
    made.start = *parse_rfc3339("2026-03-01T00:00:00Z");
    mapping(root,
            {{"promise", [&](const YAML::Node& node) { made.promise = node.as<std::string>(); }},
             {"large", flag(made.large)},
             {"varies", flag(made.varies)},
             {"start",
              [&](const YAML::Node& node) {
                const auto time = parse_rfc3339(node.as<std::string>());
                if (!time) refuse(node, "not a time as 2026-03-01T00:00:00Z");
                made.start = *time;
              }},
             {"sources",
              [&](const YAML::Node& node) {
                made.sources = static_cast<std::int32_t>(integer(node, 1));
              }},
             {"config",
              [&](const YAML::Node& node) {
                made.config = pipeline::parse_config(YAML::Dump(node), place(node), made.config);
              }},
             {"templates", [](const YAML::Node&) {}},
             {"alerts",
              [&](const YAML::Node& node) {
                list(node, [&](const YAML::Node& item) { made.alerts.push_back(series(item)); });
              }},
             {"happens",
              [&](const YAML::Node& node) {
                list(node, [&](const YAML::Node& item) { made.events.push_back(event(item)); });
              }},
             {"expect", [&](const YAML::Node& node) {
                list(node,
                     [&](const YAML::Node& item) { made.expected.push_back(expected(item)); });
              }}});
    if (made.promise.empty()) refuse(root, "`promise` is missing");
    if (made.expected.empty()) refuse(root, "`expect` is missing");
    for (const Series& each : made.alerts)
      if (each.partition && *each.partition >= made.sources)
        throw ConfigError(fmt::format("{}: partition {} of {} `sources`", each.alert.place,
                                      *each.partition, made.sources));
    std::ranges::stable_sort(made.events, {}, &Event::at);
    return made;
  }

  std::string file_;
  std::map<std::string, Template> templates_;
};

}  // namespace

Scenario read_scenario(const std::string& file) { return Reader(file).read(); }

}  // namespace gyre::scenarios
