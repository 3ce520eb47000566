// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace gyre::schemas::envelope {

enum class Packing { kNone, kGzip, kZstd };
std::string_view to_string(Packing packing);  ///< `gzip`, `zstd`

/// By the first bytes of RFC 1952 and RFC 8878: a `content-encoding` header may be missing or lie.
Packing packing_of(std::string_view bytes);

/// `kBroken` also where a zstd frame wants a window above 8 MiB (RFC 8878 3.1.1.1.2 asks for no
/// more).
enum class Unpacked { kWhole, kBroken, kTooLarge };

/// Unpacks all members or frames into `to`, of which at most `limit` bytes are ever made.
Unpacked unpack(Packing packing, std::string_view bytes, std::size_t limit, std::string& to);

}  // namespace gyre::schemas::envelope
