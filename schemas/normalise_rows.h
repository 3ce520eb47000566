// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "schemas/normalise.h"

// The normaliser's own: its table.
namespace gyre::schemas {

/// What a run of letters and digits consists of and where it stands.
enum Trait : std::uint8_t {
  kDigits = 1,      ///< has a digit
  kMixed = 2,       ///< has small letters and capitals
  kHex = 4,         ///< nothing but hex digits
  kNumber = 8,      ///< nothing but digits
  kTemporary = 16,  ///< in a path below /tmp, /var/tmp or /dev/shm
  kSuffix = 32,     ///< behind `name-`, `name.` or `name_`
  kGenerator = 64,  ///< how the known generator's name begins
};
inline constexpr std::size_t kTraits = 128;  ///< combinations

struct Run {
  std::string_view text;  ///< all of it
  std::size_t at = 0;     ///< where the run starts
  std::string_view run;
  std::uint8_t traits = 0;
  bool temporary = false;

  char before() const { return at == 0 ? '\0' : text[at - 1]; }
  std::string_view rest() const { return text.substr(at); }
  /// The character `length` behind the start, NUL behind the end.
  char after(std::size_t length) const {
    return at + length < text.size() ? text[at + length] : '\0';
  }
};

/// From the run's start: `kept` bytes stay, `replaced` ones become the placeholder.
struct Match {
  std::size_t kept = 0;
  std::size_t replaced = 0;
  std::string_view placeholder;
  std::size_t size() const { return kept + replaced; }
};

struct Row {
  NormaliserRow facts;
  std::uint8_t traits;  ///< tried only at runs that have one of these
  Match (*match)(const Run&);
  std::uint8_t all = 0;  ///< ... and all of these
};

std::span<const Row> rows();

}  // namespace gyre::schemas
