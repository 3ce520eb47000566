// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace gyre::schemas {

/// Hides what programs are given as a password by an option of theirs (`mysql -pX`, `curl -u u:X`).
/// Only where the program is the one that is run, by itself, by a shell's -c, or by a launcher such
/// as sudo: `tar -C /var/lib/mysql -pczf x` has no password. One pass; linear in time.
std::string hide_program_secrets(std::string_view text);

}  // namespace gyre::schemas
