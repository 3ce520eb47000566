// SPDX-License-Identifier: Apache-2.0
#include "schemas/address.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "schemas/ascii.h"

namespace gyre::schemas {

namespace {

int number(std::string_view text) {
  int value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 && all_of(text, is_digit);
}

std::string_view class_of_v6(std::string_view address) {
  const std::string low = lowered(address);
  if (low == "::1") return "loopback";
  if (low == "::") return "unspecified";
  for (const std::string_view link : {"fe8", "fe9", "fea", "feb"})
    if (low.starts_with(link)) return "link_local";
  if (low.starts_with("fc") || low.starts_with("fd")) return "private";
  return low.starts_with("ff") ? "multicast" : "public";
}

std::string_view class_of_v4(std::string_view address) {
  const int first = number(address);
  const auto dot = address.find('.');
  const int second = dot == std::string_view::npos ? -1 : number(address.substr(dot + 1));
  if (address == "0.0.0.0") return "unspecified";
  if (first == 127) return "loopback";
  if (first == 169 && second == 254) return "link_local";
  if (first == 10 || (first == 172 && second >= 16 && second <= 31) ||
      (first == 192 && second == 168) || (first == 100 && second >= 64 && second <= 127))
    return "private";
  return first >= 224 ? "multicast" : "public";
}

std::size_t v4_length(std::string_view text) {
  std::size_t at = 0;
  for (int part = 0; part < 4; ++part) {
    if (part > 0) {
      if (at == text.size() || text[at] != '.') return 0;
      ++at;
    }
    const std::size_t from = at;
    while (at < text.size() && at - from < 4 && is_digit(text[at])) ++at;
    if (at == from || at - from > 3 || number(text.substr(from, at - from)) > 255) return 0;
  }
  return at;
}

// Groups of up to four hex digits, `::` once for a gap, a dotted end allowed; a digit somewhere,
// or a name like `ad::be` would be one.
std::size_t v6_length(std::string_view text) {
  constexpr std::size_t kLongest = 45;
  std::size_t at = 0;
  std::size_t colons = 0;
  std::size_t group = 0;
  bool gap = false;
  bool digit = false;
  for (; at < text.size() && at < kLongest; ++at) {
    const char c = text[at];
    if (c == ':') {
      if (at > 0 && text[at - 1] == ':') {
        if (gap) return 0;
        gap = true;
      }
      ++colons;
      group = 0;
    } else if (is_hex(c)) {
      digit = digit || is_digit(c);
      if (++group > 4) return 0;
    } else {
      break;
    }
  }
  if (at < text.size() && text[at] == '.' && colons >= 2) {
    const std::size_t from = at - group;
    const std::size_t dotted = v4_length(text.substr(from));
    return dotted == 0 ? 0 : from + dotted;
  }
  if (at > 0 && text[at - 1] == ':' && !(at > 1 && text[at - 2] == ':')) return 0;
  return digit && (gap ? colons <= 7 : colons == 7) ? at : 0;
}

}  // namespace

std::string_view address_class(std::string_view address) {
  if (address.empty()) return {};
  if (address.starts_with("::ffff:") && address.find('.') != std::string_view::npos)
    address.remove_prefix(7);
  static constexpr auto kMetadata = std::to_array<std::string_view>(
      {"169.254.169.254", "fd00:ec2::254",                 // most clouds
       "169.254.170.2", "169.254.170.23", "fd00:ec2::23",  // credentials of ECS tasks, EKS pods
       "100.100.100.200"});                                // Alibaba Cloud
  if (std::find(kMetadata.begin(), kMetadata.end(), address) != kMetadata.end()) return "metadata";
  return address.find(':') == std::string_view::npos ? class_of_v4(address) : class_of_v6(address);
}

std::optional<Peer> endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  Peer peer{text.substr(0, colon), text.substr(colon + 1)};
  if (peer.address.size() > 2 && peer.address.front() == '[' && peer.address.back() == ']')
    peer.address = peer.address.substr(1, peer.address.size() - 2);
  const bool address =
      all_of(peer.address, [](char c) { return is_hex(c) || c == '.' || c == ':'; });
  if (!address || !is_port(peer.port) || peer.address.find_first_of(".:") == std::string_view::npos)
    return std::nullopt;
  return peer;
}

Peer server_of(const Alert& alert) {
  const std::string_view name = alert.field("fd.name");
  const auto arrow = name.find("->");
  const auto peer = arrow == std::string_view::npos   ? endpoint(name)
                    : endpoint(name.substr(0, arrow)) ? endpoint(name.substr(arrow + 2))
                                                      : std::nullopt;
  if (peer) return *peer;
  const auto address = alert.field("fd.sip");
  if (const auto port = alert.field("fd.sport"); !port.empty()) return {address, port};
  const auto local = alert.field("fd.lport");
  const auto remote = alert.field("fd.rport");
  const bool use_local = remote.empty() || (!local.empty() && number(local) < number(remote));
  if (!address.empty()) return {address, use_local ? local : remote};
  return {alert.field(use_local ? "fd.lip" : "fd.rip"), use_local ? local : remote};
}

Peer client_of(const Alert& alert) {
  const std::string_view name = alert.field("fd.name");
  const auto arrow = name.find("->");
  if (arrow == std::string_view::npos || !endpoint(name.substr(arrow + 2))) return {};
  return endpoint(name.substr(0, arrow)).value_or(Peer{});
}

std::size_t address_length(std::string_view text) {
  const std::size_t dotted = v4_length(text);
  return dotted != 0 ? dotted : v6_length(text);
}

std::vector<std::string_view> addresses_in(std::string_view list) {
  constexpr std::string_view kBetween = " \t\n,;()[]\"'";
  std::vector<std::string_view> addresses;
  while (true) {
    const std::size_t begin = list.find_first_not_of(kBetween);
    if (begin == std::string_view::npos) return addresses;
    list.remove_prefix(begin);
    const std::string_view item = list.substr(0, list.find_first_of(kBetween));
    if (address_length(item) == item.size()) addresses.push_back(item);
    list.remove_prefix(item.size());
  }
}

}  // namespace gyre::schemas
