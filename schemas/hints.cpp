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
    words_.push_back({kSlots, {}, 0});
    for (std::size_t i = words_.size(); i-- > 1;)
      first_word_[words_[i - 1].slot] = static_cast<std::uint8_t>(i - 1);
    CHECK(words_.size() < 256);
  }

  /// The rows without hints among them.
  std::uint32_t rows_in(std::string_view text) const {
    std::uint32_t found = unhinted_;
    const auto look = [&](std::size_t at, std::uint8_t places) {
      if ((places & kFirst) != 0) found |= rows_at(text, at, found);
      if ((places & kSecond) != 0 && at > 0) found |= rows_at(text, at - 1, found);
    };
    std::size_t at = 0;
    for (; at + sizeof(std::uint64_t) <= text.size(); at += 6) {
      std::uint64_t letters = 0;
      std::memcpy(&letters, text.data() + at, sizeof letters);
      const std::uint8_t first = places_[slot(letters)];
      const std::uint8_t second = places_[slot(letters >> 16)];
      const std::uint8_t third = places_[slot(letters >> 32)];
      if ((first | second | third) == 0) continue;
      look(at, first);
      look(at + 2, second);
      look(at + 4, third);
    }
    for (; at + kLetters <= text.size(); at += 2) look(at, places_[slot(text.data() + at)]);
    return found;
  }

 private:
  static constexpr std::size_t kLetters = 3;
  static constexpr unsigned kSlotBits = 13;
  static constexpr std::size_t kSlots = 1U << kSlotBits;
  enum Place : std::uint8_t { kFirst = 1, kSecond = 2 };  // of a triple in some hint

  struct Word {
    std::size_t slot;  // of its first letters
    std::string text;  // small letters
    std::size_t row;
  };

  // Of three letters, case ignored; others may share it.
  static std::size_t slot(std::uint64_t letters) {
    return (static_cast<std::uint32_t>(letters) & 0xDFDFDFU) * 0x9E3779B1U >> (32 - kSlotBits);
  }
  static std::size_t slot(const char* letters) {
    std::uint16_t two = 0;
    std::memcpy(&two, letters, sizeof two);
    return slot(two | std::uint64_t{static_cast<unsigned char>(letters[2])} << 16);
  }

  std::uint32_t rows_at(std::string_view text, std::size_t at, std::uint32_t found) const {
    const std::size_t wanted = slot(text.data() + at);
    std::uint32_t rows = 0;
    for (std::size_t word = first_word_[wanted]; words_[word].slot == wanted; ++word)
      rows |= confirmed(words_[word], text, at, found | rows);
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
  std::array<std::uint8_t, kSlots> first_word_{};  // where a slot has one
  std::array<std::uint8_t, kSlots> places_{};
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
