// SPDX-License-Identifier: Apache-2.0
#include "stages/report/playbook.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/time.h"
#include "stages/report/attack.h"
#include "stages/report/playbook_objects.h"
#include "stages/report/playbook_reader.h"

namespace gyre::stages {

extern const std::pair<std::string_view, std::string_view> kBuiltinPlaybooks[];
extern const std::size_t kBuiltinPlaybooksCount;

namespace {

using Problems = std::vector<std::string>;
using Tags = google::protobuf::RepeatedPtrField<std::string>;
using Steps = google::protobuf::RepeatedPtrField<playbook::Step>;
using Set = std::vector<std::pair<std::string, playbook::File>>;

std::string folded(std::string_view text) {
  std::string lower;
  for (const char c : text) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  lower.erase(0, lower.find_first_not_of(' '));
  lower.erase(lower.find_last_not_of(' ') + 1);
  return lower;
}

template <typename List, typename Value>
bool holds(const List& list, const Value& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// How much of the technique the fallback names: T1557.002 beats T1557.
std::size_t technique_match(const playbook::Fallback& fallback, std::string_view technique) {
  std::size_t longest = 0;
  for (const std::string& named : fallback.techniques()) {
    const bool within = technique == named || technique.starts_with(named + ".");
    if (within) longest = std::max(longest, named.size());
  }
  return longest;
}

// Of more than five checks for one place, nobody makes the sixth.
constexpr int kMostChecks = 5;
using Platforms = std::vector<playbook::Step::Platform>;
const std::vector<std::pair<std::string_view, Platforms>>& places() {
  static const std::vector<std::pair<std::string_view, Platforms>> all = {
      {"a pod", {playbook::Step::CONTAINER, playbook::Step::KUBERNETES}},
      {"a Docker container", {playbook::Step::CONTAINER, playbook::Step::DOCKER}},
      {"a host", {playbook::Step::HOST}},
      {"a cloud object", {playbook::Step::CLOUD}}};
  return all;
}

bool is_for(const playbook::Step& step, const Platforms& platforms) {
  return step.platforms().empty() ||
         std::any_of(step.platforms().begin(), step.platforms().end(), [&](int platform) {
           return platform == playbook::Step::ANY || holds(platforms, platform);
         });
}

// What makes a playbook fit: the lower the step, the better; then the longer. Step 0: it does not.
struct Fit {
  int step = 0;
  std::size_t length = 0;
  std::string because;
};

Fit fit(const playbook::Fallback& fallback, std::string_view source, const Tags& tags) {
  // An audit log has fields of its own, whatever the tags say; system calls are of every family.
  const bool by_source = holds(fallback.sources(), source);
  const std::string because_source = "its source " + std::string(source);
  if (by_source && source != "syscall") return {1, 0, because_source};
  Fit best;
  for (const std::string& tag : tags) {
    const std::size_t length = technique_match(fallback, technique_of_tag(tag));
    if (length > best.length) best = {2, length, "its tag " + tag};
  }
  if (best.step != 0) return best;
  const auto tactic = [&](const std::string& tag) {
    const std::string_view id = tactic_of_tag(tag);
    return holds(fallback.tactics(), tag) || (!id.empty() && holds(fallback.tactics(), id));
  };
  for (const std::string& tag : tags)
    if (tactic(tag)) return {3, 0, "its tag " + tag};
  for (const std::string& tag : tags)
    if (holds(fallback.tags(), tag)) return {4, 0, "its tag " + tag};
  if (by_source) return {5, 0, because_source};
  if (fallback.rest()) return {6, 0, "neither tag nor source leading to another"};
  return {};
}

}  // namespace

struct Playbooks::Impl {
  std::vector<std::pair<std::string, Playbook>> all;
  std::deque<Playbook> by_name_owned;
  std::map<std::string, const Playbook*, std::less<>> by_rule;
  std::map<std::string, const Playbook*, std::less<>> by_folded;
  std::map<std::string, Playbook> fallbacks;  // by id: a later set replaces
  std::map<std::string, playbook::Step> checks, containment, hardening, tuning;
  std::map<std::string, playbook::Source> sources_by_id;
  std::vector<KnownSource> sources;
  std::map<std::string, playbook::Sign> signs;
  std::vector<playbook::Window> windows;
  std::vector<std::string> mirrors;

  template <typename List, typename Into>
  static void name_all(const List& list, const std::string& file, const char* what, Into& into,
                       std::set<std::string>& seen, Problems& problems) {
    for (const auto& item : list) {
      if (!seen.insert(what + item.id()).second)
        problems.push_back(fmt::format("{}: a second `{}` under {}", file, item.id(), what));
      into[item.id()] = item;
    }
  }

