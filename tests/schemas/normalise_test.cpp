// SPDX-License-Identifier: Apache-2.0
#include "schemas/normalise.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "schemas/words.h"
#include "tests/schemas/growth.h"

namespace gyre::schemas {
namespace {

constexpr std::string_view kSmall = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kBase62 =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

// GYRE_SEED repeats a run.
class Dice {
 public:
  Dice() : seed_(std::getenv("GYRE_SEED") ? std::stoul(std::getenv("GYRE_SEED")) : 20260101) {
    engine_.seed(seed_);
  }
  unsigned long seed() const { return seed_; }
  std::size_t below(std::size_t n) { return engine_() % n; }
  std::string draw(std::string_view alphabet, std::size_t size) {
    std::string out;
    while (out.size() < size) out += alphabet[below(alphabet.size())];
    return out;
  }

 private:
  unsigned long seed_;
  std::mt19937_64 engine_;
};

TEST(Normalise, EveryRowOfTheTableDoesWhatItsExampleSays) {
  std::set<std::string_view> names;
  for (const auto& row : normaliser_rows()) {
    EXPECT_EQ(normalise(row.before), row.after) << row.name;
    EXPECT_NE(row.before, row.after) << row.name;
    EXPECT_FALSE(row.reason.empty()) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
  }
}

TEST(Normalise, ReplacesWhatIsRandom) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"/tmp/build-a1B2c3.log", "/tmp/build-<random>.log"},
      {"/tmp/tmp.Zq81kdWm3x/a", "/tmp/tmp.<random>/a"},
      {"/etc/x.tmp.wxkqzj", "/etc/x.tmp.<random>"},
      {"web-6d4cf56db6-x2k9z", "web-<random>-<random>"},
      {"web-1564180365-x2k9z", "web-<random>-<random>"},
      {"kill 1234567 /proc/42/maps", "kill <number> /proc/<pid>/maps"},
      {"id c61b4b13ae44", "id <hex>"},
      {"ptr 0x7ffd12aa", "ptr <hex>"},
      {"x 123e4567-e89b-12d3-a456-426614174000 y", "x <uuid> y"},
      {"/cfg/..2026_02_03_04_05_06.123456789/key", "/cfg/..<time>/key"},
      {"log-20260203T040506Z.gz", "log-<time>.gz"},
      {"/data/2026/02/03/part", "/data/<date>/part"},
      {"ping -c1 fd12:3456::9 fe80::1:2 [2001:db8::1]:80",
       "ping -c1 <private-ip> <link_local-ip> [<public-ip>]:80"},
      {"nmap 192.168.7.0/24", "nmap <private-ip>/24"},
      {"ps --ppid 77 pid=78", "ps --ppid <pid> pid=<pid>"},
      {"/tmp/falco-event-generator812345678/httpd", "/tmp/falco-event-generator<random>/httpd"},
  };
  for (const auto& [before, after] : cases) EXPECT_EQ(normalise(before), after);
}

TEST(Normalise, KeepsWhatTellsThingsApart) {
  for (const auto* text : {"python3.11 -m http.server 8080",
                           "nginx-1.25.3",
                           "kill -9 12345",
                           "my-backdoor.sh",
                           "--maxOpenFiles=10",
                           "java com.example.MainServer",
                           "openssl-sha256",
                           "deadbeef",
                           "",
                           "-",
                           "id_ed25519",
                           "/etc/shadow",
                           "helper.RunShell",
                           "app-server2",
                           "linux-aarch64",
                           "/tmp/install-docker",
                           "/tmp/install-python",
                           "pip install x==1.2.3.4",
                           "curl 127.0.0.1:80",
                           "curl http://169.254.169.254/latest",
                           "curl 169.254.170.2/v2",
                           "/proc/1/root/etc/shadow",
                           "/proc/self/exe",
                           "sleep 86400",
                           "-Xmx4096m",
                           "nsenter --pid=1",
                           "std::ad::be",
                           "2-to-3",
                           "2026",
                           "1.2.3.4.5",
                           "libc-2.36.so",
                           "echo Y3VybCBodHRwOi8vZXhhbXBsZS5vcmcvayB8IHNo",
                           "cat < in > out",
                           "<NA>",
                           "<redacted>"})
    EXPECT_EQ(normalise(text), text);
}

TEST(Normalise, KnownGeneratorsAlwaysLoseTheSuffix) {
  for (const auto* suffix : {"abcdef", "ABCDEF", "123456", "aB3dEf"})
    EXPECT_EQ(normalise(std::string("/dev/shm/falco-event-generator-syscall-ReadTheDocs-") +
                        suffix + ".sh"),
              "/dev/shm/falco-event-generator-syscall-ReadTheDocs-<random>.sh");
}

