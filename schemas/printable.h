// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

// Characters that nobody sees, or that look like a blank: control characters, those that turn the
// direction of text, of no width, variation selectors, tags, blanks other than the blank. What
// holds one is not the name that it looks like.
namespace gyre::schemas {

/// How many of the bytes from `from` on are ASCII that is seen, until the first that is not.
std::size_t plain_bytes(std::string_view text, std::size_t from);

/// Length of the unseen character at `at`, 0 if another one stands there.
std::size_t unprintable_bytes(std::string_view text, std::size_t at);

/// Without them (ruling 15): names of ours, rules and tags. Differs from `text` if it holds one.
std::string printable(std::string_view text);

/// With a sign for each, `<U+200B>`; for the end of a line `␤`: what an alert says, nothing lost.
std::string visible(std::string_view text);

}  // namespace gyre::schemas
