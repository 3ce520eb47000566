// SPDX-License-Identifier: Apache-2.0
#include "stages/report/playbook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/error.h"

namespace gyre::stages {
namespace {

using testing::HasSubstr;

class PlaybookDirectory : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(testing::TempDir()) /
                 (std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + "_" +
                  std::to_string(getpid()));
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name) << text;
  }

  std::string problems() {
    try {
      const Playbooks playbooks(directory_.string());
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  }

  std::filesystem::path directory_;
};

constexpr const char* kSmall =
    "playbooks:\n"
    "  - id: mine\n"
    "    family: shell_exec\n"
    "    rules: [{name: My rule}, {name: My other rule, strong: true, meaning: another one}]\n"
    "    meaning: m\n"
    "    succeeded: s\n"
    "    blocked: b\n"
    "    unknown: u\n"
    "    benign: [{cause: c, proof: p}]\n"
    "    key_fields: [{field: proc.name, look_for: l}]\n"
    "    checks: [inspect_container]\n"
    "    hardening: [restrict_pod]\n";

const Playbook& of(const Playbooks& playbooks, const std::string& rule,
                   const std::vector<std::string>& tags = {},
                   const std::string& source = "syscall") {
  records::Series series;
  series.set_rule(rule);
  series.set_source(source);
  records::Summary summary;
  for (const std::string& tag : tags) summary.add_tags(tag);
  return playbooks.of(series, summary);
}

TEST(Playbooks, AreChosenByTheRulesNameElseByTagsAndSource) {
  const Playbooks playbooks;
  EXPECT_EQ(of(playbooks, "Execution from /dev/shm").id(), "execution_from_dev_shm");
  EXPECT_EQ(of(playbooks, " execution FROM /dev/shm").id(), "execution_from_dev_shm");
  EXPECT_EQ(of(playbooks, "Any other rule").id(), "other");
  EXPECT_EQ(of(playbooks, "Any other rule", {"T1059.004"}).id(), "shell_exec");
  EXPECT_EQ(of(playbooks, "Any other rule", {"mitre_execution"}).id(), "shell_exec");
  EXPECT_EQ(of(playbooks, "Any other rule", {"container", "shell"}).id(), "shell_exec");
}

TEST(Playbooks, OfAnAuditLogAreChosenByItsSourceWhateverTheTagsSay) {
  const Playbooks playbooks;
  for (const auto& [source, id] : std::map<std::string, std::string>{
           {"aws_cloudtrail", "cloud_audit_aws"}, {"k8s_audit", "k8s_control_plane"}}) {
    EXPECT_EQ(
        of(playbooks, "Any other rule", {"T1059.004", "mitre_execution", "shell"}, source).id(),
        id);
  }
  for (const char* tactic : {"mitre_execution", "mitre_initial_access", "TA0002"})
    EXPECT_EQ(of(playbooks, "Any other rule", {tactic}).id(), "shell_exec") << tactic;
}

TEST(Playbooks, SayWhyOneWasTakenThatDoesNotNameTheRule) {
  const Playbooks playbooks;
  records::Series series;
  series.set_rule("Any other rule");
  records::Summary summary;
  summary.add_tags("T1059.004");
  EXPECT_EQ(why_chosen(playbooks.of(series, summary), series, summary), "its tag T1059.004");
  series.set_rule("Execution from /dev/shm");
  EXPECT_EQ(why_chosen(playbooks.of(series, summary), series, summary), "");
}

