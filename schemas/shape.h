// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "schemas/alert.h"

namespace gyre::schemas {

/// Changes whenever the same alert could get another shape (ruling 32).
inline constexpr std::uint32_t kShapeVersion = 4;

/// The normalised pattern of an alert (rulings 8, 9, 10): `family name=value name="a value"`,
/// readable, valid UTF-8, <= 512 bytes, never an identity of container, host or time. Call it on a
/// redacted alert.
std::string shape_of(const Alert& alert);

}  // namespace gyre::schemas
