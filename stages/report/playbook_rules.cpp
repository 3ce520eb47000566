// SPDX-License-Identifier: Apache-2.0
#include "stages/report/playbook_rules.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "base/time.h"
#include "schemas/identity.h"
#include "stages/report/attack.h"
#include "stages/report/fill.h"
#include "stages/report/lint.h"
#include "stages/report/playbook_falco_rules.h"
#include "stages/report/playbook_objects.h"

namespace gyre::stages {

namespace {

using playbook::Playbook;
using playbook::Step;
using Texts = google::protobuf::RepeatedPtrField<std::string>;

// Who names the one must say the other: half of the truth is bad advice.
struct Mention {
  std::string_view word;
  std::string_view must_say;
  std::string_view why;
};
constexpr std::array<Mention, 4> kMentions = {{
    {"NetworkPolicy", "enforce", "a network plugin must enforce it"},
    {"noexec", "interpreter", "it does not stop an interpreter that reads the file"},
    {"hop limit", "hostNetwork", "it does not stop pods on the host's network"},
    {"pod-security.kubernetes.io", "new pods", "it acts on new pods only"},
}};

constexpr std::array<std::string_view, 7> kAddresses = {
    "public", "private", "loopback", "link_local", "multicast", "metadata", "unspecified"};

constexpr auto kFamilies = std::to_array<std::string_view>(
    {"shell_exec", "dropped_code", "file_tampering", "credential_access", "network_c2",
     "privilege_escape", "k8s_control_plane", "discovery", "defense_evasion", "persistence",
     "impact", "cloud_audit", "other"});

class Checker {
 public:
  explicit Checker(const OnProblem& report) : report_(report) {}

  void file(const playbook::File& file) {
    each(file.playbooks(), "playbooks", [&](const Playbook& book) { playbook(book); });
    each(file.checks(), "checks", [&](const Step& step) { named(step, &Checker::check); });
    each(file.containment(), "containment",
         [&](const Step& step) { named(step, &Checker::containment); });
    each(file.hardening(), "hardening",
         [&](const Step& step) { named(step, &Checker::hardening); });
    each(file.tuning(), "tuning", [&](const Step& step) { named(step, &Checker::tuning); });
    each(file.sources(), "sources", [&](const playbook::Source& item) { source(item); });
    each(file.test_windows(), "test_windows", [&](const playbook::Window& item) { window(item); });
    each(file.signs(), "signs", [&](const playbook::Sign& item) { sign(item); });
    each(file.mirrors(), "mirrors", [&](const std::string& mirror) {
      const bool named =
          mirror.find('/') != std::string::npos || mirror.find('.') != std::string::npos;
      if (!named || mirror.find("://") != std::string::npos || mirror.ends_with('/'))
        problem("a mirror is a registry, with or without a path: registry.example.com/hub");
    });
  }

 private:
  template <typename List, typename Visit>
  void each(const List& list, const char* key, const Visit& visit) {
    for (int i = 0; i < list.size(); ++i) {
      path_.push_back({key, i});
      visit(list.Get(i));
      path_.pop_back();
    }
  }

  void problem(const std::string& what) { report_(path_, what); }
  void problem(const char* key, const std::string& what) {
    path_.push_back({key});
    report_(path_, what);
    path_.pop_back();
  }
  void demand(bool there, const char* key) {
    if (!there) problem(fmt::format("key `{}` is missing", key));
  }
  void refuse(bool there, const char* key, const char* where) {
    if (there) problem(key, fmt::format("`{}` does not belong {}", key, where));
  }

  void words(const std::string& text, const char* key, LintOf kind) {
    for (const std::string& what : lint(text, kind)) problem(key, what);
  }

  void attack(const google::protobuf::RepeatedPtrField<playbook::Attack>& list) {
    each(list, "attack", [&](const playbook::Attack& entry) {
      conditions(entry.when(), "when");
      if (tactic_name(entry.tactic()).empty()) {
        problem(fmt::format("unknown tactic `{}`", entry.tactic()));
      } else if (entry.technique().empty()) {
        return;
      } else if (find_technique(entry.technique()) == nullptr) {
        problem(fmt::format("unknown technique `{}`", entry.technique()));
      } else if (tactics_of_technique(entry.technique()).find(entry.tactic()) ==
                 std::string_view::npos) {
        problem(fmt::format("{} belongs to {}", entry.technique(),
                            tactics_of_technique(entry.technique())));
      }
    });
  }

