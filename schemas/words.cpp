// SPDX-License-Identifier: Apache-2.0
#include "schemas/words.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "schemas/ascii.h"

namespace gyre::schemas {

namespace {

// Row: first letter, column: second. '6' = as frequent as chance, one more = twice as frequent.
// Counted over the distinct words of the names and short descriptions of Debian 12's packages
// (`apt-cache dumpavail`): what programs and files are called.
constexpr std::array<std::string_view, 26> kPairs = {
    "47874574736879383989665564",  // a
    "76767665765765764776755544",  // b
    "83657448628753961767633341",  // c
    "76558553834555752664643241",  // d
    "76887664534879675998566753",  // e
    "63436631701642741665513340",  // f
    "63458455622656751765633232",  // g
    "72447310712443741546523150",  // h
    "79877772425879873788463606",  // i
    "52335221401221430152411100",  // j
    "64457243612443540465523131",  // k
    "84569443914753852476643363",  // l
    "86558443713664773465633241",  // m
    "74778684745556752488653453",  // n
    "66774573646889772977756633",  // o
    "84568456704754772767623271",  // p
    "21321110200430121335611100",  // q
    "95779553836675862677653262",  // r
    "74758447825665775579645361",  // s
    "85759547925654862877635463",  // t
    "66656552623767360777221413",  // u
    "63448231701343530334300020",  // v
    "62336324602354530453201210",  // w
    "43445432512452351446223341",  // x
    "54545342412555461465322202",  // y
    "42116101500322400121201134",  // z
};

// Eight times likelier a word than chance.
constexpr int kWord = 3;
constexpr std::size_t kNumber = 5;
constexpr std::size_t kLettersAWord = 3;

// Words in which numbers stand between letters, or whose letters alone are no word.
constexpr auto kTerms = std::to_array<std::string_view>(
    {"aarch64",   "base32",    "ed25519", "ip6tables", "log4j2",    "openjdk11",
     "openjdk17", "openjdk21", "ppc64le", "riscv64",   "secp256k1", "sha224",
     "sha256",    "sha384",    "sha512",  "utf8mb4",   "v1alpha1",  "v1alpha2",
     "v1beta1",   "v1beta2",   "v2beta1", "v2beta2",   "x25519"});

// The length of the part that starts at `at`: digits, a word with or without a capital, capitals.
std::size_t part_length(std::string_view run, std::size_t at) {
  std::size_t end = at;
  const auto skip = [&](auto predicate) {
    while (end < run.size() && predicate(run[end])) ++end;
  };
  if (is_digit(run[at])) {
    skip(is_digit);
    return end - at;
  }
  skip(is_upper);
  const std::size_t capitals = end - at;
  if (capitals > 1) {
    // The last capital of HTTPServer belongs to the word behind it.
    return capitals - (end < run.size() && is_lower(run[end]) ? 1 : 0);
  }
  skip(is_lower);
  return end - at;
}

}  // namespace

int word_score(std::string_view letters) {
  int score = 0;
  for (std::size_t i = 1; i < letters.size(); ++i) {
    const auto row = static_cast<std::size_t>(lower(letters[i - 1]) - 'a');
    const auto column = static_cast<std::size_t>(lower(letters[i]) - 'a');
    score += kPairs[row][column] - '6';
  }
  return score;
}

bool reads_as_words(std::string_view run) {
  if (std::find(kTerms.begin(), kTerms.end(), run) != kTerms.end()) return true;
  std::size_t numbers = 0;
  std::size_t parts = 0;
  std::size_t letters = 0;
  int score = 0;
  for (std::size_t at = 0; at < run.size();) {
    const std::size_t length = part_length(run, at);
    const std::string_view part = run.substr(at, length);
    at += length;
    if (is_digit(part.front())) {
      if (++numbers > 1 || length > kNumber) return false;
      continue;
    }
    if (length == 1) return false;
    ++parts;
    letters += length;
    score += word_score(part);
  }
  return parts > 0 && letters >= kLettersAWord * parts && score >= kWord;
}

}  // namespace gyre::schemas
