// SPDX-License-Identifier: Apache-2.0
#include "schemas/field_list.h"

#include <algorithm>
#include <functional>

#include "schemas/alert_values.h"
#include "schemas/utf8.h"

namespace gyre::schemas {

void FieldList::start(Fields& fields, std::string_view text) {
  fields_ = &fields;
  text_ = text;
  entries_.clear();
}

void FieldList::add(std::string_view name, std::string_view value) {
  if (is_unknown(value) || name.empty()) return;
  if (const auto at = replaced_bracket(name))
    name = join(name.substr(0, *at), "[", join(name.substr(*at + 1), "]", {}));
  else
    name = owned(name);
  entries_.emplace_back(name, owned(value));
}

std::string_view FieldList::join(std::string_view a, std::string_view b, std::string_view c) {
  char* const joined = fields_->allocate(a.size() + b.size() + c.size()).data();
  char* to = joined;
  for (const auto part : {a, b, c}) to = std::copy(part.begin(), part.end(), to);
  return {joined, to};
}

std::string_view FieldList::owned(std::string_view text) {
  const std::less_equal<const char*> not_behind;
  const bool found = not_behind(text_.data(), text.data()) &&
                     not_behind(text.data() + text.size(), text_.data() + text_.size());
  return found ? text : fields_->keep(text);
}

bool FieldList::finish() {
  const auto not_before = [](const auto& a, const auto& b) { return a.first >= b.first; };
  if (std::adjacent_find(entries_.begin(), entries_.end(), not_before) != entries_.end()) {
    std::stable_sort(entries_.begin(), entries_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
    entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());
  }
  const bool left_out = entries_.size() > limits_.fields;
  if (left_out) entries_.resize(limits_.fields);
  fields_->adopt(entries_);
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
