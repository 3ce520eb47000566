// SPDX-License-Identifier: Apache-2.0
#include "pipeline/asked_ids.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"

namespace gyre::pipeline {

namespace {

constexpr std::size_t kShortest = 8;
constexpr std::size_t kWhole = 32;
constexpr std::size_t kNamed = 5;  // of several, in a message

}  // namespace

AskedIds::AskedIds(const std::set<std::string>& beginnings) {
  for (const std::string& beginning : beginnings) found_[beginning];
}

bool AskedIds::is_beginning(std::string_view text) {
  return text.size() >= kShortest && text.size() <= kWhole &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool AskedIds::wants(const std::string& id) {
  bool wanted = found_.empty();
  for (auto& [beginning, ids] : found_) {
    if (!id.starts_with(beginning)) continue;
    if (settled_ && !ids.empty() && !ids.contains(id)) continue;
    ids.insert(id);
    wanted = true;
  }
  return wanted;
}

void AskedIds::forget(const std::string& id) {
  if (settled_) return;  // a beginning keeps its meaning
  for (auto& [beginning, ids] : found_) ids.erase(id);
}

void AskedIds::settle() {
  settled_ = true;
  for (const auto& [beginning, ids] : found_) {
    if (ids.size() < 2) continue;
    std::set<std::string> named;
    for (const std::string& id : ids)
      if (named.size() < kNamed) named.insert(id);
    throw Failure(fmt::format("{} reports begin with {}: {}{}; give more digits", ids.size(),
                              beginning, fmt::join(named, ", "),
                              ids.size() > kNamed ? " ..." : ""));
  }
}

std::set<std::string> AskedIds::unknown() const {
  std::set<std::string> unknown;
  for (const auto& [beginning, ids] : found_)
    if (ids.empty()) unknown.insert(beginning);
  return unknown;
}

}  // namespace gyre::pipeline
