// SPDX-License-Identifier: Apache-2.0
#include "schemas/normalise_rows.h"

#include <algorithm>
#include <array>

#include "schemas/address.h"
#include "schemas/ascii.h"
#include "schemas/words.h"

namespace gyre::schemas {

namespace {

constexpr std::size_t kShortestRandom = 6;
constexpr std::size_t kLongestRandom = 64;   // beyond that it is content, not a name
constexpr std::size_t kLongestDigest = 128;  // SHA-512 in hex

bool is_one_of(char c, std::string_view set) {
  return std::any_of(set.begin(), set.end(), [&](char one) { return one == c; });
}

bool precedes(const Run& run, std::string_view what) {
  return run.text.substr(0, run.at).ends_with(what);
}

// `4096mb`, `86400s`: a number with its unit.
bool is_quantity(std::string_view run) {
  const auto digits =
      static_cast<std::size_t>(std::find_if_not(run.begin(), run.end(), is_digit) - run.begin());
  return digits >= 4 && digits <= 5 && digits < run.size() && run.size() - digits <= 2 &&
         all_of(run.substr(digits), [](char c) { return !is_digit(c); });
}

// Ruling 10: it has a digit or mixes cases, and is not made of words.
bool looks_random(std::string_view run) {
  if (run.size() < kShortestRandom || run.size() > kLongestRandom) return false;
  const bool digit = std::any_of(run.begin(), run.end(), is_digit);
  const bool small = std::any_of(run.begin(), run.end(), is_lower);
  const bool capital = std::any_of(run.begin(), run.end(), is_upper);
  return (digit || (small && capital)) && !reads_as_words(run) && !is_quantity(run);
}

// What mktemp and its kin draw, if all letters happen to be of one case.
bool is_odd_word(std::string_view run) {
  static constexpr auto kSizes = std::to_array<std::size_t>({6, 8, 10, 12});
  return std::find(kSizes.begin(), kSizes.end(), run.size()) != kSizes.end() &&
         all_of(run, [](char c) { return is_lower(c) || is_upper(c); }) && word_score(run) < 0;
}

Match generator(const Run& run) {
  constexpr std::string_view kName = "falco-event-generator";
  constexpr std::string_view kKind = "-syscall-";
  const std::string_view rest = run.rest();
  if (!rest.starts_with(kName)) return {};
  const auto run_end = [&](std::size_t from) {
    while (from < rest.size() && is_alnum(rest[from])) ++from;
    return from;
  };
  const std::size_t number = run_end(kName.size());
  if (number > kName.size()) {  // its older spelling
    if (!all_of(rest.substr(kName.size(), number - kName.size()), is_digit)) return {};
    return {kName.size(), number - kName.size(), "<random>"};
  }
  if (!rest.substr(kName.size()).starts_with(kKind)) return {};
  const std::size_t action = run_end(kName.size() + kKind.size());
  if (action == rest.size() || rest[action] != '-') return {action, 0, {}};
  const std::size_t end = run_end(action + 1);
  if (end == action + 1) return {action, 0, {}};
  return {action + 1, end - action - 1, "<random>"};
}

Match uuid(const Run& run) {
  constexpr std::size_t kLength = 36;
  const std::string_view rest = run.rest();
  if (run.run.size() != 8 || rest.size() < kLength) return {};
  for (std::size_t i = 0; i < kLength; ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? rest[i] != '-' : !is_hex(rest[i])) return {};
  }
  return is_alnum(run.after(kLength)) ? Match{} : Match{0, kLength, "<uuid>"};
}

// Reads numbers of a fixed width one after the other.
class Digits {
 public:
  explicit Digits(std::string_view text) : text_(text) {}

