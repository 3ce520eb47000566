// SPDX-License-Identifier: Apache-2.0
#include "pipeline/record_stream.h"

#include <iterator>

#include "schemas/envelope/unpack.h"

namespace gyre::pipeline {
namespace {

bool opens_file(const std::string& line) {
  if (schemas::envelope::packing_of(line) != schemas::envelope::Packing::kNone) return true;
  const auto first = line.find_first_not_of(" \t\r\xEF\xBB\xBF");
  const auto last = line.find_last_not_of(" \t\r");
  return first != std::string::npos && first == last && (line[first] == '{' || line[first] == '[');
}

}  // namespace

bool RecordStream::next(std::string& record) {
  if (!std::getline(in_, record)) return false;
  if (++line_ == 1 && !in_.eof() && opens_file(record))
    record += '\n' + std::string(std::istreambuf_iterator<char>(in_), {});
  return true;
}

}  // namespace gyre::pipeline