  void conditions(const google::protobuf::RepeatedPtrField<playbook::Condition>& list,
                  const char* key) {
    each(list, key, [&](const playbook::Condition& condition) {
      const int wanted = condition.one_of_size() + condition.starts_with_size() +
                         condition.contains_size() + condition.address_size();
      const bool by_value = wanted + condition.none_of_size() > 0;
      const bool by_outcome = condition.outcome() != playbook::Condition::NONE;
      if (condition.field().empty() != by_outcome)
        problem("a condition has either `field` or `outcome`");
      if (by_outcome && by_value) problem("`outcome` has no values");
      if (condition.or_absent() && !by_value) problem("`or_absent` goes with values");
      if (wanted > 0 && condition.none_of_size() > 0)
        problem("`none_of` goes with no other values; write two conditions");
      for (const std::string& kind : condition.address())
        if (std::find(kAddresses.begin(), kAddresses.end(), kind) == kAddresses.end())
          problem("address", fmt::format("`address` is one of: {}", fmt::join(kAddresses, ", ")));
    });
  }

  void playbook(const Playbook& book) {
    demand(!book.id().empty(), "id");
    demand(!book.family().empty(), "family");
    if (!book.family().empty() &&
        std::find(kFamilies.begin(), kFamilies.end(), book.family()) == kFamilies.end())
      problem("family", fmt::format("`family` is one of: {}", fmt::join(kFamilies, ", ")));
    demand(!book.meaning().empty(), "meaning");
    demand(!book.succeeded().empty(), "succeeded");
    if (book.rules().empty() != book.has_fallback())
      problem("a playbook has either `rules` or `fallback`");
    if (book.has_fallback() && book.fires_on() == Playbook::SUCCESS)
      problem("fires_on", "what a rule without a playbook fires on is not known");
    if (book.fires_on() != Playbook::SUCCESS) {
      demand(!book.blocked().empty(), "blocked");
      demand(!book.unknown().empty(), "unknown");
    }
    demand(!book.benign().empty(), "benign");
    demand(!book.key_fields().empty(), "key_fields");
    demand(!book.checks().empty(), "checks");
    demand(!book.hardening().empty(), "hardening");
    claims(book);
    attack(book.attack());
    each(book.rules(), "rules", [&](const playbook::Rule& rule) {
      demand(!rule.name().empty(), "name");
      words(rule.meaning(), "meaning", LintOf::kClaim);
      words(rule.succeeded(), "succeeded", LintOf::kClaim);
      words(rule.blocked(), "blocked", LintOf::kClaim);
      words(rule.unknown(), "unknown", LintOf::kClaim);
      attack(rule.attack());
      each(rule.containment(), "containment",
           [&](const Step& step) { own(step, &Checker::containment); });
    });
    steps(book);
    if (book.has_exception() && !book.exception().known().empty())
      demand(book.exception().fields_size() > 0, "exception.fields");
  }

  void claims(const Playbook& book) {
    words(book.meaning(), "meaning", LintOf::kClaim);
    words(book.succeeded(), "succeeded", LintOf::kClaim);
    words(book.blocked(), "blocked", LintOf::kClaim);
    words(book.unknown(), "unknown", LintOf::kClaim);
    if (book.has_effect()) {
      path_.push_back({"effect"});
      demand(book.effect().when_size() + book.effect().any_size() > 0, "when");
      demand(!book.effect().text().empty(), "text");
      words(book.effect().text(), "text", LintOf::kClaim);
      conditions(book.effect().when(), "when");
      conditions(book.effect().any(), "any");
      path_.pop_back();
    }
    if (book.has_strong_if()) {
      path_.push_back({"strong_if"});
      demand(book.strong_if().when_size() + book.strong_if().any_size() > 0, "when");
      if (!book.strong()) problem("only what is `strong` has a `strong_if`");
      conditions(book.strong_if().when(), "when");
      conditions(book.strong_if().any(), "any");
      path_.pop_back();
    }
    each(book.benign(), "benign", [&](const playbook::Benign& benign) {
      demand(!benign.cause().empty(), "cause");
      demand(!benign.proof().empty(), "proof");
      words(benign.cause(), "cause", LintOf::kClaim);
      words(benign.proof(), "proof", LintOf::kProse);
    });
    each(book.key_fields(), "key_fields", [&](const playbook::KeyField& key) {
      demand(!key.field().empty(), "field");
      demand(!key.look_for().empty(), "look_for");
      words(key.look_for(), "look_for", LintOf::kProse);
    });
    each(book.impact(), "impact", [&](const playbook::Impact& impact) {
      demand(!impact.text().empty(), "text");
      demand(!impact.when().empty(), "when");
      words(impact.text(), "text", LintOf::kClaim);
      conditions(impact.when(), "when");
    });
  }

