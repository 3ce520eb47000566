// SPDX-License-Identifier: Apache-2.0
#include "stages/report/fill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <map>
#include <random>

namespace gyre::stages {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

ValuesOf from(std::map<std::string, std::vector<std::string>, std::less<>> values) {
  return [values = std::move(values)](std::string_view name) {
    const auto found = values.find(name);
    return found == values.end() ? std::vector<std::string>{} : found->second;
  };
}

// What a shell makes of the words: each printed on a line.
std::string printed_by_shell(const std::string& words) {
  std::string script = "printf '%s\\n' " + words;
  std::string quoted = "'";
  for (const char c : script) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  FILE* pipe = popen(("sh -c " + quoted + "'").c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string out;
  std::array<char, 256> buffer{};
  while (fgets(buffer.data(), buffer.size(), pipe) != nullptr) out += buffer.data();
  EXPECT_EQ(pclose(pipe), 0);
  return out;
}

TEST(Fill, QuotesPathsAndLeavesKnownFormsBare) {
  EXPECT_THAT(fill("stat {fd.name}", from({{"fd.name", {"/tmp/a b"}}}), 3),
              ElementsAre("stat '/tmp/a b'"));
  EXPECT_THAT(fill("kubectl -n {k8s.ns.name} get pod", from({{"k8s.ns.name", {"shop"}}}), 3),
              ElementsAre("kubectl -n shop get pod"));
  EXPECT_THAT(fill("docker inspect --format '{{.Image}}' x", from({}), 3),
              ElementsAre("docker inspect --format '{{.Image}}' x"));
}

TEST(Fill, LeavesOutWhatIsUnknownOrNotOfItsForm) {
  for (const char* value :
       {"", "-A", "--all", "Shop", "a b", "a;reboot", "$(reboot)", "a\nb", "<NA>"})
    EXPECT_THAT(fill("kubectl -n {k8s.ns.name} get pod", from({{"k8s.ns.name", {value}}}), 3),
                IsEmpty())
        << value;
  for (const char* value : {"", "relative", "-rf", "/a\nb", "/a\x1b[2J", "/a\xe2\x80\xae", "<NA>"})
    EXPECT_THAT(fill("stat {fd.name}", from({{"fd.name", {value}}}), 3), IsEmpty()) << value;
  EXPECT_THAT(fill("stat {fd.name}", from({{"fd.name", {"/" + std::string(300, 'a')}}}), 3),
              IsEmpty());
  EXPECT_THAT(fill("stat {fd.name}", from({}), 3), IsEmpty());
}

TEST(Fill, KnowsFieldsWithCapitalsAndLeavesOtherBracesAlone) {
  EXPECT_THAT(fill("gcloud logging read --project {gcp.projectId}",
                   from({{"gcp.projectId", {"shop-prod"}}}), 3),
              ElementsAre("gcloud logging read --project 'shop-prod'"));
  for (const char* text :
       {"docker inspect --format '{{println}}' x", "kubectl get -o '{.status}'",
        "docker inspect --format '{{json .Mounts}}{{end}}' x", "a: {b: c}", "{}", "{{unclosed"})
    EXPECT_THAT(placeholders(text), IsEmpty()) << text;
  EXPECT_THAT(placeholders("'{{.Id}}' {container.id} {gcp.projectId}"),
              ElementsAre("container.id", "gcp.projectId"));
}

TEST(Fill, NeverTakesACommandLine) {
  for (const char* name : {"proc.cmdline", "proc.args", "proc.pcmdline", "proc.acmdline[2]",
                           "proc.env", "evt.args", "output", "custom.field"})
    EXPECT_FALSE(is_placeholder(name)) << name;
}

TEST(Fill, WritesACommandForEachOfFewValuesAndNoneWhenTheyCouldBeMixed) {
  const auto files = from({{"fd.name", {"/a", "/b", "/c", "/d"}}, {"proc.cwd", {"/x", "/y"}}});
  EXPECT_THAT(fill("stat {fd.name}", files, 3), ElementsAre("stat '/a'", "stat '/b'", "stat '/c'"));
  EXPECT_THAT(fill("stat {fd.name} {proc.cwd}", files, 3), IsEmpty());
}

TEST(Fill, ReadsNoPlaceholderInAValue) {
  const auto values = from({{"fd.name", {"/tmp/{proc.cwd}"}}, {"proc.cwd", {"/;reboot;"}}});
  EXPECT_THAT(fill("stat {fd.name} {proc.cwd}", values, 3),
              ElementsAre("stat '/tmp/{proc.cwd}' '/;reboot;'"));
}

TEST(Fill, OpensNoDeviceAndNoFileOfTheKernel) {
  for (const char* path : {"/dev/sdb", "/dev/watchdog0", "//dev/sdb", "/tmp/../dev/./sdb",
                           "/proc/1/mem", "/sys/kernel/x", "/dev", "/dev/shm/../sdb"}) {
    const auto values = from({{"fd.name", {path}}});
    for (const char* command : {"sha256sum {fd.name}", "cat {fd.name} > copy",
                                "test -f {fd.name} && tail -n 3 {fd.name}"})
      EXPECT_THAT(fill(command, values, 3), IsEmpty()) << path;
    EXPECT_EQ(fill("stat {fd.name}", values, 3).size(), 1U) << path;
  }
  for (const char* path : {"/dev/shm/x", "/devices/x", "/tmp/dev/x"})
    EXPECT_EQ(fill("cat {fd.name}", from({{"fd.name", {path}}}), 3).size(), 1U) << path;
}

TEST(Fill, RefusesNoAddressThatTheHostNeedsToBeOne) {
  const auto rule = [](const char* program, const char* peer, const char* own = "192.0.2.1") {
    return fill(std::string(program) + " -I OUTPUT -d {fd.rip} -j REJECT",
                from({{"fd.rip", {peer}}, {"fd.lip", {own}}}), 3);
  };
  for (const char* peer :
       {"127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.7.7",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "ff02::1", "fd00:ec2::254"}) {
    EXPECT_THAT(rule("iptables", peer), IsEmpty()) << peer;
    EXPECT_THAT(rule("ip6tables", peer), IsEmpty()) << peer;
  }
  EXPECT_THAT(rule("iptables", "203.0.113.8"),
              ElementsAre("iptables -I OUTPUT -d 203.0.113.8 -j REJECT"));
  EXPECT_THAT(rule("ip6tables", "203.0.113.8"), IsEmpty());
  EXPECT_THAT(rule("ip6tables", "2001:db8::8"),
              ElementsAre("ip6tables -I OUTPUT -d 2001:db8::8 -j REJECT"));
  EXPECT_THAT(rule("iptables", "2001:db8::8"), IsEmpty());
  EXPECT_THAT(rule("iptables", "203.0.113.8", "203.0.113.8"), IsEmpty()) << "the host's own";
}

TEST(Fill, HostileStringsStayOneWordOfAShell) {
  std::vector<std::string> hostile = {"/a'b", "/$(touch x)", "/`id`",    "/a\"b",
                                      "/a\\", "/a|b;c&d>e",  "/*",       "/~",
                                      "/!x",  "/a b  c",     "/'\"'\"'", "/${HOME}"};
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 20; ++i) {
    std::string text = "/";
    for (int n = 0; n < 24; ++n) text += static_cast<char>(0x20 + random() % 0x5f);
    hostile.push_back(text);
  }
  for (const std::string& value : hostile) {
    const auto word = shell_word("fd.name", value);
    ASSERT_TRUE(word) << value;
    EXPECT_EQ(printed_by_shell(*word), value + "\n");
  }
}

TEST(Fill, RefusesTemplatesThatTakeItsQuotesApart) {
  EXPECT_THAT(wrong_placeholders("stat {fd.name}", false), IsEmpty());
  EXPECT_THAT(wrong_placeholders("grep -F x /proc/1/root{fd.name}", false), IsEmpty());
  EXPECT_EQ(wrong_placeholders("stat '{fd.name}'", false).size(), 1U);
  EXPECT_EQ(wrong_placeholders("stat \"{fd.name}\"", false).size(), 1U);
  EXPECT_EQ(wrong_placeholders("stat {nonsense}", false).size(), 1U);
  EXPECT_EQ(wrong_placeholders("stat {Fd.Name}", false).size(), 1U);
  EXPECT_EQ(wrong_placeholders("stat {NAME}", false).size(), 1U);
  EXPECT_THAT(wrong_placeholders("namespace: \"{k8s.ns.name}\"", true), IsEmpty());
  EXPECT_EQ(wrong_placeholders("namespace: {k8s.ns.name}", true).size(), 1U);
  EXPECT_EQ(wrong_placeholders("path: \"{fd.name}\"", true).size(), 1U);
}

}  // namespace
}  // namespace gyre::stages
