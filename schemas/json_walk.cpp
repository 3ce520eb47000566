// SPDX-License-Identifier: Apache-2.0
#include "schemas/json_walk.h"

#include <simdjson.h>

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace gyre::schemas {

static_assert(kJsonPadding >= simdjson::SIMDJSON_PADDING);

struct JsonIndex::Impl {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> stages;
};

JsonIndex::JsonIndex() : impl_(std::make_unique<Impl>()) {}
JsonIndex::~JsonIndex() = default;

bool JsonIndex::read(std::string_view json) {
  auto& stages = impl_->stages;
  if (!stages || stages->capacity() < json.size()) {
    const std::size_t capacity = std::bit_ceil(std::max<std::size_t>(json.size(), 4096));
    CHECK(simdjson::get_active_implementation()->create_dom_parser_implementation(
              capacity, 1, stages) == simdjson::SUCCESS);
  }
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(json.data());
  return stages->stage1(bytes, json.size(), simdjson::stage1_mode::regular) == simdjson::SUCCESS;
}

const std::uint32_t* JsonIndex::begin() const { return impl_->stages->structural_indexes.get(); }
const std::uint32_t* JsonIndex::end() const {
  return begin() + impl_->stages->n_structural_indexes;
}

}  // namespace gyre::schemas
