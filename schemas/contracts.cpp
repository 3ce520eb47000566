// SPDX-License-Identifier: Apache-2.0
#include "schemas/contracts.h"

#include <cstddef>
#include <utility>

namespace gyre::schemas {

extern const std::pair<std::string_view, std::string_view> kContracts[];
extern const std::size_t kContractsCount;

namespace {

// schemas/report.schema.json -> report
std::string_view name_of(std::string_view path) {
  path.remove_prefix(path.rfind('/') + 1);
  return path.substr(0, path.find('.'));
}

}  // namespace

std::string_view contract(std::string_view name) {
  for (std::size_t i = 0; i < kContractsCount; ++i) {
    if (name_of(kContracts[i].first) == name) return kContracts[i].second;
  }
  return {};
}

std::vector<std::string_view> contract_names() {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < kContractsCount; ++i) names.push_back(name_of(kContracts[i].first));
  return names;
}

}  // namespace gyre::schemas