// Each maker of names, drawn from its own alphabet: at most `stray` in a thousand stand alone.
TEST(Normalise, RandomNamesBecomeOne) {
  Dice dice;
  struct Maker {
    const char* name;
    std::function<std::string()> make;
    std::size_t stray;
  };
  const std::string hex = "0123456789abcdef";
  const std::string pod = "bcdfghjklmnpqrstvwxz2456789";
  const std::vector<Maker> makers = {
      {"mktemp", [&] { return "/tmp/job-" + dice.draw(kBase62, 6); }, 12},
      {"mktemp hidden", [&] { return "/dev/shm/.x-" + dice.draw(kBase62, 6) + ".sh"; }, 12},
      {"mktemp -d", [&] { return "/tmp/tmp." + dice.draw(kBase62, 10) + "/f"; }, 8},
      {"elsewhere", [&] { return "/etc/app.conf." + dice.draw(kBase62, 6); }, 24},
      {"tempfile",
       [&] { return "/tmp/tmp" + dice.draw("abcdefghijklmnopqrstuvwxyz0123456789_", 8); }, 60},
      {"MkdirTemp", [&] { return "/tmp/go-build" + dice.draw("123456789", 9) + "/b"; }, 0},
      {"ReplicaSet", [&] { return "web-" + dice.draw(pod, 9) + "-" + dice.draw(pod, 5); }, 0},
      {"container", [&] { return "docker stop " + dice.draw(hex, 12); }, 8},
      {"digest", [&] { return "/var/lib/x/" + dice.draw(hex, 64) + "/merged"; }, 0},
      {"private address",
       [&] {
         return "curl 10." + std::to_string(dice.below(256)) + ".0." +
                std::to_string(dice.below(256)) + ":8080/healthz";
       },
       0},
      {"pid", [&] { return "cat /proc/" + std::to_string(2 + dice.below(4'000'000)) + "/environ"; },
       0},
  };
  for (const auto& [name, make, stray] : makers) {
    const std::size_t draws = 5000;
    std::set<std::string> shapes;
    for (std::size_t i = 0; i < draws; ++i) shapes.insert(normalise(make()));
    EXPECT_LE(shapes.size(), 1 + draws * stray / 1000)
        << name << ", seed " << dice.seed() << ": " << *shapes.rbegin();
  }
}

// The price of that, the other way round: names that people give stay apart.
TEST(Normalise, WordsBelowTmpStayApart) {
  std::set<std::string> shapes;
  std::size_t names = 0;
  for (const auto* word :
       {"docker", "python",   "worker",    "update",        "config", "socket",    "backup",
        "kernel", "script",   "server",    "client",        "system", "loader",    "master",
        "report", "result",   "output",    "status",        "manage", "export",    "import",
        "deploy", "monitor2", "installer", "downloader",    "WORKER", "KubeProxy", "DataNode",
        "stage2", "payload",  "exploit",   "reverse-shell", "miner64"}) {
    shapes.insert(normalise(std::string("/tmp/my-") + word));
    ++names;
  }
  EXPECT_EQ(shapes.size(), names);
}

TEST(Normalise, NobodyCanWriteAPlaceholder) {
  for (const auto& row : normaliser_rows()) {
    EXPECT_NE(normalise(row.after), row.after) << row.name;
    EXPECT_NE(normalise(row.after), normalise(row.before)) << row.name;
  }
}

TEST(Normalise, ContentIsNoName) {
  const std::string payload(4000, 'a');
  EXPECT_NE(normalise("x-" + payload + "1B"), normalise("x-" + payload + "2C"));
  EXPECT_NE(normalise("echo " + std::string(400, '1') + "ab"),
            normalise("echo " + std::string(400, '1') + "cd"));
}

TEST(Normalise, IsLinear) {
  for (const std::string unit :
       {"a", "-", "1", "falco-event-generator-syscall-", "a-", "00000000-", "/tmp/", "1.", "::1",
        "fe80:", "2026-01-01T", "<random>", "12:", "/proc/1/fd/2", "tmpa1b2c3d4"}) {
    EXPECT_LT(growth(unit, 4U << 20, [](const std::string& text) { normalise(text); }), kLinear)
        << unit;
  }
}

TEST(Words, RandomLettersRarelyReadAsOnes) {
  Dice dice;
  for (const std::size_t size : {6U, 8U, 10U}) {
    int passed = 0;
    int odd = 0;
    for (int i = 0; i < 20'000; ++i) {
      passed += reads_as_words(dice.draw(kBase62, size)) ? 1 : 0;
      odd += word_score(dice.draw(kSmall, size)) < 0 ? 1 : 0;
    }
    EXPECT_LT(passed, 200) << size << ", seed " << dice.seed();
    EXPECT_GT(odd, 16'000) << size << ", seed " << dice.seed();
  }
}

}  // namespace
}  // namespace gyre::schemas
