// SPDX-License-Identifier: Apache-2.0
#include "stages/report/playbook.h"

#include <fmt/format.h>
#include <re2/re2.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "stages/report/attack.h"
#include "stages/report/fill.h"

namespace gyre::stages {

extern const std::pair<std::string_view, std::string_view> kBuiltinPlaybooks[];
extern const std::size_t kBuiltinPlaybookCount;

namespace {

using Problems = std::vector<std::string>;

// Reads one mapping whose keys are all known beforehand; what was not asked for is a problem.
class Mapping {
 public:
  Mapping(const YAML::Node& node, std::string file, std::string path, Problems& problems)
      : node_(node), file_(std::move(file)), path_(std::move(path)), problems_(problems) {
    if (!node_.IsMap()) {
      problem(node_, "must be a mapping");
      return;
    }
    std::set<std::string> seen;
    for (const auto& entry : node_) {
      if (!entry.first.IsScalar()) {
        problem(entry.first, "a key must be a word");
      } else if (!seen.insert(entry.first.Scalar()).second) {
        problem(entry.first, fmt::format("key `{}` stands twice", entry.first.Scalar()));
      }
    }
  }

  void text(const char* key, std::string& into, bool required) {
    const YAML::Node value = find(key, required);
    if (!value.IsDefined()) return;
    if (!value.IsScalar() || value.Scalar().empty()) {
      problem(value, fmt::format("`{}` must be a text", key));
      return;
    }
    into = value.Scalar();
  }

  void flag(const char* key, bool& into) {
    const YAML::Node value = find(key, false);
    if (!value.IsDefined()) return;
    if (!value.IsScalar() || (value.Scalar() != "true" && value.Scalar() != "false")) {
      problem(value, fmt::format("`{}` must be true or false", key));
      return;
    }
    into = value.Scalar() == "true";
  }

  void texts(const char* key, std::vector<std::string>& into) {
    each(key, [&](const YAML::Node& item) {
      if (!item.IsScalar() || item.Scalar().empty()) {
        problem(item, fmt::format("`{}` must be a list of texts", key));
      } else {
        into.push_back(item.Scalar());
      }
    });
  }

  void each(const char* key, const std::function<void(const YAML::Node&)>& visit) {
    const YAML::Node value = find(key, false);
    if (!value.IsDefined()) return;
    if (!value.IsSequence()) {
      problem(value, fmt::format("`{}` must be a list", key));
      return;
    }
    for (const YAML::Node& item : value) visit(item);
  }

  void nested(const char* key, const std::function<void(Mapping&)>& visit) {
    const YAML::Node value = find(key, false);
    if (!value.IsDefined()) return;
    Mapping inner(value, file_, path_ + key + ".", problems_);
    visit(inner);
    inner.refuse_unknown();
  }

  void refuse_unknown() {
    if (!node_.IsMap()) return;
    for (const auto& entry : node_) {
      if (entry.first.IsScalar() && known_.count(entry.first.Scalar()) == 0) {
        problem(entry.first, fmt::format("unknown key `{}{}`", path_, entry.first.Scalar()));
      }
    }
  }

  void problem(const YAML::Node& node, const std::string& what) {
    const YAML::Mark mark = node.Mark();
    problems_.push_back(fmt::format("{}:{}:{}: {}", file_, mark.line + 1, mark.column + 1, what));
  }
  void problem(const std::string& what) { problem(node_, what); }

  const std::string& file() const { return file_; }
  Problems& problems() { return problems_; }

