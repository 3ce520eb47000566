// SPDX-License-Identifier: Apache-2.0
#include "schemas/request.h"

#include <algorithm>
#include <vector>

#include "schemas/ascii.h"

namespace gyre::schemas {

namespace {

constexpr std::string_view kCommand = "command=";
// Between the words of a command: a blank to whoever looks for secrets, and in no word.
constexpr char kBetween = '\t';

unsigned char digit_of(char c) {
  return static_cast<unsigned char>(is_digit(c) ? c - '0' : lower(c) - 'a' + 10);
}

// RFC 3986, and `+` for a blank, as the API server reads a query.
std::string decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool hex =
        text[i] == '%' && i + 2 < text.size() && is_hex(text[i + 1]) && is_hex(text[i + 2]);
    if (hex) {
      out += static_cast<char>(digit_of(text[i + 1]) << 4 | digit_of(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::string encoded(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    // What stands for a secret stays readable.
    if (is_alnum(c) || std::string_view("-._~/:,<>").find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15U];
    }
  }
  return out;
}

std::vector<std::string_view> parameters_of(std::string_view uri) {
  std::vector<std::string_view> all;
  const std::size_t question = uri.find('?');
  if (question == std::string_view::npos) return all;
  for (std::size_t at = question + 1; at <= uri.size();) {
    const std::size_t end = std::min(uri.find('&', at), uri.size());
    all.push_back(uri.substr(at, end - at));
    at = end + 1;
  }
  return all;
}

std::string words_of(const std::vector<std::string_view>& parameters, char between) {
  std::string words;
  for (const std::string_view parameter : parameters) {
    if (!parameter.starts_with(kCommand)) continue;
    std::string word = decoded(parameter.substr(kCommand.size()));
    std::replace(word.begin(), word.end(), kBetween, ' ');
    if (!words.empty()) words += between;
    words += word;
  }
  return words;
}

}  // namespace

std::string command_of_uri(std::string_view uri) { return words_of(parameters_of(uri), ' '); }

std::string with_command(std::string_view uri,
                         const std::function<std::string(std::string_view)>& change) {
  const auto parameters = parameters_of(uri);
  const std::string before = words_of(parameters, kBetween);
  if (before.empty()) return std::string(uri);
  const std::string after = change(before);
  if (after == before) return std::string(uri);
  std::string out(uri.substr(0, uri.find('?')));
  bool written = false;
  char mark = '?';
  const auto add = [&](std::string_view name, std::string_view value) {
    out.append(1, mark).append(name).append(value);
    mark = '&';
  };
  for (const std::string_view parameter : parameters) {
    if (!parameter.starts_with(kCommand)) {
      add("", parameter);
      continue;
    }
    if (written) continue;
    written = true;
    for (std::size_t at = 0; at <= after.size();) {
      const std::size_t end = std::min(after.find(kBetween, at), after.size());
      add(kCommand, encoded(std::string_view(after).substr(at, end - at)));
      at = end + 1;
    }
  }
  return out;
}

bool is_dry_run(std::string_view uri) {
  constexpr std::string_view kDryRun = "dryRun=";
  const auto parameters = parameters_of(uri);
  return std::any_of(parameters.begin(), parameters.end(), [&](std::string_view parameter) {
    return parameter.starts_with(kDryRun) && parameter.size() > kDryRun.size();
  });
}

}  // namespace gyre::schemas