  // A later set wins over an earlier one; within one set nothing may be claimed twice.
  void add(const Set& set, Problems& problems) {
    std::set<std::string> seen;
    for (const auto& [file, content] : set) {
      name_all(content.checks(), file, "checks", checks, seen, problems);
      name_all(content.containment(), file, "containment", containment, seen, problems);
      name_all(content.hardening(), file, "hardening", hardening, seen, problems);
      name_all(content.tuning(), file, "tuning", tuning, seen, problems);
      name_all(content.sources(), file, "sources", sources_by_id, seen, problems);
      name_all(content.signs(), file, "signs", signs, seen, problems);
      windows.insert(windows.end(), content.test_windows().begin(), content.test_windows().end());
      mirrors.insert(mirrors.end(), content.mirrors().begin(), content.mirrors().end());
    }
    for (const auto& [file, content] : set)
      for (const playbook::Window& window : content.test_windows())
        for (const std::string& id : window.sources())
          if (!sources_by_id.contains(id))
            problems.push_back(fmt::format("{}: test window `{}` names `{}`, which is no source",
                                           file, window.name(), id));
    for (const auto& [file, content] : set)
      for (const Playbook& book : content.playbooks()) add(file, book, seen, problems);
  }

  void add(const std::string& file, Playbook book, std::set<std::string>& seen,
           Problems& problems) {
    if (!seen.insert("playbook " + book.id()).second)
      problems.push_back(fmt::format("{}: a second playbook `{}`", file, book.id()));
    put_in(file, "checks", checks, *book.mutable_checks(), problems);
    put_in(file, "containment", containment, *book.mutable_containment(), problems);
    put_in(file, "hardening", hardening, *book.mutable_hardening(), problems);
    put_in(file, "tuning", tuning, *book.mutable_tuning(), problems);
    for (playbook::Rule& rule : *book.mutable_rules())
      put_in(file, "containment", containment, *rule.mutable_containment(), problems);
    for (const std::string& what : wrong_in_playbook(book))
      problems.push_back(fmt::format("{}: playbook `{}`: {}", file, book.id(), what));
    for (const auto& [place, platforms] : places()) {
      const auto checks_there = std::count_if(
          book.checks().begin(), book.checks().end(),
          [&platforms = platforms](const playbook::Step& step) { return is_for(step, platforms); });
      if (checks_there > kMostChecks)
        problems.push_back(fmt::format("{}: playbook `{}` has {} checks for {}, at most {}", file,
                                       book.id(), checks_there, place, kMostChecks));
    }
    std::erase_if(all, [&](const auto& entry) { return entry.second.id() == book.id(); });
    all.emplace_back(file, book);
    if (book.has_fallback()) fallbacks[book.id()] = book;
    for (const playbook::Rule& rule : book.rules()) {
      if (!seen.insert("rule " + rule.name()).second)
        problems.push_back(fmt::format("{}: rule `{}` has two playbooks", file, rule.name()));
      by_name_owned.push_back(of_rule(book, rule));
      by_rule[rule.name()] = by_folded[folded(rule.name())] = &by_name_owned.back();
    }
  }

  static void put_in(const std::string& file, const char* section,
                     const std::map<std::string, playbook::Step>& named, Steps& steps,
                     Problems& problems) {
    for (playbook::Step& step : steps) {
      if (step.use().empty()) continue;
      const auto found = named.find(step.use());
      if (found == named.end()) {
        problems.push_back(fmt::format("{}:{}: no step `{}` is named under `{}`", file, step.line(),
                                       step.use(), section));
      } else {
        step = found->second;
      }
    }
  }

  static Playbook of_rule(const Playbook& book, const playbook::Rule& rule) {
    Playbook own = book;
    if (rule.has_meaning()) own.set_meaning(rule.meaning());
    if (rule.has_fires_on()) own.set_fires_on(rule.fires_on());
    if (rule.has_strong()) own.set_strong(rule.strong());
    if (rule.has_succeeded()) own.set_succeeded(rule.succeeded());
    if (rule.has_blocked()) own.set_blocked(rule.blocked());
    if (rule.has_unknown()) own.set_unknown(rule.unknown());
    if (!rule.attack().empty()) *own.mutable_attack() = rule.attack();
    if (!rule.containment().empty()) *own.mutable_containment() = rule.containment();
    if (rule.has_exception()) *own.mutable_exception() = rule.exception();
    return own;
  }

