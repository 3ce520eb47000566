// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#include <immintrin.h>
#endif

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

constexpr char upper(char c) { return is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c; }

// Looks at thirty-two places of the text at a time for the first four letters of any hint. The
// hints are in eight groups, a bit each; two tables say in which of them a letter may stand at its
// place (the Teddy algorithm of Hyperscan). Four places in a hundred of real texts pass, and are
// looked at alone; so are all places where the processor has no such instructions.
class Hints {
 public:
  Hints() {
    const auto rows = secret_rows();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].hints.empty()) unhinted_ |= 1U << i;
      for (const std::string_view hint : rows[i].hints) {
        CHECK(hint.size() >= kLetters);
        words_.push_back({letters_at(hint.data()), lowered(hint), i});
      }
    }
    std::sort(words_.begin(), words_.end(),
              [](const Word& a, const Word& b) { return slot(a.letters) < slot(b.letters); });
    CHECK(words_.size() < 256);
    for (std::size_t i = words_.size(); i-- > 0;) {
      first_word_[slot(words_[i].letters)] = static_cast<std::uint8_t>(i + 1);
      const std::string& text = words_[i].text;
      const auto group = static_cast<std::uint8_t>(1U << static_cast<unsigned>(text[1]) % 8);
      for (std::size_t at = 0; at < kLetters; ++at)
        for (const char c : {text[at], upper(text[at])}) {
          groups_[at].by_low[static_cast<unsigned char>(c) % 16] |= group;
          groups_[at].by_high[static_cast<unsigned char>(c) / 16] |= group;
        }
    }
  }

  /// The rows without hints among them.
  std::uint32_t rows_in(std::string_view text) const {
#ifdef __x86_64__
    static const bool has_blocks = __builtin_cpu_supports("avx2") != 0;
    if (has_blocks) return rows_by_blocks(text);
#endif
    std::uint32_t found = unhinted_;
    for (std::size_t at = 0; at + kLetters <= text.size(); ++at) found |= rows_at(text, at, found);
    return found;
  }

 private:
  static constexpr std::size_t kLetters = 4;
  static constexpr std::size_t kBlock = 32;
  static constexpr unsigned kSlotBits = 10;

  struct Word {
    std::uint32_t letters;  // its first ones
    std::string text;       // small letters
    std::size_t row;
  };
  // Of a letter, by its half bytes.
  struct Groups {
    alignas(16) std::array<std::uint8_t, 16> by_low{};
    alignas(16) std::array<std::uint8_t, 16> by_high{};
  };

#ifdef __x86_64__
  __attribute__((target("avx2"))) std::uint32_t rows_by_blocks(std::string_view text) const {
    std::uint32_t found = unhinted_;
    std::array<char, kBlock + kLetters> end{};
    for (std::size_t at = 0; at + kLetters <= text.size(); at += kBlock) {
      const char* from = text.data() + at;
      if (text.size() - at < end.size())
        from = static_cast<char*>(std::memcpy(end.data(), from, text.size() - at));
      for (std::uint32_t places = hinted_places(from); places != 0; places &= places - 1) {
        const std::size_t place = at + static_cast<std::size_t>(std::countr_zero(places));
        if (place + kLetters <= text.size()) found |= rows_at(text, place, found);
      }
    }
    return found;
  }

  // One bit a place.
  __attribute__((target("avx2"))) std::uint32_t hinted_places(const char* from) const {
    __m256i groups = _mm256_set1_epi8(-1);
#pragma GCC unroll 4
    for (std::size_t at = 0; at < kLetters; ++at) {
      const __m256i letters = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + at));
      groups = _mm256_and_si256(groups, look_up(groups_[at].by_low, letters));
      groups =
          _mm256_and_si256(groups, look_up(groups_[at].by_high, _mm256_srli_epi16(letters, 4)));
    }
    const __m256i none = _mm256_cmpeq_epi8(groups, _mm256_setzero_si256());
    return ~static_cast<std::uint32_t>(_mm256_movemask_epi8(none));
  }

  // Of each byte its lower half's entry.
  __attribute__((target("avx2"))) static __m256i look_up(const std::array<std::uint8_t, 16>& table,
                                                         __m256i bytes) {
    const __m128i entries = _mm_load_si128(reinterpret_cast<const __m128i*>(table.data()));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(entries),
                               _mm256_and_si256(bytes, _mm256_set1_epi8(15)));
  }
#endif

  // Case ignored; others may become the same.
  static std::uint32_t letters_at(const char* text) {
    std::uint32_t letters = 0;
    std::memcpy(&letters, text, sizeof letters);
    return letters & 0xDFDFDFDFU;
  }
  static std::size_t slot(std::uint32_t letters) {
    return letters * 0x9E3779B1U >> (32 - kSlotBits);
  }

  std::uint32_t rows_at(std::string_view text, std::size_t at, std::uint32_t found) const {
    const std::uint32_t letters = letters_at(text.data() + at);
    std::uint32_t rows = 0;
    for (std::size_t i = first_word_[slot(letters)];
         i != 0 && i <= words_.size() && slot(words_[i - 1].letters) == slot(letters); ++i)
      if (words_[i - 1].letters == letters)
        rows |= confirmed(words_[i - 1], text, at, found | rows);
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
  std::array<std::uint8_t, 1U << kSlotBits> first_word_{};  // from 1; 0: a slot has none
  std::array<Groups, kLetters> groups_{};
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
    if (!std::all_of(row.needs.begin(), row.needs.end(),
                     [&](std::string_view need) { return contains(text, need); }))
      rows &= ~(rest & -rest);
  }
  return rows;
}

}  // namespace gyre::schemas