  void steps(const Playbook& book) {
    each(book.checks(), "checks", [&](const Step& step) { own(step, &Checker::check); });
    each(book.containment(), "containment",
         [&](const Step& step) { own(step, &Checker::containment); });
    each(book.hardening(), "hardening", [&](const Step& step) { own(step, &Checker::hardening); });
    each(book.tuning(), "tuning", [&](const Step& step) { own(step, &Checker::tuning); });
  }

  using Section = void (Checker::*)(const Step&);

  void named(const Step& step, Section section) {
    demand(!step.id().empty(), "id");
    if (!step.use().empty()) problem("a named step cannot be another one's name");
    body(step, section);
  }

  void own(const Step& step, Section section) {
    if (!step.use().empty()) return;
    if (!step.id().empty()) problem("id", "only named steps have an `id`");
    body(step, section);
  }

  void body(const Step& step, Section section) {
    demand(!step.title().empty(), "title");
    demand(!step.text().empty(), "text");
    if (step.title().size() > 80) problem("title", "a title has at most 80 bytes");
    conditions(step.when(), "when");
    for (const auto& [text, key] : {std::pair(&step.title(), "title"),
                                    {&step.text(), "text"},
                                    {&step.if_benign(), "if_benign"},
                                    {&step.if_suspicious(), "if_suspicious"},
                                    {&step.if_gone(), "if_gone"},
                                    {&step.blast_radius(), "blast_radius"},
                                    {&step.undo(), "undo"}}) {
      words(*text, key, LintOf::kProse);
    }
    each(step.preconditions(), "preconditions", [&](const std::string& text) {
      for (const std::string& what : lint(text, LintOf::kProse)) problem(what);
    });
    commands(step.record(), "record", LintOf::kReadOnly);
    snippet(step);
    for (const std::string& what : wrong_in_step(step)) problem(what);
    (this->*section)(step);
  }

  void commands(const Texts& list, const char* key, LintOf kind) {
    each(list, key, [&](const std::string& command) {
      if (command.find('\n') != std::string::npos) problem("a command is one line");
      for (const std::string& what : wrong_placeholders(command, false)) problem(what);
      for (const std::string& what : lint(command, kind)) problem(what);
    });
  }

  void snippet(const Step& step) {
    if (step.snippet().empty() != step.language().empty())
      problem("`snippet` and `language` go together");
    if (step.snippet().empty()) return;
    for (const std::string& what : wrong_placeholders(step.snippet(), true))
      problem("snippet", what);
    for (const std::string& what : lint(step.snippet(), LintOf::kSnippet)) problem("snippet", what);
    if (step.language() != "falco") return;
    for (const std::string& what : wrong_in_falco_rules(step.snippet())) problem("snippet", what);
  }

  void mentions(const Step& step) {
    std::string all = step.title() + "\n" + step.text() + "\n" + step.snippet();
    for (const std::string& text : step.preconditions()) all += "\n" + text;
    for (const std::string& text : step.commands()) all += "\n" + text;
    for (const Mention& mention : kMentions) {
      if (all.find(mention.word) != std::string::npos &&
          all.find(mention.must_say) == std::string::npos) {
        problem(fmt::format("T9: who names `{}` must say `{}`: {}", mention.word, mention.must_say,
                            mention.why));
      }
    }
  }

