// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "schemas/alert.h"

namespace gyre::schemas {

/// What kind of thing an alert of the system-call source tells; decides what its shape is made of
/// (ruling 8).
enum class Family : std::uint8_t {
  kExec,     ///< a program was started
  kProcess,  ///< a program did something that is neither of a file nor of a connection: ptrace ...
  kRead,     ///< a file was opened for reading
  kWrite,    ///< a file was created, changed, renamed, linked or removed
  kFile,     ///< a file was opened, nothing says for what
  kNetwork,  ///< a connection, a socket, a listener
};

std::string_view to_string(Family family);  ///< `exec`, `process`, `read`, `write` ...

/// From evt.type; for those system calls that may be one or the other, from what the descriptor is
/// and what the rule's name says. Never from flags or outcome: they differ between two alerts of
/// one phenomenon.
Family family_of(const Alert& alert);

}  // namespace gyre::schemas
