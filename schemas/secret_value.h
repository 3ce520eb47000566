// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace gyre::schemas {

/// Whether what stands where a secret may stand can be one. A command, a URL, an address or a path
/// is none: whoever names it a token would hide with it what is run and where it goes.
/// `value`: with its quotes, if it has some.
bool may_be_secret(std::string_view value);

}  // namespace gyre::schemas