TEST_F(PlaybookDirectory, OverridesByRuleByStepAndByFallback) {
  write("a.yaml", kSmall);
  std::string rest = kSmall;
  rest.replace(rest.find("mine"), 4, "other");
  rest.replace(rest.find("rules:"), rest.find("meaning: m\n") - rest.find("rules:"),
               "fallback: {rest: true}\n    ");
  std::filesystem::create_directories(directory_ / "deeper");
  write("deeper/rest.yml", rest);
  write("steps.yaml",
        "checks:\n  - {id: inspect_container, title: Ours, text: t, if_benign: b, "
        "if_suspicious: s}\n");
  const Playbooks playbooks(directory_.string());
  EXPECT_FALSE(of(playbooks, "My rule").strong());
  EXPECT_TRUE(of(playbooks, "My other rule").strong());
  EXPECT_EQ(of(playbooks, "My other rule").meaning(), "another one");
  EXPECT_EQ(of(playbooks, "My rule").checks(0).title(), "Ours");
  EXPECT_EQ(of(playbooks, "unknown").meaning(), "m");
}

// `nc -e ` is not the front of `nc -echo`.
TEST_F(PlaybookDirectory, KeepsTheBlankAtTheEndOfAValueThatIsNeverExcepted) {
  write("a.yaml", std::string(kSmall) +
                      "    exception: {fields: [proc.cmdline], never: ['nc -e ', plain]}\n");
  const Playbooks playbooks(directory_.string());
  EXPECT_THAT(of(playbooks, "My rule").exception().never(),
              testing::ElementsAre("nc -e ", "plain"));
}

TEST_F(PlaybookDirectory, NamesEveryProblemWithFileLineAndColumn) {
  write("a.yaml", std::string(kSmall) + "    colour: red\n    strong: perhaps\n" +
                      "    attack: [{tactic: TA9999}, {tactic: TA0001, technique: T1059}]\n" +
                      "    containment: [no_such_step]\n");
  write("b.yaml", "playbooks:\n  - id: lonely\n");
  const std::string text = problems();
  EXPECT_THAT(text, HasSubstr("a.yaml:13:5: unknown key `colour`"));
  EXPECT_THAT(text, HasSubstr("a.yaml:14:13: `strong` must be true or false"));
  EXPECT_THAT(text, HasSubstr("a.yaml:15:14: unknown tactic `TA9999`"));
  EXPECT_THAT(text, HasSubstr("a.yaml:15:32: T1059 belongs to TA0002"));
  EXPECT_THAT(text, HasSubstr("a.yaml:16: no step `no_such_step` is named under `containment`"));
  EXPECT_THAT(text, HasSubstr("b.yaml:2:5: key `family` is missing"));
  EXPECT_THAT(text, HasSubstr("b.yaml:2:5: a playbook has either `rules` or `fallback`"));
}

TEST_F(PlaybookDirectory, RefusesWhatCouldNeverBeRecognised) {
  std::string other = kSmall;
  other.replace(other.find("shell_exec"), 10, "shell");
  write("a.yaml", other);
  write("b.yaml",
        "sources:\n"
        "  - {id: n, name: n, verdict: test, confirm: c, names: [{field: f, pattern: a, example: "
        "a}],\n"
        "     images: ['example.com/a:1', 'example.com:5000/a'],\n"
        "     digests: [abc, sha256:" +
            std::string(64, 'a') +
            "]}\n"
            "mirrors: ['https://example.com', example.com/, example.com/a]\n"
            "test_windows:\n"
            "  - {name: w, from: '2026-03-02T09:00:00Z', to: '2026-03-02T10:00:00Z', hosts: [h],\n"
            "     sources: [n, m]}\n");
  EXPECT_THAT(problems(), HasSubstr("a.yaml:3:13: `family` is one of: shell_exec, "));
  EXPECT_THAT(problems(), HasSubstr("b.yaml:3:15: an image is named without tag"));
  EXPECT_THAT(problems(), testing::Not(HasSubstr("b.yaml:3:34")));
  EXPECT_THAT(problems(), HasSubstr("b.yaml:4:16: a digest is `sha256:`"));
  EXPECT_THAT(problems(), testing::Not(HasSubstr("b.yaml:4:21")));
  EXPECT_THAT(problems(), HasSubstr("b.yaml:5:11: a mirror is"));
  EXPECT_THAT(problems(), HasSubstr("b.yaml:5:34: a mirror is"));
  EXPECT_THAT(problems(), testing::Not(HasSubstr("b.yaml:5:48")));
}