 private:
  YAML::Node find(const char* key, bool required) {
    known_.insert(key);
    if (!node_.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
    const YAML::Node value = static_cast<const YAML::Node&>(node_)[key];
    if (value.IsDefined()) return value;
    if (required) problem(node_, fmt::format("key `{}{}` is missing", path_, key));
    return YAML::Node(YAML::NodeType::Undefined);
  }

  YAML::Node node_;
  std::string file_;
  std::string path_;
  Problems& problems_;
  std::set<std::string> known_;
};

Signature read_signature(const YAML::Node& node, Mapping& parent) {
  Signature signature;
  Mapping map(node, parent.file(), "signatures.", parent.problems());
  map.text("name", signature.name, true);
  map.text("verdict", signature.verdict, true);
  if (!signature.verdict.empty() && signature.verdict != "test" &&
      signature.verdict != "likely_benign") {
    map.problem("`verdict` must be test or likely_benign");
  }
  map.text("names_field", signature.names_field, true);
  std::string pattern;
  map.text("names_pattern", pattern, true);
  signature.names_pattern = std::make_shared<const RE2>(pattern, RE2::Quiet);
  if (!signature.names_pattern->ok())
    map.problem("`names_pattern`: " + signature.names_pattern->error());
  map.texts("images", signature.images);
  map.texts("parents", signature.parents);
  map.flag("images_required", signature.images_required);
  if (signature.images_required && signature.images.empty()) {
    map.problem("`images_required` without `images`");
  }
  map.refuse_unknown();
  return signature;
}

Advice read_advice(const YAML::Node& node, Mapping& parent) {
  Advice advice;
  Mapping map(node, parent.file(), "advice.", parent.problems());
  std::string kind;
  map.text("kind", kind, true);
  const std::pair<const char*, AdviceKind> kinds[] = {{"verify", AdviceKind::kVerify},
                                                      {"contain", AdviceKind::kContain},
                                                      {"harden", AdviceKind::kHarden},
                                                      {"tune", AdviceKind::kTune}};
  const auto* found = std::find_if(std::begin(kinds), std::end(kinds),
                                   [&](const auto& entry) { return entry.first == kind; });
  if (found != std::end(kinds)) {
    advice.kind = found->second;
  } else if (!kind.empty()) {
    map.problem("`kind` must be verify, contain, harden or tune");
  }
  map.text("title", advice.title, true);
  map.text("text", advice.text, true);
  map.texts("commands", advice.commands);
  map.text("snippet", advice.snippet, false);
  map.text("language", advice.language, false);
  map.texts("preconditions", advice.preconditions);
  map.text("undo", advice.undo, false);
  map.text("source", advice.source, false);
  if (advice.kind == AdviceKind::kContain &&
      (advice.preconditions.empty() || advice.undo.empty())) {
    map.problem("advice of kind contain needs `preconditions` and `undo`");
  }
  std::vector<std::string> templates = advice.commands;
  templates.push_back(advice.snippet);
  for (const std::string& text : templates) {
    for (const std::string& name : placeholders(text)) {
      if (!is_placeholder(name)) map.problem(fmt::format("unknown placeholder `{{{}}}`", name));
    }
  }
  map.refuse_unknown();
  return advice;
}

Playbook read_playbook(const YAML::Node& node, const std::string& file, Problems& problems) {
  Playbook playbook;
  Mapping map(node, file, "", problems);
  map.text("id", playbook.id, true);
  map.texts("rules", playbook.rules);
  map.text("family", playbook.family, true);
  map.flag("strong", playbook.strong);
  map.flag("fires_only_on_success", playbook.fires_only_on_success);
  map.text("meaning", playbook.meaning, true);
  map.text("blocked", playbook.blocked_text, true);
  map.text("succeeded", playbook.succeeded_text, true);
  map.nested("effect", [&](Mapping& effect) {
    effect.text("field", playbook.effect_field, true);
    effect.text("prefix", playbook.effect_prefix, true);
  });
  map.texts("benign_causes", playbook.benign_causes);
  map.each("signatures", [&](const YAML::Node& item) {
    playbook.signatures.push_back(read_signature(item, map));
  });
  map.each("advice",
           [&](const YAML::Node& item) { playbook.advice.push_back(read_advice(item, map)); });
  map.texts("decisive_fields", playbook.decisive_fields);
  map.texts("tactics", playbook.tactics);
  for (const std::string& tactic : playbook.tactics) {
    if (tactic_name(tactic).empty()) map.problem(fmt::format("unknown tactic `{}`", tactic));
  }
  map.refuse_unknown();
  return playbook;
}

}  // namespace

struct Playbooks::Impl {
  std::deque<Playbook> playbooks;
  std::map<std::string, const Playbook*, std::less<>> by_rule;
  const Playbook* fallback = nullptr;

  // A later set wins over an earlier one; within one set nothing may be claimed twice.
  void add(std::vector<std::pair<std::string, Playbook>> set, Problems& problems) {
    std::set<std::string> claimed;
    for (auto& [file, playbook] : set) {
      std::vector<std::string> claims = playbook.rules;
      if (claims.empty()) claims.emplace_back();
      playbooks.push_back(std::move(playbook));
      for (const std::string& rule : claims) {
        if (!claimed.insert(rule).second) {
          problems.push_back(rule.empty()
                                 ? file + ": a second playbook without `rules`"
                                 : fmt::format("{}: rule `{}` has two playbooks", file, rule));
        }
        if (rule.empty()) {
          fallback = &playbooks.back();
        } else {
          by_rule[rule] = &playbooks.back();
        }
      }
    }
  }
};

namespace {

void parse_into(const std::string& file, const std::string& text,
                std::vector<std::pair<std::string, Playbook>>& set, Problems& problems) {
  try {
    set.emplace_back(file, read_playbook(YAML::Load(text), file, problems));
  } catch (const YAML::Exception& error) {
    problems.push_back(
        fmt::format("{}:{}:{}: {}", file, error.mark.line + 1, error.mark.column + 1, error.msg));
  }
}

std::vector<std::filesystem::path> yaml_files(const std::string& directory, Problems& problems) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    const auto extension = it->path().extension();
    if (extension == ".yaml" || extension == ".yml") files.push_back(it->path());
  }
  if (error) problems.push_back(fmt::format("{}: {}", directory, error.message()));
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Playbooks::Playbooks(const std::string& directory) : impl_(std::make_unique<Impl>()) {
  Problems problems;
  std::vector<std::pair<std::string, Playbook>> builtin;
  for (std::size_t i = 0; i < kBuiltinPlaybookCount; ++i) {
    parse_into(std::string(kBuiltinPlaybooks[i].first), std::string(kBuiltinPlaybooks[i].second),
               builtin, problems);
  }
  impl_->add(std::move(builtin), problems);
  if (!directory.empty()) {
    std::vector<std::pair<std::string, Playbook>> own;
    for (const auto& path : yaml_files(directory, problems)) {
      std::ifstream stream(path, std::ios::binary);
      std::stringstream text;
      text << stream.rdbuf();
      if (!stream) {
        problems.push_back(path.string() + ": cannot be read");
        continue;
      }
      parse_into(path.string(), text.str(), own, problems);
    }
    impl_->add(std::move(own), problems);
  }
  if (impl_->fallback == nullptr) problems.push_back("no playbook without `rules` (the fallback)");
  if (!problems.empty()) {
    throw ConfigError(fmt::format("playbooks:\n  {}", fmt::join(problems, "\n  ")));
  }
}

Playbooks::~Playbooks() = default;

const Playbook& Playbooks::for_rule(std::string_view rule) const {
  const auto found = impl_->by_rule.find(rule);
  return found == impl_->by_rule.end() ? *impl_->fallback : *found->second;
}

std::size_t Playbooks::size() const { return impl_->playbooks.size(); }

}  // namespace gyre::stages
