// SPDX-License-Identifier: Apache-2.0
#include "schemas/envelope/unpack.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "base/check.h"

namespace gyre::schemas::envelope {

namespace {

constexpr std::size_t kChunk = 64 << 10;
constexpr int kWindowLog = 23;

// Makes room behind `used` bytes, up to one byte past the limit: that byte tells. Returns the room.
std::size_t grow(std::string& to, std::size_t used, std::size_t limit) {
  if (used == to.size()) to.resize(std::min(std::max(kChunk, 2 * used), limit + 1));
  return to.size() - used;
}

Unpacked finished(std::string& to, std::size_t used, std::size_t limit) {
  to.resize(used);
  return used > limit ? Unpacked::kTooLarge : Unpacked::kWhole;
}

Unpacked gunzip(std::string_view bytes, std::size_t limit, std::string& to) {
  z_stream stream{};
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  CHECK(inflateInit2(&stream, kGzipOnly) == Z_OK);
  const std::unique_ptr<z_stream, int (*)(z_stream*)> closer(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::size_t used = 0;
  for (;;) {
    if (used > limit) return Unpacked::kTooLarge;
    const std::size_t chunk = grow(to, used, limit);
    stream.next_out = reinterpret_cast<Bytef*>(to.data() + used);
    stream.avail_out = static_cast<uInt>(chunk);
    const int status = inflate(&stream, Z_NO_FLUSH);
    used += chunk - stream.avail_out;
    if (status == Z_STREAM_END) {
      if (stream.avail_in == 0) return finished(to, used, limit);
      if (inflateReset(&stream) != Z_OK) return Unpacked::kBroken;
    } else if (status != Z_OK) {
      return Unpacked::kBroken;  // Z_BUF_ERROR too: the input ended before the stream did
    }
  }
}

Unpacked unzstd(std::string_view bytes, std::size_t limit, std::string& to) {
  const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                        ZSTD_freeDCtx);
  CHECK(context != nullptr);
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kWindowLog);
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  std::size_t used = 0;
  for (;;) {
    if (used > limit) return Unpacked::kTooLarge;
    const std::size_t chunk = grow(to, used, limit);
    ZSTD_outBuffer out{to.data() + used, chunk, 0};
    const std::size_t left = ZSTD_decompressStream(context.get(), &out, &in);
    used += out.pos;
    if (ZSTD_isError(left) != 0) return Unpacked::kBroken;
    if (in.pos < in.size || out.pos == chunk) continue;
    if (left != 0) return Unpacked::kBroken;
    return finished(to, used, limit);
  }
}

}  // namespace

std::string_view to_string(Packing packing) { return packing == Packing::kGzip ? "gzip" : "zstd"; }

Packing packing_of(std::string_view bytes) {
  if (bytes.starts_with("\x1F\x8B")) return Packing::kGzip;
  if (bytes.starts_with("\x28\xB5\x2F\xFD")) return Packing::kZstd;
  return Packing::kNone;
}

Unpacked unpack(Packing packing, std::string_view bytes, std::size_t limit, std::string& to) {
  to.clear();
  return packing == Packing::kGzip ? gunzip(bytes, limit, to) : unzstd(bytes, limit, to);
}

}  // namespace gyre::schemas::envelope
