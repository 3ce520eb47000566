// SPDX-License-Identifier: Apache-2.0
#include "schemas/fields.h"

#include <algorithm>

#include "base/check.h"

namespace gyre::schemas {

namespace {

bool before(const Fields::Field& a, const Fields::Field& b) { return a.first < b.first; }

}  // namespace

Fields::Fields(std::initializer_list<Field> fields) {
  for (const auto& [name, value] : fields)
    if (find(name).empty()) set(name, value);
}

Fields::Fields(const std::vector<std::pair<std::string, std::string>>& fields) {
  for (const auto& [name, value] : fields)
    if (find(name).empty()) set(name, value);
}

Fields::Fields(const Fields& other) { *this = other; }

Fields& Fields::operator=(const Fields& other) {
  if (this == &other) return *this;
  clear();
  for (const auto& [name, value] : other) entries_.emplace_back(keep(name), keep(value));
  number_names();
  return *this;
}

void Fields::clear() {
  if (!entries_.empty()) first_.fill(0);
  entries_.clear();
  numbers_.clear();
  if (arena_) arena_->memory.release();
}

void Fields::set(std::string_view name, std::string_view value) {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), Field{name, {}}, before);
  if (at != entries_.end() && at->first == name) {
    at->second = keep(value);
    return;
  }
  entries_.insert(at, {keep(name), keep(value)});
  number_names();
}

void Fields::rename(std::string_view name, std::string_view to) {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), Field{name, {}}, before);
  if (at == entries_.end() || at->first != name) return;
  at->first = keep(to);
  std::sort(entries_.begin(), entries_.end(), before);
  number_names();
}

std::span<char> Fields::allocate(std::size_t size) {
  if (!arena_) arena_ = std::make_unique<Arena>();
  return {static_cast<char*>(arena_->memory.allocate(size, 1)), size};
}

std::string_view Fields::keep(std::string_view text) {
  if (text.empty()) return {};
  const std::span<char> own = allocate(text.size());
  std::copy(text.begin(), text.end(), own.begin());
  return {own.data(), own.size()};
}

void Fields::adopt(std::vector<Field>& fields, std::vector<FieldNumber>& numbers) {
  entries_.swap(fields);
  numbers_.swap(numbers);
  fields.clear();
  numbers.clear();
  index();
}

void Fields::swap(Fields& other) noexcept {
  entries_.swap(other.entries_);
  numbers_.swap(other.numbers_);
  first_.swap(other.first_);
  next_.swap(other.next_);
  arena_.swap(other.arena_);
}

void Fields::number_names() {
  numbers_.clear();
  for (const auto& [name, value] : entries_) numbers_.push_back(field_number(name));
  index();
}

void Fields::index() {
  CHECK(entries_.size() < UINT16_MAX);
  first_.fill(0);
  next_.resize(entries_.size());
  for (std::size_t i = entries_.size(); i-- > 0;) {
    std::uint16_t& first = first_[bucket(entries_[i].first)];
    next_[i] = std::exchange(first, static_cast<std::uint16_t>(i + 1));
  }
}

}  // namespace gyre::schemas