TEST_F(PlaybookDirectory, RefusesATestWindowOfNoSource) {
  write("a.yaml",
        "test_windows:\n"
        "  - {name: w, from: '2026-03-02T09:00:00Z', to: '2026-03-02T10:00:00Z', hosts: [h],\n"
        "     sources: [event_generator_command, m]}\n");
  EXPECT_THAT(problems(), HasSubstr("a.yaml: test window `w` names `m`, which is no source"));
  EXPECT_THAT(problems(), testing::Not(HasSubstr("event_generator_command")));
}

TEST_F(PlaybookDirectory, RefusesWhatIsNoYaml) {
  write("a.yaml", "id: [open\n");
  EXPECT_THAT(problems(), HasSubstr("a.yaml:"));
}

TEST_F(PlaybookDirectory, RefusesBadAdvice) {
  write("a.yaml", std::string(kSmall) +
                      "    containment:\n"
                      "      - {title: t, text: x, commands: ['docker pause {proc.cmdline}']}\n"
                      "    tuning:\n"
                      "      - {title: t, text: This is a false positive., snippet: 'a: b', "
                      "language: falco}\n");
  write("b.yaml",
        "sources:\n  - {id: n, name: n, verdict: test, confirm: c, names: [{field: f, "
        "pattern: '('}]}\n");
  const std::string text = problems();
  EXPECT_THAT(text, HasSubstr("a.yaml:14:40: unknown placeholder `{proc.cmdline}`"));
  EXPECT_THAT(text, HasSubstr("key `undo` is missing"));
  EXPECT_THAT(text, HasSubstr("key `preconditions` is missing"));
  EXPECT_THAT(text, HasSubstr("D3: its commands interrupt"));
  EXPECT_THAT(text, HasSubstr("a.yaml:16:26: T1: `false positive`"));
  EXPECT_THAT(text, HasSubstr("a rules file is a list of items"));
  EXPECT_THAT(text, HasSubstr("b.yaml:2:77: `pattern`"));
}

std::string with_containment(const std::string& step) {
  return std::string(kSmall) +
         "    containment:\n      - {title: t, text: x, preconditions: [p], blast_radius: b, undo: "
         "u, " +
         step + "}\n";
}

TEST_F(PlaybookDirectory, RefusesToActOnWhatARefusedRequestNames) {
  const std::string command = "commands: ['gh repo view {github.repo.name}']";
  const auto problems_of = [&](const std::string& step) {
    write("a.yaml", with_containment(step));
    return problems();
  };
  EXPECT_THAT(problems_of(command), HasSubstr("O1: `t` acts on {github.repo.name}"));
  EXPECT_THAT(problems_of("when: [{outcome: not_refused}], " + command), HasSubstr("O1:"));
  EXPECT_EQ(problems_of("when: [{outcome: succeeded}], " + command), "");
  std::string named = with_containment("when: [{outcome: not_refused}], " + command);
  named.replace(named.find("[p]"), 3,
                "[\"the check Compare the container's image with the expected one shows it\"]");
  write("a.yaml", named);
  EXPECT_EQ(problems(), "");
  EXPECT_THAT(problems_of("commands: ['chmod u-s {evt.arg.filename}']"), HasSubstr("O1:"));
  EXPECT_EQ(problems_of("when: [{outcome: not_refused}], commands: ['chmod u-s "
                        "{evt.arg.filename}']"),
            "");
}

