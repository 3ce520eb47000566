// SPDX-License-Identifier: Apache-2.0
#include "schemas/field_list.h"

#include <algorithm>

#include "schemas/alert_values.h"

namespace gyre::schemas {

void FieldList::clear() {
  entries_.clear();
  arena_.release();
}

void FieldList::add(std::string_view name, std::string_view value) {
  if (is_unknown(value) || name.empty()) return;
  if (const auto at = replaced_bracket(name))
    name = keep(keep(name.substr(0, *at), "[", name.substr(*at + 1)), "]");
  entries_.push_back({name, value});
}

std::string_view FieldList::keep(std::string_view a, std::string_view b, std::string_view c) {
  const std::size_t size = a.size() + b.size() + c.size();
  if (size == 0) return {};
  auto* memory = static_cast<char*>(arena_.allocate(size, 1));
  char* to = memory;
  for (const auto part : {a, b, c}) to = std::copy(part.begin(), part.end(), to);
  return {memory, size};
}

bool FieldList::finish(Alert& alert) {
  const auto not_before = [](const Entry& a, const Entry& b) { return a.name >= b.name; };
  if (std::adjacent_find(entries_.begin(), entries_.end(), not_before) != entries_.end()) {
    std::stable_sort(entries_.begin(), entries_.end(),
                     [](const Entry& a, const Entry& b) { return a.name < b.name; });
    const auto same = [](const Entry& a, const Entry& b) { return a.name == b.name; };
    entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());
  }
  const bool left_out = entries_.size() > limits_.fields;
  if (left_out) entries_.resize(limits_.fields);
  alert.fields.resize(entries_.size());
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    auto& [name, value] = alert.fields[i];
    name.clear();
    name.append(entries_[i].name);
    value.clear();
    value.append(entries_[i].value);
  }
  return left_out;
}

}  // namespace gyre::schemas
