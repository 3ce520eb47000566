// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "schemas/alert.h"

namespace gyre::schemas {

/// `metadata` (the clouds' metadata and credential services), `loopback`, `unspecified`,
/// `link_local`, `private` (RFC 1918, RFC 6598, RFC 4193), `multicast` or `public`; empty for an
/// empty address. Takes what Falco prints: dotted IPv4, IPv6, IPv4 mapped into IPv6; anything else
/// is `public`.
std::string_view address_class(std::string_view address);

/// One end of a connection. The port may be empty.
struct Peer {
  std::string_view address;
  std::string_view port;
};

/// `address:port`; nothing if the text is anything else.
std::optional<Peer> endpoint(std::string_view text);

/// The server's end: of `client->server` in fd.name, else fd.sip and fd.sport, else the lower one
/// of fd.lport and fd.rport, which change sides for clients in containers (measured on real
/// alerts; the ephemeral port is the higher).
Peer server_of(const Alert& alert);

/// The client's end of `client->server` in fd.name; empty if it isn't there.
Peer client_of(const Alert& alert);

/// The addresses of a list as Falco prints it: `(198.51.100.7,203.0.113.9)`, `198.51.100.7,
/// 203.0.113.9`. What is no address is left out.
std::vector<std::string_view> addresses_in(std::string_view list);

/// The length of the IPv4 or IPv6 address at the start of `text`, 0 if there is none. What stands
/// before and behind it is the caller's to judge.
std::size_t address_length(std::string_view text);

}  // namespace gyre::schemas
