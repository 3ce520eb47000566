// SPDX-License-Identifier: Apache-2.0
#include "stages/report/markdown.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "schemas/printable.h"

namespace gyre::stages {

namespace {

bool is_control(unsigned char byte) { return byte < 0x20 || byte == 0x7f; }

// One line of visible characters; with `keep_lines`, lines and tabs stay.
std::string flatten(std::string_view text, bool keep_lines) {
  std::string flat;
  flat.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t plain = schemas::plain_bytes(text, i);
    flat.append(text, i, plain);
    i += plain;
    if (i == text.size()) break;
    const char byte = text[i];
    const std::size_t unseen = schemas::unprintable_bytes(text, i);
    i += std::max<std::size_t>(unseen, 1);
    const bool control = is_control(static_cast<unsigned char>(byte));
    if ((keep_lines && (byte == '\n' || byte == '\t')) || (unseen == 0 && !control))
      flat += byte;
    else if (control)
      flat += ' ';
  }
  return flat;
}

std::size_t longest_backtick_run(std::string_view text) {
  std::size_t longest = 0;
  std::size_t run = 0;
  for (const char byte : text) {
    run = byte == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return longest;
}

bool is_word(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9');
}

// These mean something only in their place: at the start of a line, after a number or `www`, before
// `//`, or at the edge of a word.
bool special_here(std::string_view before, char byte, char next) {
  const bool at_start = before.find_first_not_of(' ') == std::string_view::npos;
  if (byte == '-' || byte == '+' || byte == '=') return at_start;
  if (byte == '_') return !is_word(next) || before.empty() || !is_word(before.back());
  if (byte != '.') return false;
  const bool number = before.find_first_not_of(" 0123456789") == std::string_view::npos;
  if (number || before.size() < 3) return number;
  const std::string_view three = before.substr(before.size() - 3);
  return std::all_of(three.begin(), three.end(), [](char c) { return c == 'w' || c == 'W'; });
}

constexpr std::string_view kAlways = "\\`*[]#!|~$^";

// Whether a byte may mean anything in Markdown; most text is copied past it.
constexpr auto kMayMean = [] {
  std::array<bool, 256> may{};
  for (const std::string_view bytes : {kAlways, std::string_view("<>&\"@:-+=_.")})
    for (const char byte : bytes) may[static_cast<unsigned char>(byte)] = true;
  return may;
}();

}  // namespace

std::string markdown_text(std::string_view text) {
  const std::string flat = flatten(text, false);
  std::string escaped;
  escaped.reserve(flat.size() + 16);
  for (std::size_t i = 0; i < flat.size(); ++i) {
    const std::size_t from = i;
    while (i < flat.size() && !kMayMean[static_cast<unsigned char>(flat[i])]) ++i;
    escaped.append(flat, from, i - from);
    if (i == flat.size()) break;
    const char byte = flat[i];
    if (byte == '<') {
      escaped += "&lt;";
    } else if (byte == '>') {
      escaped += "&gt;";
    } else if (byte == '&') {
      escaped += "&amp;";
    } else if (byte == '"') {
      escaped += "&quot;";
    } else if (byte == '@') {
      escaped += "(at)";  // some readers make links of what is left after the escapes
    } else if (byte == ':' && i + 1 < flat.size() && flat[i + 1] == '/') {
      escaped += "\\[:\\]";
    } else {
      const bool special = kAlways.find(byte) != std::string_view::npos ||
                           special_here(std::string_view(flat).substr(0, i), byte,
                                        i + 1 < flat.size() ? flat[i + 1] : ' ');
      if (special) escaped += '\\';
      escaped += byte;
    }
  }
  return escaped;
}

std::string markdown_code(std::string_view text) {
  std::string flat = flatten(text, false);
  if (flat.empty()) flat = " ";
  const std::string fence(longest_backtick_run(flat) + 1, '`');
  // CommonMark takes one blank off each side where both have one.
  const bool pad = flat.front() == '`' || flat.back() == '`' ||
                   (flat.front() == ' ' && flat.back() == ' ' &&
                    flat.find_first_not_of(' ') != std::string::npos);
  const std::string_view blank = pad ? " " : "";
  std::string code = fence;
  code.append(blank).append(flat).append(blank).append(fence);
  return code;
}

std::string markdown_block(std::string_view text, std::string_view language) {
  const std::string flat = flatten(text, true);
  const std::string fence(std::max<std::size_t>(3, longest_backtick_run(flat) + 1), '`');
  std::string block = fence;
  for (const char byte : language) {
    if ((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9')) block += byte;
  }
  block += '\n';
  block += flat;
  if (flat.empty() || flat.back() != '\n') block += '\n';
  block += fence;
  block += '\n';
  return block;
}

}  // namespace gyre::stages