  bool number(std::size_t width, int low, int high) {
    if (text_.size() - at_ < width) return false;
    int value = 0;
    for (std::size_t i = 0; i < width; ++i) {
      const char c = text_[at_ + i];
      if (!is_digit(c)) return false;
      value = value * 10 + (c - '0');
    }
    if (value < low || value > high) return false;
    at_ += width;
    return true;
  }
  bool one_of(std::string_view set) {
    if (!is_one_of(peek(), set)) return false;
    ++at_;
    return true;
  }
  void skip_digits() {
    while (is_digit(peek())) ++at_;
  }
  // Hours, minutes, seconds; separated by one of the set, or by nothing if the set is empty.
  bool clock(std::string_view separators) {
    return number(2, 0, 23) && (separators.empty() || one_of(separators)) && number(2, 0, 59) &&
           (separators.empty() || one_of(separators)) && number(2, 0, 60);
  }
  // A fraction and a zone, where there are.
  void clock_tail() {
    const std::size_t from = at_;
    if (one_of(".,")) skip_digits();
    if (at_ == from + 1) at_ = from;
    if (one_of("Z")) return;
    const std::size_t zone = at_;
    if (!one_of("+-") || !number(2, 0, 14)) {
      at_ = zone;
      return;
    }
    one_of(":");
    if (!number(2, 0, 59)) at_ = zone;
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  std::size_t at() const { return at_; }
  void go_to(std::size_t at) { at_ = at; }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

Match date(const Run& run) {
  Digits digits(run.rest());
  if (!digits.number(4, 1970, 2099)) return {};
  const char separator = digits.peek();
  const bool compact = is_digit(separator);
  const std::string_view between = compact ? std::string_view() : std::string_view(&separator, 1);
  if (!compact && !digits.one_of("-_/")) return {};
  if (!digits.number(2, 1, 12) || (!compact && !digits.one_of(between)) || !digits.number(2, 1, 31))
    return {};
  const std::size_t day = digits.at();
  if (digits.one_of(compact ? "T" : "T _-") && digits.clock(compact ? "" : ":_-")) {
    digits.clock_tail();
    if (!is_alnum(digits.peek())) return {0, digits.at(), "<time>"};
  }
  digits.go_to(day);
  return compact || is_alnum(digits.peek()) ? Match{} : Match{0, day, "<date>"};
}

Match clock(const Run& run) {
  if (run.run.size() != 2 || is_one_of(run.before(), ":.")) return {};
  Digits digits(run.rest());
  if (!digits.clock(":") || digits.peek() == ':' || is_alnum(digits.peek())) return {};
  return {0, digits.at(), "<time>"};
}

Match mac(const Run& run) {
  constexpr std::size_t kLength = 17;
  const std::string_view rest = run.rest();
  if (run.run.size() != 2 || rest.size() < kLength || run.before() == ':') return {};
  for (std::size_t i = 0; i < kLength; ++i)
    if (i % 3 == 2 ? rest[i] != ':' : !is_hex(rest[i])) return {};
  const char after = run.after(kLength);
  return after == ':' || is_alnum(after) ? Match{} : Match{0, kLength, "<mac>"};
}

// One of a kind stays: loopback, the metadata services, link-local IPv4 (whose addresses have
// fixed meanings in clouds). A version has a word or a dash in front of it.
Match address(const Run& run) {
  const char before = run.before();
  if (is_one_of(before, ".-_:") || precedes(run, "==")) return {};
  const std::size_t length = address_length(run.rest());
  const char after = run.after(length);
  if (length == 0 || is_alnum(after) || after == '_') return {};
  if (after == '.' && is_digit(run.after(length + 1))) return {};
  const std::string_view text = run.rest().substr(0, length);
  const bool six = text.find(':') != std::string_view::npos;
  if (six && after == ':') return {};
  const std::string_view kind = address_class(text);
  if (kind == "private") return {0, length, "<private-ip>"};
  if (kind == "public") return {0, length, "<public-ip>"};
  if (kind == "multicast") return {0, length, "<multicast-ip>"};
  if (kind == "link_local" && six) return {0, length, "<link_local-ip>"};
  return {length, 0, {}};
}

Match pod(const Run& run) {
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  constexpr std::size_t kSuffix = 5;
  const auto drawn = [&](std::string_view text) {
    return all_of(text, [&](char c) { return is_one_of(c, kAlphabet); });
  };
  const std::size_t hash = run.run.size();
  if (run.before() != '-' || hash < 8 || hash > 10) return {};
  if (run.after(hash) != '-' || run.at + hash + kSuffix >= run.text.size()) return {};
  const std::string_view suffix = run.text.substr(run.at + hash + 1, kSuffix);
  if (!drawn(suffix) || is_alnum(run.after(hash + 1 + kSuffix))) return {};
  if (!drawn(run.run) && (run.traits & kNumber) == 0) return {};
  return {0, hash + 1 + kSuffix, "<random>-<random>"};
}

Match proc_pid(const Run& run) {
  if (run.before() != '/' || run.run == "1") return {};
  if (precedes(run, "/proc/") || precedes(run, "/task/")) return {0, run.run.size(), "<pid>"};
  return {};
}

Match said_pid(const Run& run) {
  if (!is_one_of(run.before(), "= ") || run.at < 4 || run.run == "1") return {};
  const std::string_view word = run.text.substr(run.at - 4, 3);
  if (word != "pid" && word != "PID") return {};
  const char before = run.at > 4 ? run.text[run.at - 5] : '\0';
  return is_alnum(before) && before != 'p' ? Match{} : Match{0, run.run.size(), "<pid>"};
}

Match descriptor(const Run& run) {
  for (const std::string_view place : {"/fd/", "/fdinfo/", "/dev/pts/"})
    if (precedes(run, place)) return {0, run.run.size(), "<number>"};
  return {};
}

Match inode(const Run& run) {
  if (!precedes(run, "pipe:[") && !precedes(run, "socket:[")) return {};
  return {0, run.run.size(), "<inode>"};
}

struct Glued {
  std::string_view prefix;
  std::size_t drawn;
};

Match glued_temporary(const Run& run) {
  static constexpr auto kMakers = std::to_array<Glued>({{"tmp", 8}, {"sed", 6}, {"cc", 6}});
  if (run.before() != '/' && run.before() != '.' && run.before() != ' ' && run.at != 0) return {};
  for (const auto& [prefix, drawn] : kMakers) {
    const std::size_t length = prefix.size() + drawn;
    if (!run.run.starts_with(prefix) || run.rest().size() < length) continue;
    std::string letters(run.rest().substr(prefix.size(), drawn));
    // Python draws from small letters, digits and the underscore.
    if (prefix == "tmp") std::erase(letters, '_');
    if (!all_of(letters, is_alnum) || is_alnum(run.after(length))) continue;
    if (looks_random(letters) || (run.temporary && is_odd_word(letters)))
      return {prefix.size(), drawn, "<random>"};
  }
  return {};
}

Match numbered_word(const Run& run) {
  const auto letters = static_cast<std::size_t>(
      std::find_if(run.run.begin(), run.run.end(), is_digit) - run.run.begin());
  const std::size_t digits = run.run.size() - letters;
  if (digits < kShortestRandom || !all_of(run.run.substr(letters), is_digit)) return {};
  if (!reads_as_words(run.run.substr(0, letters))) return {};
  return {letters, digits, "<number>"};
}

Match random_suffix(const Run& run) {
  return looks_random(run.run) ? Match{0, run.run.size(), "<random>"} : Match{};
}

Match random_temporary(const Run& run) {
  const bool starts =
      run.before() == '/' || (run.before() == '.' && run.at >= 2 && run.text[run.at - 2] == '/');
  if (!starts || !looks_random(run.run)) return {};
  return {0, run.run.size(), "<random>"};
}

Match odd_suffix(const Run& run) {
  if (!is_odd_word(run.run)) return {};
  const bool by_name = run.text.substr(0, run.at - 1).ends_with("tmp");
  return run.temporary || by_name ? Match{0, run.run.size(), "<random>"} : Match{};
}

Match hex(const Run& run) {
  const bool marked = run.run.starts_with("0x");
  const std::string_view digits = marked ? run.run.substr(2) : run.run;
  if (digits.size() < (marked ? 6U : 8U) || digits.size() > kLongestDigest) return {};
  if (!all_of(digits, is_hex)) return {};
  if (!marked && (all_of(digits, is_digit) || std::none_of(digits.begin(), digits.end(), is_digit)))
    return {};
  return {0, run.run.size(), "<hex>"};
}

Match base64(const Run& run) {
  if (run.run.size() < 16 || run.run.size() > kLongestRandom) return {};
  if (run.at == 0 || !is_one_of(run.before(), "/=:,-._")) return {};
  return reads_as_words(run.run) ? Match{} : Match{0, run.run.size(), "<base64>"};
}

Match number(const Run& run) {
  return run.run.size() < kShortestRandom ? Match{} : Match{0, run.run.size(), "<number>"};
}

constexpr auto kTable = std::to_array<Row>({
    {{"generator", "Falco's event-generator draws a suffix for every action; the action says all",
      "/dev/shm/falco-event-generator-syscall-ReadTheDocs-QWERTY.sh",
      "/dev/shm/falco-event-generator-syscall-ReadTheDocs-<random>.sh"},
     kGenerator,
     generator},
    {{"uuid", "RFC 9562: an id", "/run/job/123e4567-e89b-12d3-a456-426614174000/out",
      "/run/job/<uuid>/out"},
     kHex,
     uuid},
    {{"date", "the calendar is no part of what happens; also with a time of day behind it",
      "dump 2026-02-03T04:05:06Z /srv/db-2026-02-03.sql", "dump <time> /srv/db-<date>.sql"},
     kDigits,
     date},
    {{"time", "a time of day", "at 04:05:06", "at <time>"}, kNumber, clock},
    {{"mac", "hardware addresses of containers are drawn or derived from their IP address",
      "arping 02:42:ac:11:00:02", "arping <mac>"},
     kHex,
     mac},
    {{"address", "addresses come and go with pods; which kind it is stays",
      "curl 10.1.2.3:8080 8.8.4.4 127.0.0.1 tool-1.2.3.4",
      "curl <private-ip>:8080 <public-ip> 127.0.0.1 tool-1.2.3.4"},
     kDigits | kHex,
     address},
    {{"pod", "Kubernetes draws the hash of a ReplicaSet and the suffix of a pod without vowels",
      "kubectl logs web-bcdfghjkl-xz2k9", "kubectl logs web-<random>-<random>"},
     kSuffix,
     pod},
    {{"proc", "a process id, but 1 is init: below /proc/1 lies the way out of a container",
      "/proc/4242/task/4243/maps /proc/1/root", "/proc/<pid>/task/<pid>/maps /proc/1/root"},
     kNumber,
     proc_pid},
    {{"pid", "a process id that says so; any other short number may mean something",
      "gdb --pid 4242 -n 42", "gdb --pid <pid> -n 42"},
     kNumber,
     said_pid},
    {{"descriptor", "descriptor and terminal numbers are chance (ruling 8)",
      "/proc/self/fd/7 /dev/pts/3", "/proc/self/fd/<number> /dev/pts/<number>"},
     kNumber,
     descriptor},
    {{"inode", "pipes and sockets are named by an inode number", "socket:[41235]",
      "socket:[<inode>]"},
     kNumber,
     inode},
    {{"glued", "Python's tempfile, sed -i and the compiler draw without a separator",
      "/tmp/tmpx3_9kq7z /etc/sedAb3dEf", "/tmp/tmp<random> /etc/sed<random>"},
     kDigits | kMixed | kTemporary,
     glued_temporary},
    {{"numbered", "Go's MkdirTemp and its kin write up to ten digits behind a word",
      "/tmp/go-build2811802272/b001", "/tmp/go-build<number>/b001"},
     kDigits,
     numbered_word},
    {{"suffix", "ruling 10: a suffix with a digit or mixed cases that is not made of words",
      "/srv/job-a1B2c3 app-server2 helper.DoNothing",
      "/srv/job-<random> app-server2 helper.DoNothing"},
     kDigits | kMixed,
     random_suffix,
     kSuffix},
    {{"temporary", "below /tmp and /dev/shm whole names are drawn too", "/tmp/xK3jd8Qz/run",
      "/tmp/<random>/run"},
     kDigits | kMixed,
     random_temporary,
     kTemporary},
    {{"mktemp",
      "one in ninety of mktemp's six letters has one case; there, or behind `tmp`, a "
      "suffix that is no word is drawn",
      "/tmp/.k-wxkqzj /tmp/my-worker", "/tmp/.k-<random> /tmp/my-worker"},
     kSuffix,
     odd_suffix},
    {{"hex", "eight hex digits and more with a digit among them, up to the longest digest",
      "docker rm c61b4b13ae44", "docker rm <hex>"},
     kHex | kDigits,
     hex},
    {{"base64", "an id that is part of a path or a pair; a word of its own may be a payload",
      "get /blob/Zm9vYmFyMTIzNDU2Nzg5 echo Zm9vYmFyMTIzNDU2Nzg5",
      "get /blob/<base64> echo Zm9vYmFyMTIzNDU2Nzg5"},
     kMixed,
     base64,
     kDigits},
    {{"number", "six digits and more: offsets, inodes, epochs (ruling 10)", "seek 1048576 -n 42",
      "seek <number> -n 42"},
     kNumber,
     number},
});

}  // namespace

std::span<const Row> rows() { return kTable; }

std::span<const NormaliserRow> normaliser_rows() {
  static const auto kFacts = [] {
    std::array<NormaliserRow, kTable.size()> facts;
    std::transform(kTable.begin(), kTable.end(), facts.begin(),
                   [](const Row& row) { return row.facts; });
    return facts;
  }();
  return kFacts;
}

}  // namespace gyre::schemas