  void check(const Step& step) {
    commands(step.commands(), "commands", LintOf::kReadOnly);
    demand(!step.if_benign().empty(), "if_benign");
    demand(!step.if_suspicious().empty(), "if_suspicious");
    const char* where = "in a check: checks change nothing";
    refuse(!step.record().empty(), "record", where);
    refuse(step.disruptive(), "disruptive", where);
    refuse(!step.blast_radius().empty(), "blast_radius", where);
    refuse(!step.undo().empty(), "undo", where);
    refuse(!step.undo_commands().empty(), "undo_commands", where);
    bool live = false;
    for (const std::string& command : step.commands())
      for (const char* name : {"{container.id}", "{k8s.pod.name}", "{proc.pid}", "{proc.ppid}"})
        live = live || command.find(name) != std::string::npos;
    if (live) demand(!step.if_gone().empty(), "if_gone");
  }

  void changes(const Step& step, LintOf kind) {
    commands(step.commands(), "commands", kind);
    commands(step.undo_commands(), "undo_commands", kind);
    refuse(!step.if_benign().empty(), "if_benign", "outside checks");
    refuse(!step.if_suspicious().empty(), "if_suspicious", "outside checks");
    const bool interrupts =
        std::any_of(step.commands().begin(), step.commands().end(),
                    [](const std::string& command) { return is_disruptive(command); });
    if (interrupts && !step.disruptive())
      problem("D3: its commands interrupt somebody's work: `disruptive: true`");
  }

  void containment(const Step& step) {
    mentions(step);
    changes(step, LintOf::kContainment);
    demand(!step.preconditions().empty(), "preconditions");
    demand(!step.blast_radius().empty(), "blast_radius");
    demand(!step.undo().empty(), "undo");
  }

  void hardening(const Step& step) {
    mentions(step);
    changes(step, LintOf::kHardening);
    demand(!step.platforms().empty(), "platforms");
  }

  void tuning(const Step& step) {
    refuse(!step.commands().empty(), "commands", "in tuning");
    refuse(!step.record().empty(), "record", "in tuning");
  }

  void source(const playbook::Source& source) {
    demand(!source.id().empty(), "id");
    demand(!source.name().empty(), "name");
    demand(!source.confirm().empty(), "confirm");
    words(source.name(), "name", LintOf::kClaim);
    words(source.confirm(), "confirm", LintOf::kProse);
    if (source.verdict() == playbook::Source::NONE) problem("key `verdict` is missing");
    demand(!source.names().empty(), "names");
    each(source.names(), "names", [&](const playbook::Names& names) {
      demand(!names.field().empty(), "field");
      demand(!names.pattern().empty(), "pattern");
      const RE2 pattern(names.pattern(), RE2::Quiet);
      if (!pattern.ok()) {
        problem("pattern", "`pattern`: " + pattern.error());
      } else if (!RE2::FullMatch(names.example(), pattern)) {
        problem("`example` must be there and match `pattern`");
      }
    });
    each(source.images(), "images", [&](const std::string& image) {
      if (schemas::split_image(image).repository != image)
        problem("an image is named without tag and digest; see `digests`");
    });
    each(source.digests(), "digests", [&](const std::string& digest) {
      if (!RE2::FullMatch(digest, "sha256:[0-9a-f]{64}"))
        problem("a digest is `sha256:` and 64 hexadecimal digits");
    });
    if (source.images_required()) demand(!source.images().empty(), "images");
  }

  void sign(const playbook::Sign& sign) {
    demand(!sign.id().empty(), "id");
    demand(!sign.text().empty(), "text");
    demand(!sign.when().empty(), "when");
    words(sign.text(), "text", LintOf::kClaim);
    conditions(sign.when(), "when");
    if (sign.points() < 1 || sign.points() > 30) problem("points", "`points` are 1 to 30");
    if (!sign.when().empty() && sign.when(0).field().empty())
      problem("when", "the first condition of a sign names a field");
  }

  void window(const playbook::Window& window) {
    demand(!window.name().empty(), "name");
    const auto from = parse_rfc3339(window.from());
    const auto to = parse_rfc3339(window.to());
    if (!from) problem("from", "`from` must be a time as 2026-03-02T09:00:00Z");
    if (!to) problem("to", "`to` must be a time as 2026-03-02T09:00:00Z");
    if (from && to && *from >= *to) problem("to", "`to` must come after `from`");
    if (window.hosts_size() + window.namespaces_size() == 0)
      problem("a test window needs `hosts` or `namespaces`");
  }

  const OnProblem& report_;
  Path path_;
};

}  // namespace

void check_playbook_file(const playbook::File& file, const OnProblem& problem) {
  Checker(problem).file(file);
}

}  // namespace gyre::stages
