// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/check.h"
#include "schemas/ascii.h"
#include "schemas/secrets.h"

namespace gyre::schemas {

namespace {

// Hints have four letters at least: whatever starts anywhere, every second triple of the text is
// its first or its second one. Steps of a fixed width don't wait for each other, as those of Wu and
// Manber's search do (measured: a quarter of its time), and hardly any triple stands in a hint.
class Hints {
 public:
  Hints() {
    const auto rows = secret_rows();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::uint32_t bit = 1U << i;
      if (rows[i].hints.empty()) unhinted_ |= bit;
      for (const std::string_view hint : rows[i].hints) {
        CHECK(hint.size() > kLetters);
        places_[slot(hint.data())] |= kFirst;
        places_[slot(hint.data() + 1)] |= kSecond;
        words_.push_back({slot(hint.data()), lowered(hint), i});
      }
    }
    std::sort(words_.begin(), words_.end(),
              [](const Word& a, const Word& b) { return a.slot < b.slot; });
  }

  /// The rows without hints among them.
  std::uint32_t rows_in(std::string_view text) const {
    std::uint32_t found = unhinted_;
    for (std::size_t at = 0; at + kLetters <= text.size(); at += 2) {
      const std::uint8_t places = places_[slot(text.data() + at)];
      if (places == 0) continue;
      if ((places & kFirst) != 0) found |= rows_at(text, at, found);
      if ((places & kSecond) != 0 && at > 0) found |= rows_at(text, at - 1, found);
    }
    return found;
  }

 private:
  static constexpr std::size_t kLetters = 3;
  static constexpr unsigned kSlotBits = 13;
  enum Place : std::uint8_t { kFirst = 1, kSecond = 2 };  // of a triple in some hint

  struct Word {
    std::size_t slot;  // of its first letters
    std::string text;  // small letters
    std::size_t row;
  };

  // Of three letters, case ignored; others may share it.
  static std::size_t slot(const char* letters) {
    std::uint16_t two = 0;
    std::memcpy(&two, letters, sizeof two);
    const std::uint32_t three = two | static_cast<std::uint32_t>(letters[2]) << 16;
    return (three & 0xDFDFDFU) * 0x9E3779B1U >> (32 - kSlotBits);
  }

  std::uint32_t rows_at(std::string_view text, std::size_t at, std::uint32_t found) const {
    const std::size_t wanted = slot(text.data() + at);
    auto word = std::lower_bound(words_.begin(), words_.end(), wanted,
                                 [](const Word& a, std::size_t b) { return a.slot < b; });
    std::uint32_t rows = 0;
    for (; word != words_.end() && word->slot == wanted; ++word)
      rows |= confirmed(*word, text, at, found | rows);
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
  std::array<std::uint8_t, 1U << kSlotBits> places_{};
  std::uint32_t unhinted_ = 0;
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
  for (std::uint32_t rest = rows; rest != 0; rest &= rest - 1) {
    const SecretRow& row = secret_rows()[static_cast<std::size_t>(std::countr_zero(rest))];
    for (const std::string_view need : row.needs)
      if (!contains(text, need)) rows &= ~(rest & -rest);
  }
  return rows;
}

}  // namespace gyre::schemas
