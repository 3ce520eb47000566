// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

// What the URI of a request to the Kubernetes API says beside the object.
namespace gyre::schemas {

/// The command of `exec` and `attach`, its words joined by blanks; empty if there is none. Falco's
/// own `ka.uri.param[command]` is its first word.
std::string command_of_uri(std::string_view uri);

/// The URI with what `change` makes of its command; itself, if that changes nothing.
std::string with_command(std::string_view uri,
                         const std::function<std::string(std::string_view)>& change);

/// Whether the API server was asked to check the request only (`dryRun=All`).
bool is_dry_run(std::string_view uri);

}  // namespace gyre::schemas
