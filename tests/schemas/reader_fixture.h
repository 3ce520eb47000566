// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "schemas/reader.h"
#include "schemas/report.h"

namespace gyre::schemas {

using Headers = std::vector<std::pair<std::string, std::string>>;

inline std::string alert(std::string_view rule = "A shell", std::string_view more = "") {
  return fmt::format(
      R"({{"hostname":"node-7","output":"sh | cmd=echo \"{{}}\" \u003cNA\u003e","output_fields":{{"container.id":"0123456789ab","proc.cmdline":"sh -c \"id\""}},"priority":"Notice",{}"rule":"{}","source":"syscall","time":"2026-01-02T03:04:05.123456789Z"}})",
      more, rule);
}

inline std::string as_json(std::string_view text) {
  JsonWriter json;
  json.begin_object().key("x").value(text).end_object();
  const std::string whole = json.take();
  return whole.substr(5, whole.size() - 6);
}

inline std::string gzip(std::string_view bytes) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline std::string zstd(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
  return out;
}

class ReaderTest : public testing::Test {
 protected:
  struct Read {
    std::string rule;  // or the rejection's name, in angle brackets
    std::string envelope;
    std::string detail;
    Nanos time = kNoTime;
    Nanos envelope_time = kNoTime;
    std::uint32_t flags = 0;
    Alert alert;
  };
  std::vector<Read> read_all(std::string_view record, const Headers& headers = {}) {
    std::vector<Read> all;
    reader_.open(record, headers);
    while (const Reading* reading = reader_.next()) {
      Read& one = all.emplace_back();
      one.envelope = reading->envelope;
      one.envelope_time = reading->envelope_time;
      if (reading->rejection) {
        one.rule = fmt::format("<{}>", to_string(reading->rejection->error));
        one.detail = reading->rejection->detail;
      } else {
        one.rule = reading->alert.rule;
        one.time = reading->alert.time;
        one.flags = reading->alert.flags;
        one.alert = reading->alert;
      }
    }
    return all;
  }
  std::string rules(std::string_view record) {
    std::string text;
    for (const Read& one : read_all(record)) text += (text.empty() ? "" : ",") + one.rule;
    return text;
  }
  // The one alert of the record, whole and from that envelope.
  Read expect(std::string_view record, std::string_view envelope, std::string_view time = "",
              const Headers& headers = {}) {
    const auto all = read_all(record, headers);
    EXPECT_EQ(all.size(), 1U) << record;
    if (all.size() != 1) return {};
    EXPECT_EQ(all[0].rule, "A shell") << all[0].detail << '\n' << record;
    EXPECT_EQ(all[0].envelope, envelope);
    EXPECT_EQ(all[0].time, *parse_rfc3339("2026-01-02T03:04:05.123456789Z"));
    EXPECT_EQ(all[0].alert.field("proc.cmdline"), "sh -c \"id\"");
    EXPECT_EQ(all[0].alert.output, "sh | cmd=echo \"{}\" <NA>");
    EXPECT_EQ(all[0].alert.hostname, "node-7");
    EXPECT_EQ(all[0].envelope_time, time.empty() ? kNoTime : *parse_rfc3339(time));
    return all[0];
  }

  AlertReader reader_;
};

}  // namespace gyre::schemas
