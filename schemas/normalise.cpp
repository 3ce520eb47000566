// SPDX-License-Identifier: Apache-2.0
#include "schemas/normalise.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "schemas/ascii.h"
#include "schemas/normalise_rows.h"

namespace gyre::schemas {

namespace {

constexpr auto kPlaceholders = std::to_array<std::string_view>(
    {"<random>", "<uuid>", "<date>", "<time>", "<mac>", "<pid>", "<inode>", "<number>", "<hex>",
     "<base64>", "<private-ip>", "<public-ip>", "<multicast-ip>", "<link_local-ip>", "<runtime>"});

bool is_placeholder_at(std::string_view text, std::size_t at) {
  return std::any_of(kPlaceholders.begin(), kPlaceholders.end(),
                     [&](std::string_view name) { return text.substr(at).starts_with(name); });
}

// Class of each byte, one bit each.
enum Byte : std::uint8_t {
  kIsDigit = 1,
  kIsLower = 2,
  kIsUpper = 4,
  kIsHexLetter = 8,
  kIsSlash = 16,
  kIsPathEnd = 32,  // of a path on a command line
  kIsAngle = 64     // how a placeholder begins
};
constexpr std::uint8_t kIsAlnum = kIsDigit | kIsLower | kIsUpper;
constexpr std::array<std::uint8_t, 256> kBytes = [] {
  std::array<std::uint8_t, 256> table{};
  for (int i = 0; i < 128; ++i) {
    const auto c = static_cast<char>(i);
    auto& entry = table[static_cast<std::size_t>(i)];
    if (is_digit(c)) entry |= kIsDigit;
    if (is_lower(c)) entry |= kIsLower;
    if (is_upper(c)) entry |= kIsUpper;
    if (is_hex(c) && !is_digit(c)) entry |= kIsHexLetter;
    if (c == '/') entry |= kIsSlash;
    if (c == '<') entry |= kIsAngle;
    if (std::string_view(" \t\n\"'=:,;|&()").find(c) != std::string_view::npos) entry |= kIsPathEnd;
  }
  return table;
}();

std::uint8_t byte_class(char c) { return kBytes[static_cast<unsigned char>(c)]; }

// Where anybody may write and names are made up: until the path ends.
bool is_temporary_place(std::string_view text, std::size_t slash) {
  const std::string_view before = text.substr(0, slash);
  return before.ends_with("/tmp") || before.ends_with("/dev/shm");
}

void classify(Run& run) {
  std::uint8_t seen = 0;
  bool hex = true;
  std::size_t end = run.at;
  for (; end < run.text.size(); ++end) {
    const std::uint8_t entry = byte_class(run.text[end]);
    if ((entry & kIsAlnum) == 0) break;
    seen |= entry;
    hex = hex && (entry & (kIsDigit | kIsHexLetter)) != 0;
  }
  run.run = run.text.substr(run.at, end - run.at);
  run.traits = 0;
  if ((seen & kIsDigit) != 0) run.traits |= kDigits;
  if ((seen & kIsLower) != 0 && (seen & kIsUpper) != 0) run.traits |= kMixed;
  if (hex) run.traits |= kHex;
  if ((seen & (kIsLower | kIsUpper)) == 0) run.traits |= kNumber;
  if (run.temporary) run.traits |= kTemporary;
  // An option or a hidden file has no name in front of it.
  const char before = run.before();
  if ((before == '-' || before == '.' || before == '_') && run.at >= 2 &&
      (byte_class(run.text[run.at - 2]) & kIsAlnum) != 0)
    run.traits |= kSuffix;
  if (run.run == "falco") run.traits |= kGenerator;
}

// The rows to be tried at runs of these traits, one bit each.
std::uint32_t rows_for(std::uint8_t traits) {
  static const auto kMasks = [] {
    std::array<std::uint32_t, kTraits> masks{};
    CHECK(rows().size() <= 32);
    for (std::size_t of = 0; of < kTraits; ++of)
      for (std::size_t i = 0; i < rows().size(); ++i)
        if ((of & rows()[i].traits) != 0 && (of & rows()[i].all) == rows()[i].all)
          masks[of] |= 1U << i;
    return masks;
  }();
  return kMasks[traits];
}

Match match(const Run& run) {
  for (std::uint32_t left = rows_for(run.traits); left != 0; left &= left - 1) {
    const Row& row = rows()[static_cast<std::size_t>(std::countr_zero(left))];
    if (const Match found = row.match(run); found.size() != 0) return found;
  }
  return {};
}

}  // namespace

void normalise_to(std::string_view text, std::string& out) {
  Run run{text};
  std::size_t copied = 0;
  const auto copy_to = [&](std::size_t end) {
    out.append(text, copied, end - copied);
    copied = end;
  };
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const std::uint8_t entry = byte_class(c);
    if ((entry & kIsAlnum) == 0) {
      if (entry == kIsSlash && !run.temporary) run.temporary = is_temporary_place(text, at);
      if (entry == kIsPathEnd) run.temporary = false;
      if (entry == kIsAngle && is_placeholder_at(text, at)) {
        copy_to(at);
        out += '\\';
      }
      ++at;
      continue;
    }
    run.at = at;
    classify(run);
    const Match found = run.traits == 0 ? Match{} : match(run);
    if (found.size() == 0) {
      at += run.run.size();
      continue;
    }
    copy_to(at + found.kept);
    out += found.placeholder;
    at += found.size();
    copied = at;
  }
  copy_to(text.size());
}

std::string normalise(std::string_view text) {
  std::string out;
  normalise_to(text, out);
  return out;
}

}  // namespace gyre::schemas
