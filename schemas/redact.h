// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "schemas/alert.h"

namespace gyre::schemas {

/// Replaces secrets by `<redacted>` in command lines, arguments, environment, URIs, request values
/// and `output` (ruling 15), in place, before shape and state. Never in rule names, paths, ids. The
/// duplicate id is taken before.
void redact(Alert& alert);

/// One string: passwords on command lines, bearer tokens, AWS keys, private keys, URL user info,
/// `password=`-like pairs.
std::string redact_text(std::string_view text);

}  // namespace gyre::schemas
