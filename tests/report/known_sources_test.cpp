// SPDX-License-Identifier: Apache-2.0
// Known sources are recognised by evidence, and whoever imitates their names gains nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/report/story.h"

namespace gyre::stages {
namespace {

using testing::HasSubstr;

std::string rule_of(const playbook::Source& source) {
  return source.rules().empty() ? "Read sensitive file untrusted" : source.rules(0);
}

Story told(const KnownSource& source) {
  Story story(rule_of(source.entry), 2);
  for (const playbook::Names& names : source.entry.names())
    story.field(names.field(), names.example());
  if (!source.entry.parents().empty()) story.field("proc.pname", source.entry.parents(0));
  story.field("user.uid", "0").outcome(1, 0, 1);
  return story;
}

// The same with names that nobody knows.
Story plain(const KnownSource& source) {
  Story story(rule_of(source.entry), 2);
  for (const playbook::Names& names : source.entry.names()) story.field(names.field(), "qqq");
  story.field("user.uid", "0").outcome(1, 0, 1);
  return story;
}

bool is_label(const Judgement& judgement) {
  return judgement.verdict == Verdict::kTest || judgement.verdict == Verdict::kLikelyBenign;
}

void expect_nothing_gained(const Judgement& spoofed, const Judgement& other) {
  EXPECT_FALSE(is_label(spoofed) && spoofed.confidence > Confidence::kLow);
  EXPECT_TRUE(spoofed.counts_for_incidents);
  EXPECT_GE(spoofed.risk, other.risk);
  EXPECT_GE(spoofed.severity, other.severity);
  EXPECT_GE(spoofed.attention, other.attention);
}

TEST(KnownSources, AreRecognisedByTheirExactImage) {
  for (const KnownSource& source : Story::playbooks().sources()) {
    for (const std::string& image : source.entry.images()) {
      for (const std::string& spelling : {image, "docker.io/" + image}) {
        SCOPED_TRACE(source.entry.id() + " " + spelling);
        const Judgement judged = told(source).card("container.image.repository", spelling).judged();
        EXPECT_TRUE(is_label(judged));
        EXPECT_EQ(judged.confidence, Confidence::kMedium);
        EXPECT_FALSE(judged.counts_for_incidents);
        EXPECT_EQ(judged.attention, judged.alarming ? Attention::kTicket : Attention::kRecord);
      }
    }
  }
}

TEST(Spoof, NamesAloneLowerNothing) {
  for (const KnownSource& source : Story::playbooks().sources()) {
    SCOPED_TRACE(source.entry.id());
    expect_nothing_gained(told(source).judged(), plain(source).judged());
  }
}

// A headline is read before a score.
TEST(Spoof, NamesAloneDoNotExplainWhatAlarms) {
  for (const KnownSource& source : Story::playbooks().sources()) {
    SCOPED_TRACE(source.entry.id());
    const Judgement judged = told(source).field("evt.arg.flags", "EXE_FROM_MEMFD").judged();
    ASSERT_TRUE(judged.alarming);
    EXPECT_EQ(judged.verdict, Verdict::kSuspicious);
    EXPECT_THAT(judged.because.front().text, testing::Not(HasSubstr("looks as")));
  }
}

// Whoever may start a container chooses its image.
TEST(Spoof, AnImageAloneSparesNobodyTheLookAtWhatAlarms) {
  Story story("Detect release_agent File Container Escapes", 2);
  story.field("proc.pname", "event-generator").field("fd.name", "/sys/fs/cgroup/x/release_agent");
  story.field("proc.cmdline", "sh -c echo /x > /sys/fs/cgroup/x/release_agent").outcome(1, 0, 0);
  story.card("container.image.repository", "falcosecurity/event-generator");
  story.card("k8s.ns.name", "lab").card("k8s.pod.name", "x-0");
  const Judgement judged = story.judged();
  EXPECT_EQ(judged.verdict, Verdict::kTest);
  EXPECT_EQ(judged.attention, Attention::kTicket);
  EXPECT_THAT(judged.attention_because, HasSubstr("no test was announced"));
  const std::string json = story.json();
  EXPECT_THAT(json, testing::AllOf(testing::Not(HasSubstr("Nothing has to be done")),
                                   HasSubstr("label pod x-0 quarantine=true")));
}

TEST(Spoof, LookAlikeImagesLowerNothing) {
  for (const KnownSource& source : Story::playbooks().sources()) {
    for (const std::string& known : source.entry.images()) {
      for (const std::string& image : {"evil.example/" + known, known + "2", known + "-evil",
                                       "docker.io.evil.example/" + known, known + "/x", "x" + known,
                                       "docker.io/docker.io/" + known, known + " ",
                                       "DOCKER.IO/" + known, "localhost/" + known}) {
        SCOPED_TRACE(source.entry.id() + " " + image);
        const Judgement judged = told(source).card("container.image.repository", image).judged();
        expect_nothing_gained(judged, plain(source).judged());
        EXPECT_FALSE(is_label(judged));
      }
    }
  }
}

TEST(Spoof, NamesOfPodsContainersTagsAndNamespacesAreNoEvidence) {
  for (const KnownSource& source : Story::playbooks().sources()) {
    SCOPED_TRACE(source.entry.id());
    Story story = told(source);
    const std::string name =
        source.entry.images().empty() ? std::string("falco") : source.entry.images(0);
    for (const char* field : {"container.name", "k8s.pod.name", "k8s.ns.name",
                              "container.image.tag", "proc.aname[2]", "proc.pname", "custom"}) {
      if (std::string_view(field) != "proc.pname") story.field(field, name);
    }
    expect_nothing_gained(story.judged(), plain(source).judged());
  }
}

TEST(Spoof, OneAlertOutsideTheSignatureBreaksTheLabel) {
  for (const KnownSource& source : Story::playbooks().sources()) {
    if (source.entry.images().empty()) continue;
    SCOPED_TRACE(source.entry.id());
    Story story = told(source);
    story.card("container.image.repository", source.entry.images(0));
    story.field(source.entry.names(0).field(), "something else entirely");
    EXPECT_FALSE(is_label(story.judged()));
    Story two_images = told(source);
    two_images.field("container.image.repository", source.entry.images(0));
    two_images.field("container.image.repository", "evil.example/x");
    EXPECT_FALSE(is_label(two_images.judged()));
  }
}

class OwnKnowledge : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(testing::TempDir()) /
                 ("own_" + std::to_string(getpid()) + "_" +
                  testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  Judgement judged(const std::string& yaml, const Story& story) {
    std::ofstream(directory_ / "own.yaml") << yaml;
    return judge({story.series, story.episode, story.entity}, Playbooks(directory_.string()));
  }
  std::filesystem::path directory_;
};

Story event_generator() {
  Story story("Execution from /dev/shm");
  story.field("proc.cmdline",
              "sh -c /dev/shm/falco-event-generator-syscall-ExecutionFromDevShm-q7Zt2K.sh");
  return story.field("evt.res", "EACCES").outcome(0, 1, 0);
}

// The alerts of a story are of 2023-11-14, 22:13:20 to 22:13:29 UTC, on node-7.
TEST_F(OwnKnowledge, AnAnnouncedTestIsOfHighConfidenceInItsTimeAndPlaceOnly) {
  const auto window = [](const char* from, const char* to, const char* where) {
    return std::string("test_windows:\n  - {name: exercise, from: ") + from + ", to: " + to + ", " +
           where + "}\n";
  };
  const Judgement in = judged(
      window("2023-11-14T22:00:00Z", "2023-11-14T23:00:00Z", "hosts: [node-7]"), event_generator());
  EXPECT_EQ(in.verdict, Verdict::kTest);
  EXPECT_EQ(in.confidence, Confidence::kHigh);
  for (const std::string& yaml :
       {window("2023-11-14T22:13:25Z", "2023-11-14T23:00:00Z", "hosts: [node-7]"),
        window("2023-11-14T22:00:00Z", "2023-11-14T22:13:25Z", "hosts: [node-7]"),
        window("2023-11-14T22:00:00Z", "2023-11-14T23:00:00Z", "hosts: [node-70]"),
        window("2023-11-14T22:00:00Z", "2023-11-14T23:00:00Z", "namespaces: [node-7]")}) {
    EXPECT_EQ(judged(yaml, event_generator()).confidence, Confidence::kLow) << yaml;
  }
  Story other("Execution from /dev/shm");
  other.field("proc.cmdline", "sh -c /dev/shm/x.sh").outcome(0, 1, 0);
  EXPECT_EQ(judged(window("2023-11-14T22:00:00Z", "2023-11-14T23:00:00Z", "hosts: [node-7]"), other)
                .verdict,
            Verdict::kUndetermined);
}

TEST_F(OwnKnowledge, MirrorsAndDigestsAreThoseOfTheConfigurationOnly) {
  const std::string digest = "sha256:" + std::string(64, 'a');
  Story story = event_generator();
  story.card("container.image.repository",
             "registry.example.com/hub/falcosecurity/event-generator");
  EXPECT_EQ(judged("mirrors: [registry.example.com/hub]\n", story).confidence, Confidence::kMedium);
  EXPECT_EQ(judged("mirrors: [registry.example.com]\n", story).verdict, Verdict::kUndetermined);
  story.card("container.image.digest", digest);
  const std::string source =
      "mirrors: [registry.example.com/hub]\nsources:\n  - id: event_generator_command\n    name: "
      "ours\n    verdict: test\n    names:\n      - {field: proc.cmdline, pattern: 'sh -c .*', "
      "example: sh -c x}\n    images: [falcosecurity/event-generator]\n    confirm: c\n    "
      "digests: ['" +
      digest + "']\n";
  EXPECT_EQ(judged(source, story).confidence, Confidence::kHigh);
  story.entity.mutable_card()->at(1).set_values(0, "sha256:" + std::string(64, 'b'));
  EXPECT_EQ(judged(source, story).confidence, Confidence::kMedium);
}

TEST(Missing, IsNamedWithTheStanzaThatBringsIt) {
  Story story("Execution from /dev/shm");
  story.field("proc.cmdline", "sh -c /dev/shm/x.sh").outcome(0, 0, 1);
  const std::string json = story.json();
  EXPECT_THAT(json,
              HasSubstr(R"("field":"container.image.repository","why":"whose workload it is",)"
                        R"("how":"append_output:\n  - match:\n      source: 'syscall'\n)"
                        R"(    extra_fields: [container.image.repository]\n")"));
  EXPECT_THAT(json, HasSubstr(R"("field":"evt.res")"));
  EXPECT_THAT(json, HasSubstr("extra_fields: [proc.exepath, container.image.repository, evt.res, "
                              "proc.pname]"));
}

}  // namespace
}  // namespace gyre::stages
