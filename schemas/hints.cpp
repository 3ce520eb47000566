// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "schemas/ascii.h"
#include "schemas/secrets.h"

namespace gyre::schemas {

namespace {

// The first four letters of a hint are three pairs, one behind the other; whatever starts anywhere,
// every third pair of the text meets one of them. Steps of a fixed width don't wait for each other,
// as those of Wu and Manber's search do (measured: a quarter of its time).
class Hints {
 public:
  Hints() {
    const auto rows = secret_rows();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (const std::string_view hint : rows[i].hints) {
        CHECK(hint.size() > kPairs);
        words_.push_back({lowered(hint), static_cast<std::uint32_t>(i)});
      }
    }
    const auto first_pair = [](const Word& word) { return pair(word.text.data()); };
    std::stable_sort(words_.begin(), words_.end(),
                     [&](const Word& a, const Word& b) { return first_pair(a) < first_pair(b); });
    for (const Word& word : words_)
      for (std::size_t i = 0; i < kPairs; ++i)
        places_[pair(&word.text[i])] |= static_cast<std::uint8_t>(1U << i);
    for (std::size_t i = 0, word = 0; i <= kCodedPairs; ++i) {
      while (word < words_.size() && first_pair(words_[word]) < i) ++word;
      first_[i] = static_cast<std::uint16_t>(word);
    }
  }

  std::uint32_t rows_in(std::string_view text) const {
    std::uint32_t found = 0;
    for (std::size_t at = 0; at + 1 < text.size(); at += kPairs) {
      const std::uint8_t places = places_[pair(text.data() + at)];
      if (places == 0) continue;
      for (std::size_t i = 0; i < kPairs; ++i)
        if ((places >> i & 1U) != 0 && i <= at) found |= rows_at(text, at - i, found);
    }
    return found;
  }

 private:
  static constexpr std::size_t kPairs = 3;
  static constexpr unsigned kCodeBits = 5;
  static constexpr std::size_t kCodedPairs = 1U << (2 * kCodeBits);

  struct Word {
    std::string text;  ///< small letters
    std::uint32_t row;
  };

  // A code for each letter, case ignored, one for all digits, one for what stands in no hint.
  static constexpr auto kCodes = [] {
    std::array<std::uint8_t, 256> codes{};
    for (int i = 0; i < 128; ++i) {
      const auto c = static_cast<char>(i);
      auto& code = codes[static_cast<std::size_t>(i)];
      if (is_lower(lower(c))) code = static_cast<std::uint8_t>(lower(c) - 'a' + 1);
      if (is_digit(c)) code = 27;
      if (c == '_') code = 28;
      if (c == '-') code = 29;
      if (c == ' ') code = 30;
    }
    return codes;
  }();

  static std::size_t pair(const char* first) {
    return static_cast<std::size_t>(kCodes[static_cast<unsigned char>(first[0])] << kCodeBits |
                                    kCodes[static_cast<unsigned char>(first[1])]);
  }

  std::uint32_t rows_at(std::string_view text, std::size_t at, std::uint32_t found) const {
    if (text.size() - at <= kPairs) return 0;
    for (std::size_t i = 0; i < kPairs; ++i)
      if ((places_[pair(text.data() + at + i)] >> i & 1U) == 0) return 0;
    const std::size_t first = pair(text.data() + at);
    std::uint32_t rows = 0;
    for (std::size_t i = first_[first]; i < first_[first + 1]; ++i)
      rows |= confirmed(words_[i], text, at, found | rows);
    return rows;
  }

  static std::uint32_t confirmed(const Word& word, std::string_view text, std::size_t at,
                                 std::uint32_t found) {
    const std::uint32_t bit = 1U << word.row;
    if ((found & bit) != 0 || text.size() - at < word.text.size()) return 0;
    for (std::size_t i = 0; i < word.text.size(); ++i)
      if (lower(text[at + i]) != word.text[i]) return 0;
    const auto confirms = secret_rows()[word.row].confirms;
    return confirms == nullptr || confirms(text, at, word.text.size()) ? bit : 0;
  }

  std::vector<Word> words_;
  std::array<std::uint8_t, kCodedPairs> places_{};  // bit i: the i-th pair of some hint
  std::array<std::uint16_t, kCodedPairs + 1> first_{};
};

// Case ignored.
bool contains(std::string_view text, std::string_view part) {
  if (std::none_of(part.begin(), part.end(), [](char c) { return is_lower(lower(c)); }))
    return text.find(part) != std::string_view::npos;
  return std::search(text.begin(), text.end(), part.begin(), part.end(),
                     [](char a, char b) { return lower(a) == b; }) != text.end();
}

}  // namespace

std::uint32_t rows_hinted_by(std::string_view text) {
  static const Hints hints;
  std::uint32_t rows = hints.rows_in(text);
  const auto table = secret_rows();
  for (std::size_t i = 0; i < table.size(); ++i) {
    const std::uint32_t bit = 1U << i;
    if (table[i].hints.empty()) rows |= bit;
    if ((rows & bit) == 0) continue;
    for (const std::string_view need : table[i].needs)
      if (!contains(text, need)) rows &= ~bit;
  }
  return rows;
}

}  // namespace gyre::schemas
