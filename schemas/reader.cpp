// SPDX-License-Identifier: Apache-2.0
#include "schemas/reader.h"

namespace gyre::schemas {

struct AlertReader::Impl {
  explicit Impl(ParseLimits limits) : parser(limits) {}

  AlertParser parser;
  Reading reading;
  std::string_view value;
  bool more = false;
};

AlertReader::AlertReader(ParseLimits limits) : impl_(std::make_unique<Impl>(limits)) {}
AlertReader::~AlertReader() = default;

void AlertReader::open(std::string_view value, RecordHeaders) {
  impl_->value = value;
  impl_->more = value.find_first_not_of(" \t\r\n") != std::string_view::npos;
  impl_->reading.envelope = "bare";
}

Reading* AlertReader::next() {
  if (!std::exchange(impl_->more, false)) return nullptr;
  impl_->reading.rejection.reset();
  if (auto parsed = impl_->parser.parse(impl_->value, impl_->reading.alert); !parsed)
    impl_->reading.rejection = std::move(parsed.error());
  return &impl_->reading;
}

}  // namespace gyre::schemas
