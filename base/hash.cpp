// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

// The digest without its frame of providers: two of three ids are of less than 300 bytes, for
// which that frame costs a third (measured).
#define OPENSSL_SUPPRESS_DEPRECATED
#include <endian.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <xxhash.h>

#include <array>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace gyre {

namespace {
// Looking SHA-256 up by name costs more than hashing a short text.
const EVP_MD* algorithm() {
  static const EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return md;
}

constexpr std::size_t kNumberBytes = sizeof(std::uint64_t);

void put(std::uint64_t number, char* to) {
  const std::uint64_t little = htole64(number);
  std::memcpy(to, &little, sizeof little);
}
}  // namespace

struct IdHasher::State {
  SHA256_CTX context;

  State() { start(); }

  void start() { CHECK(SHA256_Init(&context) == 1); }

  void digest(const char* bytes, std::size_t count) {
    CHECK(SHA256_Update(&context, bytes, count) == 1);
  }
};

IdHasher::IdHasher() : state_(std::make_unique<State>()) {}
IdHasher::~IdHasher() = default;

void IdHasher::digest() { state_->digest(pending_.data(), std::exchange(size_, 0)); }

IdHasher& IdHasher::add_long(std::string_view part) {
  digest();
  const bool is_long = part.size() >= kMark;
  std::array<char, 1 + kNumberBytes> head{};
  head[0] = static_cast<char>(is_long ? kLong : part.size());
  put(part.size(), head.data() + 1);
  state_->digest(head.data(), is_long ? head.size() : 1);
  state_->digest(part.data(), part.size());
  return *this;
}

IdHasher& IdHasher::add(std::int64_t number) {
  char bytes[kNumberBytes];
  put(static_cast<std::uint64_t>(number), bytes);
  return add(std::string_view(bytes, sizeof bytes));
}

Id128 IdHasher::finish() {
  unsigned char out[SHA256_DIGEST_LENGTH];
  digest();
  CHECK(SHA256_Final(out, &state_->context) == 1);
  state_->start();
  Id128 id;
  std::memcpy(id.data(), out, id.size());
  return id;
}

std::string sha256(std::string_view bytes) {
  std::string out(32, '\0');
  CHECK(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(out.data()),
                   nullptr, algorithm(), nullptr) == 1);
  return out;
}

std::string to_hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    hex += kDigits[value >> 4];
    hex += kDigits[value & 15];
  }
  return hex;
}

std::string to_base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static const auto digits = [&] {
    std::array<std::int8_t, 256> table{};
    table.fill(-1);
    for (std::size_t i = 0; i < kAlphabet.size(); ++i)
      table[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
    return table;
  }();
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 3);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    if (c == '\r' || c == '\n' || c == ' ') continue;
    const int digit = digits[static_cast<unsigned char>(c)];
    if (digit < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(digit);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes += static_cast<char>((bits >> held) & 0xFF);
  }
  return bytes;
}

std::uint64_t fast_hash(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::uint32_t murmur2(std::string_view bytes) {
  constexpr std::uint32_t kMultiplier = 0x5bd1e995;
  const auto size = static_cast<std::uint32_t>(bytes.size());
  std::uint32_t hash = 0x9747b28c ^ size;
  std::size_t i = 0;
  for (; i + 4 <= bytes.size(); i += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, bytes.data() + i, sizeof word);
    word *= kMultiplier;
    word ^= word >> 24;
    word *= kMultiplier;
    hash = (hash * kMultiplier) ^ word;
  }
  const auto byte = [&](std::size_t at) {
    return std::uint32_t{static_cast<unsigned char>(bytes[at])};
  };
  switch (bytes.size() - i) {
    case 3:
      hash ^= byte(i + 2) << 16;
      [[fallthrough]];
    case 2:
      hash ^= byte(i + 1) << 8;
      [[fallthrough]];
    case 1:
      hash = (hash ^ byte(i)) * kMultiplier;
      break;
    default:
      break;
  }
  hash ^= hash >> 13;
  hash *= kMultiplier;
  return hash ^ (hash >> 15);
}

}  // namespace gyre
