// SPDX-License-Identifier: Apache-2.0
#include "schemas/secret_value.h"

#include <algorithm>
#include <array>

#include "schemas/address.h"
#include "schemas/ascii.h"

namespace gyre::schemas {

namespace {

constexpr std::string_view kBlanks = " \t\n\r\f\v";

bool is_any_front(std::string_view text, std::initializer_list<std::string_view> fronts) {
  return std::any_of(fronts.begin(), fronts.end(),
                     [&](std::string_view front) { return text.starts_with(front); });
}

// `https://`
bool begins_with_scheme(std::string_view text) {
  constexpr std::size_t kLongest = 16;
  const std::size_t end = text.substr(0, kLongest + 3).find("://");
  if (end == std::string_view::npos || end < 2) return false;
  return std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end),
                     [](char c) { return is_alnum(c) || c == '+' || c == '.' || c == '-'; });
}

// `203.0.113.5`, `203.0.113.5:4444`, `203.0.113.5/x`
bool begins_with_address(std::string_view text) {
  const std::size_t length = address_length(text);
  if (length == 0 || text.substr(0, length).find('.') == std::string_view::npos) return false;
  return length == text.size() || text[length] == ':' || text[length] == '/';
}

bool is_place(std::string_view text) {
  return begins_with_scheme(text) || begins_with_address(text) ||
         is_any_front(text, {"/bin/", "/boot/", "/dev/", "/etc/", "/home/", "/lib", "/media/",
                             "/mnt/", "/opt/", "/proc/", "/root/", "/run/", "/sbin/", "/srv/",
                             "/sys/", "/tmp/", "/usr/", "/var/"});
}

// Several words, of which one is an option, a path or a place, or what a shell puts between words.
bool is_command(std::string_view text) {
  if (text.find_first_of(kBlanks) == std::string_view::npos)
    return text.find("${IFS") != std::string_view::npos ||
           text.find("/dev/tcp/") != std::string_view::npos ||
           text.find("/dev/udp/") != std::string_view::npos;
  if (text.find_first_of("|;<>") != std::string_view::npos ||
      text.find("&&") != std::string_view::npos)
    return true;
  while (true) {
    const std::size_t begin = text.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return false;
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(kBlanks));
    if (word.size() > 1 && (word.front() == '-' || word.front() == '/')) return true;
    if (is_place(word)) return true;
    text.remove_prefix(word.size());
  }
}

}  // namespace

bool may_be_secret(std::string_view value) {
  constexpr std::string_view kQuotes = "\\\"'";
  const std::size_t begin = value.find_first_not_of(kQuotes);
  if (begin == std::string_view::npos) return true;
  const std::string_view inside = value.substr(begin, value.find_last_not_of(kQuotes) + 1 - begin);
  return !is_place(inside) && !is_command(inside);
}

}  // namespace gyre::schemas