  void finish(Problems& problems) {
    const auto rest = std::count_if(fallbacks.begin(), fallbacks.end(), [](const auto& entry) {
      return entry.second.fallback().rest();
    });
    if (rest != 1) problems.push_back(fmt::format("{} playbooks with `rest`, not one", rest));
    for (const auto& [id, entry] : sources_by_id) {
      KnownSource known{entry, {}};
      for (const playbook::Names& names : entry.names())
        known.names.push_back(std::make_shared<const RE2>(names.pattern(), RE2::Quiet));
      sources.push_back(std::move(known));
    }
  }
};

namespace {

std::vector<std::filesystem::path> yaml_files(const std::string& directory, Problems& problems) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    const auto extension = it->path().extension();
    if (extension == ".yaml" || extension == ".yml") files.push_back(it->path());
  }
  if (error) problems.push_back(fmt::format("{}: {}", directory, error.message()));
  std::sort(files.begin(), files.end());
  return files;
}

Set read_directory(const std::string& directory, Problems& problems) {
  Set set;
  for (const auto& path : yaml_files(directory, problems)) {
    std::ifstream stream(path, std::ios::binary);
    std::stringstream text;
    text << stream.rdbuf();
    if (!stream) {
      problems.push_back(path.string() + ": cannot be read");
      continue;
    }
    set.emplace_back(path.string(), read_playbook_file(path.string(), text.str(), problems));
  }
  return set;
}

}  // namespace

Playbooks::Playbooks(const std::string& directory) : impl_(std::make_unique<Impl>()) {
  Problems problems;
  Set builtin;
  for (std::size_t i = 0; i < kBuiltinPlaybooksCount; ++i) {
    const auto& [file, packed] = kBuiltinPlaybooks[i];
    playbook::File content;
    CHECK(content.ParseFromArray(packed.data(), static_cast<int>(packed.size())));
    builtin.emplace_back(std::string(file), std::move(content));
  }
  impl_->add(builtin, problems);
  if (!directory.empty()) impl_->add(read_directory(directory, problems), problems);
  impl_->finish(problems);
  if (!problems.empty()) {
    throw ConfigError(fmt::format("playbooks:\n  {}", fmt::join(problems, "\n  ")));
  }
}

Playbooks::~Playbooks() = default;

const Playbook& Playbooks::of(const records::Series& series,
                              const records::Summary& summary) const {
  const auto exact = impl_->by_rule.find(series.rule());
  if (exact != impl_->by_rule.end()) return *exact->second;
  const auto similar = impl_->by_folded.find(folded(series.rule()));
  if (similar != impl_->by_folded.end()) return *similar->second;
  const Playbook* best = nullptr;
  Fit best_fit;
  for (const auto& [id, book] : impl_->fallbacks) {
    Fit next = fit(book.fallback(), series.source(), summary.tags());
    if (next.step == 0) continue;
    const bool better = best == nullptr || next.step < best_fit.step ||
                        (next.step == best_fit.step && next.length > best_fit.length);
    if (!better) continue;
    best = &book;
    best_fit = std::move(next);
  }
  return *best;
}

const std::vector<KnownSource>& Playbooks::sources() const { return impl_->sources; }

const std::map<std::string, playbook::Sign>& Playbooks::signs() const { return impl_->signs; }

const playbook::Window* Playbooks::window_of(const playbook::Source& source,
                                             const records::Entity& entity,
                                             const records::Summary& summary,
                                             std::string_view k8s_namespace) const {
  for (const playbook::Window& window : impl_->windows) {
    const bool when = parse_rfc3339(window.from()).value() <= summary.first() &&
                      summary.last() <= parse_rfc3339(window.to()).value();
    const bool where = holds(window.hosts(), entity.hostname()) ||
                       (!k8s_namespace.empty() && holds(window.namespaces(), k8s_namespace));
    const bool what = window.sources().empty() || holds(window.sources(), source.id());
    if (when && where && what && source.verdict() == playbook::Source::TEST) return &window;
  }
  return nullptr;
}

bool Playbooks::is_image(std::string_view image, std::string_view known) const {
  if (image == known) return true;
  const auto behind = [&](std::string_view registry) {
    return image.size() == registry.size() + 1 + known.size() && image.starts_with(registry) &&
           image[registry.size()] == '/' && image.ends_with(known);
  };
  return behind("docker.io") || std::any_of(impl_->mirrors.begin(), impl_->mirrors.end(), behind);
}

const std::vector<std::pair<std::string, Playbook>>& Playbooks::all() const { return impl_->all; }

std::string why_chosen(const Playbook& playbook, const records::Series& series,
                       const records::Summary& summary) {
  if (!playbook.has_fallback()) return {};
  return fit(playbook.fallback(), series.source(), summary.tags()).because;
}

}  // namespace gyre::stages
