// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace gyre::schemas {

/// How much likelier its pairs of letters are in words than in random letters: the sum of their
/// log2, from -6 to 3 a pair. Letters only, case ignored. Of words of six letters 7 % are below 0,
/// of random strings 84 %.
int word_score(std::string_view letters);

/// Whether a run of letters and digits is made of words and at most one number of up to five
/// digits: `server2`, `DoNothing`, `HTTPServer`, `sha256`. Of random strings of six letters and
/// digits about one in two hundred passes.
bool reads_as_words(std::string_view run);

}  // namespace gyre::schemas
