// SPDX-License-Identifier: Apache-2.0
#include "schemas/report_view.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "schemas/address.h"
#include "schemas/json_text.h"

namespace gyre::schemas {

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  // A zero byte would end the text for the parser, not for the reader.
  return text.find('\0') == std::string::npos &&
         (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
          inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1);
}

JsonView JsonView::operator[](std::string_view key) const {
  return JsonView(member_of(json_, key));
}

std::string JsonView::text() const { return unescaped(json_); }

std::int64_t JsonView::number() const { return whole_number(json_).value_or(0); }

std::vector<JsonView> JsonView::items() const {
  std::vector<JsonView> all;
  if (!json_.starts_with('[')) return all;
  std::string_view rest = json_.substr(1);
  while (const auto item = take_item(rest)) all.emplace_back(item->value);
  return all;
}

std::vector<std::pair<std::string, JsonView>> JsonView::members() const {
  std::vector<std::pair<std::string, JsonView>> all;
  if (!json_.starts_with('{')) return all;
  std::string_view rest = json_.substr(1);
  while (const auto item = take_item(rest))
    all.emplace_back(unescaped(item->key), JsonView(item->value));
  return all;
}

std::vector<std::string> JsonView::texts() const {
  std::vector<std::string> all;
  for (const JsonView& item : items()) all.push_back(item.text());
  return all;
}

ReportView::ReportView(std::string_view json)
    : members_(JsonView(json).members()), fields_((*this)["evidence"]["fields"].members()) {}

JsonView ReportView::operator[](std::string_view key) const {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [&](const auto& member) { return member.first == key; });
  return found == members_.end() ? JsonView() : found->second;
}

std::vector<std::string> ReportView::values(std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names)
    for (const auto& [field, values] : fields_)
      if (field == name)
        if (auto all = values.texts(); !all.empty()) return all;
  return {};
}

std::string ReportView::field(std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names) {
    const auto all = values({name});
    if (all.empty()) continue;
    // A long one may be listed as capped for its own middle.
    const bool only =
        all.size() == 1 && (all[0].find("…") != std::string::npos || !is_capped(name));
    return only ? all[0] : std::string();
  }
  return {};
}

bool ReportView::is_capped(std::string_view field) const {
  const auto capped = (*this)["evidence"]["capped"].texts();
  return std::find(capped.begin(), capped.end(), field) != capped.end();
}

std::optional<std::int64_t> ReportView::number(std::string_view field, std::int64_t low,
                                               std::int64_t high) const {
  const auto value = whole_number(this->field({field}));
  return value && *value >= low && *value <= high ? value : std::nullopt;
}

std::string ReportView::address(std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names) {
    const std::string value = field({name});
    if (is_address(value)) return value;
    // The API server adds the address that it sees itself behind those that it was told.
    if (const auto list = addresses_in(value); name == "ka.sourceips" && !list.empty())
      if (std::string last(list.back()); is_address(last)) return last;
  }
  return {};
}

std::vector<std::string> ReportView::forwarded_for() const {
  const std::string value = field({"ka.sourceips"});
  const auto list = addresses_in(value);
  std::vector<std::string> told;
  if (list.empty() || !is_address(std::string(list.back()))) return told;
  for (std::size_t i = 0; i + 1 < list.size(); ++i)
    if (std::string address(list[i]); is_address(address)) told.push_back(std::move(address));
  return told;
}

std::vector<std::string> ReportView::tags() const {
  const std::string joined = detail("tags");
  std::vector<std::string> tags;
  for (std::size_t at = 0; at < joined.size();) {
    const std::size_t end = std::min(joined.find(", ", at), joined.size());
    tags.push_back(joined.substr(at, end - at));
    at = end + 2;
  }
  // The list was cut in its last one.
  if (!tags.empty() && tags.back().ends_with("…")) tags.pop_back();
  return tags;
}

std::string ReportView::detail(std::string_view field) const {
  for (const JsonView& detail : (*this)["details"]["rule"].items())
    if (detail["field"].text() == field) return detail["value"].text();
  return {};
}

}  // namespace gyre::schemas