TEST_F(PlaybookDirectory, RefusesToTakeAwayWhatWasPutBack) {
  std::string deleted = with_containment(
      "when: [{outcome: succeeded}], disruptive: true, commands: ['kubectl delete pod "
      "{ka.resp.name}']");
  deleted.replace(deleted.find("My rule"), 7, "Pod Deleted");
  write("a.yaml", deleted);
  EXPECT_THAT(problems(), HasSubstr("O2: `t` takes away what somebody put back after"));
  deleted.replace(deleted.find("{name: Pod Deleted"), 18,
                  "{name: Pod Deleted, containment: [rotate_secrets]");
  write("a.yaml", deleted);
  EXPECT_EQ(problems(), "");
  EXPECT_EQ(of(Playbooks(directory_.string()), "Pod Deleted").containment(0).id(),
            "rotate_secrets");
}

TEST_F(PlaybookDirectory, RefusesFilesThatWriteOverEachOther) {
  const auto problems_of = [&](const std::string& step) {
    write("a.yaml", with_containment(step));
    return problems();
  };
  EXPECT_THAT(problems_of("record: ['ss -tunap > connections.txt']"), HasSubstr("put {report}"));
  EXPECT_THAT(problems_of("record: ['stat {fd.name} > stat-{report}.txt']"),
              HasSubstr("put {value}"));
  EXPECT_THAT(problems_of("record: ['docker cp {container.id}:{fd.name} ./copy-{report}']"),
              HasSubstr("put {value}"));
  EXPECT_EQ(problems_of("record: ['stat {fd.name} > stat-{report}-{value}.txt']"), "");
  EXPECT_THAT(problems_of("record: ['ss -tu > a-{report}.txt', 'ss -ta > a-{report}.txt']"),
              HasSubstr("writes over `a-{report}.txt`"));
  EXPECT_THAT(problems_of("undo_commands: [docker unpause x]"), HasSubstr("O6:"));
  std::string named = with_containment("record: ['ss -tunap > connections-{report}.txt']");
  named.replace(named.find("undo: u"), 7, "undo: see connections.txt");
  write("a.yaml", named);
  EXPECT_THAT(problems(), HasSubstr("say `the saved file`"));
}

TEST_F(PlaybookDirectory, RefusesChecksThatLookElsewhere) {
  const auto problems_of = [&](const std::string& command) {
    std::string book = kSmall;
    book.replace(book.find("checks: [inspect_container]"), 27,
                 "checks: [{title: t, text: x, if_benign: b, if_suspicious: s, commands: ['" +
                     command + "']}]");
    write("a.yaml", book);
    return problems();
  };
  EXPECT_THAT(problems_of("kubectl auth can-i --list --as={ka.user.name}"), HasSubstr("O5:"));
  EXPECT_EQ(problems_of("kubectl -n default auth can-i --list --as={ka.user.name}"), "");
  EXPECT_THAT(problems_of("aws cloudtrail lookup-events --start-time {since}"), HasSubstr("O5:"));
  EXPECT_EQ(problems_of("aws cloudtrail lookup-events --region {ct.region}"), "");
  EXPECT_THAT(problems_of("kubectl get clusterrole {ka.target.name} -o yaml"), HasSubstr("O4:"));
}

TEST_F(PlaybookDirectory, RefusesTwoPlaybooksForOneRule) {
  write("a.yaml", kSmall);
  std::string twice = kSmall;
  twice.replace(twice.find("mine"), 4, "your");
  write("b.yaml", twice);
  EXPECT_THAT(problems(), HasSubstr("rule `My rule` has two playbooks"));
}

TEST_F(PlaybookDirectory, RefusesMoreChecksThanAnybodyMakes) {
  std::string many = kSmall;
  const std::string one = "checks: [inspect_container]";
  many.replace(many.find(one), one.size(),
               "checks: [inspect_container, read_pod, read_pod_logs, find_exec_in_audit_log, "
               "inspect_container, read_pod]");
  write("a.yaml", many);
  EXPECT_THAT(problems(), HasSubstr("has 6 checks for a pod, at most 5"));
}

TEST(PlaybooksOfAMissingDirectory, AreAnError) {
  EXPECT_THROW(Playbooks("/nonexistent/playbooks"), ConfigError);
}

}  // namespace
}  // namespace gyre::stages
