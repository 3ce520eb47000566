// SPDX-License-Identifier: Apache-2.0
#include "schemas/field_list.h"

#include <algorithm>

#include "schemas/alert_values.h"
#include "schemas/utf8.h"

namespace gyre::schemas {

void FieldList::start(Fields& fields) {
  fields_ = &fields;
  entries_.clear();
  numbers_.clear();
}

void FieldList::add(std::string_view name, std::string_view value) {
  if (is_unknown(value) || name.empty()) return;
  FieldNumber number = field_number(name);
  if (number == 0) {
    if (const auto at = replaced_bracket(name)) {
      name = join(name.substr(0, *at), "[", join(name.substr(*at + 1), "]", {}));
      number = field_number(name);
    }
  }
  entries_.emplace_back(name, value);
  numbers_.push_back(number);
}

std::string_view FieldList::join(std::string_view a, std::string_view b, std::string_view c) {
  char* const joined = fields_->allocate(a.size() + b.size() + c.size()).data();
  char* to = joined;
  for (const auto part : {a, b, c}) to = std::copy(part.begin(), part.end(), to);
  return {joined, to};
}

bool FieldList::finish() {
  const auto is_behind = [&](std::size_t i) {
    const FieldNumber before = numbers_[i - 1];
    if (before != 0 && numbers_[i] != 0) return before < numbers_[i];
    return entries_[i - 1].first < entries_[i].first;
  };
  std::size_t sorted = std::min<std::size_t>(entries_.size(), 1);
  while (sorted < entries_.size() && is_behind(sorted)) ++sorted;
  if (sorted < entries_.size()) {
    std::stable_sort(entries_.begin(), entries_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
    entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());
    numbers_.clear();
    for (const auto& [name, value] : entries_) numbers_.push_back(field_number(name));
  }
  const bool left_out = entries_.size() > limits_.fields;
  if (left_out) {
    entries_.resize(limits_.fields);
    numbers_.resize(limits_.fields);
  }
  fields_->adopt(entries_, numbers_);
  return left_out;
}

void TagList::start(std::vector<std::string>& tags) {
  tags_ = &tags;
  count_ = 0;
  truncated_ = false;
}

void TagList::add(std::string_view text) {
  text = trimmed(text);
  if (is_unknown(text)) return;
  const std::string_view whole = cut_utf8(text, limits_.string_bytes);
  truncated_ = truncated_ || whole.size() < text.size() || count_ == limits_.fields;
  if (count_ == limits_.fields) return;
  if (count_ == tags_->size()) tags_->emplace_back();
  (*tags_)[count_++] = whole;
}

bool TagList::finish() {
  tags_->resize(count_);
  if (!std::is_sorted(tags_->begin(), tags_->end())) std::sort(tags_->begin(), tags_->end());
  tags_->erase(std::unique(tags_->begin(), tags_->end()), tags_->end());
  return truncated_;
}

}  // namespace gyre::schemas
