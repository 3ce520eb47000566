// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "schemas/ascii.h"
#include "schemas/secrets.h"

namespace gyre::schemas {

namespace {

// A hint of four letters holds two triples, one behind the other; whatever starts anywhere, every
// second triple of the text meets one of them. A table says which triples are some hint's; few of a
// text without secrets are (measured: pairs, every third, cost three times as much, for a quarter
// of all pairs are some hint's).
class Hints {
 public:
  Hints() {
    const auto rows = secret_rows();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (const std::string_view hint : rows[i].hints) {
        CHECK(hint.size() > kTriple);
        words_.push_back({lowered(hint), static_cast<std::uint32_t>(i)});
      }
    }
    const auto first_code = [](const Word& word) { return code(four(word.text.data())); };
    std::stable_sort(words_.begin(), words_.end(),
                     [&](const Word& a, const Word& b) { return first_code(a) < first_code(b); });
    for (const Word& word : words_) {
      places_[code(four(word.text.data()))] |= 1;
      places_[code(four(word.text.data()) >> 8)] |= 2;
    }
    for (std::size_t i = 0, word = 0; i <= kCodes; ++i) {
      while (word < words_.size() && first_code(words_[word]) < i) ++word;
      first_[i] = static_cast<std::uint16_t>(word);
    }
  }

  std::uint32_t rows_in(std::string_view text) const {
    std::uint32_t found = 0;
    if (text.size() <= kTriple) return found;
    std::size_t at = 0;
    for (const std::size_t last = text.size() - 4; at <= last; at += 2) {
      const std::size_t triple = code(four(text.data() + at));
      if (places_[triple] != 0) found |= rows_near(text, at, triple, found);
    }
    if (at + kTriple == text.size())
      found |= rows_near(text, at, code(four(text.data() + at - 1) >> 8), found);
    return found;
  }

 private:
  static constexpr std::size_t kTriple = 3;
  static constexpr unsigned kCodeBits = 12;
  static constexpr std::size_t kCodes = 1U << kCodeBits;

  struct Word {
    std::string text;  ///< small letters
    std::uint32_t row;
  };

  static std::uint32_t four(const char* at) {
    const auto byte = [&](int i) { return std::uint32_t{static_cast<unsigned char>(at[i])}; };
    return byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24;
  }
  // Of the first three, case ignored. Others share it.
  static std::size_t code(std::uint32_t four) {
    return ((four | 0x202020U) & 0xFFFFFFU) * 0x9E3779B1U >> (32 - kCodeBits);
  }

  // The triple at `at` may be the first or the second of a hint.
  std::uint32_t rows_near(std::string_view text, std::size_t at, std::size_t triple,
                          std::uint32_t found) const {
    std::uint32_t rows = 0;
    if ((places_[triple] & 1U) != 0) rows |= rows_at(text, at, triple, found);
    if ((places_[triple] & 2U) != 0 && at > 0)
      rows |= rows_at(text, at - 1, code(four(text.data() + at - 1)), found | rows);
    return rows;
  }

  std::uint32_t rows_at(std::string_view text, std::size_t at, std::size_t triple,
                        std::uint32_t found) const {
    std::uint32_t rows = 0;
    for (std::size_t i = first_[triple]; i < first_[triple + 1]; ++i)
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
  std::array<std::uint8_t, kCodes> places_{};  // bit i: the i-th triple of some hint
  std::array<std::uint16_t, kCodes + 1> first_{};
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
  static const std::uint32_t unhinted = [] {
    std::uint32_t rows = 0;
    for (std::size_t i = 0; i < secret_rows().size(); ++i)
      if (secret_rows()[i].hints.empty()) rows |= 1U << i;
    return rows;
  }();
  std::uint32_t rows = hints.rows_in(text) | unhinted;
  const auto table = secret_rows();
  for (std::uint32_t left = rows; left != 0; left &= left - 1) {
    const auto i = static_cast<std::size_t>(std::countr_zero(left));
    const std::uint32_t bit = 1U << i;
    for (const std::string_view need : table[i].needs)
      if (!contains(text, need)) rows &= ~bit;
  }
  return rows;
}

}  // namespace gyre::schemas
